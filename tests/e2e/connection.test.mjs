// How connections live: heartbeats of both generations, a peer that falls silent, namespaces, the
// CONNECT payload, a server of another kind, a disk that is slower than the feed.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TcpProxy } from '../peers/tcp-proxy.mjs';
import { e2e, SLACK, waitFor } from './support.mjs';

let second = 1400666400;

function publish(feed, results = [], where = 'p') {
	feed.publish({ path: where, params: {}, timestamp: second++, results });
}

const subscribed = (feed, n = 1) => waitFor(() => feed.subscriptions().size === n, `${n} subscriptions`);
const HEARTBEAT = { pingInterval: 300, pingTimeout: 300 };

// A proxy for the time of a test.
async function withProxy(options, body) {
	const proxy = await new TcpProxy(options).start();

	try {
		await body(proxy);
	} finally {
		await proxy.stop();
	}
}

for (const version of [4, 2]) {
	e2e(`version ${version}: heartbeats keep a quiet connection alive`, async (scene) => {
		const feed = await scene.feed({ version, socketio: HEARTBEAT });

		scene.config(scene.feedConfig(feed, [{ path: 'p' }]));
		const daemon = scene.daemon();
		await subscribed(feed);
		await sleep(3000); // ten intervals; without answers the server would have hung up
		publish(feed);
		await scene.stored(1);
		await daemon.stop();
		assert.equal(feed.counters.connections, 1);
		const [row] = await scene.sql('SELECT protocol, transport, close_reason FROM connection');
		assert.deepEqual(row, { protocol: version === 2 ? 'eio3' : 'eio4', transport: 'websocket', close_reason: 'stopped' });
	});

	e2e(`version ${version}: a half-open connection is noticed by the heartbeat`, async (scene) => {
		const feed = await scene.feed({ version, socketio: HEARTBEAT });

		await withProxy({ target: { port: feed.port } }, async (proxy) => {
			scene.config(scene.feedConfig(feed, [{ path: 'p' }], { url: `http://127.0.0.1:${proxy.port}` }));
			const daemon = scene.daemon();
			await subscribed(feed);
			proxy.isFrozen = true;
			await daemon.says(/disconnected .*reason=heartbeat/);
			proxy.isFrozen = false;
			await waitFor(() => feed.counters.connections >= 2, 'a second connection');
			await subscribed(feed);
			publish(feed);
			await scene.stored(1);
			await daemon.stop();
		});
		const rows = await scene.sql('SELECT close_reason, last_received < closed AS earlier FROM connection ORDER BY connection_id LIMIT 1');
		assert.deepEqual(rows, [{ close_reason: 'heartbeat', earlier: 1 }]);
	});

	e2e(`version ${version}: one byte at a time is as good as a megabyte`, async (scene) => {
		const feed = await scene.feed({ version });

		await withProxy({ target: { port: feed.port } }, async (proxy) => {
			proxy.slice = 1;
			scene.config(scene.feedConfig(feed, [{ path: 'p' }], { url: `http://127.0.0.1:${proxy.port}` }));
			const daemon = scene.daemon();
			await subscribed(feed);
			for (let i = 0; i < 50; i++)
				publish(feed, [{ n: i, text: 'é😀' }]);
			await scene.stored(50);
			await daemon.stop();
		});
		assert.deepEqual(await scene.sql("SELECT count(DISTINCT results) AS n FROM event WHERE results LIKE '%é😀%'"), [{ n: 50 }]);
	});

	e2e(`version ${version}: a namespace of its own`, async (scene) => {
		const feed = await scene.feed({ version, namespace: '/feed' });

		scene.config(scene.feedConfig(feed, [{ path: 'p' }], { namespace: '/feed' }));
		const daemon = scene.daemon();
		await subscribed(feed);
		publish(feed, [1]);
		await scene.stored(1);
		await daemon.stop();
		assert.deepEqual(await scene.sql('SELECT results FROM event'), [{ results: '[1]' }]);
		await waitFor(() => feed.unsubscribed.length >= 1, 'it is unsubscribed');
		assert.equal(feed.unsubscribed.length, 1);
	});

	e2e(`version ${version}: an unknown namespace is refused with the server's words`, async (scene) => {
		const feed = await scene.feed({ version });

		scene.config(scene.feedConfig(feed, [{ path: 'p' }], { namespace: '/nosuch' }));
		const daemon = scene.daemon();
		await daemon.says(/reason=namespace .*Invalid namespace/);
		assert.ok(daemon.isRunning);
		await daemon.stop();
		assert.equal(feed.counters.tokens, 1, 'a good token was thrown away');
	});
}

e2e('the CONNECT payload carries the token, query and headers what is configured', async (scene) => {
	const feed = await scene.feed();
	let handshake;

	feed.onConnection = (socket) => { ({ handshake } = socket); };
	scene.config(scene.feedConfig(feed, [{ path: 'p' }], {
		auth: { token: '$token', plan: 'gold' }, query: { region: 'a b&c' }, headers: { 'X-Desk': 'seven' },
	}));
	const daemon = scene.daemon();
	await subscribed(feed);
	await daemon.stop();
	assert.deepEqual(handshake.auth, { token: feed.issued[0], plan: 'gold' });
	assert.equal(handshake.query.region, 'a b&c');
	assert.equal(handshake.headers['x-desk'], 'seven');
});

e2e('a server that speaks no Socket.IO is named by its status', async (scene) => {
	const server = createServer((request, response) => response.writeHead(404).end('nothing here'));

	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	scene.config({ name: 'web', url: `http://127.0.0.1:${server.address().port}`, endpoints: [{ path: 'p' }] });
	const daemon = scene.daemon();
	await daemon.says(/cannot connect .*reason=not_socketio .*not a Socket\.IO server: HTTP 404 from/);
	assert.ok(daemon.isRunning);
	await daemon.stop();
	await new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
	const [row] = await scene.sql('SELECT established, close_reason, close_detail FROM connection LIMIT 1');
	assert.equal(row.established, null);
	assert.equal(row.close_reason, 'not_socketio');
	assert.match(row.close_detail, /404/);
});

e2e('eio3 asked of a server that has only eio4 is told, not hung on', async (scene) => {
	const feed = await scene.feed();

	scene.config(scene.feedConfig(feed, [{ path: 'p' }], { protocol: 'eio3' }));
	const daemon = scene.daemon();
	await daemon.says(/cannot connect .*reason=protocol .*does not speak .*eio3.*auto/);
	await daemon.stop();
});

e2e('while another process holds the write lock, reading stops at the buffer and nothing is lost', async (scene) => {
	const feed = await scene.feed();
	const text = 'x'.repeat(20_000);
	const EVENTS = 400; // 8 MB, for a buffer of 1 MiB

	scene.config(scene.feedConfig(feed, [{ path: 'p' }]), { buffer: '1MiB' });
	const daemon = scene.daemon();
	await subscribed(feed);
	publish(feed, [0]);
	await scene.stored(1);
	const holder = spawn('sqlite3', [scene.file('market.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
	const released = new Promise((resolve) => holder.on('close', resolve));
	holder.stdin.write('.timeout 10000\nBEGIN IMMEDIATE;\nSELECT 1;\n');
	await new Promise((resolve) => holder.stdout.once('data', resolve));
	for (let i = 1; i <= EVENTS; i++)
		publish(feed, [i, text]);
	await daemon.says(/reading stops/);
	await sleep(500);
	const kib = Number(/VmRSS:\s+(\d+)/.exec(execFileSync('cat', [`/proc/${daemon.pid}/status`]))[1]);
	holder.stdin.end('ROLLBACK;\n');
	await released;
	await scene.stored(EVENTS + 1);
	await daemon.says(/reading goes on/);
	await daemon.stop();
	assert.equal(feed.counters.connections, 1, 'the connection was lost over it');
	const rows = await scene.sql('SELECT count(*) AS n, sum(length(results)) AS bytes FROM event');
	assert.equal(rows[0].n, EVENTS + 1);
	assert.ok(rows[0].bytes > EVENTS * 20_000);
	if (process.env.TAPEDECK_BIN === undefined || !/san/.test(process.env.TAPEDECK_BIN))
		assert.ok(kib < 5 * 24 * 1024, `${kib} KiB for a buffer of 1 MiB`);
});

e2e('on a terminal the progress line rewrites itself', async (scene) => {
	const feed = await scene.feed();
	const config = scene.config(scene.feedConfig(feed, [{ path: 'p' }]), { progress: '100ms' });
	const program = path.join(process.env.TAPEDECK_BIN ?? 'build/bin', 'tapedeckd');
	const child = spawn('script', ['-qefc', `exec ${program} ${config}`, '/dev/null'], { stdio: ['ignore', 'pipe', 'inherit'] });
	let screen = '';

	child.stdout.on('data', (bytes) => { screen += bytes; });
	const ended = new Promise((resolve) => child.on('close', resolve));
	try {
		await subscribed(feed);
		await waitFor(() => (screen.match(/\r\x1b\[K\d\d:\d\d:\d\dZ events=0 [^\r\n]*(?=\r)/g) ?? []).length >= 3, 'three rewritten lines', SLACK * 2000);
		execFileSync('pkill', ['-TERM', '-f', `tapedeckd ${config}$`]);
		assert.equal(await ended, 0);
	} finally {
		child.kill('SIGKILL');
	}
	assert.match(screen, /stopped exit_code=0/);
});
