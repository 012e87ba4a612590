// exchange-servers: two exchanges' public feeds on the real Socket.IO server of version 2 or 4, as they
// speak today: rooms or channels without a token, and members named otherwise than in feed-server.
//
// BitbankServer: emit join-room / leave-room with a room's name, no ack; event "message" with
// {"room_name", "message": {"pid", "data": {...}}}. "pid" comes with some rooms, "timestamp" inside data
// (milliseconds) with all but transactions_* and depth_diff_*.
// BitflyerServer: WebSocket only; emit subscribe / unsubscribe with a channel's name and an ack (null or
// the error's text); the event's name is the channel, its argument an object, or an array of executions.
import http from 'node:http';
import { attachServer } from './sockets.mjs';

class ExchangeServer {
	constructor({ version = 4, socketio = {} } = {}) {
		Object.assign(this, { version, socketio });
		this.host = '127.0.0.1';
		this.port = 0; // chosen at the first start, kept by later ones
		this.http = null;
		this.tcp = new Set();
		this.members = new Map(); // Socket.IO socket -> Set of the names it has asked for
		this.left = []; // names in order of arrival
		this.connections = 0;
	}

	get url() {
		return `http://${this.host}:${this.port}`;
	}

	async start() {
		this.http = http.createServer((request, response) => response.writeHead(404).end());
		this.http.on('connection', (socket) => {
			this.tcp.add(socket);
			socket.on('close', () => this.tcp.delete(socket));
			socket.on('error', () => {});
		});
		this.io = attachServer(this.version, this.http, { serveClient: false, ...this.socketio });
		this.io.on('connection', (socket) => {
			this.connections++;
			this.members.set(socket, new Set());
			socket.on('disconnect', () => this.members.delete(socket));
			this.serve(socket, this.members.get(socket));
		});
		await new Promise((resolve, reject) => {
			this.http.once('error', reject);
			this.http.listen(this.port, this.host, resolve);
		});
		this.port = this.http.address().port;
		return this;
	}

	// Dies as a killed process does. start() comes back on the same port.
	async stop() {
		const { http: server } = this;

		if (server === null)
			return;
		this.http = null;
		const closed = new Promise((resolve) => server.close(resolve));
		this.cut();
		this.io.close();
		await closed;
		this.members.clear();
	}

	// Ends every TCP connection without a word.
	cut() {
		for (const socket of this.tcp)
			socket.destroy();
	}

	// All names that somebody has asked for, sorted.
	names() {
		return [...new Set([...this.members.values()].flatMap((names) => [...names]))].sort();
	}

	// Sends an event to those who have asked for `name`: its arguments are text that reaches the wire as it
	// stands, so that what JSON.stringify cannot write (1.10, -0, 20 digits, spaces) does, too.
	sendText(name, event, ...texts) {
		const packet = `2[${[JSON.stringify(event), ...texts].join(',')}]`;

		for (const [socket, names] of this.members) {
			if (names.has(name))
				(socket.conn ?? socket.client.conn).write(packet);
		}
	}
}

export class BitbankServer extends ExchangeServer {
	// `joinDelay`: milliseconds until a room is joined.
	constructor({ joinDelay = 0, ...options } = {}) {
		super(options);
		this.joinDelay = joinDelay;
		this.acksAsked = 0; // nobody answers them
	}

	serve(socket, names) {
		socket.on('join-room', (room, ack) => {
			this.acksAsked += ack === undefined ? 0 : 1;
			if (this.joinDelay === 0)
				names.add(room);
			else
				setTimeout(() => names.add(room), this.joinDelay);
		});
		socket.on('leave-room', (room, ack) => {
			this.acksAsked += ack === undefined ? 0 : 1;
			names.delete(room);
		});
		// Noted as it arrives: Socket.IO drops events when a disconnect comes in the same breath.
		(socket.conn ?? socket.client.conn).on('packet', ({ type, data }) => {
			const [, room] = type === 'message' ? /^2\["leave-room","([^"]*)"\]$/.exec(data) ?? [] : [];

			if (room !== undefined)
				this.left.push(room);
		});
	}

	// Sends `message`, the text of {"pid": ..., "data": {...}}, to a room.
	publishText(room, message) {
		this.sendText(room, 'message', `{"room_name":${JSON.stringify(room)},"message":${message}}`);
	}
}

export class BitflyerServer extends ExchangeServer {
	constructor(options = {}) {
		super({ ...options, socketio: { transports: ['websocket'], ...options.socketio } });
		this.refused = new Set(); // channels that do not exist
		this.refusals = 0;
	}

	serve(socket, names) {
		socket.on('subscribe', (channel, ack = () => {}) => {
			if (this.refused.has(channel)) {
				this.refusals++;
				ack('Invalid channel');
			} else {
				names.add(channel);
				ack(null);
			}
		});
		socket.on('unsubscribe', (channel, ack = () => {}) => {
			this.left.push(channel);
			ack(names.delete(channel) ? null : 'Not subscribed');
		});
	}

	// Sends `argument`, a text, to a channel; `more` are further arguments.
	publishText(channel, argument, ...more) {
		this.sendText(channel, channel, argument, ...more);
	}
}
