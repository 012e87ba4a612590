// The token: every form that is accepted, every answer that is not, and what happens then.
import assert from 'node:assert/strict';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { e2e, SLACK, waitFor } from './support.mjs';

// Publishes until `n` events are stored: tells that the feed is live, whatever happened before.
async function isRecording(scene, feed, n = 1) {
	let second = Math.floor(Date.now() / 1000) * 1000;

	await waitFor(() => feed.subscriptions().size > 0, 'a subscription', SLACK * 10_000);
	for (let i = 0; i < n; i++)
		feed.publish({ path: 'p', params: {}, timestamp: second++, results: [] });
	await scene.stored(n);
}

function start(scene, feed, token = {}, more = {}) {
	scene.config(scene.feedConfig(feed, [{ path: 'p' }], { token, ...more }));
	return scene.daemon();
}

const FORMS = [
	['a bare JSON string', {}, { bare: true }, {}],
	['another member', {}, { member: 'access' }, { member: 'access' }],
	['a token of 16 KiB', { maxHeaderSize: 65536 }, { bytes: 16384 }, {}],
	['a short token with exp', {}, { bytes: 300, lifetime: 3600 }, {}],
	['an answer after 3 s', {}, { delay: 3000 }, {}],
];

for (const [name, options, jwt, token] of FORMS) {
	e2e(`accepted: ${name}`, async (scene) => {
		const feed = await scene.feed({ ...options, jwt });
		const daemon = start(scene, feed, token);

		await isRecording(scene, feed);
		await daemon.stop();
		assert.equal(feed.counters.tokens, 1);
	});
}

e2e('the token request names the key as user, with an empty password', async (scene) => {
	const feed = await scene.feed();
	const daemon = start(scene, feed);

	await isRecording(scene, feed);
	await daemon.stop();
	assert.equal(feed.tokenRequests[0].authorization, `Basic ${Buffer.from(`${scene.key}:`).toString('base64')}`);
	assert.equal(feed.tokenRequests[0].url, '/jwt');
});

e2e('the key from an environment variable does not stay in the environment', async (scene) => {
	const feed = await scene.feed();

	scene.config(scene.feedConfig(feed, [{ path: 'p' }], {
		token: { api_key_file: undefined, api_key_env: 'TAPEDECK_TEST_KEY' },
	}));
	const daemon = scene.daemon(undefined, [], { env: { ...process.env, TAPEDECK_TEST_KEY: scene.key } });
	await isRecording(scene, feed);
	await daemon.stop(); // searches /proc/PID/environ
});

e2e('a wrong API key is told, tried again without haste, and ends only by a signal', async (scene) => {
	const feed = await scene.feed({ apiKey: 'another' });
	const daemon = start(scene, feed);

	await daemon.says(/401/);
	assert.match(daemon.stderr, /key/i);
	await waitFor(() => feed.tokenRequests.length >= 3, 'a third try');
	assert.ok(daemon.isRunning);
	const { at: first } = feed.tokenRequests[0];
	assert.ok(feed.tokenRequests[2].at - first > 300, 'a pause that grows');
	await daemon.stop();
});

e2e('a refused token is fetched anew', async (scene) => {
	const feed = await scene.feed();
	const daemon = start(scene, feed);

	await isRecording(scene, feed);
	feed.forgetTokens();
	feed.kick();
	await waitFor(() => feed.counters.tokens >= 2, 'a second token');
	await isRecording(scene, feed, 2);
	await daemon.stop();
	assert.ok(feed.counters.refused >= 1, 'the old token was tried');
	assert.notEqual(feed.issued[0], feed.issued[1]);
});

e2e('a redirect to another host does not get the key', async (scene, t) => {
	const feed = await scene.feed();
	const seen = [];
	const other = http.createServer((request, response) => {
		seen.push(JSON.stringify([request.url, request.headers]));
		response.end('{"token":"from-elsewhere"}');
	});

	await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
	t.after(() => other.close());
	Object.assign(feed.jwt, { status: 307, headers: { Location: `http://localhost:${other.address().port}/jwt` } });
	const daemon = start(scene, feed);
	await waitFor(() => feed.tokenRequests.length >= 2, 'a second try');
	assert.match(daemon.stderr, /redirect/i);
	const secret = Buffer.from(`${scene.key}:`).toString('base64');
	assert.ok(!seen.some((text) => text.includes(secret) || text.includes(scene.key)), 'the key went elsewhere');
	assert.equal(feed.counters.connections + feed.counters.refused, 0);
	Object.assign(feed.jwt, { status: 200, headers: {} });
	await isRecording(scene, feed);
	await daemon.stop();
});

e2e('a token endpoint that hangs is given up after the timeout and tried again', async (scene) => {
	const feed = await scene.feed({ jwt: { hang: true } });
	const daemon = start(scene, feed, { timeout: '500ms' });

	await waitFor(() => feed.tokenRequests.length >= 2, 'a second try');
	assert.match(daemon.stderr, /time/i);
	feed.jwt.hang = false;
	await isRecording(scene, feed);
	await daemon.stop();
});

const BAD = [
	['an HTML page', { body: '<html><body>Log in</body></html>' }],
	['an empty answer', { body: '' }],
	['a number', { body: '5' }],
	['an array', { body: '["a"]' }],
	['null', { body: 'null' }],
	['no such member', { body: '{"tocken":"a"}' }],
	['a token with a line end', { body: '{"token":"a\\r\\nX-Evil: b"}' }],
	['a token with a NUL', { body: '"a\\u0000b"' }],
	['an empty token', { body: '{"token":""}' }],
	['a token over 16 KiB', { body: `"${'x'.repeat(16385)}"` }],
	['a truncated answer', { body: '{"token":"abc' }],
	['2 MiB', { body: `{"pad":"${'x'.repeat(2 ** 21)}","token":"a"}` }],
	['429', { status: 429 }],
	['500', { status: 500 }],
	['503 in HTML', { status: 503, body: '<h1>busy</h1>' }],
];

// One daemon for each, all at once: each answers badly for two tries and then well.
e2e('answers that hold no token are told, tried again, and do no harm', async (scene) => {
	const feeds = [];

	for (const [name, jwt] of BAD)
		feeds.push([name, await scene.feed({ jwt })]);
	scene.config(feeds.map(([, feed], i) => scene.feedConfig(feed, [{ path: 'p' }], { name: `feed-${i}` })));
	const daemon = scene.daemon();
	for (const [i, [name, feed]] of feeds.entries()) {
		await waitFor(() => feed.tokenRequests.length >= 2, `a second try after ${name}`);
		assert.ok(daemon.isRunning, name);
		assert.equal(feed.counters.connections + feed.counters.refused, 0, name);
		assert.match(daemon.stderr, new RegExp(`feed=feed-${i} .*error=`), `a line about ${name}`);
		Object.assign(feed.jwt, { status: 200, body: null });
	}
	for (const [name, feed] of feeds)
		await waitFor(() => feed.subscriptions().size === 1, `the subscription after ${name}`, SLACK * 10_000);
	await sleep(100);
	await daemon.stop();
});
