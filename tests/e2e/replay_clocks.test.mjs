// When what is played, and to whom: starts, clocks, control, the end; the same packets every time.
import assert from 'node:assert/strict';
import { connect } from '../peers/sockets.mjs';
import { e2e, replay, waitFor } from './support.mjs';
import { control, makeTape, RawClient, request, S, stateOf, T0, ticks } from './tapes.mjs';

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

e2e('the same options give the same packets, byte for byte, at any speed', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(300, 1000, 3).map((event, i) => ({ ...event,
		results: `[{"n":${i + 1},"t":"\u00e9"}]`, extra: i % 7 === 0 ? '{"members":{"x":1.10}}' : null })) });
	const faults = ['--fault', 'duplicate:rate=0.2', '--fault', 'reorder:window=5', '--seed', '42'];
	const play = async (args) => {
		const server = await scene.serve(args);
		const client = await RawClient.open(server);

		numbers(0, 2).forEach((i) => client.subscribe(`p${i}`));
		await client.seesData(300);
		await waitFor(async () => (await stateOf(server)).state === 'ended', 'the end');
		await waitFor(async () => (await stateOf(server)).emitted === client.data.length, 'all that was sent');
		await server.stop();
		return client.data;
	};
	const plain = await Promise.all(['1', '10', 'max', 'max'].map((speed) => play(['--speed', speed])));
	const faulty = await Promise.all(['1', 'max', 'max'].map((speed) => play(['--speed', speed, ...faults])));
	const other = await play(['--speed', 'max', ...faults.slice(0, -1), '43']);

	plain.slice(1).forEach((packets) => assert.deepEqual(packets, plain[0]));
	faulty.slice(1).forEach((packets) => assert.deepEqual(packets, faulty[0]));
	assert.equal(plain[0][7], '42["data",{"path":"p1","params":{},"timestamp":"2014-05-21T10:00:00.007Z","results":[{"n":8,"t":"\u00e9"}],"x":1.10}]');
	assert.notDeepEqual(other, faulty[0]);
	assert.ok(faulty[0].length > 310 && faulty[0].length < 420, `${faulty[0].length} packets`);
	assert.deepEqual([...new Set(faulty[0])].sort(), [...plain[0]].sort(), 'nothing is lost');
});

e2e('a clock starts with the last stream that is subscribed, or when nobody has for a while', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(20, 10_000, 2) });
	const server = await scene.serve(['--speed', '10', '--settle', '1m', '--clock', 'shared']);
	const one = await RawClient.open(server);
	const two = await RawClient.open(server);

	one.subscribe('p0');
	await one.sees((packet) => packet === '430[null]');
	assert.equal((await stateOf(server)).state, 'waiting');
	assert.deepEqual(one.data, []);
	two.subscribe('p1');
	await one.seesData(10);
	await two.seesData(10);
	assert.deepEqual([...one.numbers, ...two.numbers].sort((a, b) => a - b), numbers(1, 20));
	await server.stop();

	const settling = await scene.serve(['--speed', '10', '--settle', '100ms']);
	const alone = await RawClient.open(settling);
	alone.subscribe('p1');
	await alone.seesData(10);
	await settling.stop();
});

e2e('paused from the start: steps, seeks, speeds and what /replay says of them', async (scene) => {
	makeTape(scene, 'market.db', { events: [...ticks(10, 0), ...ticks(10, S).map((event, i) => ({ ...event, at: (i + 1) * S,
		results: `[{"n":${i + 11}}]` }))] });
	const server = await scene.serve(['--start', 'paused']);
	const client = await RawClient.open(server);
	const from = T0;

	client.subscribe('p');
	await client.sees((packet) => packet === '430[null]');
	assert.deepEqual(await stateOf(server), { state: 'paused', position: from, from, to: from + 10 * S, speed: 1, clients: 1, emitted: 0 });
	for (const n of numbers(1, 3)) {
		await control(server, { do: 'step' });
		await client.seesData(n);
		assert.deepEqual(client.numbers, numbers(1, n));
	}
	assert.equal((await control(server, { do: 'seek', to: from + 9 * S })).position, from + 9 * S);
	await control(server, { do: 'step' });
	await client.seesData(4);
	assert.equal(client.numbers[3], 19);
	assert.equal((await control(server, { do: 'seek', to: new Date(from / 1000).toISOString() })).position, from);
	assert.equal((await control(server, { do: 'speed', speed: 0.5 })).speed, 0.5);
	assert.equal((await control(server, { do: 'speed', speed: 'max' })).speed, 'max');
	assert.equal((await control(server, { do: 'resume' })).state, 'playing');
	await client.seesData(24);
	assert.deepEqual(client.numbers.slice(4), numbers(1, 20));
	assert.equal((await stateOf(server)).state, 'ended');
	assert.equal((await control(server, { do: 'pause' })).state, 'ended');
	assert.equal((await control(server, { do: 'speed', speed: 1 })).state, 'ended');
	await control(server, { do: 'seek', to: from + 10 * S });
	await client.seesData(25);
	assert.equal(client.numbers[24], 20);
	await server.stop();
});

e2e('what is sought, paused and sped before anybody has come holds for who comes', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(10, S) });
	const server = await scene.serve(['--settle', '1m']);
	const take = async (numbers) => {
		const client = await RawClient.open(server);

		client.subscribe('p');
		await client.seesData(numbers.length);
		await waitFor(async () => (await stateOf(server)).state === 'ended', 'the end');
		assert.deepEqual(client.numbers, numbers);
		client.close();
		await waitFor(async () => (await stateOf(server)).clients === 0, 'nobody to be there');
	};

	assert.equal((await control(server, { do: 'seek', to: T0 + 100 * S })).position, T0 + 9 * S);
	await take([10]);
	await control(server, { do: 'seek', to: T0 + 6 * S });
	await control(server, { do: 'speed', speed: 'max' });
	assert.deepEqual(await stateOf(server), { state: 'waiting', position: T0 + 6 * S, from: T0, to: T0 + 9 * S, speed: 'max', clients: 0, emitted: 1 });
	await take(numbers(7, 10));
	assert.equal((await stateOf(server)).position, T0 + 6 * S);
	assert.equal((await control(server, { do: 'pause' })).state, 'paused');
	await control(server, { do: 'seek', to: 0 });
	const held = await RawClient.open(server);
	held.subscribe('p');
	await held.sees((packet) => packet === '430[null]');
	assert.equal((await stateOf(server)).state, 'paused');
	await control(server, { do: 'resume' });
	await held.seesData(10);
	assert.deepEqual(held.numbers, numbers(1, 10));
	await server.stop();

	const paused = await scene.serve(['--start', 'paused', '--speed', 'max']);
	assert.equal((await stateOf(paused)).state, 'paused');
	assert.equal((await control(paused, { do: 'resume' })).state, 'waiting');
	const resumed = await RawClient.open(paused);
	resumed.subscribe('p');
	await resumed.seesData(10);
	await paused.stop();
});

e2e('each connection has a clock of its own, or all share one', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(30, 20_000) });
	const own = await scene.serve([]);
	const first = await RawClient.open(own);

	first.subscribe('p');
	await first.seesData(5);
	const late = await RawClient.open(own);
	late.subscribe('p');
	await late.seesData(30);
	assert.deepEqual(late.numbers, numbers(1, 30));
	assert.deepEqual(first.numbers, numbers(1, 30));
	await own.stop();

	const shared = await scene.serve(['--clock', 'shared', '--start', 'at-once', '--loop']);
	const joined = await RawClient.open(shared);
	await waitFor(async () => (await stateOf(shared)).position > T0 + 100_000, 'the clock to go');
	joined.subscribe('p');
	await joined.seesData(60);
	assert.ok(joined.numbers[0] > 5, `begins with ${joined.numbers[0]}`);
	joined.numbers.slice(1).forEach((n, i) => assert.equal(n, joined.numbers[i] % 30 + 1));
	await shared.stop();
});

e2e('a client that subscribes to some streams gets these, from when it does; none after it unsubscribes', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(400, 5000, 4) });
	const server = await scene.serve(['--clock', 'shared']);
	const client = await RawClient.open(server);

	client.subscribe('p1', { not: 'there' }, '1');
	client.subscribe('p9', {}, '2');
	client.emit('unsubscribe', [{ path: 'p0' }], '3');
	client.emit('subscribe', ['p0'], '4');
	client.emit('subscribe', [{ path: 7 }], '5');
	client.emit('other', [], '6');
	client.subscribe('p1');
	await client.seesData(10);
	client.subscribe('p3', null, '7');
	await client.sees((packet) => packet.startsWith('42') && packet.includes('"p3"'));
	client.emit('unsubscribe', [{ path: 'p1', params: {} }], '8');
	await client.sees((packet) => packet === '438[null]');
	const upTo = client.packets.indexOf('438[null]');
	await waitFor(() => client.packets.length > upTo + 10, 'more of the other stream');
	const paths = new Set(client.packets.slice(upTo).filter((packet) => packet.startsWith('42[')).map((packet) => packet.match(/"path":"(\w+)"/)[1]));

	assert.deepEqual([...paths], ['p3']);
	const acks = client.packets.filter((packet) => packet.startsWith('43'));
	assert.deepEqual(acks.slice(0, 6), [
		'431["unknown params {\\"not\\":\\"there\\"} of path \'p1\'"]', '432["unknown path \'p9\'"]', '433["not subscribed"]',
		'434["the arguments are not those of this feed\'s subscribe"]', '435["no path"]', '436["unknown event \'\\"other\\"\'"]']);
	await server.stop();
});

e2e('the end: clients stay, or are sent away after the last event', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(5, 1000) });
	const idle = await scene.serve([]);
	const stays = await RawClient.open(idle);

	stays.subscribe('p');
	await stays.seesData(5);
	await waitFor(async () => (await stateOf(idle)).state === 'ended', 'the end');
	stays.subscribe('p', {}, '9');
	await stays.sees((packet) => packet === '439[null]');
	await idle.stop();

	const closing = await scene.serve(['--at-end', 'close']);
	for (const version of [4, 2, '0.9']) {
		const client = connect(version, closing.url, { reconnection: false });
		const got = [];
		let reason = null;

		client.on('data', ({ results }) => got.push(results[0].n));
		client.on('disconnect', (why) => { reason = why; });
		client.on('connect', () => client.emit('subscribe', { path: 'p' }));
		await waitFor(() => reason !== null, `version ${version} to be sent away`);
		assert.deepEqual(got, numbers(1, 5));
		assert.match(reason, /io server disconnect|booted/);
		client.disconnect();
	}
	await closing.stop();
});

e2e('--time now: timestamps begin at the start and keep their distances and their form', async (scene) => {
	const ms = (i) => 1_400_666_400_000 + i * 100;

	makeTape(scene, 'market.db', { events: [
		...[0, 1, 2].map((i) => ({ at: i * 100_000 })),
		{ at: 300_000, path: 'q', text: String(ms(3)) }, { at: 400_000, path: 'q', text: `"${ms(4)}"` },
		{ at: 500_000, path: 'q', text: '', results: '{"n":6}' },
	] });
	const server = await scene.serve(['--time', 'now', '--speed', '10', '--settle', '300ms']);
	const client = await RawClient.open(server);
	const before = Date.now();

	client.subscribe('p');
	client.subscribe('q');
	await client.seesData(6);
	const after = Date.now();
	const events = client.data.map((packet) => JSON.parse(packet.slice(2))[1]);
	const times = events.slice(0, 3).map(({ timestamp }) => Date.parse(timestamp));

	assert.ok(times[0] >= before && times[0] <= after, `${events[0].timestamp}`);
	assert.deepEqual(times.map((each) => each - times[0]), [0, 100, 200]);
	assert.equal(events[3].timestamp, times[0] + 300);
	assert.equal(events[4].timestamp, String(times[0] + 400));
	assert.equal(events[5].timestamp, undefined);
	await server.stop();
});

e2e('what cannot be served is refused with exit code 2 and the way out', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(3, 3_600 * S) });
	makeTape(scene, 'empty.db', { events: [] });
	const key = ['--api-key-file', scene.file('api-key')];
	const cases = [
		[[], 'no recording', /at least one recording/, []],
		[['--speed', '0'], 'speed', /--speed '0'; allowed: 0\.01 to 1000/],
		[['--listen', '3000'], 'address', /--listen '3000'; allowed: HOST:PORT/],
		[['--start', 'now'], 'start', /--start 'now'; allowed: on-subscribe, at-once, paused/],
		[['--settle', '5'], 'settle', /--settle '5'; allowed: a number and one of ms s m h d/],
		[['--fault', 'drop:every=x'], 'fault', /--fault 'drop:every=x'.*allowed: drop:every=N/],
		[['--fault', 'drop:every=5'], 'drop', /--clock shared/],
		[['--gaps', 'disconnect'], 'disconnect', /--clock shared/],
		[['--expire-live'], 'expire', /--api-key-file/],
		[[...key, '--expire-live'], 'expire', /--clock shared/],
		[[...key, '--token-lifetime', '1h'], 'lifetime', /2\.0 hours.*1h.*--clock shared/],
		[[...key, '--loop'], 'loop', /--clock shared/],
		[[...key, '--api-key-env', 'K'], 'two keys', /only one of them/],
		[['--api-key-env', 'NO_SUCH_VARIABLE'], 'variable', /'NO_SUCH_VARIABLE' is not set/],
		[['--api-key-file', scene.file('none')], 'key file', /no API key/],
		[['--recovery', 'yes'], 'recovery', /--recovery 'yes'; allowed: none, or/],
		[['--max-clients', '0'], 'clients', /--max-clients '0'; allowed: a number from 1 to/],
		[['--seed', '-1'], 'seed', /--seed '-1'; allowed/],
		[['--from', '2030-01-01'], 'no events', /hold no event of what is chosen/],
		[[], 'empty', /hold no event of what is chosen/, ['empty.db']],
		[['--path', 'nowhere'], 'no such path', /nowhere/],
		[['--nonsense'], 'option', /there is no option '--nonsense'/],
	];

	for (const [args, what, says, files = ['market.db']] of cases) {
		const { code, stderr } = await replay('serve', '--listen', '127.0.0.1:0', ...args, ...files.map((name) => scene.file(name)));

		assert.match(stderr, says, what);
		assert.equal(code, what === 'no such path' ? code : 2, `${what}: ${stderr}`);
	}
	const server = await scene.serve([]);
	const taken = await replay('serve', '--listen', `127.0.0.1:${server.port}`, scene.file('market.db'));
	assert.equal(taken.code, 1);
	assert.match(taken.stderr, new RegExp(`127.0.0.1.*${server.port}`));
	assert.equal((await request(server, 'GET', '/no/such/thing')).status, 404);
	await server.stop('SIGINT');
});
