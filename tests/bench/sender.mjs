// sender: as much of a Socket.IO 4 server as a recorder needs (WebSocket only), which then writes
// ready-made frames as fast as TCP takes them. Started by ingest.mjs; speaks with it through IPC:
//   -> { port }   -> { subscribed }   <- "go"   -> { done }
import crypto from 'node:crypto';
import net from 'node:net';
import { SHAPES, frame, roundMaker } from './shapes.mjs';

const [shapeName, total] = [process.argv[2], Number(process.argv[3])];
const shape = SHAPES[shapeName];
const { round } = roundMaker(shape);
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const OPEN = '0{"sid":"bench","upgrades":[],"pingInterval":25000,"pingTimeout":60000,"maxPayload":1000000}';

// Takes one masked frame from the front: { opcode, text, used }, or null if it is not all there.
function clientFrame(bytes) {
	if (bytes.length < 6)
		return null;
	const short = bytes[1] & 0x7f;
	const head = short < 126 ? 2 : 4;
	const length = short < 126 ? short : bytes.readUInt16BE(2);
	const used = head + 4 + length;

	if (short === 127)
		throw new Error('a client that sends more than 64 KiB is none of ours');
	if (bytes.length < used)
		return null;
	const text = Buffer.from(bytes.subarray(head + 4, used));
	for (let i = 0; i < length; i++)
		text[i] ^= bytes[head + (i & 3)];
	return { opcode: bytes[0] & 0x0f, text: text.toString(), used };
}

async function sendAll(socket) {
	for (let number = 0; number * shape.streams < total; number++) {
		if (!socket.write(round(number)))
			await new Promise((resolve) => socket.once('drain', resolve));
	}
	process.send({ done: true });
}

function serve(socket) {
	let rest = Buffer.alloc(0);
	let isOpen = false;
	let subscribed = 0;

	function take(opcode, text) {
		const event = text.match(/^42(\d+)\["(\w+)"/);

		if (opcode === 8)
			return socket.end(Buffer.from([0x88, 0]));
		if (text === '40')
			return socket.write(frame('40{"sid":"bench-client"}'));
		if (event === null)
			return undefined;
		socket.write(frame(`43${event[1]}[null]`));
		if (event[2] === 'subscribe' && ++subscribed === shape.streams)
			process.send({ subscribed });
		return undefined;
	}

	process.on('message', () => sendAll(socket));
	setInterval(() => isOpen && socket.write(frame('2')), 25_000).unref();
	socket.setNoDelay(true);
	socket.on('error', () => {});
	socket.on('data', (bytes) => {
		rest = Buffer.concat([rest, bytes]);
		if (!isOpen) {
			const end = rest.indexOf('\r\n\r\n');

			if (end === -1)
				return;
			const key = rest.toString('latin1', 0, end).match(/^sec-websocket-key: *(\S+)/im)[1];
			const accept = crypto.createHash('sha1').update(key + GUID).digest('base64');
			rest = rest.subarray(end + 4);
			isOpen = true;
			socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
				`Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
			socket.write(frame(OPEN));
		}
		for (let got = clientFrame(rest); got !== null; got = clientFrame(rest)) {
			rest = rest.subarray(got.used);
			take(got.opcode, got.text);
		}
	});
}

const server = net.createServer(serve);
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit(0));
