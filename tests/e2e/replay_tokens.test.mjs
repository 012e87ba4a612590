// Who may: tokens that expire, the API key, and the refusals of everything else; no secret in any output.
import assert from 'node:assert/strict';
import { connect } from '../peers/sockets.mjs';
import { e2e, waitFor } from './support.mjs';
import { basic, control, fetchToken, makeTape, RawClient, request, S, stateOf, ticks } from './tapes.mjs';

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const key = (scene) => ['--api-key-file', scene.file('api-key')];

// A token, which from now on may appear nowhere.
async function token(scene, server) {
	const text = await fetchToken(server, scene.key);

	scene.secrets.push(text, text.split('.')[2]);
	return text;
}

e2e('POST /jwt issues tokens for the key, and says why not', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(3, 1000) });
	const server = await scene.serve([...key(scene), '--token-lifetime', '90m']);
	const text = await token(scene, server);
	const { iat, exp, jti } = JSON.parse(Buffer.from(text.split('.')[1], 'base64url'));
	const cases = [
		['POST', {}, 401], ['POST', basic('wrong'), 401], ['POST', basic(`${scene.key}x`), 401], ['POST', basic(''), 401],
		['POST', { Authorization: `Bearer ${scene.key}` }, 400], ['POST', { Authorization: 'Basic %%%' }, 400],
		['GET', basic(scene.key), 405], ['PUT', basic(scene.key), 405], ['DELETE', {}, 405],
	];

	assert.equal(exp - iat, 5400);
	assert.ok(Math.abs(iat - Date.now() / 1000) < 5);
	assert.match(jti, /^[0-9a-f]{32}$/);
	for (const [method, headers, status] of cases) {
		const answer = await request(server, method, '/jwt', { headers });

		assert.equal(answer.status, status, `${method} ${JSON.stringify(headers)}`);
		assert.equal(typeof JSON.parse(answer.text).error, 'string');
		assert.equal(answer.headers['access-control-allow-origin'], '*');
	}
	const preflight = await request(server, 'OPTIONS', '/jwt', { headers: { Origin: 'https://a.example' } });
	assert.match(preflight.headers['access-control-allow-headers'], /Authorization/);
	await server.stop();

	const env = await scene.serve(['--api-key-env', 'REPLAY_KEY'], ['market.db'], { env: { ...process.env, REPLAY_KEY: scene.key } });
	await token(scene, env);
	await env.stop(); // and the environment is searched for the key
});

e2e('without a good token every generation is refused in its own way; with one it is not', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(5, 1000) });
	const server = await scene.serve([...key(scene), '--speed', 'max']);
	const other = await scene.serve([...key(scene), '--speed', 'max']);
	const good = await token(scene, server);
	const foreign = await token(scene, other);

	for (const bad of [undefined, '', 'x', `${good}x`, foreign]) {
		const query = bad === undefined ? {} : { token: bad };
		const why = bad === undefined || bad === '' ? 'no token' : 'invalid token';
		const four = new RawClient(server, { query });
		const three = new RawClient(server, { query, eio: 3 });
		const oldest = await request(server, 'GET', `/socket.io/1/?${new URLSearchParams(query)}`);

		assert.equal(await four.sees((packet) => packet.startsWith('44')), `44{"message":"${why}","data":{"code":401,"message":"${why}"}}`);
		assert.equal(await three.sees((packet) => packet.startsWith('44')), `44{"code":401,"message":"${why}"}`);
		assert.deepEqual([oldest.status, oldest.text], [403, 'handshake unauthorized']);
		four.close();
		three.close();
	}
	for (const [version, options] of [[4, { query: { token: good } }], [4, { auth: { token: good } }], [3, { query: { token: good } }],
		[2, { query: { token: good } }], [1.7, { query: { token: good } }], ['0.9', { query: { token: good } }]]) {
		const client = connect(version, server.url, { reconnection: false, ...options });
		const got = [];

		client.on('data', ({ results }) => got.push(results[0].n));
		client.on('connect', () => client.emit('subscribe', { path: 'p' }, (error) => assert.equal(error, null)));
		if (version === 4 && options.query !== undefined)
			await waitFor(() => got.length === 5, 'the first, who has the clock of that token');
		else
			await waitFor(() => client.connected ?? client.socket?.connected, `version ${version} to connect`);
		client.disconnect();
	}
	await server.stop();
	await other.stop();
});

e2e('a client keeps its clock when it comes back with its token; another token is another clock', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(60, 20_000) });
	const server = await scene.serve(key(scene));
	const [one, two] = [await token(scene, server), await token(scene, server)];
	const first = await RawClient.open(server, { query: { token: one } });

	first.subscribe('p');
	await first.seesData(10);
	first.close();
	await waitFor(async () => (await stateOf(server)).clients === 0, 'the loss');
	const again = await RawClient.open(server, { query: { token: one } });
	again.subscribe('p');
	await again.seesData(5);
	assert.ok(again.numbers[0] > 10, `goes on with ${again.numbers[0]}`);
	const other = await RawClient.open(server, { auth: { token: two } });
	other.subscribe('p');
	await other.seesData(60);
	assert.deepEqual(other.numbers, numbers(1, 60));
	await server.stop();
});

e2e('an expired token is refused, and with --expire-live its connection ends', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(100, 100_000) });
	const live = await scene.serve([...key(scene), '--token-lifetime', '1s', '--clock', 'shared', '--expire-live']);
	const stays = await scene.serve([...key(scene), '--token-lifetime', '1s', '--clock', 'shared']);
	const [one, two] = [await token(scene, live), await token(scene, stays)];
	const ends = await RawClient.open(live, { query: { token: one } });
	const goes = await RawClient.open(stays, { query: { token: two } });

	ends.subscribe('p');
	goes.subscribe('p');
	await ends.closes();
	assert.equal(ends.packets.at(-1), '41');
	await goes.seesData(25);
	const refused = new RawClient(stays, { query: { token: two } });
	assert.match(await refused.sees((packet) => packet.startsWith('44')), /token expired/);
	await live.stop();
	await stays.stop();
});

e2e('a recorder lives through expiring tokens', async (scene) => {
	makeTape(scene, 'tape.db', { events: ticks(60, 80_000) });
	const server = await scene.serve([...key(scene), '--token-lifetime', '4s', '--clock', 'shared', '--expire-live'], ['tape.db']);
	const daemon = scene.daemon(scene.config([scene.feedConfig({ url: server.url }, [{ path: 'p' }], { token: { refresh: 0.3 } })]));

	await scene.stored(60);
	await daemon.stop();
	assert.deepEqual((await scene.sql('SELECT results FROM event ORDER BY timestamp')).map(({ results }) => JSON.parse(results)[0].n), numbers(1, 60));
	assert.ok((await scene.sql('SELECT count(*) AS n FROM connection'))[0].n >= 3);
	await server.stop();
});

e2e('control is for this machine, or for who has the key; not for pages of other origins', async (scene) => {
	makeTape(scene, 'market.db', { events: ticks(3, S) });
	const server = await scene.serve(key(scene));
	const json = { 'Content-Type': 'application/json' };
	const pause = JSON.stringify({ do: 'pause' });
	const cases = [
		[{ headers: { 'Content-Type': 'text/plain' }, body: pause }, 415, /Content-Type/],
		[{ headers: {}, body: pause }, 415, /Content-Type/],
		[{ headers: { ...json, Host: 'evil.example' }, body: pause }, 403, /Host/],
		[{ headers: { ...json, Host: `evil.example:${server.port}` }, body: pause }, 403, /Host/],
		[{ headers: json, body: '' }, 400, /not JSON/],
		[{ headers: json, body: '[]' }, 400, /JSON object/],
		[{ headers: json, body: '{}' }, 400, /no \\?"do/],
		[{ headers: json, body: '{"do":"explode"}' }, 400, /must be/],
		[{ headers: json, body: '{"do":"seek"}' }, 400, /needs it/],
		[{ headers: json, body: '{"do":"seek","to":"yesterday"}' }, 400, /\\?"to/],
		[{ headers: json, body: '{"do":"seek","to":-1}' }, 400, /\\?"to/],
		[{ headers: json, body: '{"do":"pause","to":1}' }, 400, /belongs/],
		[{ headers: json, body: '{"do":"speed","speed":0}' }, 400, /0\.01/],
		[{ headers: json, body: '{"do":"speed","speed":"fast"}' }, 400, /max/],
		[{ headers: json, body: '{"do":"pause","more":1}' }, 400, /nothing else/],
		[{ headers: json, body: '{"do":"pause"} x' }, 400, /not JSON/],
	];

	for (const [options, status, says] of cases) {
		const answer = await request(server, 'POST', '/replay', options);

		assert.equal(answer.status, status, JSON.stringify(options));
		assert.match(JSON.parse(answer.text).error, says);
		assert.equal(answer.headers['access-control-allow-origin'], undefined);
	}
	assert.equal((await request(server, 'DELETE', '/replay')).status, 405);
	assert.equal((await request(server, 'OPTIONS', '/replay', { headers: { Origin: 'https://a.example' } })).headers['access-control-allow-origin'], undefined);
	assert.equal((await request(server, 'GET', '/replay', { headers: { Host: 'evil.example' } })).status, 403);
	assert.equal((await request(server, 'GET', '/replay/recording', { headers: { Host: 'evil.example' } })).status, 403);
	assert.equal((await request(server, 'POST', '/replay', { headers: { 'Content-Type': 'application/json; charset=utf-8', Host: 'localhost' }, body: pause })).status, 200);
	assert.equal((await control(server, { do: 'resume' })).state, 'waiting');
	assert.equal((await request(server, 'GET', '/')).status, 200);
	await server.stop();

	const open = await scene.serve(['--listen', '0.0.0.0:0', ...key(scene)]);
	assert.equal((await request(open, 'GET', '/replay')).status, 401);
	assert.equal((await request(open, 'GET', '/replay/recording', { headers: basic('wrong') })).status, 401);
	assert.equal((await request(open, 'GET', '/replay', { headers: basic(scene.key) })).status, 200);
	await open.stop();
	const bare = await scene.serve(['--listen', '0.0.0.0:0']);
	const none = await request(bare, 'GET', '/replay');
	assert.equal(none.status, 403);
	assert.match(none.text, /--api-key-file/);
	await bare.stop();
});

e2e('/replay/recording says what there is', async (scene) => {
	makeTape(scene, 'market.db', { events: [{ at: 0, path: 'p', params: '{"a":1.10}' }, { at: 4 * S, path: 'q' }], covered: [[0, S], [2 * S, 4 * S]] });
	const server = await scene.serve(['--order', 'received']);
	const [one, two] = await Promise.all([1, 2].map(() => request(server, 'GET', '/replay/recording')));
	const { feeds, streams, gaps, ...rest } = JSON.parse(one.text);
	const at = (seconds) => 1_400_666_400_000_000 + seconds * S;

	assert.equal(one.text, two.text);
	assert.match(one.text, /"params":\{"a":1\.10\}/);
	assert.deepEqual(feeds.map(({ name, namespace, path, dialect }) => [name, namespace, path, dialect.data.event]), [['feed1', '/', '/socket.io/', 'data']]);
	assert.deepEqual(streams.map(({ feed, path, params, events }) => [feed, path, params, events]), [['feed1', 'p', { a: 1.1 }, 1], ['feed1', 'q', {}, 1]]);
	assert.deepEqual(gaps.map(({ path, started, ended, cause }) => [path, started, ended, cause]),
		[['p', at(1), at(2), 'starting'], ['q', at(1), at(2), 'starting']]);
	assert.deepEqual(rest, { gaps_total: 2, from: at(0), to: at(4), order: 'received', needs_token: false });
	await server.stop();
});
