// The HTTP server against raw sockets: clients that are slow, that send garbage or half requests, that leave, that
// never read, and more of them than there are descriptors.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { withServer } from './programs.mjs';
import { waitFor } from './support.mjs';

const GET = 'GET /x?y HTTP/1.1\r\nHost: h\r\n\r\n';
const times = (n, make) => Array.from({ length: n }, (_, i) => make(i));

withServer('requests come pipelined, byte by byte, with bare LF, and are answered in order', [], async (server) => {
	const pipelined = server.connect();
	const slow = server.connect();

	pipelined.write(times(500, (i) => `GET /${i} HTTP/1.1\nHost: h\n\n`).join(''));
	for (const byte of `${GET}\r\nPOST http://h/p HTTP/1.0\nContent-Length: 2\r\n\nhi`) {
		slow.write(byte);
		await new Promise((resolve) => setImmediate(resolve));
	}
	await pipelined.says('GET /499? ');
	const paths = pipelined.got.toString('latin1').match(/GET \/\d+\? /g);

	assert.deepEqual(paths, times(500, (i) => `GET /${i}? `));
	await slow.ended(); // HTTP/1.0
	assert.match(slow.got.toString('latin1'), /GET \/x\?y .*POST \/p\? hi$/s);
	pipelined.close();
	await server.emptied();
});

withServer('a flood of half requests is cut in time, and others are served meanwhile', ['--request-ms', '1000'], async (server) => {
	const halves = times(400, (i) => server.connect());
	const parts = ['', 'G', 'GET / HTTP/1.1\r\nA: ', 'POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\nbody',
		'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nchunk'];

	halves.forEach((half, i) => half.write(parts[i % parts.length]));
	// A byte now and then keeps nobody alive.
	const trickle = setInterval(() => {
		for (const half of halves)
			if (!half.isEnded && half.socket.writable && half.socket.bytesWritten > 0)
				half.write('x');
	}, 100);

	try {
		assert.match(await server.get('/x?y'), /GET \/x\?y $/);
		await waitFor(() => halves.every((half) => half.isEnded), 'all half requests to be cut');
	} finally {
		clearInterval(trickle);
	}
	assert.ok(halves.filter((half) => half.has('408 Request Timeout')).length >= 300);
	halves.forEach((half) => half.close());
	await server.emptied();
});

withServer('garbage is refused, and the server lives', [], async (server) => {
	const starts = ['', GET, 'GET / HTTP/1.1\r\n', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n', '\x16\x03\x01',
		'GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
		+ 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
		'GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key1: 1 2\r\nSec-WebSocket-Key2: 1 2\r\n\r\n'];
	const clients = times(300, () => server.connect());

	clients.forEach((client, i) => {
		client.write(starts[i % starts.length]);
		client.write(Buffer.concat([randomBytes(1 + i * 7), Buffer.from('\r\n\r\n')]));
		if (i % 3 === 0)
			client.socket.end();
	});
	await waitFor(() => clients.filter((client) => client.got.length > 0 || client.isEnded).length > 150, 'answers');
	assert.match(await server.get('/x?y'), /GET \/x\?y $/);
	clients.forEach((client, i) => (i % 2 === 0 ? client.reset() : client.close()));
	await server.emptied();
});

withServer('heads and bodies above the limits get the status that says so', ['--body-max', '1000'], async (server) => {
	const cases = [
		[`GET /?${'t'.repeat(9500)} HTTP/1.1\r\n\r\n`, '200 OK'],
		[`GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(6000)}`, '431 Request Header Fields Too Large'],
		[`GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(300)}\r\n`, '431 Request Header Fields Too Large'],
		[`GET /${'x'.repeat(40000)}`, '414 URI Too Long'],
		[`POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n${'x'.repeat(2000000)}`, '413 Content Too Large'],
		[`POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(20000)}`, '413 Content Too Large'],
	];

	for (const [request, status] of cases) {
		const client = server.connect();

		client.write(request);
		await client.says(`HTTP/1.1 ${status}\r\n`);
		client.close();
	}
	await server.emptied();
});

withServer('a client that leaves its held request is noticed, however it leaves', [], async (server) => {
	const clients = times(60, () => server.connect());

	clients.forEach((client, i) => client.write(`GET /hold HTTP/1.1\r\n\r\n${i % 4 === 0 ? 'GET /more HTTP/1.1\r\n\r\n' : ''}`));
	await waitFor(async () => (await server.count()).held === 60, 'all requests to be held');
	clients.slice(0, 40).forEach((client, i) => {
		if (i % 2 === 0)
			client.write('x'); // what ended a process once, in another server
		if (i % 3 === 0)
			client.reset();
		else if (i % 3 === 1)
			client.close();
		else
			client.socket.end();
	});
	await waitFor(async () => (await server.count()).gone === 40, 'all departures to be noticed');
	await server.get('/release');
	for (const [i, client] of clients.slice(40).entries()) {
		await client.says('released');
		if (i % 4 === 0)
			await client.says('GET /more? ');
		client.close();
	}
	await server.emptied();
	assert.deepEqual(await server.count(), { connections: 0, held: 0, gone: 40 });
});

withServer('a client that never reads its answer is cut, and its memory is given back', ['--idle-ms', '500'], async (server) => {
	const before = server.rss();
	const clients = times(3, () => server.connect({ isReading: false }));

	clients.forEach((client) => {
		client.socket.pause();
		client.write('GET /bytes?n=30000000 HTTP/1.1\r\n\r\n');
	});
	await waitFor(async () => (await server.count()).connections > 0, 'a request');
	await server.emptied();
	assert.ok(server.rss() - before < 20_000_000, `${server.rss() - before} bytes more`);
	clients.forEach((client) => client.close());
});

withServer('where descriptors run out, accepting pauses and is taken up again', [], async (server) => {
	const clients = times(100, () => server.connect());

	clients.forEach((client) => client.write(GET));
	await waitFor(() => /no connection can be accepted/.test(server.stderr), 'a warning');
	const cpu = server.cpu();

	await sleep(2000); // what would spin for this long would use it up
	assert.ok(server.cpu() - cpu < 0.5, `${server.cpu() - cpu} s of processor time while there is nothing to do`);
	assert.equal(server.stderr.match(/no connection can be accepted/g).length, 1);
	assert.match(server.stderr, /raise the limit of open files \(ulimit -n\).*Too many open files/);
	const served = clients.filter((client) => client.got.length > 0);

	assert.ok(served.length >= 20 && served.length < 50, `${served.length} are served`);
	served.forEach((client) => client.close()); // makes room for the others, some at a time
	for (const client of clients) {
		await waitFor(() => client.got.length > 0, 'the answer to one that waited');
		client.close();
	}
	await server.emptied();
}, { prefix: ['prlimit', '--nofile=50'] });

withServer('connections that come and go in all states leave nothing behind', [], async (server) => {
	const parts = [GET, 'GET /hold HTTP/1.1\r\n\r\n', 'GET /bytes?n=9000000 HTTP/1.1\r\n\r\n', 'POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1',
		'POST /drop HTTP/1.1\r\n\r\n', 'BREW / HTTP/1.1\r\n\r\n',
		'GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n'
		+ 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85\0\0\0\0Hello\x89\x80\0\0\0\0\x88'];

	await server.emptied();
	const before = server.descriptors();

	for (let round = 0; round < 12; round++) {
		const clients = times(50, () => server.connect());

		await Promise.all(clients.map(async (client, i) => {
			client.write(parts[i % parts.length].slice(0, i % 5 === 0 ? round * 10 : undefined));
			await sleep(i % 10);
			client[['reset', 'close'][i % 2]]();
		}));
	}
	await server.emptied();
	assert.equal((await server.count()).held, 0);
	await waitFor(() => server.descriptors() <= before, 'all descriptors to be closed');
});

withServer('connections above the limit are closed at once', ['--connections-max', '10'], async (server) => {
	const first = times(10, () => server.connect());

	first.forEach((client) => client.write(GET));
	await Promise.all(first.map((client) => client.says('GET /x?y ')));
	const more = times(20, () => server.connect());

	await Promise.all(more.map((client) => client.ended()));
	assert.ok(more.every((client) => client.got.length === 0));
	assert.equal(server.stderr.match(/the limit of connections is reached/g).length, 1);
	first.forEach((client) => client.close());
	await waitFor(async () => (await server.get('/x?y')).endsWith('GET /x?y '), 'room');
});
