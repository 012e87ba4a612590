// tcp-proxy: stands between the daemon and a feed, and misbehaves on order. As an HTTP proxy it also
// understands CONNECT.
import net from 'node:net';

export class TcpProxy {
	// `connect`: the target is told by the client's CONNECT request instead of `target`. `refusal`: the status
	// ("403 Forbidden") that every CONNECT gets. `isSilent`: accepts connections and says nothing.
	constructor({ target = null, connect = false, authorization = null, refusal = null, isSilent = false } = {}) {
		Object.assign(this, { target, connect, authorization, refusal, isSilent });
		this.port = 0; // chosen at the first start, kept by later ones
		this.isFrozen = false; // a black hole: nothing passes, nothing closes
		this.slice = Infinity; // bytes that are passed on at a time
		this.pairs = new Set();
		this.requests = []; // the CONNECT requests' first lines
	}

	async start() {
		this.server = net.createServer((client) => this.#accept(client));
		await new Promise((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
		this.port = this.server.address().port;
		return this;
	}

	async stop() {
		for (const socket of this.pairs)
			socket.destroy();
		await new Promise((resolve) => this.server.close(resolve));
	}

	#accept(client) {
		this.#watch(client);
		if (this.isSilent)
			client.resume();
		else if (!this.connect)
			this.#join(client, this.target, Buffer.alloc(0));
		else
			this.#readConnect(client);
	}

	#watch(socket) {
		this.pairs.add(socket);
		socket.on('error', () => {});
		socket.on('close', () => this.pairs.delete(socket));
	}

	#readConnect(client) {
		let head = '';
		const read = (bytes) => {
			head += bytes.toString('latin1');
			if (!head.includes('\r\n\r\n'))
				return;
			client.off('data', read);
			this.requests.push(head.split('\r\n')[0]);
			this.#answerConnect(client, head);
		};

		client.on('data', read);
	}

	#answerConnect(client, head) {
		const [, six, four, port] = /^CONNECT (?:\[([^ \]]+)\]|([^ :]+)):(\d+) /.exec(head) ?? [];
		const host = six ?? four;

		if (host === undefined) {
			client.end('HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n');
		} else if (this.refusal !== null) {
			client.end(`HTTP/1.1 ${this.refusal}\r\nContent-Length: 0\r\n\r\n`);
		} else if (this.authorization !== null && !head.includes(`Proxy-Authorization: ${this.authorization}`)) {
			client.end('HTTP/1.1 407 Proxy Authentication Required\r\n'
				+ 'Proxy-Authenticate: Basic realm="test"\r\nContent-Length: 0\r\n\r\n');
		} else {
			client.write('HTTP/1.1 200 Connection established\r\n\r\n');
			this.#join(client, { host, port: Number(port) }, Buffer.alloc(0));
		}
	}

	#join(client, target, first) {
		const server = net.connect(target.port, target.host ?? '127.0.0.1');

		this.#watch(server);
		server.setNoDelay(true);
		client.setNoDelay(true);
		server.write(first);
		this.#pass(client, server);
		this.#pass(server, client);
	}

	#pass(from, to) {
		from.on('data', (bytes) => {
			if (this.isFrozen)
				return;
			for (let at = 0; at < bytes.length; at += this.slice)
				to.write(bytes.subarray(at, Math.min(at + this.slice, bytes.length)));
		});
		from.on('end', () => { if (!this.isFrozen) to.end(); });
		from.on('close', () => { if (!this.isFrozen) to.destroy(); });
	}
}
