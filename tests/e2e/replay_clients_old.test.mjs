// A replay and the oldest clients that its feed's documentation names, of Ruby, Java and Perl, as bytes: what each of
// them sends and can take. All speak 0.9, each in an own way.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { hixieHandshake, Raw } from './programs.mjs';
import { frameOf } from './sio_peer.mjs';
import { e2e, waitFor } from './support.mjs';
import { control, fetchToken, makeTape, stateOf, ticks } from './tapes.mjs';

const COUNT = 50;
const SUBSCRIBE = '{"name":"subscribe","args":[{"path":"p","params":{}}]}';
const NUMBERS = Array.from({ length: COUNT }, (_, i) => i + 1);

const numbersIn = (bytes) => [...bytes.toString('latin1').matchAll(/5:::\{"name":"data","args":\[\{"path":"p",[^\n]*?"n":(\d+)/g)]
	.map(([, n]) => Number(n));

// A connection that ends with the test.
function open(scene, server) {
	const raw = new Raw(server.port);

	scene.loads.push({ stop: () => raw.close() });
	return raw;
}

async function seesAll(raw) {
	await waitFor(() => numbersIn(raw.got).length >= COUNT || raw.isEnded, 'all events');
	assert.deepEqual(numbersIn(raw.got), NUMBERS);
}

// The session that a handshake's answer names.
function sessionOf(raw) {
	const [, body] = raw.got.toString('latin1').split('\r\n\r\n');

	assert.match(raw.got.toString('latin1'), /^HTTP\/1\.[01] 200 OK\r\n/);
	assert.match(body, /^[\w-]+:\d+:\d+:websocket,xhr-polling/);
	return body.split(':')[0];
}

e2e('Ruby: hixie-76, the token on the handshake only, no acks', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(COUNT, 1000) });
	const server = await scene.serve(['--speed', 'max', '--api-key-file', scene.file('api-key')]);
	const token = await fetchToken(server, scene.key);
	const [handshake, socket, strange] = [open(scene, server), open(scene, server), open(scene, server)];

	scene.secrets.push(token);
	strange.write('GET /socket.io/1/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n');
	await strange.ended();
	assert.match(strange.got.toString(), /^HTTP\/1\.1 403 [^]*handshake unauthorized$/);
	handshake.write(`GET /socket.io/1/?token=${token} HTTP/1.1\r\nAccept: */*\r\nUser-Agent: Ruby\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
	await handshake.ended();
	const target = `/socket.io/1/websocket/${sessionOf(handshake)}`;
	const { head, body, answer } = hixieHandshake(target, `Host: 127.0.0.1:${server.port}\r\nOrigin: http://127.0.0.1\r\n`);

	socket.write(head);
	socket.write(body);
	await socket.says('\x001::\xff');
	const said = socket.got.toString('latin1');
	const end = said.indexOf('\r\n\r\n') + 4;

	assert.match(said, /^HTTP\/1\.1 101 WebSocket Protocol Handshake\r\n/);
	assert.ok(said.includes('\r\nSec-WebSocket-Origin: http://127.0.0.1\r\n'));
	assert.ok(said.includes(`\r\nSec-WebSocket-Location: ws://127.0.0.1:${server.port}${target}\r\n`));
	assert.deepEqual(socket.got.subarray(end, end + 16), answer);
	socket.write(`\x005:::${SUBSCRIBE}\xff`);
	await seesAll(socket);
	const frames = socket.got.subarray(end + 16).toString('latin1');

	assert.match(frames, /^(\x00[^\x00\xff]+\xff)+$/);
	socket.write('\xff\0');
	await waitFor(async () => (await stateOf(server)).clients === 0, 'the client to leave');
	await server.stop();
});

// The Java client can send no token: it is for servers that ask for none.
async function handshakeOfJava(scene, server) {
	const raw = open(scene, server);

	raw.write('GET /socket.io/1/ HTTP/1.1\r\nUser-Agent: Java/1.8.0\r\nHost: 127.0.0.1\r\n'
		+ 'Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2\r\nConnection: keep-alive\r\n\r\n');
	await raw.says(':websocket,');
	return sessionOf(raw);
}

e2e('Java: WebSocket of version 8, without an Origin', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(COUNT, 1000) });
	const server = await scene.serve(['--speed', 'max']);
	const sid = await handshakeOfJava(scene, server);
	const socket = open(scene, server);

	socket.write(`GET /socket.io/1/websocket/${sid} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nHost: 127.0.0.1\r\n`
		+ 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n');
	await socket.says('\x81\x031::');
	assert.match(socket.got.toString('latin1'), /^HTTP\/1\.1 101 [^]*\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i);
	socket.write(frameOf('1::'));
	socket.write(frameOf(`5:1+::${SUBSCRIBE}`));
	await socket.says('6:::1+[null]');
	await seesAll(socket);
	socket.write(frameOf('0::'));
	await socket.ended();
	await server.stop();
});

// Requests one after another, each of which may be left for the next, as the Java client does to send something.
class PollerOfJava {
	got = Buffer.alloc(0); // what the polls have brought
	raw = null;

	constructor(scene, server, sid) {
		Object.assign(this, { scene, server, head: ` /socket.io/1/xhr-polling/${sid}?t=${Date.now()} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n` });
	}

	poll() {
		this.raw = open(this.scene, this.server);
		this.raw.write(`GET${this.head}\r\n`);
	}

	async answer() {
		await this.raw.ended();
		const [head, ...body] = this.raw.got.toString('latin1').split('\r\n\r\n');

		assert.match(head, /^HTTP\/1\.1 200 /);
		this.got = Buffer.concat([this.got, Buffer.from(body.join('\r\n\r\n'), 'latin1')]);
	}

	// Leaves the poll that waits, and sends.
	async send(packet) {
		this.raw.close();
		const post = open(this.scene, this.server);

		post.write(`POST${this.head}Content-Length: ${packet.length}\r\n\r\n${packet}`);
		await post.ended();
		assert.match(post.got.toString('latin1'), /^HTTP\/1\.1 200 [^]*\r\n\r\n1$/, 'a POST brings no packets');
	}
}

e2e('Java: xhr-polling, whose poll is left whenever there is something to send', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(COUNT, 1000) });
	const server = await scene.serve(['--start', 'paused']);
	const java = new PollerOfJava(scene, server, await handshakeOfJava(scene, server));

	java.poll();
	await java.answer();
	assert.equal(java.got.toString('latin1'), '1::');
	java.poll();
	await java.send(`5:1+::${SUBSCRIBE}`);
	java.poll();
	await java.answer();
	assert.equal(java.got.toString('latin1'), '1::6:::1+[null]');
	for (const n of NUMBERS) {
		java.poll();
		if (n % 2 === 0) // what comes now finds no poll
			await java.send('5:::{"name":"nothing","args":[]}');
		await control(server, { do: 'step' });
		if (n % 2 === 0)
			java.poll();
		await java.answer();
	}
	assert.deepEqual(numbersIn(java.got), NUMBERS);
	await server.stop();
});

e2e('Perl: a handshake of bare line feeds, a WebSocket of version 13, heartbeats of its own only', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(COUNT, 20_000) });
	// A client that answers none would be gone after the first 600 ms of the tape's second.
	const server = await scene.serve(['--speed', '1', '--ping-interval', '200ms', '--ping-timeout', '400ms']);
	const [handshake, socket] = [open(scene, server), open(scene, server)];
	let writes = 0;

	handshake.socket.on('data', () => writes++);
	handshake.write('GET /socket.io/1/ HTTP/1.1\nHost: 127.0.0.1\n\n');
	await handshake.says(':websocket,');
	assert.equal(writes, 1, 'it reads the answer once');
	assert.doesNotMatch(handshake.got.toString(), /chunked/i);
	const key = createHash('md5').update('perl').digest('base64');

	socket.write(`GET /socket.io/1/websocket/${sessionOf(handshake)} HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n`
		+ `Host: 127.0.0.1:${server.port}\r\nOrigin: http://127.0.0.1\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`);
	await socket.says('\x81\x031::');
	const beat = setInterval(() => socket.write(frameOf('2::')), 150);

	scene.loads.push({ stop: () => clearInterval(beat) });
	socket.write(frameOf(`5:1+::${SUBSCRIBE}`));
	await socket.says('6:::1+[null]');
	await seesAll(socket);
	assert.ok(socket.has('\x81\x032::'), 'the server beats, too');
	await server.stop();
});
