// sio_peer: the server under test (tests/programs/socketio_server.c), and what speaks with it below Socket.IO: plain
// requests, raw connections, WebSockets.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocket } from '../peers/sockets.mjs';
import { EXIT_MS, waitFor } from './support.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = process.env.TAPEDECK_BIN ?? path.join(root, 'build/bin');

// A test with a server of its own, which must end cleanly. `options` are its options, by name: { 'ping-timeout': 500 }.
export function served(name, options, body) {
	test(name, { timeout: 120_000 }, async (t) => {
		const server = new Server({ 'ping-interval': 25_000, 'ping-timeout': 20_000, ...options });

		try {
			await server.start();
			await body(server, t);
			await server.stop();
		} catch (error) {
			t.diagnostic(`the server ${JSON.stringify(server.how)} said:\n${server.stderr.slice(-4000)}`);
			throw error;
		} finally {
			server.end();
		}
	});
}

class Server {
	constructor(options) {
		this.options = options;
		this.stderr = '';
		this.how = null; // { code, signal } once it has ended
		this.closers = []; // what the test opened
	}

	async start() {
		const args = Object.entries(this.options).flatMap(([name, value]) => [`--${name}`, String(value)]);
		let stdout = '';

		this.child = spawn(path.join(bin, 'test-socketio-server'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
		this.child.stdout.on('data', (text) => { stdout += text; });
		this.child.stderr.on('data', (text) => { this.stderr += text; });
		this.child.on('error', (error) => { this.how = { error }; });
		this.child.on('close', (code, signal) => { this.how = { code, signal }; });
		await waitFor(() => stdout.endsWith('\n') || this.how !== null, 'the server to listen');
		assert.equal(this.how, null);
		this.port = Number(stdout);
		this.url = `http://127.0.0.1:${this.port}`;
	}

	// Waits as long as the server runs.
	async waitFor(predicate, what) {
		await waitFor(() => this.how !== null || predicate(), what);
		assert.equal(this.how, null, `the server has ended instead of ${what}`);
	}

	// Waits until standard error has `count` lines that match.
	async says(pattern, count = 1) {
		const all = new RegExp(pattern, 'g');

		await waitFor(() => (this.stderr.match(all) ?? []).length >= count || this.how !== null, `${count} lines like ${pattern}`);
		assert.ok((this.stderr.match(all) ?? []).length >= count, `no ${count} lines like ${pattern}`);
	}

	async stop() {
		assert.equal(this.how, null, 'the server has ended by itself');
		this.child.kill('SIGTERM');
		await waitFor(() => this.how !== null, 'the server to end', EXIT_MS);
		assert.deepEqual(this.how, { code: 0, signal: null });
	}

	// Ends everything, whatever has happened.
	end() {
		for (const close of this.closers) {
			try {
				close();
			} catch {
				// a client of 0.9 without a transport cannot be closed, and has nothing to close
			}
		}
		if (this.how === null)
			this.child.kill('SIGKILL');
	}

	// ---- plain requests ----

	request(method, target, { body, headers = {}, agent } = {}) {
		return new Promise((resolve, reject) => {
			const request = http.request({ host: '127.0.0.1', port: this.port, method, path: target, headers, agent }, (answer) => {
				const parts = [];

				answer.on('data', (part) => parts.push(part));
				answer.on('error', reject);
				answer.on('end', () => resolve({
					status: answer.statusCode, headers: answer.headers, bytes: Buffer.concat(parts), body: Buffer.concat(parts).toString(),
				}));
			});

			request.on('error', reject);
			request.end(body);
		});
	}

	get(target, options) {
		return this.request('GET', target, options);
	}

	post(target, body, options) {
		return this.request('POST', target, { body, ...options });
	}

	// A GET that the server holds, on a connection of its own: { answer, answered, abort() }. `isDeaf`: what is answered
	// stays unread.
	async poll(target, { isDeaf = false } = {}) {
		const raw = await this.raw({ isDeaf });
		const poll = { abort: () => raw.socket.destroy(), answered: false };
		const whole = () => /^HTTP\/1.1 (\d+) [^]*?\r\ncontent-length: (\d+)\r\n(?:[^\r\n]+\r\n)*\r\n/i.exec(raw.bytes.toString('latin1'));

		await new Promise((resolve) => {
			raw.socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, resolve);
		});
		poll.answer = (async () => {
			await this.waitFor(() => raw.ended || (whole() && raw.bytes.length >= whole()[0].length + Number(whole()[2])), 'the answer to a poll');
			assert.ok(whole(), 'a poll was not answered');
			poll.answered = true;
			return { status: Number(whole()[1]), body: raw.bytes.subarray(whole()[0].length).toString() };
		})();
		poll.answer.catch(() => {}); // an aborted one is no failure
		// The request is in the server's socket; when two others have been answered it was read, too.
		await this.get('/elsewhere');
		await this.get('/elsewhere');
		return poll;
	}

	// The sid and the address of a new session over polling. `query`: more of it, such as '&b64=1'.
	async open(eio = 4, base = '/engine.io/', query = '') {
		const target = `${base}?EIO=${eio}&transport=polling${query}`;
		const { status, body } = await this.get(target);

		assert.equal(status, 200);
		const { sid } = JSON.parse(body.slice(body.indexOf('{')));

		return { sid, target: `${target}&sid=${sid}` };
	}

	// Polls until the greeting of the namespace has come; everything up to it.
	async greeted(target) {
		let seen = '';

		while (!seen.includes('auth'))
			seen += (await this.get(target)).body;
		return seen;
	}

	async open09() {
		const { body } = await this.get('/socket.io/1/?t=1');
		const [sid] = body.split(':');

		return { sid, target: `/socket.io/1/xhr-polling/${sid}?t=1` };
	}

	// ---- raw connections ----

	async raw({ isDeaf = false } = {}) {
		const socket = net.connect(this.port, '127.0.0.1');
		const raw = { socket, bytes: Buffer.alloc(0), chunks: 0, ended: false };

		if (isDeaf)
			socket.pause();
		else
			socket.on('data', (part) => { raw.bytes = Buffer.concat([raw.bytes, part]); raw.chunks++; });
		socket.on('error', () => { raw.ended = true; });
		socket.on('close', () => { raw.ended = true; });
		raw.holds = (what) => this.waitFor(() => raw.bytes.includes(what), `${JSON.stringify(String(what))} on a raw connection`);
		raw.end = () => this.waitFor(() => raw.ended, 'a raw connection to end');
		raw.take = () => { const bytes = raw.bytes; raw.bytes = Buffer.alloc(0); return bytes; };
		this.closers.push(() => socket.destroy());
		await new Promise((resolve) => socket.once('connect', resolve));
		return raw;
	}

	// ---- WebSockets ----

	// A WebSocket with its messages: texts, or Buffers. `closed` is the code of the close, null before it.
	async websocket(target) {
		const ws = new WebSocket(`ws://127.0.0.1:${this.port}${target}`, { perMessageDeflate: false });
		const peer = { ws, messages: [], closed: null, status: null, taken: 0 };

		ws.on('message', (data, isBinary) => peer.messages.push(isBinary ? data : String(data)));
		ws.on('close', (code) => { peer.closed = code; });
		ws.on('error', () => {});
		ws.on('unexpected-response', (request, answer) => { peer.status = answer.statusCode; peer.closed = 0; request.destroy(); });
		this.closers.push(() => ws.terminate());
		// The next message.
		peer.next = async () => {
			await this.waitFor(() => peer.messages.length > peer.taken || peer.closed !== null, 'a message');
			assert.ok(peer.messages.length > peer.taken, `closed with ${peer.closed} instead of a message`);
			return peer.messages[peer.taken++];
		};
		peer.end = () => this.waitFor(() => peer.closed !== null, 'a WebSocket to close');
		await this.waitFor(() => ws.readyState === WebSocket.OPEN || peer.closed !== null, 'a WebSocket to open');
		return peer;
	}
}

// The WebSocket frame of a text, as a client writes it.
export function frameOf(text) {
	const payload = Buffer.from(text);

	assert.ok(payload.length < 126);
	return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]); // a mask of zeros
}
