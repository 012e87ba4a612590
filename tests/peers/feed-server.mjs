// feed-server: a feed like Market Prophit's, on the real Socket.IO server of version 2 or 4.
//
// POST /jwt with Basic auth (user = API key, empty password) answers {"token": "..."}; a connection
// needs that token in its query, and is otherwise refused the way its version does it; subscribe and
// unsubscribe {path, params} answer through an ack; events are {path, params, timestamp, results}.
// What a test wants to act out is a field or a method of the server. Used as a library by the tests,
// and as a program: node feed-server.mjs --help
import http from 'node:http';
import https from 'node:https';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { attachServer } from './sockets.mjs';
import { makeCanary, makeToken } from './token.mjs';

// One name for a stream, whatever the order of its params.
export function streamKey(path, params = {}) {
	const sorted = Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1));

	return `${path} ${JSON.stringify(Object.fromEntries(sorted))}`;
}

const DEFAULTS = {
	version: 4,
	host: '127.0.0.1',
	port: 0, // chosen at the first start, kept by later ones
	tls: null, // { key, cert } makes it https and wss
	apiKey: null, // null: /jwt takes any key
	needToken: true,
	namespace: '/',
	event: 'data',
	maxHeaderSize: 16384,
	socketio: {}, // further options of the Socket.IO server, such as pingInterval
	accepts: () => null, // (path, params) => null, or the error text of the ack
};

export class FeedServer {
	constructor(options = {}) {
		Object.assign(this, DEFAULTS, options);
		this.canary = options.canary ?? makeCanary();
		// How /jwt answers. `respond` (request, response) takes over altogether.
		this.jwt = {
			bytes: 9300, lifetime: null, member: 'token', bare: false,
			status: 200, body: null, headers: {}, delay: 0, hang: false, respond: null,
			...options.jwt,
		};
		this.counters = {
			connections: 0, refused: 0, subscribes: 0, unsubscribes: 0,
			refusedSubscribes: 0, tokenRequests: 0, tokens: 0, events: 0,
		};
		this.tokens = new Set(); // those that open a connection
		this.issued = []; // every one ever handed out
		this.tokenRequests = []; // { at, authorization, url } of each POST /jwt
		this.refusals = new Map(); // streamKey -> error text
		this.sockets = new Map(); // Socket.IO socket -> Set of streamKeys
		this.tcp = new Set();
		this.unsubscribed = []; // streamKeys in order of arrival
		this.ackSubscribes = true; // false: a server that has forgotten how to answer
		this.http = null;
	}

	get url() {
		return `${this.tls ? 'https' : 'http'}://${this.host}:${this.port}`;
	}

	async start() {
		const answer = (request, response) => this.#answer(request, response);
		const options = { maxHeaderSize: this.maxHeaderSize };

		this.http = this.tls ? https.createServer({ ...options, ...this.tls }, answer)
			: http.createServer(options, answer);
		this.http.on('connection', (socket) => {
			this.tcp.add(socket);
			socket.on('close', () => this.tcp.delete(socket));
			socket.on('error', () => {});
		});
		this.http.on('tlsClientError', () => {});
		this.io = attachServer(this.version, this.http, { serveClient: false, ...this.socketio });
		this.#serve(this.io.of(this.namespace));
		if (this.namespace !== '/')
			this.io.use((socket, next) => this.#admit(socket, next));
		await new Promise((resolve, reject) => {
			this.http.once('error', reject);
			this.http.listen(this.port, this.host, resolve);
		});
		this.port = this.http.address().port;
		return this;
	}

	// Dies as a killed process does: every connection is cut, the port refuses. start() comes back.
	async stop() {
		const { http: server } = this;

		if (server === null)
			return;
		this.http = null;
		const closed = new Promise((resolve) => server.close(resolve));
		this.cut();
		this.io.close();
		await closed;
		this.sockets.clear();
	}

	// Ends every TCP connection without a word: a bare FIN, or with `reset` an RST.
	cut({ reset = false } = {}) {
		for (const socket of this.tcp)
			reset ? socket.resetAndDestroy() : socket.destroy();
	}

	// Sends every client away (`41`), and with `close` ends the transport, too.
	kick({ close = false } = {}) {
		for (const socket of [...this.sockets.keys()])
			socket.disconnect(close);
	}

	// No token that was handed out so far opens a connection any more.
	forgetTokens() {
		this.tokens.clear();
	}

	// From now on a subscribe to this endpoint gets `text` as its error; null ends that.
	refuse(path, params, text) {
		if (text === null)
			this.refusals.delete(streamKey(path, params));
		else
			this.refusals.set(streamKey(path, params), text);
	}

	// All endpoints that somebody is subscribed to.
	subscriptions() {
		return new Set([...this.sockets.values()].flatMap((keys) => [...keys]));
	}

	// Sends an event to its subscribers, serialised by the Socket.IO package.
	publish(event) {
		for (const socket of this.#subscribers(event.path, event.params)) {
			socket.emit(this.event, event);
			this.counters.events++;
		}
	}

	// Sends the first argument's bytes as they stand to the subscribers of an endpoint: what
	// JSON.stringify cannot write (1.10, -0, spaces, escapes) reaches the wire. `more` are further
	// arguments, as text.
	publishText(path, params, text, more = []) {
		for (const socket of this.#subscribers(path, params)) {
			this.#emitText(socket, [text, ...more]);
			this.counters.events++;
		}
	}

	// The same to every client, whatever it has subscribed to.
	broadcastText(text, more = []) {
		for (const socket of this.sockets.keys())
			this.#emitText(socket, [text, ...more]);
	}

	// Writes a hand-made Socket.IO packet (`2["data",{...}]`) through the real engine of one client,
	// or of all.
	emitRaw(packet, socket = null) {
		for (const target of socket === null ? this.sockets.keys() : [socket])
			(target.conn ?? target.client.conn).write(packet);
	}

	#emitText(socket, texts) {
		const prefix = this.namespace === '/' ? '2' : `2${this.namespace},`;

		this.emitRaw(`${prefix}[${[JSON.stringify(this.event), ...texts].join(',')}]`, socket);
	}

	#subscribers(path, params) {
		const key = streamKey(path, params);

		return [...this.sockets].filter(([, keys]) => keys.has(key)).map(([socket]) => socket);
	}

	#admit(socket, next) {
		if (!this.needToken || this.tokens.has(socket.handshake.query.token))
			return next();
		this.counters.refused++;
		return next(Object.assign(new Error('invalid token'), { data: { code: 401 } }));
	}

	#serve(namespace) {
		namespace.use((socket, next) => this.#admit(socket, next));
		namespace.on('connection', (socket) => {
			const keys = new Set();

			this.counters.connections++;
			this.sockets.set(socket, keys);
			socket.on('subscribe', (what, ack) => this.#subscribe(keys, what, ack));
			socket.on('unsubscribe', (what, ack) => this.#unsubscribe(keys, what, ack));
			socket.on('disconnect', () => this.sockets.delete(socket));
			this.onConnection?.(socket);
		});
	}

	#subscribe(keys, what, ack = () => {}) {
		const { path, params } = what ?? {};
		const key = streamKey(path, params);
		const error = typeof path !== 'string' ? 'no path'
			: this.refusals.get(key) ?? this.accepts(path, params);

		this.counters.subscribes++;
		if (error !== null)
			this.counters.refusedSubscribes++;
		else
			keys.add(key);
		if (this.ackSubscribes)
			ack(error);
		if (error === null)
			this.onSubscribe?.(path, params);
	}

	#unsubscribe(keys, what, ack = () => {}) {
		const key = streamKey(what?.path, what?.params);

		this.counters.unsubscribes++;
		this.unsubscribed.push(key);
		ack(keys.delete(key) ? null : 'not subscribed');
	}

	async #answer(request, response) {
		const { jwt } = this;
		const url = request.url.split('?')[0];

		request.resume();
		if (request.method !== 'POST' || url !== '/jwt') {
			response.writeHead(404).end();
			return;
		}
		this.counters.tokenRequests++;
		this.tokenRequests.push({
			at: Date.now(), authorization: request.headers.authorization, url: request.url,
			cookie: request.headers.cookie,
		});
		if (jwt.respond !== null)
			jwt.respond(request, response);
		else if (!jwt.hang)
			await this.#answerToken(request, response);
	}

	async #answerToken(request, response) {
		const { jwt } = this;
		const reply = (status, body) => response.writeHead(status, {
			'Content-Type': 'application/json', 'Set-Cookie': 'session=feed; Path=/; HttpOnly',
			...jwt.headers,
		}).end(body);

		if (jwt.delay > 0)
			await sleep(jwt.delay);
		if (!this.#knowsKey(request.headers.authorization))
			return reply(401, '{"error":"invalid API key"}');
		if (jwt.status !== 200)
			return reply(jwt.status, jwt.body ?? '{"error":"refused"}');
		return reply(200, jwt.body ?? this.#newTokenText());
	}

	#knowsKey(authorization = '') {
		const [scheme, value = ''] = authorization.split(' ');
		const [user, ...password] = Buffer.from(value, 'base64').toString().split(':');

		return scheme === 'Basic' && password.join(':') === '' &&
			(this.apiKey === null ? user !== '' : user === this.apiKey);
	}

	#newTokenText() {
		const { bytes, lifetime, bare, member } = this.jwt;
		const token = makeToken({ canary: this.canary, bytes, lifetime });

		this.counters.tokens++;
		this.issued.push(token);
		this.tokens.add(token);
		return JSON.stringify(bare ? token : { [member]: token });
	}
}

export async function startFeed(options) {
	return new FeedServer(options).start();
}

const USAGE = `usage: node feed-server.mjs [--port N] [--version 2|4] [--api-key-file FILE] [--every MS]
Serves a feed on 127.0.0.1. Every MS milliseconds (default 1000) each endpoint that somebody has
subscribed to gets an event with a counter in its results.`;

async function main() {
	const { values } = parseArgs({ options: {
		port: { type: 'string', default: '38080' }, version: { type: 'string', default: '4' },
		'api-key-file': { type: 'string' }, every: { type: 'string', default: '1000' },
		help: { type: 'boolean' },
	} });

	if (values.help) {
		console.log(USAGE);
		return;
	}
	const keyFile = values['api-key-file'];
	const feed = await startFeed({
		port: Number(values.port), version: Number(values.version),
		apiKey: keyFile === undefined ? null : readFileSync(keyFile, 'utf8').trimEnd(),
	});
	let count = 0;

	console.log(`feed at ${feed.url}`);
	setInterval(() => {
		const results = [{ count: String(++count) }];

		for (const key of feed.subscriptions()) {
			const [, path, params] = key.match(/^(.*) (\{.*\})$/s);
			feed.publish({ path, params: JSON.parse(params), timestamp: new Date().toISOString(), results });
		}
	}, Number(values.every));
	for (const signal of ['SIGINT', 'SIGTERM'])
		process.on(signal, () => process.exit(0));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
	await main();
