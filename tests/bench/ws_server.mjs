// ws_server: the memory of idle WebSocket connections. See ws_server.sh.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = path.dirname(fileURLToPath(import.meta.url));
const program = path.join(process.env.TAPEDECK_BIN ?? path.join(here, '../../build/bin'), 'test-ws-server');
const PARALLEL = 200;
const PAYLOAD = 20_000;
const { values: options } = parseArgs({ options: {
	clients: { type: 'string', default: '10000' }, target: { type: 'string', default: '9500' },
} });
const count = Number(options.clients);
const request = `GET /${'x'.repeat(Number(options.target))} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
	+ 'Host: h\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
const frame = Buffer.concat([Buffer.from([0x82, 0xfe, PAYLOAD >> 8, PAYLOAD & 255, 0, 0, 0, 0]), Buffer.alloc(PAYLOAD)]);

// Runs `work` on each of the items, some at a time.
async function forAll(items, work) {
	const queue = [...items];

	await Promise.all(Array.from({ length: PARALLEL }, async () => {
		while (queue.length > 0)
			await work(queue.pop());
	}));
}

// Reads until `enough(bytes so far)`.
async function readUntil(socket, enough) {
	let got = Buffer.alloc(0);

	while (!enough(got))
		got = Buffer.concat([got, (await once(socket, 'data'))[0]]);
}

async function connect(port) {
	const socket = net.connect(port, '127.0.0.1');

	socket.write(request);
	await readUntil(socket, (got) => got.includes('\r\n\r\n'));
	return socket;
}

const server = spawn(program, ['--connections-max', String(count + 1)], { stdio: ['ignore', 'pipe', 'ignore'] });
const port = Number((await once(server.stdout, 'data'))[0]);
const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'latin1'))[1]) * 1024;
const empty = rss();
const sockets = [];
const began = Date.now();

await forAll(Array(count), async () => sockets.push(await connect(port)));
const seconds = (Date.now() - began) / 1000;

await sleep(500);
const show = (what) => console.log(`${what}: ${((rss() - empty) / count).toFixed(0)} bytes for each of ${count} connections`);

console.log(`opened in ${seconds.toFixed(1)} s`);
show('idle');
await forAll(sockets, async (socket) => {
	socket.write(frame);
	await readUntil(socket, (got) => got.length === PAYLOAD + 4);
});
await sleep(500);
show(`idle again, after ${PAYLOAD} bytes each`);
for (const socket of sockets)
	socket.destroy();
server.kill();
