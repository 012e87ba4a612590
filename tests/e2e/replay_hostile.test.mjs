// Clients that mean no good, or are slow: the others are served as if they were not there.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { e2e, waitFor } from './support.mjs';
import { makeTape, RawClient, request, stateOf, ticks } from './tapes.mjs';

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const rss = (server) => Number(readFileSync(`/proc/${server.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024;

// How late events come, in ms: one client whose results say when each is due.
async function lateness(server, count) {
	const client = new RawClient(server);
	const times = [];
	const { push } = client.packets;

	client.packets.push = (...packets) => {
		if (packets[0].startsWith('42'))
			times.push(performance.now());
		return push.apply(client.packets, packets);
	};
	await client.sees((packet) => packet.startsWith('40'));
	client.subscribe('p');
	await client.seesData(count);
	client.close();
	return times;
}

function worst(times, every) {
	const offsets = times.map((at, i) => at - i * every);

	return Math.max(...offsets) - Math.min(...offsets);
}

e2e('a client that never reads lags by itself, holds up nobody, and misses nothing when it reads again', async (scene) => {
	const filler = 'x'.repeat(2000);

	makeTape(scene, 'market.db', { events: ticks(6000, 10).map((event, i) => ({ ...event, results: `[{"n":${i + 1},"x":"${filler}"}]` })) });
	const server = await scene.serve(['--speed', 'max']);
	const stuck = await RawClient.open(server);

	stuck.subscribe('p');
	await stuck.seesData(1);
	stuck.socket.pause();
	for (let i = 0; i < 2; i++) {
		const other = await RawClient.open(server);

		other.subscribe('p');
		await other.seesData(6000);
		other.close();
	}
	assert.ok(rss(server) < 250, `${rss(server)} MiB`);
	stuck.socket.resume();
	await stuck.seesData(6000);
	assert.deepEqual(stuck.numbers, numbers(1, 6000));
	await server.stop();
});

e2e('garbage, floods and half requests do not delay the events of others', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(150, 10_000) });
	const server = await scene.serve(['--max-clients', '300']);
	const bad = [];
	const throwIn = (bytes) => {
		const socket = net.connect(server.port, '127.0.0.1');

		socket.on('error', () => {});
		socket.write(bytes);
		bad.push(socket);
		return socket;
	};
	const load = setInterval(() => {
		throwIn(randomBytes(2000));
		throwIn('GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n');
		throwIn(`POST /socket.io/?EIO=4&transport=polling&sid=${'x'.repeat(500)} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`);
		throwIn(`POST /replay HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n${'['.repeat(60_000)}`);
		const client = new RawClient(server);

		client.socket.on('data', () => {
			if (!client.isOpen || client.sent)
				return;
			client.sent = true;
			for (let i = 0; i < 200; i++)
				client.send(['40', `42${i}["subscribe",{"path":"p${i}"}]`, '42["subscribe",{}]', '420', '2', 'x', `42["subscribe",${'['.repeat(100)}`][i % 7]);
		});
		bad.push(client.socket);
	}, 30);

	scene.loads.push({ stop: () => { clearInterval(load); bad.forEach((socket) => socket.destroy()); } });
	const times = await lateness(server, 150);

	clearInterval(load);
	assert.ok(worst(times, 10) < 5 * 100, `${worst(times, 10)} ms`);
	bad.forEach((socket) => socket.destroy());
	await waitFor(async () => (await stateOf(server)).clients === 0, 'all to be gone');
	await server.stop();
});

e2e('a subscriber that floods and does not read is bounded; too many clients are refused', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(3, 1000) });
	const server = await scene.serve(['--max-clients', '5', '--ping-interval', '500ms', '--ping-timeout', '500ms']);
	const flooder = await RawClient.open(server);

	flooder.socket.pause();
	for (let i = 0; i < 20_000 && !flooder.isClosed; i++)
		flooder.emit('subscribe', [{ path: `nothing like this ${'x'.repeat(60)}` }], String(i));
	const others = await Promise.all(numbers(1, 4).map(() => RawClient.open(server)));
	const refused = await request(server, 'GET', '/socket.io/?EIO=4&transport=polling');

	assert.equal(refused.status, 503);
	assert.ok(rss(server) < 200, `${rss(server)} MiB`);
	others[0].subscribe('p');
	await others[0].seesData(3);
	// One that does not read is noticed by its heartbeat, and makes room.
	await waitFor(async () => (await request(server, 'GET', '/socket.io/?EIO=4&transport=polling')).status === 200, 'room');
	await server.stop();
});
