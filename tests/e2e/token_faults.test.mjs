// What a token endpoint may answer while an old token lives: recording goes on without a loss, the endpoint is
// asked without haste, and once it is well a handover follows. And what happens when the feed refuses a token.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { checkCovered, checkOnce, connectionsOf, feedLoad, gaps, passes, settled } from './numbered.mjs';
import { e2e, SLACK, waitFor } from './support.mjs';

const LIFE_S = 100;
const REFRESH = 0.02; // asked for anew after 2 s, so that the old token serves for long
const FAULT_MS = 6000;
const WINDOW_MS = 1000;
const STREAM = [{ path: 'p' }];

// Answers with these bytes, whatever they are.
const send = (bytes, headers = {}) => ({ respond: (request, response) => response.writeHead(200, { 'Content-Type': 'application/json', ...headers }).end(bytes) });

const FAULTS = {
	'an answer after 3 s': { jwt: { delay: 3000 }, isSlow: true },
	'no answer': { jwt: { hang: true }, token: { timeout: '1s' } },
	401: { jwt: { status: 401 } },
	403: { jwt: { status: 403 } },
	429: { jwt: { status: 429, headers: { 'Retry-After': '1' } } },
	500: { jwt: { status: 500 } },
	503: { jwt: { status: 503, body: '<h1>busy</h1>' } },
	'not JSON': { jwt: { body: 'token=CANARY' } },
	truncated: { jwt: { body: '{"token":"CANARY' } },
	'cut off': { jwt: { respond: (request, response) => {
		response.writeHead(200, { 'Content-Length': '500' });
		response.write('{"token":"');
		setTimeout(() => response.destroy(), 20);
	} } },
	empty: { jwt: { body: '' } },
	HTML: { jwt: { body: '<html><body>Log in</body></html>', headers: { 'Content-Type': 'text/html' } } },
	'an array': { jwt: { body: '["CANARY"]' } },
	null: { jwt: { body: 'null' } },
	'a number': { jwt: { body: '17' } },
	'CR in the token': { jwt: { body: '{"token":"CANARY\\rX-Evil: b"}' } },
	'LF in the token': { jwt: { body: '{"token":"CANARY\\nX-Evil: b"}' } },
	'NUL in the token': { jwt: { body: '{"token":"CANARY\\u0000b"}' } },
	'a redirect to another host': { jwt: { status: 307 }, redirects: true },
	'2 MiB': { jwt: { body: `{"pad":"${'x'.repeat(2 ** 21)}","token":"a"}` } },
	'a gzip bomb': { jwt: send(gzipSync(Buffer.concat([Buffer.from('{"token":"'), Buffer.alloc(2 ** 26, 'x'), Buffer.from('"}')])), { 'Content-Encoding': 'gzip' }) },
	'a reset': { jwt: { respond: (request) => request.socket.resetAndDestroy() } },
	'a token of 17 KB': { jwt: { body: `{"token":"${'x'.repeat(17_000)}"}` } },
};

// A server on another host's name that must never see the key.
async function stranger(scene) {
	const seen = [];
	const server = http.createServer((request, response) => {
		seen.push(JSON.stringify([request.url, request.headers]));
		response.end('{"token":"from-elsewhere"}');
	});

	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	scene.peers.push({ stop: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }) });
	return { seen, url: `http://localhost:${server.address().port}/jwt` };
}

async function startFeed(scene, other, [name, fault], i) {
	const feed = await scene.feed({ maxHeaderSize: 65536, jwt: { lifetime: (issued) => (issued === 0 ? LIFE_S : null) } });
	const bad = { ...fault.jwt };

	if (typeof bad.body === 'string')
		bad.body = bad.body.replaceAll('CANARY', scene.canary);
	if (fault.redirects)
		bad.headers = { Location: other.url };
	return { fault, bad, feed, name: `f${i}`, what: name, well: { ...feed.jwt },
		load: feedLoad(scene, feed, STREAM, { name, rate: 20 }) };
}

/* Requests are timed where they arrive; on a busy machine the first of two may be late by so much. */
const LATE_MS = 600;

// In no span of time were there more requests than one a second.
function checkHaste({ feed, what }) {
	const times = feed.tokenRequests.map(({ at }) => at);

	for (let i = 1; i < times.length; i++)
		for (let k = 0; k < i; k++)
			assert.ok(times[i] - times[k] >= (i - k) * WINDOW_MS - LATE_MS,
				`after ${what}: ${i - k + 1} requests within ${times[i] - times[k]} ms`);
}

async function checkFault(scene, one) {
	const { name, what, feed, load, fault } = one;

	await settled(scene, load, name);
	await checkOnce(scene, load, name);
	await checkCovered(scene, { feed: name, streams: STREAM });
	const rows = await connectionsOf(scene, name);
	assert.deepEqual(rows.map((row) => row.close_reason), ['handover', 'stopped'], what);
	assert.equal(new Set(feed.used).size, 2, `${what}: the second connection has the new token`);
	assert.ok(feed.tokenRequests.length >= (fault.isSlow ? 2 : 3), `${what}: it was asked again`);
	checkHaste(one);
}

e2e(`${Object.keys(FAULTS).length} faults of a token endpoint, while the old token lives`, async (scene) => {
	const other = await stranger(scene);
	const all = [];

	for (const [i, fault] of Object.entries(FAULTS).entries())
		all.push(await startFeed(scene, other, fault, i));
	scene.config(all.map(({ name, feed, fault }) => scene.feedConfig(feed, STREAM, { name, token: { refresh: REFRESH, ...fault.token } })));
	const daemon = scene.daemon();
	for (const { feed, bad, load } of all) {
		await waitFor(() => feed.subscriptions().size === 1, 'the first subscription');
		Object.assign(feed.jwt, bad);
		load.start();
	}
	for (const { what, feed, fault } of all)
		await waitFor(() => feed.tokenRequests.length >= (fault.isSlow ? 2 : 3), `a second try after ${what}`);
	await sleep(FAULT_MS);
	for (const { what, feed, fault, well } of all) {
		if (!fault.isSlow) {
			assert.equal(feed.counters.connections, 1, `${what}: the old connection stays`);
			assert.equal(feed.sockets.size, 1, what);
		}
		Object.assign(feed.jwt, well);
	}
	for (const { what, feed } of all)
		await waitFor(() => feed.counters.connections === 2 && feed.sockets.size === 1, `the handover after ${what}`, SLACK * 20_000);
	for (const { load, name } of all)
		await passes(scene, load, name);
	all.forEach(({ load }) => load.stop());
	for (const { load, name } of all)
		await settled(scene, load, name);
	const kib = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))[1]);
	await daemon.stop();
	for (const one of all)
		await checkFault(scene, one);
	assert.ok(!other.seen.some((text) => text.includes(Buffer.from(`${scene.key}:`).toString('base64')) || text.includes(scene.key)),
		'the key went to another host');
	if (!/san/.test(process.env.TAPEDECK_BIN ?? ''))
		assert.ok(kib < 200 * 1024, `${kib} KiB at most`);
});

// ---- tokens that the feed refuses ----

/* The token endpoint is asked once a second at the most, whatever happens. */
const TOKEN_EVERY_MS = 1000;

for (const version of [4, 2]) {
	e2e(`version ${version}: a refused token is fetched anew at once, then with growing pauses; the cause is told`, async (scene) => {
		const feed = await scene.feed({ version });
		const load = feedLoad(scene, feed, STREAM, { rate: 50 });
		const refusals = () => feed.journal.filter(({ what }) => what === 'refused');

		scene.config(scene.feedConfig(feed, STREAM));
		const daemon = scene.daemon();
		await waitFor(() => feed.subscriptions().size === 1, 'the subscription');
		load.start();
		await passes(scene, load);
		await waitFor(() => Date.now() - feed.tokenRequests[0].at > TOKEN_EVERY_MS, 'the time when a token may be asked for again');
		feed.admits = () => Object.assign(new Error('invalid token'), { data: { code: 401 } });
		feed.cut();
		await waitFor(() => refusals().length >= 1, 'a refusal', SLACK * 5000);
		await waitFor(() => feed.tokenRequests.length >= 2, 'a new token');
		const [refused, asked] = [refusals()[0].at, feed.tokenRequests[1].at];
		assert.ok(asked - refused < SLACK * 100, `asked ${asked - refused} ms after the refusal`);
		await sleep(4000);
		const requests = feed.tokenRequests.length;
		assert.ok(requests >= 3 && requests <= 8, `${requests} requests`);
		feed.admits = () => null;
		await waitFor(() => feed.subscriptions().size === 1, 'the subscription again', SLACK * 10_000);
		await passes(scene, load);
		load.stop();
		await settled(scene, load);
		await daemon.stop();
		const reasons = (await connectionsOf(scene)).map((row) => row.close_reason);
		assert.equal(reasons[0], 'network');
		assert.equal(reasons.at(-1), 'stopped');
		assert.deepEqual([...new Set(reasons.slice(1, -1))], ['token']);
		assert.deepEqual((await gaps(scene)).map((gap) => gap.cause), ['network', 'token'], 'one hole, two causes');
	});
}
