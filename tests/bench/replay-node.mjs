// replay-node: the same events from the Socket.IO server of Node.js, held in memory as objects; what tapedeck-replay is
// compared with. usage: node replay-node.mjs EVENTS each|broadcast CLIENTS
//   each       a client is sent the events when it has subscribed to all streams, as fast as it takes them
//   broadcast  all clients are sent each event at once, when they have all subscribed
import http from 'node:http';
import { attachServer } from '../peers/sockets.mjs';

const STREAMS = 10;
const CHUNK = 500;
const BACKLOG = 2000; // packets that may wait for a client
const [count, how, clients] = process.argv.slice(2);
const events = Array.from({ length: Number(count) }, (_, i) => ({
	path: `p${i % STREAMS}`, params: {}, timestamp: '2014-05-21T10:00:00.000Z', results: [i * 1000, { ts: '2014-05-21T10:00:00.000Z', ticker: 'AAPL',
		crowd_sentiment: '0.6908441588708437', volume: '123456', change: '-0.0337734249681757' }],
}));

const server = http.createServer();
const io = attachServer(4, server, { serveClient: false });
let ready = 0;

function isFull(socket) {
	return socket.conn.writeBuffer.length > BACKLOG || !socket.conn.transport.writable;
}

function pump(sockets, emit, at = 0) {
	if (sockets.some(isFull))
		return void setImmediate(() => pump(sockets, emit, at));
	for (let i = at; i < at + CHUNK && i < events.length; i++)
		emit(events[i]);
	if (at + CHUNK < events.length)
		setImmediate(() => pump(sockets, emit, at + CHUNK));
	return undefined;
}

io.on('connection', (socket) => {
	let subscribed = 0;

	socket.on('error', () => {});
	socket.on('subscribe', (what, ack) => {
		ack(null);
		if (++subscribed < STREAMS)
			return;
		if (how === 'each')
			pump([socket], (event) => socket.emit('data', event));
		else if (++ready === Number(clients))
			pump([...io.sockets.sockets.values()], (event) => io.emit('data', event));
	});
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
