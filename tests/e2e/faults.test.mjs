// Lost servers, bad certificates, refusals: what is told, what comes back by itself.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { e2e, freePort, makeCertificates, SLACK, waitFor } from './support.mjs';

const BACK_MS = SLACK * 5000; // a lost server is back this long after it answers again

let second = 1400666400;

function publish(feed, path = 'p', params = {}) {
	feed.publish({ path, params, timestamp: second++, results: [] });
}

const subscribed = (feed, n, bound) => waitFor(() => feed.subscriptions().size === n, `${n} subscriptions`, bound);

e2e('an unreachable server is told and tried again until it is there', async (scene) => {
	const feed = await scene.feed();

	await feed.stop();
	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await daemon.says(/refused|connect/i);
	await sleep(1500);
	assert.ok(daemon.isRunning);
	await feed.start();
	await subscribed(feed, 1, BACK_MS);
	publish(feed);
	await scene.stored(1);
	await daemon.stop();
});

e2e('an unreachable feed is told and tried again, though its token endpoint answers', async (scene) => {
	const tokens = await scene.feed();
	const feed = await scene.feed({ port: await freePort() });

	await feed.stop();
	feed.tokens = tokens.tokens;
	scene.config(scene.feedConfig(feed, [{ path: 'p' }], { token: { url: `${tokens.url}/jwt` } }));
	const daemon = scene.daemon();
	await daemon.says(/refused|connect/i);
	await feed.start();
	await subscribed(feed, 1, BACK_MS);
	await daemon.stop();
});

const CERTIFICATES = [
	['wrongHost', /name|host/i],
	['expired', /expired/i],
	['selfSigned', /self.signed/i],
];

for (const [which, reason] of CERTIFICATES) {
	e2e(`a bad certificate is refused with its reason: ${which}`, async (scene) => {
		const feed = await scene.feed({ tls: makeCertificates(scene)[which] });

		scene.config(scene.feedConfig(feed, [{ path: 'p' }], { ca_file: 'ca.pem' }));
		const daemon = scene.daemon();
		await daemon.says(/certificate/i);
		await daemon.says(reason);
		assert.equal(feed.tokenRequests.length, 0, 'the key was sent over a refused connection');
		assert.ok(daemon.isRunning);
		await daemon.stop();
		assert.equal(feed.tokenRequests.length, 0);
	});
}

e2e('a certificate of an unknown CA is refused with its reason', async (scene) => {
	const feed = await scene.feed({ tls: makeCertificates(scene).good });

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
	const daemon = scene.daemon();
	await daemon.says(/issuer|unknown/i);
	await daemon.stop();
	assert.equal(feed.tokenRequests.length, 0);
});

// The token comes over plain HTTP here, so that it is the WebSocket's own check which must refuse.
e2e('the feed\'s own certificate is checked, too', async (scene) => {
	const tokens = await scene.feed();
	const feed = await scene.feed({ tls: makeCertificates(scene).expired });

	feed.tokens = tokens.tokens;
	scene.config(scene.feedConfig(feed, [{ path: 'p' }], { ca_file: 'ca.pem', token: { url: `${tokens.url}/jwt` } }));
	const daemon = scene.daemon();
	await daemon.says(/expired/i);
	await daemon.stop();
	assert.equal(feed.counters.connections + feed.counters.refused, 0);
});

for (const version of [4, 2]) {
	e2e(`version ${version}: https and wss with an own CA by ca_file`, async (scene) => {
		const feed = await scene.feed({ version, tls: makeCertificates(scene).good });

		scene.config(scene.feedConfig(feed, [{ path: 'p' }], { ca_file: 'ca.pem' }));
		const daemon = scene.daemon();
		await subscribed(feed, 1);
		for (let i = 0; i < 1000; i++)
			publish(feed);
		feed.publish({ path: 'p', params: {}, timestamp: second++, results: ['x'.repeat(2 ** 20)] });
		await scene.stored(1001);
		await daemon.stop();
	});

	e2e(`version ${version}: a server that stops for 3 s in mid stream gets all subscriptions back`, async (scene) => {
		const feed = await scene.feed({ version });
		const endpoints = Array.from({ length: 50 }, (_, i) => ({ path: 'p', params: { ticker: `T${i}` } }));

		scene.config(scene.feedConfig(feed, endpoints));
		const daemon = scene.daemon();
		await subscribed(feed, 50);
		const flood = setInterval(() => publish(feed, 'p', { ticker: 'T7' }), 1);
		await scene.stored(100);
		await feed.stop();
		clearInterval(flood);
		await sleep(3000);
		const before = (await scene.sql('SELECT count(*) AS n FROM event'))[0].n;
		await feed.start();
		await subscribed(feed, 50, BACK_MS);
		for (let i = 0; i < 50; i++)
			publish(feed, 'p', { ticker: `T${i}` });
		await scene.stored(before + 50);
		await daemon.stop();
		assert.deepEqual(await scene.sql('SELECT count(*) AS n FROM event'), [{ n: before + 50 }]);
		const connections = await scene.sql('SELECT close_reason FROM connection WHERE established IS NOT NULL');
		assert.equal(connections.length, 2);
		assert.ok(connections.every((row) => row.close_reason !== null), 'each close has its reason');
	});

	e2e(`version ${version}: a client that the server sends away comes back`, async (scene) => {
		const feed = await scene.feed({ version });

		scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
		const daemon = scene.daemon();
		for (const lose of [() => feed.kick(), () => feed.kick({ close: true }), () => feed.cut({ reset: true })]) {
			await subscribed(feed, 1);
			lose();
			await waitFor(() => feed.subscriptions().size === 0, 'the loss');
		}
		await subscribed(feed, 1, BACK_MS);
		publish(feed);
		await scene.stored(1);
		await daemon.stop();
		assert.equal(feed.counters.connections, 4);
		assert.deepEqual((await scene.sql('SELECT close_reason AS r FROM connection ORDER BY connection_id')).slice(0, 3).map((row) => row.r),
			['disconnected', 'disconnected', 'network']);
	});
}

e2e('a refused subscription is told with path and params and tried again; the others record', async (scene) => {
	const feed = await scene.feed();

	feed.refuse('bad', { ticker: 'XX' }, 'no such ticker');
	scene.config(scene.feedConfig(feed, [{ path: 'good' }, { path: 'bad', params: { ticker: 'XX' } }, { path: 'fine' }]));
	const daemon = scene.daemon();
	await subscribed(feed, 2);
	await daemon.says(/no such ticker/);
	const line = daemon.stderr.split('\n').find((text) => text.includes('no such ticker'));
	assert.match(line, /bad/);
	assert.match(line, /ticker.*XX/);
	publish(feed, 'good');
	publish(feed, 'fine');
	await scene.stored(2);
	feed.refuse('bad', { ticker: 'XX' }, null);
	await subscribed(feed, 3, SLACK * 10_000);
	publish(feed, 'bad', { ticker: 'XX' });
	await scene.stored(3);
	await daemon.stop();
	assert.equal(feed.counters.connections, 1, 'a refusal must not cost the connection');
});

e2e('10,000 endpoints from a file are subscribed, and told apart', async (scene) => {
	const feed = await scene.feed();
	const total = 10_000;

	scene.write('tickers.ndjson', Array.from({ length: total }, (_, i) => `{"ticker": "T${i}"}\n`).join(''));
	scene.config(scene.feedConfig(feed, [{ path: 'p', params_file: 'tickers.ndjson' }]));
	const daemon = scene.daemon();
	await subscribed(feed, total);
	assert.equal(feed.counters.subscribes, total);
	for (let i = 0; i < total; i++)
		publish(feed, 'p', { ticker: `T${i}` });
	await scene.stored(total);
	await daemon.stop();
	assert.deepEqual(await scene.sql('SELECT events, count(*) AS streams FROM stream_summary GROUP BY events'),
		[{ events: 1, streams: total }]);
	assert.equal(feed.counters.unsubscribes, total);
});

e2e('an event of a stream that nobody configured is stored, and told with the nearest endpoint', async (scene) => {
	const feed = await scene.feed();

	scene.config(scene.feedConfig(feed, [{ path: 'crowd-sentiment' }, { path: '/real-time/ticks', params: { ticker: 'AAPL' } }]));
	const daemon = scene.daemon();
	await subscribed(feed, 2);
	for (let i = 0; i < 3; i++)
		feed.broadcastText(`{"path":"/real-time/ticks","params":{"ticker":"AAPLE"},"timestamp":${second++},"results":[]}`);
	await scene.stored(3);
	await daemon.stop();
	const lines = daemon.stderr.split('\n').filter((text) => text.includes('AAPLE'));
	assert.equal(lines.length, 1, 'the first is told, not each');
	assert.match(lines[0], /AAPL\b(?!E)/);
	assert.deepEqual(await scene.sql('SELECT path, params, events FROM stream_summary WHERE events > 0'),
		[{ path: '/real-time/ticks', params: '{"ticker":"AAPLE"}', events: 3 }]);
});

e2e('two feeds in one recording: the loss of one does not touch the other', async (scene) => {
	const [one, two] = [await scene.feed({ version: 4 }), await scene.feed({ version: 2 })];

	scene.config([scene.feedConfig(one, [{ path: 'p' }], { name: 'one' }), scene.feedConfig(two, [{ path: 'p' }], { name: 'two' })]);
	const daemon = scene.daemon();
	await subscribed(one, 1);
	await subscribed(two, 1);
	publish(one);
	publish(two);
	await scene.stored(2);
	await one.stop();
	publish(two);
	await scene.stored(3);
	await one.start();
	await subscribed(one, 1, BACK_MS);
	publish(one);
	await scene.stored(4);
	await daemon.stop();
	assert.equal(two.counters.connections, 1);
	assert.deepEqual(await scene.sql('SELECT feed, path, events FROM stream_summary ORDER BY feed'),
		[{ feed: 'one', path: 'p', events: 2 }, { feed: 'two', path: 'p', events: 2 }]);
});
