// sockets: the real Socket.IO packages of every year under one face, so that files outside this directory
// (which have no node_modules above them) can use them, and need not know what a year called things.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

// For servers and clients of a test's own below Socket.IO.
export const { WebSocketServer, WebSocket } = require('ws');

// Loaded when asked for: a test seldom needs two of them, and a program never.
const PACKAGES = {
	'0.9': ['socket.io-0.9', 'socket.io-client-0.9'],
	'1.0': ['socket.io-1.0', 'socket.io-client-1.0'],
	1.3: ['socket.io-1.3', 'socket.io-client-1.3'],
	1.7: ['socket.io-1.7', 'socket.io-client-1.7'],
	2: ['socket.io-2', 'socket.io-client-2'],
	3: ['socket.io-3', 'socket.io-client-3'],
	4: ['socket.io', 'socket.io-client'],
};

export const VERSIONS = ['0.9', '1.0', '1.3', '1.7', '2', '3', '4'];

// The generation of the wire that a version speaks, as the recorder names it.
export function generationOf(version) {
	if (String(version) === '0.9')
		return '0.9';
	return Number(version) < 3 ? 'eio3' : 'eio4';
}

function load(version, which) {
	const names = PACKAGES[version];

	if (names === undefined)
		throw new RangeError(`no Socket.IO of version '${version}'; there are ${VERSIONS.join(', ')}`);
	return require(names[which]);
}

// ---- servers ----

const NAMES_09 = { polling: 'xhr-polling' };

// The options of the later versions that 0.9 has by another name. It counts in seconds, and its client
// is told one time for interval and patience together.
function options09({ transports, pingInterval = 25_000, pingTimeout = 35_000, serveClient, allowEIO3, path, ...rest }) {
	return {
		log: false, 'flash policy server': false, 'browser client': false,
		'client store expiration': 0, // its timers would keep the process
		resource: (path ?? '/socket.io').replace(/\/$/, ''),
		transports: (transports ?? ['websocket', 'polling']).map((name) => NAMES_09[name] ?? name),
		'heartbeat interval': pingInterval / 1000,
		'heartbeat timeout': (pingInterval + pingTimeout) / 1000,
		...rest,
	};
}

const sessions = new WeakMap(); // server -> its Engine.IO sessions, each with the transport that it began with

// A Socket.IO server on an http server. `options` are called as in version 4.
export function attachServer(version, httpServer, options = {}) {
	const found = load(version, 0);

	if (String(version) === '0.9')
		return found.listen(httpServer, options09(options));
	const io = Number(version) < 3 ? found(httpServer, options) : new found.Server(httpServer, options);
	const all = new Map();

	sessions.set(io, all);
	io.engine.on('connection', (session) => all.set(session, session.transport));
	return io;
}

function closeServer09(manager) {
	for (const id of Object.keys({ ...manager.handshaken, ...manager.transports }))
		manager.onClientDisconnect(id, 'server closed');
}

// Ends a server whose connections are cut already. What it would still wait for (a last poll, a heartbeat)
// cannot come, but would keep the process for half a minute; and 1.0 and 1.3 never end the timer of a probe
// that came just after its session was gone.
export function closeServer(version, io) {
	if (String(version) === '0.9') {
		closeServer09(io);
		return;
	}
	if (io.close === undefined) // 1.0
		io.engine.close();
	else
		io.close();
	for (const client of Object.values(io.engine.clients))
		client.onClose('server closed');
	for (const [session, transport] of sessions.get(io)) {
		transport.shouldClose?.();
		clearInterval(session.checkIntervalTimer);
	}
}

// Has `decide(query)` answer null, or the Error with which a version refuses. 0.9 knows one refusal only,
// of the handshake; later ones refuse each namespace. `delay()`: how many ms they take to decide.
export function admit(version, io, namespaces, decide, delay = () => 0) {
	if (String(version) === '0.9') {
		io.set('authorization', (handshake, done) => done(null, decide(handshake.query) === null));
		return;
	}
	for (const namespace of namespaces)
		io.of(namespace).use((socket, next) => {
			const answer = () => next(decide(socket.handshake.query) ?? undefined);

			delay() === 0 ? answer() : setTimeout(answer, delay());
		});
}

export function namespaceOf(version, io, name) {
	return io.of(String(version) === '0.9' && name === '/' ? '' : name);
}

// `websocket` or `polling`: what a server's socket uses at this moment.
export function transportOf(version, socket) {
	if (String(version) !== '0.9')
		return engineOf(socket).transport.name;
	const name = socket.manager.transports[socket.id]?.name;

	return name === 'websocket' ? name : 'polling'; // between two polls there is none
}

function engineOf(socket) {
	return socket.conn ?? socket.client.conn;
}

// An event packet of the later versions, taken apart without touching its arguments.
const EVENT = /^2(?:(\/[^,]*),)?\[("(?:[^"\\]|\\.)*")(?:,([^]*))?\]$/;

function packet09(packet) {
	const [whole, namespace = '', name, args = ''] = EVENT.exec(packet) ?? [];

	return whole === undefined ? packet : `5::${namespace}:{"name":${name},"args":[${args}]}`;
}

// Sends a hand-made packet (`2["data",{...}]`) through a server's real transport, its bytes as they stand.
// 0.9 gets the same event in its own form; what is no event goes as it is.
export function writeRaw(version, socket, packet) {
	if (String(version) === '0.9')
		socket.dispatch(packet09(packet), false);
	else
		engineOf(socket).write(packet);
}

// ---- clients ----

function connect09(found, url, { query = {}, transports, reconnection = true, reconnectionDelay = 500 }) {
	// As an option the list would be mixed with the default one.
	found.transports = (transports ?? ['websocket', 'polling']).map((name) => NAMES_09[name] ?? name);
	return found.connect(url, {
		query: String(new URLSearchParams(query)),
		reconnect: reconnection, 'reconnection delay': reconnectionDelay, 'force new connection': true,
	});
}

// The unmodified client of that version; `options` are called as in version 4. Tests never share a
// connection.
export function connect(version, url, options = {}) {
	const found = load(version, 1);

	if (String(version) === '0.9')
		return connect09(found, url, options);
	return (found.io ?? found)(url, { forceNew: true, ...options });
}

// `websocket` or `polling`: what a client uses at this moment, null if nothing.
export function clientTransportOf(version, socket) {
	const transport = String(version) === '0.9' ? socket.socket.transport : socket.io.engine.transport;

	return transport?.name?.replace('xhr-', '') ?? null;
}

// Has `take` see what a client gets, as text and before it is understood; of 0.9 it may be several packets.
export function overhear(version, socket, take) {
	if (String(version) !== '0.9') {
		socket.io.engine.on('data', take);
		return;
	}
	const { transport } = socket.socket;
	const { onData } = transport;

	transport.onData = (data) => {
		take(data);
		return onData.call(transport, data);
	};
}
