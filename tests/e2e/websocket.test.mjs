// Our WebSockets, both sides, against the npm package `ws`, and against a raw socket that speaks hixie-76.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { hixieHandshake, Program, withPrograms, withServer } from './programs.mjs';
import { waitFor } from './support.mjs';

const { WebSocket, WebSocketServer } = createRequire(new URL('../peers/', import.meta.url))('ws');
const large = randomBytes(16 << 20);
const MESSAGES = ['Hello', '', 'é€😀', 'x'.repeat(125), 'x'.repeat(126), 'x'.repeat(65535), 'x'.repeat(65536),
	Buffer.alloc(0), Buffer.from([0, 255, 1]), randomBytes(70000), large];

// Sends each message through `socket` and gets it back.
async function echoes(socket) {
	for (const message of MESSAGES) {
		const back = once(socket, 'message');

		socket.send(message);
		const [data, isBinary] = await back;

		assert.equal(isBinary, typeof message !== 'string');
		assert.ok(data.equals(Buffer.from(message)), `${message.length} bytes`);
	}
	const all = [];
	const take = (data) => all.push(Number(data));

	socket.on('message', take);
	for (let i = 0; i < 3000; i++)
		socket.send(String(i));
	await waitFor(() => all.length === 3000, 'all echoes');
	socket.off('message', take);
	assert.ok(all.every((n, i) => n === i));
	const back = once(socket, 'message');
	const pong = once(socket, 'pong');

	socket.send('in ', { fin: false });
	socket.ping('between');
	socket.send('', { fin: false });
	socket.send('pieces', { fin: true });
	assert.equal(String((await pong)[0]), 'between');
	assert.equal(String((await back)[0]), 'in pieces');
}

for (const protocolVersion of [13, 8]) {
	withServer(`server: messages of every kind come back, version ${protocolVersion}`, [], async (server) => {
		const socket = new WebSocket(`ws://127.0.0.1:${server.port}/a?b=c`, ['one', 'two'],
			{ protocolVersion, perMessageDeflate: true, maxPayload: 0 });

		await once(socket, 'open');
		assert.equal(socket.extensions, ''); // compression is not granted
		assert.equal(socket.protocol, 'one');
		await echoes(socket);
		const closed = once(socket, 'close');

		socket.close(3456, 'bye');
		assert.equal((await closed)[0], 3456);
		await waitFor(() => /the client closed the WebSocket, code 3456: bye/.test(server.stderr), 'the close');
		await server.emptied();
	});
}

withServer('server: clients that break the protocol are told so by a close code', ['--message-max', '100000'], async (server) => {
	const mask = Buffer.alloc(4);
	const frame = (first, length, data = '') => Buffer.concat([Buffer.from([first, 0x80 | length]), mask, Buffer.from(data, 'latin1')]);
	const cases = [
		[frame(0x81, 2, '\xc3\x28'), 1007],
		[Buffer.concat([frame(0x01, 1, '\xc3'), frame(0x80, 1, '\x28')]), 1007],
		[frame(0xc1, 1, 'x'), 1002], [frame(0xa1, 1, 'x'), 1002], [frame(0x91, 1, 'x'), 1002],
		[frame(0x83, 0), 1002], [frame(0x8b, 0), 1002], [frame(0x80, 0), 1002],
		[frame(0x09, 0), 1002], // a fragmented ping
		[Buffer.concat([frame(0x01, 1, 'x'), frame(0x81, 1, 'x')]), 1002],
		[Buffer.from([0x81, 1, 0x78]), 1002], // not masked
		[frame(0x88, 1, '\x03'), 1002], [frame(0x88, 2, '\x03\xee'), 1002], [frame(0x88, 3, '\x03\xe8\xff'), 1007],
		[frame(0x88, 2, '\x03\xe8'), 1000], [frame(0x88, 0), 1005],
	];

	for (const [bytes, code] of cases) {
		const socket = new WebSocket(`ws://127.0.0.1:${server.port}/`);

		await once(socket, 'open');
		const closed = once(socket, 'close');

		socket._socket.write(bytes);
		assert.equal((await closed)[0], code, bytes.toString('hex'));
	}
	const socket = new WebSocket(`ws://127.0.0.1:${server.port}/`);

	await once(socket, 'open');
	const closed = once(socket, 'close');

	socket.send(Buffer.alloc(3_000_000));
	assert.equal((await closed)[0], 1009);
	await server.emptied();
});

withServer('server: a client that does not read is cut, and its pings use no memory', ['--out-max', '2000000', '--stuck-ms', '1000'],
	async (server) => {
		const sender = new WebSocket(`ws://127.0.0.1:${server.port}/`);
		const pinger = new WebSocket(`ws://127.0.0.1:${server.port}/`);

		await Promise.all([once(sender, 'open'), once(pinger, 'open')]);
		sender._socket.pause();
		pinger._socket.pause();
		const before = server.rss();

		for (let i = 0; i < 300; i++)
			sender.send(large.subarray(0, 100_000));
		for (let i = 0; i < 100_000; i++)
			pinger.ping('x'.repeat(100));
		await waitFor(() => /how=stuck/.test(server.stderr), 'the one that does not read to be cut');
		assert.ok(server.rss() - before < 40_000_000, `${server.rss() - before} bytes more`);
		sender.terminate();
		pinger.terminate();
		await server.emptied();
	});

withServer('server: hixie-76, its handshake byte by byte', [], async (server) => {
	const { head, body, answer } = hixieHandshake('/socket.io/1/websocket/1?t=0', 'Host: 127.0.0.1:3000\r\nOrigin: http://example.com\r\n');
	const raw = server.connect();

	for (const byte of [...Buffer.from(head), ...body, ...Buffer.from('\0Hello\xff\0\xff', 'latin1')]) {
		raw.write(Buffer.from([byte]));
		await new Promise((resolve) => setImmediate(resolve));
	}
	await raw.says('\0Hello\xff\0\xff');
	const [got, frames] = [raw.got.indexOf('\r\n\r\n') + 4, raw.got.indexOf('\r\n\r\n') + 20];

	assert.match(raw.got.toString('latin1'), /^HTTP\/1\.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\n/);
	assert.ok(raw.has('\r\nSec-WebSocket-Origin: http://example.com\r\n'));
	assert.ok(raw.has('\r\nSec-WebSocket-Location: ws://127.0.0.1:3000/socket.io/1/websocket/1?t=0\r\n'));
	assert.ok(raw.got.subarray(got, frames).equals(answer));
	assert.equal(raw.got.subarray(frames).toString('latin1'), '\0Hello\xff\0\xff');
	raw.write('\xff\0');
	await raw.ended();
	assert.equal(raw.got.subarray(frames + 9).toString('latin1'), '\xff\0');
	await server.emptied();
});

// Runs our client against a server of `ws` until one of them closes.
const withClient = (name, body) => withPrograms(`client: ${name}`, async (run) => {
	const listener = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 0, skipUTF8Validation: true });

	await once(listener, 'listening');
	const client = run(new Program('test-ws-client', [`ws://127.0.0.1:${listener.address().port}/runCase?case=1&agent=x`]));

	try {
		const [socket, request] = await once(listener, 'connection');

		assert.equal(request.url, '/runCase?case=1&agent=x');
		socket.on('error', () => {});
		await body(socket);
		assert.deepEqual(await client.end(), { code: 0, signal: null }, client.stderr);
	} finally {
		listener.close();
	}
});

withClient('messages of every kind come back, and the close code', async (socket) => {
	await echoes(socket);
	const closed = once(socket, 'close');

	socket.close(3456, 'bye');
	assert.equal((await closed)[0], 3456);
});

for (const [what, bytes, code] of [
	['bad UTF-8', [0x81, 2, 0xc3, 0x28], 1007], ['reserved bits', [0xc1, 1, 0x78], 1002],
	['a reserved opcode', [0x83, 0], 1002], ['a masked frame', [0x81, 0x81, 0, 0, 0, 0, 0x78], 1002],
	['a stray continuation', [0x80, 0], 1002], ['a close code of its own', [0x88, 2, 0x03, 0xe9], 1001],
	['a close frame without a code', [0x88, 0], 1005],
]) {
	withClient(`${what} gets ${code}`, async (socket) => {
		const closed = once(socket, 'close');

		socket._socket.write(Buffer.from(bytes));
		assert.equal((await closed)[0], code);
	});
}
