// The feed that the other tests record from, tried with the real clients: a test against a server that
// does not do what it says proves nothing.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { startFeed } from '../peers/feed-server.mjs';
import { Market, startDemo } from '../peers/demo-server.mjs';
import { connect } from '../peers/sockets.mjs';
import { makeCanary, makeToken, tokenNeedles } from '../peers/token.mjs';
import { Scene, waitFor } from './support.mjs';

async function fetchToken(feed, key = 'a-key') {
	const authorization = `Basic ${Buffer.from(`${key}:`).toString('base64')}`;

	return fetch(`${feed.url}/jwt`, { method: 'POST', headers: { authorization } });
}

function emit(client, name, what) {
	return new Promise((resolve) => client.emit(name, what, resolve));
}

for (const version of [2, 4]) {
	test(`version ${version}: token, subscribe, data, unsubscribe, kick`, async (t) => {
		const feed = await startFeed({ version, apiKey: 'a-key' });
		const { token } = await (await fetchToken(feed)).json();
		const client = connect(version, feed.url, { query: { token }, reconnection: false });
		const texts = [];

		t.after(async () => { client.close(); await feed.stop(); });
		client.on('data', (event, ...more) => texts.push(JSON.stringify([event, ...more])));
		assert.equal(token.length, 9300);
		assert.equal(await emit(client, 'subscribe', { path: 'p', params: { b: '1', a: '2' } }), null);
		feed.publish({ path: 'p', params: { a: '2', b: '1' }, timestamp: 't', results: [1] });
		feed.publishText('p', { a: '2', b: '1' }, '{"path":"p", "results":[1.10,-0,"\\u00e9"]}', ['7']);
		feed.publish({ path: 'other', params: {}, timestamp: 't', results: [] });
		await waitFor(() => texts.length === 2, 'two events');
		assert.deepEqual(texts, ['[{"path":"p","params":{"a":"2","b":"1"},"timestamp":"t","results":[1]}]',
			'[{"path":"p","results":[1.1,0,"é"]},7]']);
		feed.refuse('p', {}, 'not today');
		assert.equal(await emit(client, 'subscribe', { path: 'p', params: {} }), 'not today');
		assert.equal(await emit(client, 'unsubscribe', { path: 'p', params: { a: '2', b: '1' } }), null);
		assert.equal(feed.subscriptions().size, 0);
		const gone = new Promise((resolve) => client.on('disconnect', resolve));
		feed.kick();
		assert.equal(await gone, 'io server disconnect');
	});

	test(`version ${version}: a connection without a valid token is refused in its own way`, async (t) => {
		const feed = await startFeed({ version });
		const client = connect(version, feed.url, { query: { token: 'made-up' }, reconnection: false });

		t.after(async () => { client.close(); await feed.stop(); });
		const error = await new Promise((resolve) => {
			client.on('connect', () => resolve('connected'));
			client.on(version === 2 ? 'error' : 'connect_error', resolve);
		});
		assert.deepEqual(version === 2 ? error : error.data, { code: 401 });
		assert.equal(feed.counters.refused, 1);
	});

	test(`version ${version}: stop, start on the same port, and a hard cut`, async (t) => {
		const feed = await startFeed({ version, needToken: false });
		const client = connect(version, feed.url, { transports: ['websocket'], reconnectionDelay: 50 });
		const { port } = feed;

		t.after(async () => { client.close(); await feed.stop(); });
		await waitFor(() => feed.counters.connections === 1, 'a connection');
		await feed.stop();
		await assert.rejects(fetchToken(feed));
		await feed.start();
		assert.equal(feed.port, port);
		await waitFor(() => feed.counters.connections === 2, 'a second connection');
		feed.cut({ reset: true });
		await waitFor(() => feed.counters.connections === 3, 'a third connection');
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

test('the demo plays busy and quiet minutes, tickers and closes in the feed\'s own time', async (t) => {
	const market = new Market();
	const feed = await startDemo({
		market, from: Date.parse('2014-05-21T19:50:00Z'), speed: 60, needToken: false,
	});
	const client = connect(4, feed.url, { transports: ['websocket'] });
	const events = [];

	t.after(async () => { client.close(); clearInterval(feed.timer); await feed.stop(); });
	client.on('data', (event) => events.push(event));
	assert.equal(await emit(client, 'subscribe', { path: 'tweet-volume', params: {} }), null);
	assert.equal(await emit(client, 'subscribe', { path: 'daily-close', params: {} }), null);
	assert.equal(await emit(client, 'subscribe', { path: 'weather', params: {} }), 'unknown path');
	await waitFor(() => events.some((event) => event.path === 'daily-close'), 'the closes');
	const closes = events.find((event) => event.path === 'daily-close');
	assert.equal(closes.timestamp, '2014-05-21T20:00:00.000Z');
	assert.deepEqual(Object.keys(closes.results[0]), ['date', 'ticker', 'close', 'volume']);
	await waitFor(() => events.some((event) => event.results.length === 0), 'a quiet minute');
	await waitFor(() => events.some((event) => event.path === 'tweet-volume' && event.results.length > 0), 'a busy minute');
	const busy = events.find((event) => event.path === 'tweet-volume' && event.results.length > 0);
	assert.deepEqual(Object.keys(busy.results[0]), ['ts', 'ticker', 'volume']);
	assert.equal(busy.results[0].ts, busy.timestamp);
});
