// live: the page as a client. A plain WebSocket that speaks Engine.IO 4 and Socket.IO 5: opened, it joins the feed's
// namespace (`40`), subscribes to the chosen stream, and keeps the newest events as they came; whoever shows them takes
// them apart. One connection for as long as one feed is watched: another stream is another subscription on it.
import { dataEvent, emitPacket, inNamespace, readPacket } from './dialect.mjs';

const KEPT = 40;

export class Live {
	received = 0; // events since the stream was chosen
	newest = []; // JSON texts, the newest last
	#socket = null;
	#feed = null;
	#stream = null;
	#isJoined = false;
	#acks = 0;
	#say;

	// `say(text, isOver, isRefused)` is told what happens; over: there is no connection any more.
	constructor(say) {
		this.#say = say;
	}

	get isOpen() {
		return this.#socket !== null;
	}

	watch(feed, stream, token) {
		const isSameFeed = this.#socket !== null && this.#feed === feed;
		const old = this.#stream;

		this.received = 0;
		this.newest = [];
		this.#stream = stream;
		if (!isSameFeed) {
			this.stop();
			this.#connect(feed, stream, token);
		} else if (this.#isJoined && old !== stream) {
			this.#send(emitPacket(feed, feed.dialect.unsubscribe, old, this.#acks++));
			this.#subscribe();
		}
	}

	stop() {
		const socket = this.#socket;

		this.#socket = null;
		if (socket === null)
			return;
		if (this.#isJoined)
			socket.send(`41${inNamespace(this.#feed, ',')}`);
		socket.close();
		this.#say('Stopped.', true);
	}

	#connect(feed, stream, token) {
		const address = new URL(feed.path, location.href.replace(/^http/, 'ws'));

		address.search = new URLSearchParams({ EIO: '4', transport: 'websocket', ...(token === null ? {} : { token }) });
		address.hash = '';
		this.#feed = feed;
		this.#stream = stream;
		this.#isJoined = false;
		this.#acks = 0;
		this.#say('Connecting ...', false);
		const socket = new WebSocket(address);

		this.#socket = socket;
		socket.addEventListener('message', ({ data }) => {
			if (this.#socket === socket && typeof data === 'string') // attachments are binary
				this.#read(data);
		});
		socket.addEventListener('close', () => {
			if (this.#socket !== socket)
				return;
			this.#socket = null;
			this.#say('The server has closed the connection.', true);
		});
	}

	#send(text) {
		this.#socket.send(text);
	}

	#read(text) {
		if (text[0] === '0')
			this.#send(`40${inNamespace(this.#feed, ',')}`);
		else if (text[0] === '2')
			this.#send('3');
		else if (text[0] === '4')
			this.#packet(readPacket(this.#feed, text));
	}

	#packet(packet) {
		switch (packet?.kind) {
		case '0':
			this.#isJoined = true;
			this.#subscribe();
			break;
		case '1':
			this.#end('The server has sent this client away.', false);
			break;
		case '2':
		case '5':
			this.#event(packet.json);
			break;
		case '3':
			this.#answer(packet);
			break;
		case '4':
			this.#end(`The server refuses this client: ${packet.json}`, true);
			break;
		default:
		}
	}

	#end(why, isRefused) {
		this.#isJoined = false;
		this.stop();
		this.#say(why, true, isRefused);
	}

	#subscribe() {
		const { subscribe } = this.#feed.dialect;

		this.#send(emitPacket(this.#feed, subscribe, this.#stream, this.#acks));
		this.#say(subscribe.ack ? 'Subscribing ...' : 'Subscribed.', false);
		if (subscribe.ack)
			this.subscribing = this.#acks++;
	}

	#answer({ id, json }) {
		if (Number(id) !== this.subscribing)
			return;
		const [error] = JSON.parse(json);

		this.#say(error === null || error === undefined ? 'Subscribed.' : `The subscription is refused: ${JSON.stringify(error)}`, false);
	}

	#event(json) {
		const name = dataEvent(this.#feed, this.#stream);

		if (name !== '*' && !json.startsWith(`[${JSON.stringify(name)}`))
			return;
		this.received++;
		this.newest.push(json);
		if (this.newest.length > 2 * KEPT)
			this.newest.splice(0, this.newest.length - KEPT);
	}

	get shown() {
		return this.newest.slice(-KEPT);
	}
}
