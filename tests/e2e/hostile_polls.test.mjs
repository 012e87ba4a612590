// Servers that misbehave on long-polling: after each the recorder is connected again and records.
import assert from 'node:assert/strict';
import http from 'node:http';
import { gzipSync } from 'node:zlib';
import { e2e, waitFor } from './support.mjs';

const OPEN = '0{"sid":"hostile","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';
const send = (response, body, headers = {}) => response.writeHead(200, headers).end(body);

// What is sent in answer to the handshake's GET, and then to the first poll of that session.
const HANDSHAKES = {
	'an empty body': (r) => send(r, ''),
	'absurd intervals': (r) => send(r, '0{"sid":"x","pingInterval":1e308,"pingTimeout":0,"upgrades":[]}'),
	'no sid': (r) => send(r, '0{"pingInterval":25000,"pingTimeout":20000}'),
	'a sid that breaks out of the address': (r) => send(r, '0{"sid":"a\\r\\nX: y","pingInterval":25000,"pingTimeout":20000}'),
	'half an open packet': (r) => send(r, OPEN.slice(0, 40)),
	'a length of thirty digits': (r) => send(r, `${'9'.repeat(30)}:${OPEN}`),
	'a length beyond the body': (r) => send(r, `999:${OPEN}`),
	'HTML': (r) => send(r, '<html>welcome</html>', { 'Content-Type': 'text/html' }),
	'a status of its own': (r) => r.writeHead(418).end('teapot'),
	'a redirect elsewhere': (r) => r.writeHead(302, { Location: 'http://127.0.0.1:9/' }).end(),
	'a gzip bomb': (r) => send(r, gzipSync(Buffer.alloc(100 << 20)), { 'Content-Encoding': 'gzip' }),
	'a broken gzip': (r) => send(r, 'not gzip at all', { 'Content-Encoding': 'gzip' }),
	'endless headers': (r) => { for (let i = 0; i < 40; i++) r.setHeader(`X-${i}`, 'x'.repeat(10_000)); r.end(OPEN); },
	'a cut in the middle': (r) => { r.writeHead(200, { 'Content-Length': 1000 }); r.write('0{'); r.socket.destroy(); },
	'bytes that are no text': (r) => send(r, Buffer.from([0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255, 1])),
};
const POLLS = {
	'an empty body': '',
	'an empty packet': '\x1e',
	'a packet of no type': 'x',
	'a binary packet that nobody announced': 'bAAEC',
	'wrong base64': 'b####',
	'a packet while an attachment is due': '451-["data",{"_placeholder":true,"num":0}]\x1e42["data",{}]',
	'an ack id of thirty digits': `43${'9'.repeat(30)}[null]`,
	'deep nesting': `42["data",${'['.repeat(5000)}`,
	'bad UTF-8': Buffer.from([0x34, 0x32, 0xff, 0xfe]),
	'a second open packet': OPEN,
	'a close': '1',
};

// Stands before a real server; the first session is the test's, the others are the server's.
async function before(feed, act) {
	let sessions = 0;
	const server = http.createServer((request, response) => {
		const { searchParams, pathname } = new URL(request.url, 'http://x');
		const isNew = pathname === '/socket.io/' && !searchParams.has('sid');

		sessions += isNew ? 1 : 0;
		if (pathname === '/socket.io/' && ((isNew && sessions === 1) || searchParams.get('sid') === 'hostile')) {
			request.resume();
			act(request, response, isNew);
			return;
		}
		const up = http.request({ port: feed.port, host: '127.0.0.1', method: request.method, path: request.url, headers: request.headers },
			(answer) => { response.writeHead(answer.statusCode, answer.headers); answer.pipe(response); });

		up.on('error', () => response.destroy());
		response.on('close', () => up.destroy());
		request.pipe(up);
	});

	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	return {
		url: `http://127.0.0.1:${server.address().port}`,
		stop: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
	};
}

async function recovers(scene, act) {
	const feed = await scene.feed();
	const server = await before(feed, act);

	try {
		scene.config(scene.feedConfig(feed, [{ path: 'p' }], { url: server.url, transports: ['polling'] }));
		const daemon = scene.daemon();
		await waitFor(() => feed.subscriptions().size === 1, 'a subscription');
		feed.publish({ path: 'p', params: {}, timestamp: 1400666400, results: [1] });
		await scene.stored(1);
		await daemon.stop();
	} finally {
		await server.stop();
	}
	const rows = await scene.sql('SELECT close_reason AS r, close_detail AS detail FROM connection ORDER BY connection_id');
	assert.ok(rows.length >= 2 && rows.at(-1).r === 'stopped', JSON.stringify(rows));
	assert.notEqual(rows[0].detail, '');
	assert.deepEqual(await scene.sql('SELECT count(*) AS n FROM event'), [{ n: 1 }]);
}

for (const [what, answer] of Object.entries(HANDSHAKES))
	e2e(`the handshake is answered with ${what}`, (scene) => recovers(scene, (request, response) => answer(response)));

for (const [what, body] of Object.entries(POLLS)) {
	e2e(`a poll is answered with ${what}`, (scene) => recovers(scene, (request, response, isNew) => {
		if (isNew)
			send(response, OPEN);
		else if (request.method === 'POST')
			send(response, 'ok');
		else
			send(response, body);
	}));
}

// A compressed answer that a proxy has cut off, at a place where what came so far looks whole.
for (const [what, headers] of [['no length', () => ({ Connection: 'close' })], ['its own length', (part) => ({ 'Content-Length': part.length })]]) {
	e2e(`a compressed poll is cut off between two events, with ${what}: it does not count as an answer`, async (scene) => {
		const event = (n) => `42["data",{"path":"p","params":{},"timestamp":${1400666400 + n},"results":[${n}]}]`;
		let polls = 0;

		await recovers(scene, (request, response, isNew) => {
			if (isNew)
				return send(response, OPEN);
			if (request.method === 'POST')
				return send(response, 'ok');
			if (polls++ === 0)
				return send(response, '40{"sid":"s"}');
			const whole = gzipSync([7, 8, 9].map(event).join('\x1e'), { level: 0 });
			const part = whole.subarray(0, whole.indexOf('\x1e'));

			response.writeHead(200, { 'Content-Encoding': 'gzip', ...headers(part) }).end(part);
		});
		const [first] = await scene.sql('SELECT close_reason AS r, close_detail AS d FROM connection ORDER BY connection_id');
		assert.equal(first.r, 'network');
		assert.match(first.d, /cut off/);
	});
}

e2e('one answer with more events than the buffer holds: all are stored, and memory is bounded', async (scene) => {
	const count = 200_000;
	const events = Array.from({ length: count }, (_, i) => `42["data",{"path":"p","params":{},"timestamp":${1400666400 + i},"results":[${i}]}]`);
	let polls = 0;
	const server = http.createServer((request, response) => {
		request.resume();
		if (!new URL(request.url, 'http://x').searchParams.has('sid'))
			send(response, OPEN);
		else if (request.method === 'POST')
			send(response, 'ok');
		else if (polls++ < 2)
			send(response, polls === 1 ? '40{"sid":"s"}' : gzipSync(events.join('\x1e')), polls === 1 ? {} : { 'Content-Encoding': 'gzip' });
	});

	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	try {
		scene.config({ name: 'test', url: `http://127.0.0.1:${server.address().port}`, transports: ['polling'], protocol: 'eio4',
			endpoints: [{ path: 'p' }] }, { buffer: '1MiB' });
		const daemon = scene.daemon();
		await scene.stored(count);
		assert.match(daemon.stderr, /reading stops until it has caught up/);
		await daemon.stop();
	} finally {
		server.close();
		server.closeAllConnections();
	}
	assert.deepEqual(await scene.sql('SELECT count(*) AS n, count(DISTINCT results) AS different FROM event'), [{ n: count, different: count }]);
	assert.deepEqual(await scene.sql('SELECT close_reason AS r FROM connection'), [{ r: 'stopped' }]);
});
