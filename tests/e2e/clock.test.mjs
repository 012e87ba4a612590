// The wall clock jumps while the daemon records: libfaketime stands between it and the daemon, the monotonic
// clock stays as it is. Skipped where libfaketime is missing, and with a sanitizer, which must be loaded first.
import assert from 'node:assert/strict';
import { readdirSync, existsSync, renameSync } from 'node:fs';
import { checkCovered, checkOnce, connectionsOf, feedLoad, passes, settled, tickers } from './numbered.mjs';
import { e2e, waitFor } from './support.mjs';

const DAY_S = 86_400;
const STREAMS = tickers(10);
const library = readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/faketime/libfaketime.so.1`).find((file) => existsSync(file));
const skip = library === undefined ? 'no libfaketime: apt-get install faketime'
	: /san/.test(process.env.TAPEDECK_BIN ?? '') && 'a sanitizer does not come second';

// Sets the daemon's clock this far from the real one; in one step, as it is read all the time.
function setClock(scene, seconds) {
	scene.write('clock.new', `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}\n`);
	renameSync(scene.file('clock.new'), scene.file('clock'));
}

function startDaemon(scene) {
	return scene.daemon(undefined, [], { env: {
		...process.env, LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: scene.file('clock'), FAKETIME_NO_CACHE: '1',
		FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_DONT_RESET: '1',
	} });
}

const steps = (scene) => scene.sql('SELECT by FROM clock_step ORDER BY rowid');

for (const jumps of [[DAY_S, 0], [-DAY_S, 0]]) {
	e2e(`the clock jumps by ${jumps[0]} s and back: the same connection, no refresh, nothing lost`, async (scene) => {
		const feed = await scene.feed({ jwt: { lifetime: 7200 } });
		const load = feedLoad(scene, feed, STREAMS, { rate: 200 });

		setClock(scene, 0);
		scene.config(scene.feedConfig(feed, [...STREAMS, { path: 'quiet', expect_every: '1h' }]));
		const daemon = startDaemon(scene);
		await waitFor(() => feed.subscriptions().size === STREAMS.length + 1, 'the subscriptions');
		load.start();
		await passes(scene, load);
		for (const [i, offset] of jumps.entries()) {
			setClock(scene, offset);
			await waitFor(async () => (await steps(scene)).length === i + 1, `step ${i + 1} in clock_step`);
			await passes(scene, load);
		}
		load.stop();
		await settled(scene, load);
		await daemon.stop();
		await checkOnce(scene, load);
		await checkCovered(scene, { streams: STREAMS });
		assert.equal(feed.counters.connections, 1);
		assert.equal(feed.counters.tokenRequests, 1, 'the token was taken for old');
		assert.equal(feed.counters.unsubscribes, STREAMS.length + 1, 'the quiet endpoint was taken for silent');
		const found = await steps(scene);
		const sizes = [jumps[0], -jumps[0]];
		assert.equal(found.length, 2);
		found.forEach(({ by }, i) => assert.ok(Math.abs(by / 1e6 - sizes[i]) < 2, `step ${i + 1}: ${by} us`));
		assert.deepEqual(await scene.sql(`SELECT count(*) AS n FROM (SELECT received - lag(received) OVER (ORDER BY event_id) AS d FROM event) WHERE d < 0`),
			[{ n: 0 }], 'received never decreases');
		assert.deepEqual((await connectionsOf(scene)).map((row) => row.close_reason), ['stopped']);
	}, { skip });
}

e2e('a clock that is set back across a restart: received goes on from the last', async (scene) => {
	const feed = await scene.feed();
	const load = feedLoad(scene, feed, STREAMS, { rate: 200 });

	scene.config(scene.feedConfig(feed, STREAMS));
	for (const offset of [DAY_S, 0]) {
		setClock(scene, offset);
		const daemon = startDaemon(scene);
		await waitFor(() => feed.subscriptions().size === STREAMS.length, 'the subscriptions');
		load.start();
		await passes(scene, load);
		load.stop();
		await settled(scene, load);
		await daemon.stop();
		await waitFor(() => feed.sockets.size === 0, 'the end');
	}
	await checkOnce(scene, load);
	assert.deepEqual(await scene.sql(`SELECT count(*) AS n FROM (SELECT received - lag(received) OVER (ORDER BY event_id) AS d FROM event) WHERE d < 0`),
		[{ n: 0 }]);
	const wrong = await scene.sql('SELECT count(*) AS n FROM coverage WHERE ended < started');
	assert.deepEqual(wrong, [{ n: 0 }], 'coverage that ends before it starts');
}, { skip });
