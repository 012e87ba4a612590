// Many endpoints over several connections, and many feeds that lose their server at the same moment.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkCovered, checkOnce, connectionsOf, feedLoad, settled, tickers } from './numbered.mjs';
import { e2e, SLACK, waitFor } from './support.mjs';

const IN_FLIGHT_MAX = 256;
const ACK_MS = 20;

e2e('5,000 endpoints over 4 connections: each asked for once, evenly spread, 256 unanswered at most', async (scene) => {
	const streams = tickers(5000);
	const feed = await scene.feed();
	const waiting = new Map();
	let most = 0;

	feed.ackGate = async (socket) => {
		waiting.set(socket, (waiting.get(socket) ?? 0) + 1);
		most = Math.max(most, waiting.get(socket));
		await sleep(ACK_MS);
		waiting.set(socket, waiting.get(socket) - 1);
	};
	scene.write('tickers.ndjson', streams.map(({ params }) => `${JSON.stringify(params)}\n`).join(''));
	scene.config(scene.feedConfig(feed, [{ path: 'p', params_file: 'tickers.ndjson' }], { connections: 4 }));
	const daemon = scene.daemon();
	await waitFor(() => feed.subscriptions().size === streams.length, 'all subscriptions', SLACK * 6000);
	assert.equal(feed.counters.subscribes, streams.length, 'each is asked for once');
	assert.equal(feed.sockets.size, 4);
	const sizes = [...feed.sockets.values()].map((keys) => keys.size);
	assert.ok(sizes.every((size) => size >= 1000 && size <= 1500), `spread: ${sizes}`);
	assert.ok(most <= IN_FLIGHT_MAX, `${most} unanswered`);
	await waitFor(() => daemon.stderr.match(/ subscribed feed=/g)?.length === 4, 'every answer');
	const load = feedLoad(scene, feed, streams);
	streams.forEach(() => load.next());
	await settled(scene, load);
	// One of the four is lost: the others go on, and only its part is asked for again.
	const [lost] = feed.numbers.values();
	const part = [...feed.sockets.values()][0].size;
	feed.cutOne(lost);
	await waitFor(() => feed.counters.connections === 5 && feed.subscriptions().size === streams.length, 'all four again', SLACK * 6000);
	assert.equal(feed.counters.subscribes, streams.length + part);
	streams.forEach(() => load.next());
	await settled(scene, load);
	// A handover of all four.
	daemon.signal('SIGUSR1');
	await waitFor(() => feed.counters.connections === 9 && feed.sockets.size === 4, 'the handover of all four', SLACK * 6000);
	streams.forEach(() => load.next());
	await settled(scene, load);
	await daemon.stop();
	await checkOnce(scene, load);
	const reasons = (await connectionsOf(scene)).map((row) => row.close_reason).sort();
	assert.deepEqual(reasons, [...Array(4).fill('handover'), 'network', ...Array(4).fill('stopped')]);
	const [{ n }] = await scene.sql("SELECT count(*) AS n FROM gap WHERE cause = 'network'");
	assert.equal(n, part, 'the gap is that of the lost part alone');
});

// The most that came within any `window` ms.
function densest(times, window) {
	const sorted = [...times].sort((a, b) => a - b);
	let most = 0;

	for (let first = 0, last = 0; last < sorted.length; last++) {
		while (sorted[last] - sorted[first] > window)
			first++;
		most = Math.max(most, last - first + 1);
	}
	return most;
}

e2e('100 feeds whose server restarts all come back, and not in lockstep', async (scene) => {
	const count = 100;
	const streams = tickers(3);
	const feed = await scene.feed();

	scene.config(Array.from({ length: count }, (_, i) => scene.feedConfig(feed, streams, { name: `f${i}` })));
	const daemon = scene.daemon();
	const complete = () => feed.sockets.size === count && [...feed.sockets.values()].every((keys) => keys.size === streams.length);
	await waitFor(complete, 'all feeds', SLACK * 6000);
	await feed.stop();
	const lost = "SELECT count(DISTINCT feed_id) AS n FROM connection WHERE established IS NOT NULL AND close_reason = 'network'";
	await waitFor(async () => (await scene.sql(lost))[0].n === count, 'that all have noticed');
	const before = feed.journal.length;
	await feed.start();
	await waitFor(complete, 'all feeds again', SLACK * 8000);
	const times = feed.journal.slice(before).filter(({ what }) => what === 'connection').map(({ at }) => at);
	assert.equal(times.length, count, 'each came back once');
	const most = densest(times, 100);
	assert.ok(most <= count / 2, `${most} of ${count} within 100 ms`);
	const load = feedLoad(scene, feed, streams);
	for (let i = 0; i < 30; i++)
		load.next();
	await scene.stored(30 * count);
	await daemon.stop();
	for (let i = 0; i < count; i += 10)
		await checkOnce(scene, load, `f${i}`);
	assert.deepEqual(await scene.sql("SELECT cause, count(*) AS n FROM gap WHERE cause NOT IN ('starting', 'stopped') GROUP BY cause"),
		[{ cause: 'network', n: count * streams.length }]);
	assert.ok(feed.tokenRequests.length <= 2 * count, `${feed.tokenRequests.length} tokens asked for`);
});

e2e('more connections than endpoints: each endpoint is asked for once', async (scene) => {
	const streams = tickers(3);
	const feed = await scene.feed();
	const load = feedLoad(scene, feed, streams);

	scene.config(scene.feedConfig(feed, streams, { connections: 16 })); // more than there are endpoints
	const daemon = scene.daemon();
	await waitFor(() => feed.subscriptions().size === streams.length, 'all subscriptions');
	for (let i = 0; i < 30; i++)
		load.next();
	await settled(scene, load);
	await daemon.stop();
	await checkOnce(scene, load);
	await checkCovered(scene, { streams });
	assert.equal(feed.counters.subscribes, streams.length);
});
