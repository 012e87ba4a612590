// Ways in that are not straight: a WebSocket that is refused or swallowed on the way, cookies, gzip, servers
// that fall silent or end a session in each of their ways.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { WebSocketServer } from '../peers/sockets.mjs';
import { e2e, waitFor } from './support.mjs';

const subscribed = (feed) => waitFor(() => feed.subscriptions().size === 1, 'a subscription');

function publish(feed, n) {
	feed.publish({ path: 'p', params: {}, timestamp: 1400666400 + n, results: [{ n, text: 'é'.repeat(2000) }] });
}

// A reverse proxy that passes plain requests on and treats upgrades as `upgrade` says.
async function reverseProxy(feed, upgrade) {
	const server = http.createServer((request, response) => {
		const up = http.request({ port: feed.port, host: '127.0.0.1', method: request.method, path: request.url, headers: request.headers },
			(answer) => { response.writeHead(answer.statusCode, answer.headers); answer.pipe(response); });

		up.on('error', () => response.destroy());
		response.on('close', () => up.destroy());
		request.pipe(up);
	});

	server.on('upgrade', (request, socket) => { socket.on('error', () => {}); upgrade(socket); });
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	return {
		url: `http://127.0.0.1:${server.address().port}`,
		stop: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
	};
}

const REFUSALS = {
	'answered 403': (socket) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'),
	'answered 502': (socket) => socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'),
	'dropped': (socket) => socket.destroy(),
};

for (const [how, upgrade] of Object.entries(REFUSALS)) {
	for (const version of ['0.9', '2', '4']) {
		e2e(`${version}: a WebSocket that is ${how} on the way leaves long-polling, and the log says so`, async (scene) => {
			const feed = await scene.feed({ version });
			const proxy = await reverseProxy(feed, upgrade);

			try {
				scene.config(scene.feedConfig(feed, [{ path: 'p' }], { url: proxy.url }));
				const daemon = scene.daemon();
				await subscribed(feed);
				await daemon.says(/falling back to long-polling/);
				publish(feed, 1);
				await scene.stored(1);
				await daemon.stop();
			} finally {
				await proxy.stop();
			}
			assert.deepEqual(await scene.sql('SELECT transport, close_reason FROM connection WHERE established IS NOT NULL'),
				[{ transport: 'polling', close_reason: 'stopped' }]);
		});
	}
}

e2e('a server without WebSocket is polled, one without polling is not', async (scene) => {
	for (const [transports, ends] of [[['polling'], 'polling'], [['websocket'], 'websocket']]) {
		const feed = await scene.feed({ transports });

		scene.config(scene.feedConfig(feed, [{ path: 'p' }], { transports: ends === 'polling' ? ['websocket', 'polling'] : ['polling', 'websocket'] }),
			{ database: `${ends}.db` });
		const daemon = scene.daemon();
		await subscribed(feed);
		await daemon.stop();
		assert.deepEqual(await scene.sql('SELECT transport FROM connection WHERE established IS NOT NULL', `${ends}.db`), [{ transport: ends }]);
	}
});

e2e('cookies are kept within a feed: token, polls and WebSocket show the same', async (scene) => {
	const feed = await scene.feed({ version: '2', jwt: { headers: { 'Set-Cookie': ['lb=one; Path=/; HttpOnly', 'other=x; Domain=elsewhere.example'] } } });

	scene.config(scene.feedConfig(feed, [{ path: 'p' }], { transports: ['polling', 'websocket'] }));
	const daemon = scene.daemon();
	await subscribed(feed);
	await daemon.says(/upgraded /);
	await daemon.stop();
	assert.ok(feed.requests.length >= 3);
	for (const { kind, headers } of feed.requests) {
		assert.match(headers.cookie ?? '', /(^|; )lb=one(;|$)/, kind);
		assert.doesNotMatch(headers.cookie, /other/);
	}
	assert.match(feed.requests.at(-1).headers.cookie, /io=/, 'the cookie of the session');
	assert.ok(feed.requests.some(({ kind }) => kind === 'upgrade'));
});

e2e('polls take gzip', async (scene) => {
	const feed = await scene.feed({ socketio: { httpCompression: { threshold: 100 } } });
	let compressed = 0;

	feed.http.prependListener('request', (request, response) => {
		response.on('finish', () => { compressed += /content-encoding: gzip/i.test(response._header) ? 1 : 0; });
	});
	scene.config(scene.feedConfig(feed, [{ path: 'p' }], { transports: ['polling'] }));
	const daemon = scene.daemon();
	await subscribed(feed);
	for (let n = 0; n < 10; n++)
		publish(feed, n);
	await scene.stored(10);
	await daemon.stop();
	assert.ok(compressed > 0, 'nothing was compressed');
	assert.deepEqual(await scene.sql("SELECT count(*) AS n FROM event WHERE length(results) > 2000"), [{ n: 10 }]);
});

for (const version of ['1.3', '1.7', '2']) {
	e2e(`${version}: the text framing that b64 asks for is read, encoded once or twice`, async (scene) => {
		const feed = await scene.feed({ version });

		scene.config(scene.feedConfig(feed, [{ path: 'p' }], { transports: ['polling'], query: { b64: '1' } }));
		const daemon = scene.daemon();
		await subscribed(feed);
		feed.publishText('p', {}, '{"path":"p","params":{},"timestamp":1,"results":["é \u2028 \u{1F600}"]}');
		await scene.stored(1);
		await daemon.stop();
		assert.deepEqual(await scene.sql('SELECT results FROM event'), [{ results: '["é \u2028 \u{1F600}"]' }]);
	});
}

// A server of the test's own: what it does with each WebSocket is the scene.
async function ownServer(act) {
	const server = http.createServer((request, response) => response.writeHead(404).end());
	const sockets = new WebSocketServer({ server });

	sockets.on('connection', act);
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	return {
		url: `http://127.0.0.1:${server.address().port}`,
		stop: () => new Promise((resolve) => {
			for (const client of sockets.clients)
				client.terminate();
			sockets.close();
			server.close(resolve);
			server.closeAllConnections();
		}),
	};
}

const OPEN = '0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';
const JOINED = '40{"sid":"def"}';

const ENDS = {
	disconnected: (ws) => { ws.send(OPEN); ws.send(JOINED); setTimeout(() => ws.send('41'), 50); },
	engine_closed: (ws) => { ws.send(OPEN); ws.send(JOINED); setTimeout(() => ws.send('1'), 50); },
	server_closed: (ws) => { ws.send(OPEN); ws.send(JOINED); setTimeout(() => ws.close(1001), 50); },
	network: (ws) => { ws.send(OPEN); ws.send(JOINED); setTimeout(() => ws.terminate(), 50); },
	namespace: (ws) => { ws.send(OPEN); ws.send('44{"message":"Invalid namespace"}'); },
	refused: (ws) => { ws.send(OPEN); ws.send('44"busy"'); },
	protocol: (ws) => { ws.send('0{"sid":"abc","pingInterval":1e308,"pingTimeout":-1}'); },
	heartbeat: (ws) => { ws.send(OPEN.replace('25000', '200').replace('20000', '200')); ws.send(JOINED); },
	no_open: () => {},
	no_join: (ws) => { ws.send(OPEN); },
};

for (const [reason, act] of Object.entries(ENDS)) {
	e2e(`the end "${reason}" has its own name, and the recorder tries again`, async (scene) => {
		let connections = 0;
		const server = await ownServer((ws) => { connections++; ws.on('error', () => {}); act(ws); });

		try {
			scene.config({ name: 'own', url: server.url, transports: ['websocket'], endpoints: [{ path: 'p' }] });
			const daemon = scene.daemon();
			await daemon.says(new RegExp(`reason=${reason} `), 60_000);
			await waitFor(() => connections >= 2, 'another try', 60_000);
			await daemon.stop();
		} finally {
			await server.stop();
		}
		const [row] = await scene.sql('SELECT close_reason AS r FROM connection ORDER BY connection_id LIMIT 1');
		assert.equal(row.r, reason);
	});
}

e2e('what is no HTTP at all is told as such', async (scene) => {
	const server = net.createServer((socket) => { socket.on('error', () => {}); socket.resume(); socket.end('SSH-2.0-x\r\n'); });

	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	scene.config({ name: 'ssh', url: `http://127.0.0.1:${server.address().port}`, endpoints: [{ path: 'p' }] });
	const daemon = scene.daemon();
	await daemon.says(/cannot connect .*HTTP/);
	await daemon.stop();
	await new Promise((resolve) => server.close(resolve));
});
