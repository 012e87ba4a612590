// Endpoints that fall silent on a live connection: subscribed again once, then the connection is handed over,
// once, then left alone; and the silence is a gap from the last event to the next.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { streamKey } from '../peers/feed-server.mjs';
import { checkOnce, connectionsOf, feedLoad, gaps, settled, tickers } from './numbered.mjs';
import { e2e, SLACK, waitFor } from './support.mjs';

const EARLY_MS = 50; // how much too early a thing may look: two clocks and a timer
const QUIET = (every) => every * 7; // long enough for everything that may still come

let tick = 0;

function speak(feed, path = 'p', results = [1]) {
	feed.publish({ path, params: {}, timestamp: 1400666400 + tick++, results });
}

const entries = (feed, what, key) => feed.journal.filter((entry) => entry.what === what && (key === undefined || entry.key === key));

async function start(scene, endpoints, options = {}) {
	const feed = await scene.feed(options);

	scene.config(scene.feedConfig(feed, endpoints));
	const daemon = scene.daemon();
	await waitFor(() => feed.subscriptions().size === endpoints.length, 'the subscriptions');
	return { feed, daemon };
}

// Says something on a stream again and again; returns what ends it.
function chatter(scene, feed, path, every, results) {
	const timer = setInterval(() => speak(feed, path, results), every);

	scene.loads.push({ stop: () => clearInterval(timer) });
}

const receivedOf = async (scene, path) => (await scene.sql(`SELECT received FROM event JOIN stream USING (stream_id)
	WHERE path = '${path}' ORDER BY event_id`)).map((row) => row.received);

// The gap is exactly the time between two events.
function checkGap(gap, last, next) {
	assert.equal(gap.cause, 'silent');
	assert.ok(Math.abs(gap.started - last) <= 5000, `starts ${gap.started - last} us after the last event`);
	assert.ok(Math.abs(gap.ended - next) <= 5000, `ends ${gap.ended - next} us after the next event`);
}

for (const every of [1000, 300]) {
	e2e(`expect_every ${every} ms: silence means subscribe again, then a handover, then nothing`, async (scene) => {
		const { feed, daemon } = await start(scene,
			[{ path: 'p', expect_every: `${every}ms` }, { path: 'q', expect_every: `${every}ms` }, { path: 'r' }]);
		const key = streamKey('p');
		let answered = 0;

		chatter(scene, feed, 'q', every / 3, []); // results without a row are a sign of life
		feed.ackGate = async (socket, what) => {
			if (what !== 'unsubscribe' || socket !== 1)
				return;
			await sleep(200);
			answered ||= Date.now();
		};
		speak(feed);
		const spoken = Date.now();
		await waitFor(() => entries(feed, 'subscribe', key).length === 2, 'the second subscribe', every * 3 + SLACK * 2000);
		const [left, asked] = [entries(feed, 'unsubscribe', key)[0], entries(feed, 'subscribe', key)[1]];
		assert.ok(left.at - spoken >= every * 3 - EARLY_MS, `left after ${left.at - spoken} ms`);
		assert.ok(asked.at >= answered && answered > 0, 'asked before the unsubscribe was answered');
		assert.equal(feed.counters.connections, 1);
		await waitFor(() => feed.counters.connections === 2 && feed.sockets.size === 1, 'the handover', every * 3 + SLACK * 2000);
		const handover = entries(feed, 'connection')[1];
		assert.ok(handover.at - asked.at >= every * 3 - EARLY_MS, `handed over ${handover.at - asked.at} ms after the subscribe`);
		await sleep(QUIET(every));
		const [open] = await gaps(scene);
		assert.deepEqual([open.path, open.cause, open.ended], ['p', 'silent', null], 'the gap while it lasts');
		speak(feed);
		await waitFor(async () => (await gaps(scene))[0]?.ended !== null, 'the end of the gap');
		await daemon.stop();
		assert.equal(feed.counters.connections, 2, 'one handover');
		// Both connections' first, and the one in between; the last unsubscribe is that of the end.
		assert.deepEqual(entries(feed, 'subscribe', key).map(({ socket }) => socket), [1, 1, 2]);
		assert.deepEqual(entries(feed, 'unsubscribe', key).map(({ socket }) => socket), [1, 1, 2]);
		for (const path of ['q', 'r'])
			assert.equal(entries(feed, 'subscribe', streamKey(path)).length, 2, `${path} is subscribed once on each connection`);
		const found = (await gaps(scene)).filter((gap) => gap.cause === 'silent');
		assert.deepEqual(found.map((gap) => gap.path), ['p']);
		checkGap(found[0], ...await receivedOf(scene, 'p'));
		assert.deepEqual((await gaps(scene)).filter((gap) => gap.path !== 'p'), []);
	});
}

e2e('a server that has forgotten a subscription gets it again, and the connection stays', async (scene) => {
	const every = 500;
	const streams = tickers(20);
	const { feed, daemon } = await start(scene, streams.map((stream) => ({ ...stream, expect_every: `${every}ms` })));
	const load = feedLoad(scene, feed, streams, { rate: 200 });
	const [lost] = streams;
	const key = streamKey(lost.path, lost.params);
	const lostAt = async (which) => (await scene.sql(`SELECT ${which}(received) AS at FROM event JOIN stream USING (stream_id)
		WHERE params = '{"ticker":"T0"}'`))[0].at;

	load.start();
	await scene.stored(100);
	feed.forget(lost.path, lost.params);
	const forgotten = Date.now();
	await waitFor(() => feed.subscriptions().has(key), 'the subscription again');
	const back = Date.now();
	const before = await lostAt('max');
	await waitFor(async () => await lostAt('max') > before, 'an event of it');
	await sleep(QUIET(every));
	load.stop();
	const ofOthers = load.sent.filter((at, n) => n > 0 && n % streams.length !== 0).length;
	const others = async () => (await scene.sql(`SELECT count(*) AS n FROM event JOIN stream USING (stream_id)
		WHERE params <> '{"ticker":"T0"}'`))[0].n;
	await waitFor(async () => await others() >= ofOthers, 'everything of the other streams');
	await daemon.stop();
	assert.equal(await others(), ofOthers);
	assert.equal(feed.counters.connections, 1);
	assert.equal(feed.counters.subscribes, streams.length + 1);
	const found = await gaps(scene);
	assert.deepEqual(found.map((gap) => [gap.params, gap.cause]), [['{"ticker":"T0"}', 'silent']]);
	assert.ok(found[0].started / 1000 <= forgotten + 100 && found[0].ended / 1000 >= back - 100, 'the gap is all of the silence');
	assert.ok(found[0].started / 1000 >= forgotten - 1000 && found[0].ended / 1000 <= back + SLACK * 1000, 'and no more');
});

e2e('a second silence is met with another subscribe, but within 10 minutes with no second handover', async (scene) => {
	const every = 300;
	const { feed, daemon } = await start(scene, [{ path: 'p', expect_every: `${every}ms` }, { path: 'q', expect_every: `${every}ms` }]);
	const key = streamKey('p');

	chatter(scene, feed, 'q', every / 3);
	speak(feed);
	await waitFor(() => feed.counters.connections === 2 && feed.sockets.size === 1, 'the handover', SLACK * 5000);
	speak(feed);
	await waitFor(() => entries(feed, 'subscribe', key).length === 4, 'a subscribe for the second silence', SLACK * 5000);
	await sleep(QUIET(every));
	assert.equal(feed.counters.connections, 2);
	assert.equal(entries(feed, 'subscribe', key).length, 4);
	speak(feed);
	await scene.stored(3);
	await waitFor(async () => (await gaps(scene)).every((gap) => gap.ended !== null), 'the end of the gaps');
	await daemon.stop();
	const received = await receivedOf(scene, 'p');
	const found = (await gaps(scene)).filter((gap) => gap.path === 'p');
	assert.equal(received.length, 3);
	assert.equal(found.length, 1, 'an event between two silences is a point, and parts no gap');
	checkGap(found[0], received[0], received[2]);
});

e2e('10,000 thin endpoints that fall silent together: each subscribed again once, one handover, then quiet', async (scene) => {
	const every = 1500; // three of them are longer than a busy machine takes to subscribe everything
	const streams = tickers(10_000);
	const { feed, daemon } = await start(scene, streams.map((stream) => ({ ...stream, expect_every: `${every}ms` })));
	const load = feedLoad(scene, feed, streams);
	const perSocket = (number) => {
		const counts = new Map();

		for (const { key } of entries(feed, 'subscribe').filter(({ socket }) => socket === number))
			counts.set(key, (counts.get(key) ?? 0) + 1);
		return [...counts.values()];
	};

	streams.forEach(() => load.next());
	await scene.stored(streams.length);
	await waitFor(() => feed.counters.connections === 2 && feed.sockets.size === 1, 'the handover', SLACK * 5000);
	await sleep(QUIET(every));
	await settled(scene, load);
	assert.equal(feed.counters.connections, 2, 'one handover');
	assert.ok(perSocket(1).every((n) => n <= 2), 'subscribed again at most once');
	assert.deepEqual([...new Set(perSocket(2))], [1], 'after the handover nothing more');
	assert.ok((await gaps(scene)).every((gap) => gap.cause === 'silent' && gap.ended === null));
	streams.forEach(() => load.next());
	await scene.stored(streams.length * 2);
	await daemon.stop();
	await checkOnce(scene, load);
	const found = await gaps(scene);
	assert.equal(found.length, streams.length, 'one gap for each');
	assert.ok(found.every((gap) => gap.cause === 'silent' && gap.ended !== null));
	assert.deepEqual((await connectionsOf(scene)).map((row) => row.close_reason), ['handover', 'stopped']);
});
