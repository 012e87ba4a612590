// retention: a recording that is bounded loses what is old, nothing else, and says from when on it is complete.
import assert from 'node:assert/strict';
import { feedLoad, gaps, passes, settled, tickers } from './numbered.mjs';
import { e2e, waitFor } from './support.mjs';

const ROW_BYTES = 400; // of an event's results, at least

e2e('the oldest go, each event after them is there once, and rows, counters, coverage and gaps agree', async (scene) => {
	const feed = await scene.feed();
	const streams = tickers(10);
	const load = feedLoad(scene, feed, streams, { rate: 500, pad: ROW_BYTES });
	const endpoints = streams.map((stream) => ({ ...stream, table: 'ticks', index: [['n']] }));

	scene.config(scene.feedConfig(feed, endpoints), { retention: { bytes: '1MiB' }, duplicate_window: '1s' });
	const daemon = scene.daemon();
	await waitFor(() => [...feed.subscriptions()].length === streams.length, 'the subscriptions');
	load.start();
	await passes(scene, load);
	await waitFor(async () => (await scene.sql('SELECT min(event_id) AS first FROM event'))[0].first > 2000,
		'the second round of deletions', 120_000);
	load.stop();
	await waitFor(async () => (await scene.sql('SELECT sum(bytes) AS bytes FROM stream'))[0].bytes <= 2 ** 20,
		'no more than 1 MiB', 120_000);
	await settled(scene, load).catch(() => {});
	await daemon.stop();

	const numbers = (await scene.sql("SELECT results ->> '$[0].n' AS n FROM event ORDER BY event_id")).map((row) => row.n);
	const rows = (await scene.sql('SELECT n FROM ticks ORDER BY _row')).map((row) => row.n);

	assert.ok(numbers.length > 1000 && numbers.length < 2 ** 20 / ROW_BYTES, `${numbers.length} events are left`);
	assert.deepEqual(numbers, Array.from({ length: numbers.length }, (_, i) => load.last - numbers.length + 1 + i));
	assert.deepEqual(rows, numbers);
	const [kept] = await scene.sql(`SELECT min(retained_from) AS first, max(retained_from) AS last,
		(SELECT min(received) FROM event) AS event, (SELECT min(started) FROM coverage) AS covered,
		(SELECT min(started) FROM wanted) AS wanted, count(*) FILTER (WHERE events = 0) AS empty FROM stream`);
	assert.ok(kept.last <= kept.event && kept.first === kept.covered && kept.first === kept.wanted && kept.empty === 0,
		JSON.stringify(kept));
	assert.deepEqual((await gaps(scene)).filter((gap) => gap.cause !== 'stopped'), []);
	assert.match(daemon.stderr, /what is not to be kept any more was deleted/);
});

e2e('SIGHUP sets another limit; a feed without one keeps everything', async (scene) => {
	const [a, b] = await Promise.all([scene.feed(), scene.feed()]);
	const streams = tickers(3);
	const loads = { a: feedLoad(scene, a, streams, { name: 'a', rate: 200 }), b: feedLoad(scene, b, streams, { name: 'b', rate: 200 }) };
	const write = (more) => scene.config([scene.feedConfig(a, streams, { name: 'a', ...more }),
		scene.feedConfig(b, streams, { name: 'b' })], { duplicate_window: '10ms' });
	const countOf = async (name) => (await scene.sql(`SELECT sum(s.events) AS n FROM stream s JOIN feed f USING (feed_id) WHERE f.name = '${name}'`))[0].n;

	write({});
	const daemon = scene.daemon();
	for (const [name, feed] of [['a', a], ['b', b]]) {
		await waitFor(() => [...feed.subscriptions()].length === streams.length, 'the subscriptions');
		loads[name].start();
		await passes(scene, loads[name], name);
	}
	for (const load of Object.values(loads))
		load.stop();
	await settled(scene, loads.a, 'a');
	await settled(scene, loads.b, 'b');
	write({ retention: { age: '100ms' } });
	daemon.signal('SIGHUP');
	await waitFor(async () => await countOf('a') <= 1, 'the end of what feed a had sent, but for the newest event', 120_000);
	assert.equal(await countOf('b'), loads.b.last);
	await daemon.stop();
});
