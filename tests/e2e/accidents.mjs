// accidents: connections that are cut and daemons that are killed, in a row, under load.
import { passes } from './numbered.mjs';
import { SLACK, waitFor } from './support.mjs';

export const RECOVERY = { connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: true } };

// A row of 'cut' and 'SIGKILL', the kills spread over it: each starts the pauses between tries anew.
export function accidents(cuts = Number(process.env.TAPEDECK_CUTS ?? 5), kills = Number(process.env.TAPEDECK_KILLS ?? 3)) {
	const all = [];

	for (let done = 0, killed = 0; done < cuts || killed < kills;) {
		if (killed * (cuts + 1) < (done + 1) * kills && killed < kills && (done > killed || done >= cuts)) {
			all.push('SIGKILL');
			killed++;
		} else {
			all.push('cut');
			done++;
		}
	}
	return all;
}

// Does all of `steps`, each when the one before is recovered from; returns the daemon that runs at the end.
export async function runAccidents(scene, { feed, load, daemon }, steps, subscriptions) {
	let running = daemon;

	for (const step of steps) {
		const before = feed.counters.connections;

		if (step === 'cut') {
			feed.cut();
		} else {
			running.kill();
			await running.exit();
			running = scene.daemon();
		}
		await waitFor(() => feed.counters.connections > before && feed.sockets.size === 1
			&& feed.subscriptions().size === subscriptions, `recovery from a ${step}`, SLACK * 30_000);
		await passes(scene, load);
	}
	return running;
}
