// programs: runs the servers and clients of tests/programs, and raw sockets to speak with them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { waitFor } from './support.mjs';

const bin = process.env.TAPEDECK_BIN ?? path.join(fileURLToPath(new URL('../..', import.meta.url)), 'build/bin');

// A program of ours that runs until it is stopped.
export class Program {
	// `prefix`: a command that starts it, as in ['prlimit', '--nofile=40'].
	constructor(name, args = [], { prefix = [] } = {}) {
		const [command, ...rest] = [...prefix, path.join(bin, name), ...args];

		this.stdout = '';
		this.stderr = '';
		this.how = null; // once it has ended
		// Freed memory that ASan keeps back for long would look like a leak.
		const env = { ...process.env, ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=1` };

		this.child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'], env });
		this.child.stdout.on('data', (text) => { this.stdout += text; });
		this.child.stderr.on('data', (text) => { this.stderr += text; });
		this.child.on('error', (error) => { this.how = { error }; });
		this.child.on('close', (code, signal) => { this.how = { code, signal }; });
	}

	async end() {
		await waitFor(() => this.how !== null, 'a program to end');
		return this.how;
	}

	// A clean end, which under ASan also means that nothing leaked.
	async stop() {
		assert.equal(this.how, null, `it has ended by itself: ${this.stderr}`);
		this.child.kill('SIGTERM');
		assert.deepEqual(await this.end(), { code: 0, signal: null }, this.stderr);
	}

	kill() {
		if (this.how === null)
			this.child.kill('SIGKILL');
	}

	// Processor time so far, in seconds.
	cpu() {
		const fields = readFileSync(`/proc/${this.child.pid}/stat`, 'latin1').split(') ')[1].split(' ');

		return (Number(fields[11]) + Number(fields[12])) / 100;
	}

	descriptors() {
		return readdirSync(`/proc/${this.child.pid}/fd`).length;
	}

	rss() {
		return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.child.pid}/status`, 'latin1'))[1]) * 1024;
	}
}

export class Server extends Program {
	constructor(args, options) {
		super('test-ws-server', args, options);
	}

	async start() {
		await waitFor(() => this.stdout.includes('\n') || this.how !== null, 'the port of a server');
		assert.equal(this.how, null, this.stderr);
		this.port = Number(this.stdout);
		return this;
	}

	connect(options) {
		return new Raw(this.port, options);
	}

	// What one request is answered with, whole, after which the server closes.
	async get(target, headers = '') {
		const raw = this.connect();

		raw.write(`GET ${target} HTTP/1.1\r\nConnection: close\r\n${headers}\r\n`);
		await raw.ended();
		return raw.got.toString('latin1');
	}

	// { connections, held, gone }, without the connection that asks.
	async count() {
		const [connections, held, gone] = (await this.get('/count')).split('\r\n\r\n')[1].split(' ').map(Number);

		return { connections: connections - 1, held, gone };
	}

	async emptied() {
		await waitFor(async () => (await this.count()).connections === 0, 'all connections to be closed');
	}
}

// A socket that keeps what it gets.
export class Raw {
	constructor(port, { isReading = true } = {}) {
		this.got = Buffer.alloc(0);
		this.isEnded = false; // by the server
		this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
		this.socket.on('error', () => { this.isEnded = true; });
		this.socket.on('end', () => { this.isEnded = true; });
		this.socket.on('close', () => { this.isEnded = true; });
		if (isReading)
			this.read();
	}

	read() {
		this.socket.on('data', (bytes) => { this.got = Buffer.concat([this.got, bytes]); });
	}

	write(bytes) {
		this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
	}

	has(text) {
		return this.got.includes(Buffer.from(text, 'latin1'));
	}

	async says(text) {
		await waitFor(() => this.has(text) || this.isEnded, `an answer with ${JSON.stringify(text)}`);
		assert.ok(this.has(text), `ended with ${JSON.stringify(this.got.toString('latin1').slice(0, 500))}`);
	}

	async ended() {
		await waitFor(() => this.isEnded, 'the server to close');
	}

	close() {
		this.socket.destroy();
	}

	reset() {
		this.socket.resetAndDestroy();
	}
}

// What a client of hixie-76 writes, `head` and then `body`, and the 16 bytes that must come behind the answer's head.
export function hixieHandshake(target, headers) {
	const key1 = { text: '18x 6]8vM;54 *(5:  {   U1]8  z [  8', number: 155712099 };
	const key2 = { text: '1_ tx7X d  <  nw  334J702) 7]o}` 0', number: 173347027 };
	const body = Buffer.from('\r\n\0\n\nab\xff', 'latin1'); // a line end and a frame's ends are nothing special here
	const numbers = Buffer.alloc(8);

	numbers.writeUInt32BE(key1.number, 0);
	numbers.writeUInt32BE(key2.number, 4);
	return {
		head: `GET ${target} HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n${headers}`
			+ `Sec-WebSocket-Key1: ${key1.text}\r\nSec-WebSocket-Key2: ${key2.text}\r\n\r\n`,
		body,
		answer: createHash('md5').update(numbers).update(body).digest(),
	};
}

// A test with programs, which end with it: `run` starts one.
export function withPrograms(name, body) {
	test(name, { timeout: 120_000 }, async (t) => {
		const programs = [];
		const run = (program) => {
			programs.push(program);
			return program;
		};

		try {
			await body(run, t);
		} catch (error) {
			for (const program of programs)
				t.diagnostic(`${JSON.stringify(program.how)} said:\n${program.stderr.slice(-3000)}`);
			throw error;
		} finally {
			for (const program of programs)
				program.kill();
		}
	});
}

export const withServer = (name, args, body, options) => withPrograms(name, async (run) => {
	const server = await run(new Server(args, options)).start();

	await body(server);
	await server.stop();
});
