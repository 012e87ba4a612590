// The feed that the other tests record from, tried with the real clients: a test against a server that
// does not do what it says proves nothing.
import test, { after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFeed } from '../peers/feed-server.mjs';
import { connect, VERSIONS } from '../peers/sockets.mjs';
import { makeCanary, makeToken, tokenNeedles } from '../peers/token.mjs';
import { Scene, waitFor } from './support.mjs';

// The old clients keep timers of their own that nobody can stop; they must not keep the process.
after(() => setTimeout(() => process.exit(), 1000).unref());

async function fetchToken(feed, key = 'a-key') {
	const authorization = `Basic ${Buffer.from(`${key}:`).toString('base64')}`;

	return fetch(`${feed.url}/jwt`, { method: 'POST', headers: { authorization } });
}

function emit(client, name, what) {
	return new Promise((resolve) => client.emit(name, what, resolve));
}

const WAYS = {
	websocket: ['websocket'], polling: ['polling'], upgrade: ['polling', 'websocket'],
};
const waysOf = (version) => (version === '0.9' ? ['websocket', 'polling'] : Object.keys(WAYS));
const REFUSED = { '0.9': 'handshake unauthorized', 1: { code: 401 } };

// A client of 0.9 that was never connected cannot be closed; one of 1.0 and 1.3 must be told not to come back.
function hangUp(client) {
	client.io?.reconnection(false);
	if (client.close !== undefined)
		client.close();
	else if (client.socket.connected)
		client.disconnect();
}

// A client of that version with a token of the feed. It and the feed end with the test.
async function connectTo(t, feed, version, options) {
	const query = feed.needToken ? { token: (await (await fetchToken(feed)).json()).token } : {};
	const client = connect(version, feed.url, { query, reconnection: false, ...options });

	t.after(async () => {
		hangUp(client);
		await sleep(50); // cut in the middle of its farewell, a client of 1.3 waits half a minute
		await feed.stop();
	});
	return client;
}

for (const version of VERSIONS) {
	for (const way of waysOf(version)) {
		test(`version ${version}, ${way}: token, subscribe, data, unsubscribe, kick`, async (t) => {
			const feed = await startFeed({ version, apiKey: 'a-key' });
			const client = await connectTo(t, feed, version, { transports: WAYS[way] });
			const gone = new Promise((resolve) => client.on('disconnect', resolve));
			const texts = [];

			client.on('data', (event, ...more) => texts.push(JSON.stringify([event, ...more])));
			assert.equal(await emit(client, 'subscribe', { path: 'p', params: { b: '1', a: '2' } }), null);
			feed.publish({ path: 'p', params: { a: '2', b: '1' }, timestamp: 't', results: ['é😀'] });
			feed.publishText('p', { a: '2', b: '1' }, '{"path":"p", "results":[1.10,-0,"\\u00e9é"]}', ['7']);
			feed.publish({ path: 'other', params: {}, timestamp: 't', results: [] });
			await waitFor(() => texts.length === 2, 'two events');
			assert.deepEqual(texts, ['[{"path":"p","params":{"a":"2","b":"1"},"timestamp":"t","results":["é😀"]}]',
				'[{"path":"p","results":[1.1,0,"éé"]},7]']);
			feed.refuse('p', {}, 'not today');
			assert.equal(await emit(client, 'subscribe', { path: 'p', params: {} }), 'not today');
			await waitFor(() => feed.transports()[0] === (way === 'upgrade' ? 'websocket' : way), `the way ${way}`);
			assert.equal(await emit(client, 'unsubscribe', { path: 'p', params: { a: '2', b: '1' } }), null);
			assert.equal(feed.subscriptions().size, 0);
			feed.kick();
			assert.equal(await gone, version === '0.9' ? 'booted' : 'io server disconnect');
			assert.equal(feed.counters.connections, 1);
		});
	}

	test(`version ${version}: a connection without a valid token is refused in its own way`, async (t) => {
		const feed = await startFeed({ version });
		const client = await connectTo(t, feed, version, { query: { token: 'made-up' } });
		const isNew = Number(version) >= 3;

		const error = await new Promise((resolve) => {
			client.on('connect', () => resolve('connected'));
			client.on(isNew ? 'connect_error' : 'error', resolve);
		});
		assert.deepEqual(isNew ? error.data : error, REFUSED[version] ?? REFUSED[1]);
		assert.equal(feed.counters.refused, 1);
		assert.equal(feed.counters.connections, 0);
	});

	test(`version ${version}: stop, start on the same port, and a hard cut`, async (t) => {
		const feed = await startFeed({ version, needToken: false });
		const { port } = feed;

		// The timeout is for ws of 1.3, which may not notice that its handshake was cut.
		await connectTo(t, feed, version, {
			transports: ['websocket'], reconnection: true, reconnectionDelay: 50, timeout: 2000,
		});
		await waitFor(() => feed.counters.connections === 1, 'a connection');
		await feed.stop();
		await assert.rejects(fetchToken(feed));
		await feed.start();
		assert.equal(feed.port, port);
		await waitFor(() => feed.counters.connections === 2, 'a second connection');
		feed.cut({ reset: true });
		await waitFor(() => feed.counters.connections === 3, 'a third connection');
	});

	test(`version ${version}: namespace, way and heartbeat as asked; requests are remembered`, async (t) => {
		const feed = await startFeed({
			version, namespace: '/feed', transports: ['polling'], needToken: false,
			socketio: { pingInterval: 200, pingTimeout: 300 },
		});
		const client = await connectTo(t, feed, version, { transports: ['polling'] });
		const joined = version === '0.9' ? client.of('/feed') : client.io.socket('/feed');
		const texts = [];

		joined.connect?.(); // of itself only in some versions
		joined.on('data', (event) => texts.push(event.results));
		assert.equal(await emit(joined, 'subscribe', { path: 'p', params: {} }), null);
		await sleep(1000); // two of the server's patiences
		feed.publish({ path: 'p', params: {}, results: 1 });
		await waitFor(() => texts.length === 1, 'an event');
		assert.deepEqual(feed.transports(), ['polling']);
		assert.equal(feed.counters.connections, 1);
		assert.ok(feed.requests.some(({ kind, method }) => kind === 'http' && method === 'POST'));
		assert.ok(feed.requests.every(({ kind, url, headers }) => kind === 'http'
			&& url.startsWith('/socket.io/') && headers.host === `127.0.0.1:${feed.port}`));
	});
}

for (const [older, newer] of [['1.7', 4], [2, 4], [2, 3]]) {
	test(`version ${newer} with allowEIO3 serves a client of version ${older}`, async (t) => {
		const feed = await startFeed({ version: newer, allowEIO3: true });
		const client = await connectTo(t, feed, older, {});

		assert.equal(await emit(client, 'subscribe', { path: 'p', params: {} }), null);
	});
}

test('the token endpoint acts out its faults', async (t) => {
	const feed = await startFeed({ apiKey: 'a-key' });

	t.after(() => feed.stop());
	assert.equal((await fetchToken(feed, 'wrong')).status, 401);
	Object.assign(feed.jwt, { bare: true, bytes: 16384, lifetime: 60 });
	const token = await (await fetchToken(feed)).json();
	assert.equal(token.length, 16384);
	const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
	assert.equal(claims.exp - claims.iat, 60);
	Object.assign(feed.jwt, { status: 503, body: 'busy' });
	const busy = await fetchToken(feed);
	assert.equal(busy.status, 503);
	assert.equal(await busy.text(), 'busy');
	assert.equal(feed.counters.tokens, 1);
	assert.equal(feed.tokenRequests.length, 3);
});

test('every long part of a token holds a needle', () => {
	const canary = makeCanary();
	const token = makeToken({ canary });
	const needles = tokenNeedles(token, canary);

	for (let at = 200; at + 64 < token.length - 43; at += 50)
		assert.ok(needles.some((needle) => token.slice(at, at + 64).includes(needle)), `at ${at}`);
});

test('the search for secrets finds the key, its Basic form, and a part of a token, wherever it lies', async (t) => {
	const scene = new Scene();
	const feed = await scene.feed();
	const { token } = await (await fetchToken(feed, scene.key)).json();

	t.after(() => scene.end());
	scene.searchEverything(); // the key file is the test's own
	for (const secret of [scene.key, Buffer.from(`${scene.key}:`).toString('base64'), token.slice(3000, 3064), token.slice(-60)]) {
		const file = scene.write('market.db-wal', `\0\xff${secret}`);

		scene.own.delete('market.db-wal');
		assert.throws(() => scene.searchEverything(), /market\.db-wal holds a secret/);
		rmSync(file);
		scene.daemons = [{ stderr: `token=${secret}`, stdout: '', kill() {} }];
		assert.throws(() => scene.searchEverything(), /standard error holds a secret/);
		scene.daemons = [];
	}
	const child = spawn('sleep', ['60'], { env: { KEY: scene.key } });
	t.after(() => child.kill());
	await waitFor(() => readFileSync(`/proc/${child.pid}/cmdline`, 'latin1').startsWith('sleep'), 'a process');
	assert.throws(() => scene.searchProcess(child.pid), /environ holds a secret/);
});
