// Which generation a server speaks: named wrongly, and changed since the last time.
import { generationOf, VERSIONS } from '../peers/sockets.mjs';
import { misnamed, replaced } from './matrix.mjs';
import assert from 'node:assert/strict';
import { e2e, waitFor } from './support.mjs';

for (const version of VERSIONS.filter((each) => each !== '1.0')) {
	for (const named of ['0.9', 'eio3', 'eio4'].filter((each) => each !== generationOf(version)))
		misnamed(version, named);
}

for (const [from, to] of [['2', '4'], ['4', '2'], ['0.9', '4'], ['4', '0.9'], ['3', '2'], ['2', '3'], ['3', '0.9']])
	replaced(from, to);

// A middleware that asks a database lets clients in late: longer than one would wait for an unasked join.
for (const version of ['1.7', '2', '3', '4']) {
	e2e(`version ${version}: a server that takes half a second to let one in lets us in once`, async (scene) => {
		const feed = await scene.feed({ version });

		feed.admitDelay = 500;
		feed.greet = { path: 'p', params: {}, timestamp: 1400666400, results: ['hello'] };
		scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
		const daemon = scene.daemon();
		await waitFor(() => feed.subscriptions().size === 1, 'a subscription');
		await scene.stored(1);
		const { connections } = feed.counters;
		feed.cut();
		await waitFor(() => feed.sockets.size === 1 && feed.subscriptions().size === 1 && feed.counters.connections > connections, 'the next connection');
		await waitFor(async () => (await scene.sql('SELECT sum(received_events) AS n FROM connection WHERE established IS NOT NULL'))[0].n === 2, 'its greeting');
		assert.equal(feed.counters.connections, connections + 1);
		await daemon.stop();
		const rows = await scene.sql('SELECT close_reason AS r FROM connection ORDER BY connection_id');
		// Only the very first may have been a wrong guess; each of the others had one socket on the server.
		const guessed = rows.filter((row) => row.r === 'guessed').length;
		assert.ok(guessed <= (version < '3' ? 1 : 0), JSON.stringify(rows));
		assert.deepEqual(await scene.sql('SELECT received_events AS n FROM connection WHERE established IS NOT NULL'), [{ n: 1 }, { n: 1 }]);
		assert.deepEqual(await scene.sql('SELECT count(*) AS n FROM event'), [{ n: 1 }]);
	});
}
