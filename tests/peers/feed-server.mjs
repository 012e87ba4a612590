// feed-server: a feed like Market Prophit's, on the real Socket.IO server of any year from 0.9 to 4.
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
import { admit, attachServer, closeServer, namespaceOf, transportOf, writeRaw } from './sockets.mjs';
import { makeCanary, makeToken } from './token.mjs';

// One name for a stream, whatever the order of its params.
export function streamKey(path, params = {}) {
	const sorted = Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1));

	return `${path} ${JSON.stringify(Object.fromEntries(sorted))}`;
}

const DEFAULTS = {
	version: 4, // or '0.9', '1.0', '1.3', '1.7', 2, 3; may change between stop() and start()
	host: '127.0.0.1',
	port: 0, // chosen at the first start, kept by later ones
	tls: null, // { key, cert } makes it https and wss
	apiKey: null, // null: /jwt takes any key
	needToken: true,
	namespace: '/',
	event: 'data',
	maxHeaderSize: 16384,
	allowEIO3: false, // versions 3 and 4 understand clients of 1 and 2
	socketio: {}, // further options of the Socket.IO server, such as pingInterval
	accepts: () => null, // (path, params) => null, or the error text of the ack
	admits: () => null, // (query) => null, or the Error that refuses a connection whose token is good
	admitDelay: 0, // ms before `admits` is asked; not for 0.9
	greet: null, // an event for each client that comes
	rooms: false, // an endpoint is a room of the Socket.IO server: what a resumed session needs
	ackGate: null, // (socket's number, 'subscribe' or 'unsubscribe', streamKey) => promise; no ack before it
};

const REQUESTS_MAX = 2000; // the newest that `requests` remembers
const JOURNAL_MAX = 1_000_000;

export class FeedServer {
	// `transports`: what the server offers, ['websocket'] or ['polling']; null: both.
	constructor({ transports = null, ...options } = {}) {
		Object.assign(this, DEFAULTS, options);
		this.offers = transports;
		this.canary = options.canary ?? makeCanary();
		// How /jwt answers. `respond` (request, response) takes over altogether.
		this.jwt = {
			bytes: 9300, member: 'token', bare: false,
			lifetime: null, // seconds, or (tokens issued so far) => seconds
			status: 200, body: null, headers: {}, delay: 0, hang: false, respond: null,
			...options.jwt,
		};
		this.counters = {
			connections: 0, refused: 0, subscribes: 0, unsubscribes: 0,
			refusedSubscribes: 0, tokenRequests: 0, tokens: 0, events: 0, recoveries: 0,
		};
		this.tokens = new Set(); // those that open a connection
		this.issued = []; // every one ever handed out
		this.used = []; // those that opened a connection, in order
		this.tokenRequests = []; // { at, authorization, url } of each POST /jwt
		this.requests = []; // { kind, method, url, headers } of all others; kind 'http' or 'upgrade'
		this.refusals = new Map(); // streamKey -> error text
		this.sockets = new Map(); // Socket.IO socket -> Set of streamKeys
		this.tcp = new Set();
		this.numbers = new Map(); // Socket.IO socket -> its number, from 1
		this.unsubscribed = []; // streamKeys in order of arrival
		// What came, in order: { at, what, socket, key }; `what` is 'refused', 'connection', 'disconnect',
		// 'subscribe' or 'unsubscribe', `socket` a number from 1, which a resumed session gets anew.
		this.journal = [];
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
		this.io = attachServer(this.version, this.http, this.#options());
		admit(this.version, this.io, new Set(['/', this.namespace]), (query) => this.#admit(query), () => this.admitDelay);
		this.#serve(namespaceOf(this.version, this.io, this.namespace));
		this.#listen('request', 'http');
		this.#listen('upgrade', 'upgrade');
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
		await closed;
		closeServer(this.version, this.io);
		this.sockets.clear();
	}

	// Ends every TCP connection without a word: a bare FIN, or with `reset` an RST.
	cut({ reset = false } = {}) {
		for (const socket of this.tcp)
			reset ? socket.resetAndDestroy() : socket.destroy();
	}

	// The same for one client, by its number; for WebSocket, where a client is one TCP connection.
	cutOne(number) {
		for (const [socket, own] of this.numbers) {
			if (own === number)
				socket.request.socket.destroy();
		}
	}

	// Drops a subscription without telling anybody.
	forget(path, params) {
		const key = streamKey(path, params);

		for (const [socket, keys] of this.sockets) {
			keys.delete(key);
			if (this.rooms)
				socket.leave(key);
		}
	}

	// Sends every client away (`41`, in 0.9 `0::`), and with `close` ends the transport, too, as 0.9 always does.
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

	// What each client uses at this moment: `websocket` or `polling`.
	transports() {
		return [...this.sockets.keys()].map((socket) => transportOf(this.version, socket));
	}

	// All endpoints that somebody is subscribed to.
	subscriptions() {
		return new Set([...this.sockets.values()].flatMap((keys) => [...keys]));
	}

	// Sends an event to its subscribers, serialised by the Socket.IO package; `more` are further arguments.
	publish(event, ...more) {
		if (this.rooms) {
			this.emitToRoom(event.path, event.params, this.event, event, ...more);
			return;
		}
		for (const socket of this.#subscribers(event.path, event.params)) {
			socket.emit(this.event, event, ...more);
			this.counters.events++;
		}
	}

	// With `rooms`: an event of any name to an endpoint's room, members that are away for a moment included.
	emitToRoom(path, params, ...args) {
		namespaceOf(this.version, this.io, this.namespace).to(streamKey(path, params)).emit(...args);
		this.counters.events++;
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

	// Writes a hand-made Socket.IO packet (`2["data",{...}]`) through the real transport of one client,
	// or of all.
	emitRaw(packet, socket = null) {
		for (const target of socket === null ? this.sockets.keys() : [socket])
			writeRaw(this.version, target, packet);
	}

	#emitText(socket, texts) {
		const prefix = this.namespace === '/' ? '2' : `2${this.namespace},`;

		this.emitRaw(`${prefix}[${[JSON.stringify(this.event), ...texts].join(',')}]`, socket);
	}

	#subscribers(path, params) {
		const key = streamKey(path, params);

		return [...this.sockets].filter(([, keys]) => keys.has(key)).map(([socket]) => socket);
	}

	#options() {
		const { offers, allowEIO3, socketio } = this;

		return {
			serveClient: false, allowEIO3, ...(offers === null ? {} : { transports: offers }), ...socketio,
		};
	}

	// Engine.IO takes over the listeners that it finds, so these come later and stand in front.
	#listen(event, kind) {
		this.http.prependListener(event, ({ method, url, headers }) => {
			if (url.split('?')[0] !== '/jwt')
				this.requests.push({ kind, method, url, headers });
			if (this.requests.length > REQUESTS_MAX)
				this.requests.shift();
		});
	}

	#admit(query) {
		const error = this.needToken && !this.tokens.has(query.token)
			? Object.assign(new Error('invalid token'), { data: { code: 401 } }) : this.admits(query);

		if (error === null) {
			this.used.push(query.token);
			return null;
		}
		this.counters.refused++;
		this.#note('refused', null, null);
		return error;
	}

	#note(what, socket, key) {
		if (this.journal.length < JOURNAL_MAX)
			this.journal.push({ at: Date.now(), what, socket: this.numbers.get(socket) ?? null, key });
	}

	#serve(namespace) {
		namespace.on('connection', (socket) => {
			const keys = new Set();

			this.numbers.set(socket, ++this.counters.connections);
			this.sockets.set(socket, keys);
			this.#note('connection', socket, null);
			if (socket.recovered) {
				this.counters.recoveries++;
				[...socket.rooms].filter((room) => this.rooms && room !== socket.id).forEach((room) => keys.add(room));
			}
			if (this.greet !== null)
				socket.emit(this.event, this.greet);
			socket.on('subscribe', (what, ack) => this.#subscribe(socket, keys, what, ack));
			socket.on('unsubscribe', (what, ack) => this.#unsubscribe(socket, keys, what, ack));
			socket.on('disconnect', () => {
				this.#note('disconnect', socket, null);
				this.sockets.delete(socket);
				this.numbers.delete(socket);
			});
			this.onConnection?.(socket);
		});
	}

	async #ack(socket, what, key, ack, error) {
		if (this.ackGate !== null)
			await this.ackGate(this.numbers.get(socket), what, key);
		ack(error);
	}

	#subscribe(socket, keys, what, ack = () => {}) {
		const { path, params } = what ?? {};
		const key = streamKey(path, params);
		const error = typeof path !== 'string' ? 'no path'
			: this.refusals.get(key) ?? this.accepts(path, params);

		this.counters.subscribes++;
		this.#note('subscribe', socket, key);
		if (error !== null)
			this.counters.refusedSubscribes++;
		else
			this.#enter(socket, keys, key);
		if (this.ackSubscribes)
			void this.#ack(socket, 'subscribe', key, ack, error);
		if (error === null)
			this.onSubscribe?.(path, params);
	}

	#enter(socket, keys, key) {
		keys.add(key);
		if (this.rooms)
			socket.join(key);
	}

	#unsubscribe(socket, keys, what, ack = () => {}) {
		const key = streamKey(what?.path, what?.params);

		this.counters.unsubscribes++;
		this.unsubscribed.push(key);
		this.#note('unsubscribe', socket, key);
		if (this.rooms)
			socket.leave(key);
		void this.#ack(socket, 'unsubscribe', key, ack, keys.delete(key) ? null : 'not subscribed');
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
		const life = typeof lifetime === 'function' ? lifetime(this.counters.tokens) : lifetime;
		const token = makeToken({ canary: this.canary, bytes, lifetime: life });

		this.counters.tokens++;
		this.issued.push(token);
		this.tokens.add(token);
		return JSON.stringify(bare ? token : { [member]: token });
	}
}

export async function startFeed(options) {
	return new FeedServer(options).start();
}

const USAGE = `usage: node feed-server.mjs [--port N] [--version V] [--api-key-file FILE] [--every MS]
Serves a feed on 127.0.0.1, by Socket.IO 0.9, 1.0, 1.3, 1.7, 2, 3 or 4 (the default). Every MS
milliseconds (default 1000) each endpoint that somebody has subscribed to gets an event with a counter
in its results.`;

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
		port: Number(values.port), version: values.version,
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
