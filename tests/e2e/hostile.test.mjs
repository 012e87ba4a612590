// What a broken or hostile server tries, and what a user does to the files: no storm, no flood, no leak, no
// memory without end, and nothing goes missing in silence.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeToken } from '../peers/token.mjs';
import { e2e, waitFor } from './support.mjs';

let second = 1400666400;

function publish(feed, where = 'p') {
	feed.publish({ path: where, params: {}, timestamp: second++, results: [] });
}

const subscribed = (feed, n = 1) => waitFor(() => feed.subscriptions().size === n, `${n} subscriptions`);

e2e('a token that is over when it comes is asked for with growing pauses', async (scene) => {
	const feed = await scene.feed({ jwt: { lifetime: -60 } });

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await daemon.says(/cannot fetch the token .*was over when it came/);
	await sleep(2500);
	assert.ok(feed.counters.tokenRequests <= 8, `${feed.counters.tokenRequests} requests in 2.5 s`);
	feed.jwt.lifetime = 3600;
	await subscribed(feed);
	await daemon.stop();
});

e2e('a server that quotes key and tokens, the last one too, finds them withheld', async (scene) => {
	const feed = await scene.feed();

	scene.config(scene.feedConfig(feed, [{ path: 'p' }, { path: 'q' }]));
	feed.refuse('p', {}, `you came with ${scene.key}`);
	const daemon = scene.daemon(undefined, ['--log-level', 'debug']);
	await daemon.says(/refuses a subscription .*withheld/);
	feed.forgetTokens();
	feed.refuse('q', {}, `your first token was ${feed.issued[0].slice(100, 400)}`);
	feed.kick();
	await waitFor(() => feed.issued.length >= 2 && feed.counters.refusedSubscribes >= 3, 'a second session');
	await waitFor(() => (daemon.stderr.match(/path=q [^\n]*withheld/g) ?? []).length >= 1, 'the second refusal');
	await daemon.stop();
	// searchEverything, at the end of each test, looks for both.
});

e2e('errors on a live session do not flood the log', async (scene) => {
	const feed = await scene.feed();

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await subscribed(feed);
	for (let i = 0; i < 5000; i++)
		feed.emitRaw('4{"message":"no"}');
	publish(feed);
	await scene.stored(1);
	await daemon.stop();
	assert.ok(daemon.stderr.split('\n').length < 100, `${daemon.stderr.split('\n').length} lines`);
});

e2e('streams with endless names do not stay in memory', async (scene) => {
	const feed = await scene.feed({ socketio: { maxHttpBufferSize: 1e7 } });
	const name = 'n'.repeat(500_000);

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await subscribed(feed);
	for (let i = 0; i < 400; i++) {
		feed.broadcastText(JSON.stringify({ path: `${i}${name}`, timestamp: 1400666400 + i, results: [] }));
		if (i % 20 === 0)
			await scene.stored(Math.max(0, i - 40));
	}
	await scene.stored(400);
	const kib = Number(/VmRSS:\s+(\d+)/.exec(execFileSync('cat', [`/proc/${daemon.pid}/status`]))[1]);
	await daemon.stop();
	if (!/san/.test(process.env.TAPEDECK_BIN ?? '')) // a sanitizer keeps what is freed
		assert.ok(kib < 250 * 1024, `${kib} KiB after 200 MB of names`);
});

e2e('a recording that is taken away is missed loudly', async (scene) => {
	const feed = await scene.feed();

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await subscribed(feed);
	publish(feed);
	await scene.stored(1);
	renameSync(scene.file('market.db'), scene.file('elsewhere.db'));
	await daemon.says(/error the recording was removed or renamed/);
	renameSync(scene.file('elsewhere.db'), scene.file('market.db'));
	await daemon.stop();
});

e2e('a namespace that is never joined is given up', async (scene) => {
	const feed = await scene.feed({ version: 2 });
	let joins = 0;

	// A server of generation 3 that says "/" again and again and never the namespace that was asked for.
	feed.io.engine.on('connection', (socket) => {
		const timer = setInterval(() => socket.write('0'), 100);

		socket.on('data', (text) => { joins += text.startsWith('0/other') ? 1 : 0; });
		socket.on('close', () => clearInterval(timer));
	});
	feed.io.of('/other').use(() => {}); // neither accepts nor refuses
	scene.config(scene.feedConfig(feed, [{ path: 'p' }], { namespace: '/other' }));
	const daemon = scene.daemon();
	await waitFor(() => joins >= 1, 'a join');
	await sleep(1500);
	assert.equal(joins, 1, 'the join was repeated');
	await daemon.stop();
});

e2e('a token shorter than the answer takes is told, not thrown away in silence', async (scene) => {
	const token = makeToken({ canary: scene.key, bytes: 600, lifetime: 1 });
	const feed = await scene.feed({
		jwt: { respond: (request, response) => setTimeout(() => response.end(JSON.stringify({ token })), 1500) },
	});

	feed.issued.push(token);
	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await daemon.says(/lives for 1 s and was over when it came/);
	await daemon.stop();
});
