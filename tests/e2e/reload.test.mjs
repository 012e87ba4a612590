// SIGHUP: the configuration and the key are read again under load. What stays the same is not touched; what
// changed is taken over without a loss; a bad file changes nothing.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { streamKey } from '../peers/feed-server.mjs';
import { checkCovered, checkOnce, connectionsOf, feedLoad, gaps, passes, settled, tickers } from './numbered.mjs';
import { e2e, freePort, gate, SLACK, waitFor } from './support.mjs';

const keysOf = (streams) => streams.map((stream) => streamKey(stream.path, stream.params)).sort();
const has = (feed, streams) => waitFor(() => [...feed.subscriptions()].sort().join() === keysOf(streams).join(),
	`these subscriptions: ${keysOf(streams).slice(0, 3)}...`);
const subscribesOf = (feed, key) => feed.journal.filter((entry) => entry.what === 'subscribe' && entry.key === key).length;

async function start(scene, streams = tickers(20), options = {}) {
	const feed = await scene.feed(options);
	const load = feedLoad(scene, feed, streams, { rate: 500 });

	scene.config(scene.feedConfig(feed, streams));
	const daemon = scene.daemon();
	await has(feed, streams);
	load.start();
	await passes(scene, load);
	return { feed, load, daemon, streams };
}

async function finish(scene, { load, daemon, streams }) {
	load.stop();
	await settled(scene, load);
	await daemon.stop();
	await checkOnce(scene, load);
	await checkCovered(scene, { streams });
}

const wantedOf = (scene, feed, params) => scene.sql(`SELECT w.ended IS NULL AS is_wanted, w.ended >= w.started AS is_ended,
	(SELECT count(*) FROM coverage c WHERE c.stream_id = w.stream_id AND c.ended IS NULL) AS live
	FROM wanted w JOIN stream s USING (stream_id) JOIN feed f USING (feed_id) WHERE f.name = '${feed}' AND s.params = '${params}'`);

e2e('endpoints and feeds come and go under load; the others lose nothing and keep their connection', async (scene) => {
	const [a, b, c, d] = await Promise.all([4, 2, 4, 4].map((version) => scene.feed({ version })));
	const [gone, kept, added] = [tickers(5), tickers(15, 'p', 5), tickers(5, 'p', 20)];
	const quiet = tickers(10, 'q');
	const loads = {
		a: feedLoad(scene, a, kept, { name: 'a', rate: 500 }), b: feedLoad(scene, b, quiet, { name: 'b', rate: 300 }),
		c: feedLoad(scene, c, quiet, { name: 'c', rate: 100 }), d: feedLoad(scene, d, quiet, { name: 'd', rate: 100 }),
	};
	const extra = feedLoad(scene, a, [...gone, ...added], { name: 'extra', rate: 100 }); // only for those who ask
	const write = (endpoints, others) => scene.config([scene.feedConfig(a, endpoints, { name: 'a' }),
		scene.feedConfig(b, quiet, { name: 'b' }), ...others]);

	write([...gone, ...kept], [scene.feedConfig(c, quiet, { name: 'c' })]);
	const daemon = scene.daemon();
	for (const [feed, streams] of [[a, [...gone, ...kept]], [b, quiet], [c, quiet]])
		await has(feed, streams);
	for (const name of ['a', 'b', 'c']) {
		loads[name].start();
		await passes(scene, loads[name], name);
	}
	extra.start();
	loads.c.stop();
	await settled(scene, loads.c, 'c');
	// The same endpoint in other words is the same endpoint.
	const reworded = kept.map(({ path, params }, i) => (i === 0 ? { params, path, expect_every: '1h' } : { path, params }));
	write([...added, ...reworded.reverse()], [scene.feedConfig(d, quiet, { name: 'd' })]);
	daemon.signal('SIGHUP');
	await has(a, [...kept, ...added]);
	await has(d, quiet);
	await waitFor(() => c.sockets.size === 0, 'the end of feed c');
	loads.d.start();
	for (const name of ['a', 'b', 'd'])
		await passes(scene, loads[name], name);
	await passes(scene, extra, 'a');
	for (const load of [...Object.values(loads), extra])
		load.stop();
	for (const name of ['a', 'b', 'd'])
		await settled(scene, loads[name], name);
	const open = (await scene.sql('SELECT count(*) AS n FROM wanted WHERE ended IS NULL'))[0].n;
	await daemon.stop();

	for (const name of ['a', 'b', 'c', 'd'])
		await checkOnce(scene, loads[name], name);
	await checkCovered(scene, { feed: 'b', streams: quiet });
	await checkCovered(scene, { feed: 'd', streams: quiet });
	await checkCovered(scene, { feed: 'a', streams: [...kept, ...added] });
	assert.equal(open, kept.length + added.length + 2 * quiet.length, 'wanted endpoints');
	for (const [name, n] of [['a', 1], ['b', 1], ['c', 1], ['d', 1]])
		assert.equal((await connectionsOf(scene, name)).length, n, `connections of feed ${name}`);
	for (const key of keysOf(kept))
		assert.equal(subscribesOf(a, key), 1, `${key} was asked for again`);
	for (const { params } of gone)
		assert.deepEqual(await wantedOf(scene, 'a', JSON.stringify(params)), [{ is_wanted: 0, is_ended: 1, live: 0 }]);
	for (const { params } of quiet)
		assert.deepEqual(await wantedOf(scene, 'c', JSON.stringify(params)), [{ is_wanted: 0, is_ended: 1, live: 0 }]);
	assert.deepEqual(a.unsubscribed.slice(0, gone.length).sort(), keysOf(gone), 'what is gone is left, and nothing else');
	assert.deepEqual([...c.unsubscribed].sort(), keysOf(quiet));
	assert.deepEqual([a.counters.tokens, b.counters.tokens], [1, 1]);
	const after = await scene.sql("SELECT DISTINCT cause FROM gap WHERE feed = 'c' AND cause <> 'starting'");
	assert.deepEqual(after, [], 'what is not wanted has no gap');
});

e2e('an endpoint that is removed and comes back is recorded again, and not missed in between', async (scene) => {
	const world = await start(scene, tickers(3));
	const { feed, load, daemon } = world;
	const [first, ...rest] = tickers(3);

	load.stop();
	await settled(scene, load);
	scene.config(scene.feedConfig(feed, rest));
	daemon.signal('SIGHUP');
	await has(feed, rest);
	scene.config(scene.feedConfig(feed, [...rest, first]));
	daemon.signal('SIGHUP');
	await has(feed, tickers(3));
	load.start();
	await passes(scene, load);
	load.stop();
	await settled(scene, load);
	await daemon.stop();
	await checkOnce(scene, load);
	const rows = await wantedOf(scene, 'test', '{"ticker":"T0"}');
	assert.deepEqual(rows.map((row) => row.is_wanted), [0, 1]);
	assert.deepEqual((await gaps(scene)).filter((gap) => gap.cause !== 'starting'), []);
	assert.equal((await connectionsOf(scene)).length, 1);
});

// ---- a feed that changes ----

e2e('a feed whose address changed is handed over: the old connection stays until the new one has subscribed', async (scene) => {
	const world = await start(scene);
	const { feed, load, daemon, streams } = world;
	const target = await scene.feed();
	const { promise, open } = gate();

	target.tokens = feed.tokens;
	target.ackGate = (socket, what) => (what === 'subscribe' ? promise : Promise.resolve());
	load.publish = (event) => { feed.publish(event); target.publish(event); };
	scene.config(scene.feedConfig(feed, streams, { url: target.url }));
	daemon.signal('SIGHUP');
	await has(target, streams);
	await passes(scene, load);
	assert.equal(feed.sockets.size, 1, 'the old connection was given up too early');
	assert.equal(feed.counters.unsubscribes, 0);
	open();
	await waitFor(() => feed.sockets.size === 0, 'the end of the old connection');
	assert.equal(feed.counters.unsubscribes, streams.length);
	await passes(scene, load);
	await finish(scene, world);
	assert.deepEqual((await connectionsOf(scene)).map((row) => row.close_reason), ['handover', 'stopped']);
	assert.deepEqual(await scene.sql('SELECT count(*) AS n FROM feed'), [{ n: 1 }]);
});

e2e('a feed whose new address is dead goes on at the old one, and returns to it when told so', async (scene) => {
	const world = await start(scene);
	const { feed, load, daemon, streams } = world;

	scene.config(scene.feedConfig(feed, streams, { url: `http://127.0.0.1:${await freePort()}` }));
	daemon.signal('SIGHUP');
	await daemon.says(/cannot connect /);
	await passes(scene, load);
	assert.equal(feed.sockets.size, 1);
	scene.config(scene.feedConfig(feed, streams));
	daemon.signal('SIGHUP');
	await passes(scene, load);
	await waitFor(() => feed.sockets.size === 1 && feed.subscriptions().size === streams.length, 'one connection');
	await finish(scene, world);
});

e2e('a feed whose token comes from elsewhere now is handed over with one of those', async (scene) => {
	const world = await start(scene);
	const { feed, load, daemon, streams } = world;
	const elsewhere = await scene.feed();

	feed.tokens = elsewhere.tokens;
	scene.config(scene.feedConfig(feed, streams, { token: { url: `${elsewhere.url}/jwt` } }));
	daemon.signal('SIGHUP');
	await waitFor(() => feed.counters.connections === 2 && feed.sockets.size === 1, 'the handover');
	await passes(scene, load);
	await finish(scene, world);
	assert.equal(feed.used[1], elsewhere.issued[0]);
	assert.deepEqual((await connectionsOf(scene)).map((row) => row.close_reason), ['handover', 'stopped']);
});

e2e('a feed whose dialect changed is handed over and understood anew', async (scene) => {
	const world = await start(scene);
	const { feed, load, daemon, streams } = world;
	const both = (event) => { feed.publish(event); feed.event = 'tick'; feed.publish(event); feed.event = 'data'; };

	load.publish = both; // each connection understands one of the two
	scene.config(scene.feedConfig(feed, streams, { dialect: {
		subscribe: { event: 'subscribe', args: [{ path: '$path', params: '$params' }], ack: true },
		unsubscribe: { event: 'unsubscribe', args: [{ path: '$path', params: '$params' }], ack: true },
		data: { event: 'tick', path: '/path', params: '/params', timestamp: '/timestamp', results: '/results' },
	} }));
	daemon.signal('SIGHUP');
	await waitFor(() => feed.counters.connections === 2 && feed.sockets.size === 1, 'the handover');
	await passes(scene, load);
	await finish(scene, world);
	const [{ dialect }] = await scene.sql('SELECT dialect FROM feed');
	assert.match(dialect, /tick/);
});

// ---- what changes nothing ----

const BAD = [
	['no JSON', () => '{"database": "market.db", ', /config\.json/],
	['an unknown key', (config) => JSON.stringify({ ...config, databse: 'x' }), /databse/],
	['a wrong type, with its place', (config) => {
		config.feeds[0].endpoints[1].params = [];
		return JSON.stringify(config);
	}, /feeds\[0\]\.endpoints\[1\]\.params/],
	['two feeds of one name', (config) => JSON.stringify({ ...config, feeds: [config.feeds[0], config.feeds[0]] }), /test/],
	['a missing file of params', (config) => {
		config.feeds[0].endpoints = [{ path: 'p', params_file: 'nosuch.ndjson' }];
		return JSON.stringify(config);
	}, /nosuch\.ndjson/],
];

e2e('a bad file changes nothing, and the log names the fault', async (scene) => {
	const world = await start(scene);
	const { feed, load, daemon, streams } = world;
	const text = JSON.stringify({ database: 'market.db', feeds: [scene.feedConfig(feed, streams)] });

	for (const [what, make, fault] of BAD) {
		const from = daemon.stderr.length;

		scene.write('config.json', make(JSON.parse(text)));
		daemon.signal('SIGHUP');
		await waitFor(() => fault.test(daemon.stderr.slice(from)), `a line about ${what}`);
		assert.match(daemon.stderr.slice(from).split('\n').find((line) => fault.test(line)), /\b(error|warn)\b/, what);
		await passes(scene, load);
	}
	assert.equal(feed.counters.connections, 1);
	assert.equal(feed.counters.subscribes, streams.length);
	// A good one is taken after all of that.
	scene.config(scene.feedConfig(feed, [...streams, { path: 'new' }]));
	daemon.signal('SIGHUP');
	await has(feed, [...streams, { path: 'new' }]);
	await finish(scene, world);
});

const RESTART = [
	['database', { database: 'other.db' }],
	['buffer', { buffer: '128MiB' }],
	['file_mode', { file_mode: '0600' }],
	['rotate', { rotate: '1d' }],
	['status', { status: '127.0.0.1:1' }],
];

e2e('what needs a restart is told, and the rest of the file is taken', async (scene) => {
	const world = await start(scene);
	const { feed, load, daemon, streams } = world;

	for (const [i, [key, more]] of RESTART.entries()) {
		const endpoints = [...streams, { path: `new-${i}` }];
		const from = daemon.stderr.length;

		scene.config(scene.feedConfig(feed, endpoints), more);
		daemon.signal('SIGHUP');
		await waitFor(() => daemon.stderr.slice(from).split('\n').some((line) => line.includes(key) && /restart/.test(line)),
			`a line about ${key} and a restart`);
		await has(feed, endpoints);
		await passes(scene, load);
	}
	await finish(scene, world);
	assert.deepEqual(await scene.sql('SELECT count(*) > 0 AS n FROM event'), [{ n: 1 }], 'the old recording goes on');
	await assert.rejects(scene.sql('SELECT 1 FROM event', 'other.db'));
	assert.equal(feed.counters.connections, 1);
});

e2e('a changed key file is used at once: a new token is fetched, and the connection handed over', async (scene) => {
	const { feed, load, daemon } = await start(scene);
	const key = scene.key.split('').reverse().join('');

	scene.secrets.push(key);
	feed.apiKey = key;
	scene.write('api-key', `${key}\n`);
	const before = feed.tokenRequests.length;
	daemon.signal('SIGHUP');
	await waitFor(() => feed.counters.connections === 2 && feed.sockets.size === 1, 'the handover');
	load.stop();
	await settled(scene, load);
	await daemon.stop();
	await checkOnce(scene, load);
	assert.deepEqual([...new Set(feed.tokenRequests.slice(before).map(({ authorization }) => authorization))],
		[`Basic ${Buffer.from(`${key}:`).toString('base64')}`]);
});

e2e('many SIGHUPs in a row, and one while the server is away, do no harm', async (scene) => {
	const { feed, load, daemon, streams } = await start(scene);

	for (let i = 0; i < 50; i++) {
		daemon.signal('SIGHUP');
		if (i % 10 === 0)
			await passes(scene, load);
	}
	assert.equal(feed.counters.connections, 1);
	assert.equal(feed.counters.subscribes, streams.length);
	load.stop();
	await settled(scene, load);
	await checkOnce(scene, load);
	await feed.stop();
	await daemon.says(/disconnected /);
	scene.config(scene.feedConfig(feed, [...streams, { path: 'new' }]));
	daemon.signal('SIGHUP');
	await sleep(300);
	await feed.start();
	await waitFor(() => feed.subscriptions().size === streams.length + 1, 'all subscriptions', SLACK * 6000);
	await daemon.stop();
	assert.deepEqual([...new Set((await gaps(scene)).map((gap) => gap.cause))], ['network']);
});
