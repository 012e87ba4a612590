// tapes: recordings made to order, clients that see every byte, and how to talk to a replay.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { waitFor } from './support.mjs';

const schema = fileURLToPath(new URL('../../schema/sqlite/', import.meta.url));

export const S = 1_000_000;
export const T0 = 1_400_666_400 * S; // 2014-05-21T10:00:00Z

export const USUAL = {
	data: { event: 'data', params: '/params', path: '/path', results: '/results', timestamp: '/timestamp' },
	subscribe: { ack: true, args: [{ params: '$params', path: '$path' }], event: 'subscribe' },
	unsubscribe: { ack: true, args: [{ params: '$params', path: '$path' }], event: 'unsubscribe' },
};

const quote = (value) => (value === null || value === undefined ? 'NULL' : typeof value === 'number' ? String(value)
	: `'${String(value).replaceAll("'", "''")}'`);
const row = (...values) => `(${values.map(quote).join(', ')})`;
const pathOf = (event) => event.path ?? 'p';
const paramsOf = (event) => event.params ?? '{}';

// What is left of ascending spans between ascending holes.
function without(spans, holes) {
	return holes.reduce((left, { from, to }) => left.flatMap(([start, end]) => [[start, Math.min(end, from)], [Math.max(start, to), end]])
		.filter(([start, end]) => start < end), spans);
}

// Makes a recording. `events`: { at, path, params, timestamp, text, results, extra, feed } in order, `at` microseconds since T0;
// `covered`: [from, to] pairs since T0 in which every stream was recorded (default: all of it). `quiet`: streams without events;
// `gaps`: { path, params, from, to, cause } of one stream each.
export function makeTape(scene, name, { events, covered, feeds = [{}], quiet = [], gaps = [] }) {
	const streams = new Map();
	const streamOf = (event) => {
		const key = JSON.stringify([event.feed ?? 1, pathOf(event), paramsOf(event)]);

		return streams.get(key) ?? streams.set(key, { id: streams.size + 1, event, count: 0, first: null, last: null, gaps: [] }).get(key);
	};
	const seqs = new Map();
	const end = events.length === 0 ? 0 : events.at(-1).at;
	const spans = (covered ?? [[0, end]]).map(([from, to]) => [T0 + from, T0 + to]);
	const rows = events.map((event, i) => {
		const stream = streamOf(event);
		const timestamp = T0 + (event.timestamp ?? event.at);
		const seqKey = `${stream.id} ${timestamp}`;
		const seq = seqs.get(seqKey) ?? 0;

		stream.count++;
		stream.first = Math.min(stream.first ?? timestamp, timestamp);
		stream.last = Math.max(stream.last ?? timestamp, timestamp);
		seqs.set(seqKey, seq + 1);
		return row(i + 1, stream.id, timestamp, seq, event.text, T0 + event.at, 1, event.results ?? `[{"n":${i + 1}}]`, event.extra);
	});
	quiet.forEach(streamOf);
	for (const gap of gaps)
		streamOf(gap).gaps.push({ from: T0 + gap.from, to: T0 + gap.to, cause: gap.cause });
	const migrations = readdirSync(schema).filter((file) => file.endsWith('.sql')).sort();
	const text = [
		'PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 0x54415045; BEGIN;',
		...migrations.map((file) => readFileSync(schema + file, 'utf8')),
		`PRAGMA user_version = ${migrations.length};`,
		...feeds.map((feed, i) => `INSERT INTO feed VALUES ${row(i + 1, feed.name ?? `feed${i + 1}`, 'http://127.0.0.1',
			feed.namespace ?? '/', feed.path ?? '/socket.io/', JSON.stringify(feed.dialect ?? USUAL))};`),
		`INSERT INTO connection (connection_id, feed_id, opened, established, last_received, closed, close_reason)
			VALUES (1, 1, ${T0}, ${T0}, ${T0 + end}, ${T0 + end}, 'stopped');`,
		`INSERT INTO run (started, last_alive, ended, batch, version, host) VALUES (${T0}, ${T0 + end}, ${T0 + end}, 1, 'test', 'test');`,
		...[...streams.values()].map(({ id, event, count, first, last }) => `INSERT INTO stream (stream_id, feed_id, path, params, events, first, last)
			VALUES ${row(id, event.feed ?? 1, pathOf(event), paramsOf(event), count, first, last)};`),
		...rows.map((values) => `INSERT INTO event (event_id, stream_id, timestamp, seq, timestamp_text, received, connection_id, results, extra)
			VALUES ${values};`),
		...[...streams.values()].flatMap(({ id, event, gaps: holes }) => [
			`INSERT INTO wanted VALUES ${row(id, T0, T0 + end)};`,
			...without(spans, holes).map(([from, to]) => `INSERT INTO coverage VALUES ${row(id, from, to)};`),
			...holes.map(({ from, to, cause }) => `INSERT INTO outage (feed_id, stream_id, started, ended, cause)
				VALUES ${row(event.feed ?? 1, id, from, to, cause)};`),
		]),
		'COMMIT; PRAGMA journal_mode = WAL;',
	].join('\n');

	execFileSync('sqlite3', ['-bail', scene.file(name)], { input: text, stdio: ['pipe', 'ignore', 'pipe'] });
	scene.own.add(name); // it is not the daemon's work that is verified
	return scene.file(name);
}

// `count` events, `every` microseconds apart, over `streams` paths.
export function ticks(count, every, streams = 1) {
	return Array.from({ length: count }, (_, i) => ({ at: i * every, path: streams === 1 ? 'p' : `p${i % streams}` }));
}

// ---- HTTP ----

export function request(server, method, target, { headers = {}, body } = {}) {
	return new Promise((resolve, reject) => {
		const call = http.request({ host: '127.0.0.1', port: server.port, method, path: target, headers, agent: false }, (response) => {
			let text = '';

			response.on('data', (bytes) => { text += bytes; });
			response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
			response.on('error', reject);
		});

		call.on('error', reject);
		call.end(body);
	});
}

export const basic = (key) => ({ Authorization: `Basic ${Buffer.from(`${key}:`).toString('base64')}` });

export async function fetchToken(server, key) {
	const { status, text } = await request(server, 'POST', '/jwt', { headers: basic(key) });

	assert.equal(status, 200);
	return JSON.parse(text).token;
}

export async function stateOf(server) {
	return JSON.parse((await request(server, 'GET', '/replay')).text);
}

export async function control(server, order) {
	const { status, text } = await request(server, 'POST', '/replay',
		{ headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(order) });

	assert.equal(status, 200, text);
	return JSON.parse(text);
}

// ---- a client that sees every byte ----

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

// Engine.IO 4 or 3 over a bare WebSocket. `packets` are the Socket.IO packets in order, as text.
export class RawClient {
	packets = [];
	isOpen = false;
	isClosed = false;
	handshake = null; // the HTTP answer, where it is no WebSocket
	#bytes = Buffer.alloc(0);
	#parts = [];

	constructor(server, { query = {}, auth = null, eio = 4, namespace = '/', path = '/socket.io/', reads = true } = {}) {
		const key = randomBytes(16).toString('base64');
		const target = `${path}?${new URLSearchParams({ EIO: String(eio), transport: 'websocket', ...query })}`;

		this.prefix = namespace === '/' ? '' : `${namespace},`;
		this.join = eio === 4 || namespace !== '/' ? `40${this.prefix}${auth === null ? '' : JSON.stringify(auth)}` : null;
		this.accept = createHash('sha1').update(key + MAGIC).digest('base64');
		this.socket = net.connect(server.port, '127.0.0.1');
		this.socket.on('error', () => {});
		this.socket.on('close', () => { this.isClosed = true; });
		this.socket.on('data', (bytes) => this.#take(bytes));
		if (!reads)
			this.socket.pause();
		this.socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
			+ `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`);
	}

	// Opens one and waits until it is in its namespace.
	static async open(server, options) {
		const client = new RawClient(server, options);

		await client.sees((packet) => packet.startsWith(`40${client.prefix.slice(0, -1)}`));
		return client;
	}

	#take(bytes) {
		this.#bytes = Buffer.concat([this.#bytes, bytes]);
		if (!this.isOpen && !this.#takeHead())
			return;
		while (this.#takeFrame()) { /* the next one */ }
	}

	#takeHead() {
		const end = this.#bytes.indexOf('\r\n\r\n');

		if (end < 0)
			return false;
		const head = this.#bytes.subarray(0, end).toString();

		if (!head.includes(this.accept)) {
			this.handshake = head;
			return false;
		}
		this.isOpen = true;
		this.#bytes = this.#bytes.subarray(end + 4);
		return true;
	}

	#takeFrame() {
		const bytes = this.#bytes;

		if (bytes.length < 2)
			return false;
		const short = bytes[1] & 127;
		const head = short < 126 ? 2 : short === 126 ? 4 : 10;

		if (bytes.length < head)
			return false;
		const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));

		if (bytes.length < head + length)
			return false;
		this.#bytes = bytes.subarray(head + length);
		this.#takeMessage(bytes[0], bytes.subarray(head, head + length));
		return true;
	}

	#takeMessage(first, payload) {
		this.#parts.push(payload);
		if ((first & 128) === 0)
			return;
		const text = Buffer.concat(this.#parts).toString();

		this.#parts = [];
		if ((first & 15) === 8)
			this.socket.end();
		else if (text === '2')
			this.send('3');
		else if (text[0] === '0' && this.join !== null)
			this.send(this.join);
		else if (text[0] === '4')
			this.packets.push(text);
	}

	send(text) {
		const payload = Buffer.from(text);
		const mask = randomBytes(4);
		const head = payload.length < 126 ? Buffer.from([0x81, 0x80 | payload.length])
			: Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 255]);

		this.socket.write(Buffer.concat([head, mask, payload.map((byte, i) => byte ^ mask[i % 4])]));
	}

	emit(name, args, id = '') {
		this.send(`42${this.prefix}${id}${JSON.stringify([name, ...args])}`);
	}

	subscribe(path, params, id = '0') {
		this.emit('subscribe', [params === undefined ? { path } : { path, params }], id);
	}

	// The data packets, without acks and the like.
	get data() {
		return this.packets.filter((packet) => packet.startsWith(`42${this.prefix}["`));
	}

	// The numbers in the results of makeTape's events.
	get numbers() {
		return this.data.map((packet) => Number(packet.match(/"n":(\d+)/)[1]));
	}

	async sees(predicate, what = 'a packet', bound = undefined) {
		return waitFor(() => this.packets.find(predicate), what, bound);
	}

	async seesData(count, bound = undefined) {
		await waitFor(() => this.data.length >= count, `${count} data packets (there are ${this.data.length})`, bound);
	}

	async closes() {
		await waitFor(() => this.isClosed, 'the connection to end');
	}

	close() {
		this.socket.destroy();
	}
}
