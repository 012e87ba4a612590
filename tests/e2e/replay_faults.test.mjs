// What a replay does to its clients on purpose: faults, the recording's own gaps, lost connections that are resumed.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../peers/sockets.mjs';
import { e2e, waitFor } from './support.mjs';
import { basic, control, makeTape, RawClient, request, S, stateOf, T0, ticks } from './tapes.mjs';

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

// Connects again and again until the tape is over; what each connection brought.
async function playThrough(server, count, options) {
	const connections = [];

	while (connections.flat().length < count && connections.length < 50) {
		const client = await RawClient.open(server, options);

		client.subscribe('p');
		await waitFor(() => client.isClosed || connections.flat().length + client.data.length >= count, 'the cut or the end');
		connections.push(client.numbers);
		client.close();
	}
	return connections;
}

e2e('connections are dropped after so many events, or so much of the tape; the next goes on behind', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(1000, 10_000) });
	const by = async (rule, speed) => {
		const server = await scene.serve(['--speed', speed, '--clock', 'shared', '--fault', rule]);
		const connections = await playThrough(server, 1000);

		await server.stop();
		return connections;
	};

	for (const connections of [await by('drop:every=300', 'max'), await by('drop:every=3s', 'max')]) {
		assert.deepEqual(connections.flat(), numbers(1, 1000));
		assert.deepEqual(connections.slice(0, 3).map((each) => each.length), [300, 300, 300]);
	}
});

e2e('a dropped client on a clock of its own token goes on where the clock is', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(100, 10_000) });
	const server = await scene.serve(['--speed', 'max', '--fault', 'drop:every=40', '--api-key-file', scene.file('api-key')]);
	const { token } = JSON.parse((await request(server, 'POST', '/jwt', { headers: basic(scene.key) })).text);

	scene.secrets.push(token);
	assert.deepEqual((await playThrough(server, 100, { query: { token } })).map((each) => each.length), [40, 40, 20]);
	await server.stop();
});

e2e('the same seed delays, repeats and exchanges the same events', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(40, 1000) });
	const rules = ['delay:1ms..30ms', 'duplicate:rate=0.5', 'reorder:window=3'].flatMap((rule) => ['--fault', rule]);
	const play = async (seed) => {
		const server = await scene.serve([...rules, '--seed', seed]);
		const client = await RawClient.open(server);
		const begin = Date.now();

		client.subscribe('p');
		await waitFor(async () => (await stateOf(server)).emitted >= 40 && new Set(client.numbers).size === 40, 'all of them');
		await server.stop();
		return { got: client.numbers, took: Date.now() - begin };
	};
	const [one, two, other] = await Promise.all(['7', '7', '8'].map(play));

	assert.deepEqual(one.got, two.got);
	assert.notDeepEqual(one.got, other.got);
	assert.ok(one.took >= 39, `took ${one.took} ms`);
	one.got.forEach((n, i) => assert.ok(one.got.slice(0, i).every((before) => before < n + 40 && before > n - 100)));
});

e2e('connections and tokens are refused as often as asked for, as each generation does it', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(3, 1000) });
	const all = await scene.serve(['--fault', 'refuse:rate=1', '--fault', 'jwt:status=418,rate=0.5', '--seed', '3']);
	const four = new RawClient(all);
	const three = new RawClient(all, { eio: 3 });

	assert.equal(await four.sees((packet) => packet.startsWith('44')), '44{"message":"refused","data":{"code":503,"message":"refused"}}');
	assert.equal(await three.sees((packet) => packet.startsWith('44')), '44{"code":503,"message":"refused"}');
	const oldest = await request(all, 'GET', '/socket.io/1/');
	assert.deepEqual([oldest.status, oldest.text], [403, 'handshake unauthorized']);
	const statuses = [];

	for (let i = 0; i < 40; i++)
		statuses.push((await request(all, 'POST', '/jwt')).status);
	assert.ok(statuses.filter((status) => status === 418).length > 8, String(statuses));
	assert.ok(statuses.filter((status) => status === 200).length > 8, String(statuses));
	await all.stop();

	const slow = await scene.serve(['--fault', 'jwt:delay=300ms']);
	const begin = Date.now();
	assert.equal((await request(slow, 'POST', '/jwt')).status, 200);
	assert.ok(Date.now() - begin >= 290);
	void request(slow, 'POST', '/jwt').catch(() => {}); // is cut off by the stop
	await sleep(50);
	await slow.stop();
});

// Two parts of a tape with a second between in which nothing was recorded.
function holed(scene) {
	const events = [0, 1, 2, 3, 4].flatMap((i) => [{ at: i * 20_000 }]);

	return makeTape(scene, 'market.db', { events: [...events, ...events.map(({ at }) => ({ at: at + S }))], covered: [[0, 90_000], [S, 2 * S]] });
}

e2e('a hole is jumped, or waited out', async (scene) => {
	holed(scene);
	const took = async (args) => {
		const server = await scene.serve(args);
		const client = await RawClient.open(server);

		client.subscribe('p');
		await client.seesData(5);
		const begin = Date.now();
		await client.seesData(10);
		assert.deepEqual(client.numbers, numbers(1, 10));
		await server.stop();
		return Date.now() - begin;
	};
	const [skipped, waited] = await Promise.all([took(['--gaps', 'skip', '--speed', '0.5']), took(['--gaps', 'silence'])]);

	assert.ok(skipped < 1000, `skipped in ${skipped} ms`); // 0.36 s of 2 s
	assert.ok(waited >= 800, `waited ${waited} ms`);
});

e2e('a hole cuts all clients off, and refuses them until it ends', async (scene) => {
	holed(scene);
	const server = await scene.serve(['--gaps', 'disconnect', '--clock', 'shared']);
	const client = await RawClient.open(server);
	const idle = await RawClient.open(server);

	client.subscribe('p');
	await client.closes();
	await idle.closes();
	assert.deepEqual(client.numbers, numbers(1, 5));
	const refused = await request(server, 'GET', '/socket.io/?EIO=4&transport=polling');
	assert.deepEqual([refused.status, refused.text], [503, 'the recording has a gap here']);
	await waitFor(async () => (await request(server, 'GET', '/socket.io/?EIO=4&transport=polling')).status === 200, 'the end of the hole');
	const again = await RawClient.open(server);
	again.subscribe('p');
	await control(server, { do: 'seek', to: T0 + S });
	await waitFor(() => again.numbers.includes(6) && again.numbers.at(-1) === 10, 'what is behind the hole');
	assert.deepEqual(again.numbers.slice(-5), numbers(6, 10));
	await server.stop();

	const fast = await scene.serve(['--gaps', 'disconnect', '--clock', 'shared', '--speed', 'max']);
	assert.deepEqual(await playThrough(fast, 10), [numbers(1, 5), numbers(6, 10)]);
	await fast.stop();
});

e2e('a real client that is cut off resumes: each event once, and it knows', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(100, 20_000) });
	const server = await scene.serve(['--recovery', '2m']);
	const client = connect(4, server.url, { reconnectionDelay: 100, randomizationFactor: 0, transports: ['websocket'] });
	const got = [];
	const recovered = [];
	const sids = new Set();

	scene.loads.push({ stop: () => client.disconnect() });
	client.on('data', ({ results }, offset) => {
		got.push(results[0].n);
		assert.equal(typeof offset, 'string');
	});
	client.on('connect', () => {
		recovered.push(client.recovered);
		sids.add(client.id);
		if (!client.recovered)
			client.emit('subscribe', { path: 'p' });
	});
	for (const until of [20, 50]) {
		await waitFor(() => got.length >= until, `${until} events`);
		client.io.engine.transport.ws._socket.destroy();
		await waitFor(() => recovered.length > 1 + [20, 50].indexOf(until), 'to be back');
	}
	await waitFor(() => got.length >= 100, 'the end');
	assert.deepEqual(got, numbers(1, 100));
	assert.deepEqual(recovered, [false, true, true]);
	assert.equal(sids.size, 1);
	client.disconnect();
	await server.stop();
});

e2e('missed events come before the answer; an unknown or old session is a new one', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(200, 1000, 2) });
	const server = await scene.serve(['--recovery', '500ms', '--speed', 'max', '--start', 'paused', '--clock', 'shared']);
	const client = await RawClient.open(server);
	const { pid, sid } = JSON.parse(client.packets[0].slice(2));

	client.subscribe('p0');
	for (let i = 0; i < 3; i++)
		await control(server, { do: 'step' });
	await client.seesData(3);
	assert.deepEqual(client.numbers, [1, 3, 5]);
	const offset = JSON.parse(client.data[1].slice(2)).at(-1);
	client.close();
	await waitFor(async () => (await stateOf(server)).clients === 0, 'the loss');
	const back = new RawClient(server, { auth: { pid, offset } });

	await back.sees((packet) => packet.startsWith('40'));
	assert.equal(back.data.length, 1);
	assert.equal(back.numbers[0], 5);
	assert.equal(back.packets[1], `40{"sid":"${sid}","pid":"${pid}"}`);
	await control(server, { do: 'resume' });
	await back.seesData(98);
	assert.deepEqual(back.numbers, numbers(2, 99).map((i) => 2 * i + 1));
	back.send('41');
	back.close();
	await waitFor(async () => (await stateOf(server)).clients === 0, 'the goodbye');

	for (const auth of [{ pid, offset }, { pid: 'x', offset }, { pid, offset: 'x' }, { pid, offset: 7 }, { pid: null }]) {
		const other = await RawClient.open(server, { auth });
		const answer = JSON.parse(other.packets[0].slice(2));

		assert.notEqual(answer.pid, pid);
		assert.notEqual(answer.sid, sid);
		other.close();
	}
	const late = await RawClient.open(server);
	const old = JSON.parse(late.packets[0].slice(2)).pid;
	late.close();
	await waitFor(async () => (await stateOf(server)).clients === 0, 'another loss');
	await sleep(600);
	const expired = await RawClient.open(server, { auth: { pid: old, offset } });
	assert.notEqual(JSON.parse(expired.packets[0].slice(2)).pid, old);
	await server.stop();
});

e2e('tapedeckd resumes at a replay as at the feed', async (scene) => {
	makeTape(scene, 'tape.db', { events: ticks(250, 5000) });
	const server = await scene.serve(['--recovery', '2m', '--clock', 'shared', '--fault', 'drop:every=100'], ['tape.db']);
	const daemon = scene.daemon(scene.config([{ name: 'copy', url: server.url, endpoints: [{ path: 'p' }] }]));

	await scene.stored(250);
	await daemon.stop();
	assert.deepEqual((await scene.sql('SELECT results FROM event ORDER BY event_id')).map(({ results }) => JSON.parse(results)[0].n), numbers(1, 250));
	const connections = await scene.sql('SELECT sum(recovered_events > 0) AS resumed, count(*) AS n FROM connection');
	assert.ok(connections[0].resumed >= 1 && connections[0].n >= 3, JSON.stringify(connections));
	assert.deepEqual(await scene.sql(`SELECT count(*) AS n FROM gap WHERE cause = 'network'`), [{ n: 0 }]);
	await server.stop();
});
