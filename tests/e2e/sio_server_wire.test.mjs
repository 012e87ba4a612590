// What travels between the server's side of Socket.IO and its clients, byte by byte: handshakes, errors, framings, and
// the ways of clients that nobody maintains any more.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { frameOf, served } from './sio_peer.mjs';

const ERRORS = [
	['GET', '/socket.io/?EIO=4', 400, { code: 0, message: 'Transport unknown' }],
	['GET', '/socket.io/?EIO=4&transport=pigeon', 400, { code: 0, message: 'Transport unknown' }],
	['GET', '/socket.io/?EIO=4&transport=polling&j=0', 400, { code: 0, message: 'Transport unknown' }],
	['GET', '/socket.io/socket.io.js', 400, { code: 0, message: 'Transport unknown' }],
	['GET', '/socket.io', 400, { code: 0, message: 'Transport unknown' }],
	['GET', '/socket.io/?EIO=4&transport=polling&sid=nobody', 400, { code: 1, message: 'Session ID unknown' }],
	['POST', '/socket.io/?EIO=3&transport=polling&sid=nobody', 400, { code: 1, message: 'Session ID unknown' }],
	['GET', `/socket.io/?EIO=4&transport=polling&sid=${'x'.repeat(5000)}`, 400, { code: 1, message: 'Session ID unknown' }],
	['POST', '/socket.io/?EIO=4&transport=polling', 400, { code: 2, message: 'Bad handshake method' }],
	['GET', '/socket.io/?EIO=4&transport=websocket', 400, { code: 3, message: 'Bad request' }],
	['GET', '/socket.io/?EIO=4&transport=polling&refuse=1', 403, { code: 4, message: 'Forbidden' }],
	['GET', '/socket.io/?EIO=5&transport=polling', 400, { code: 5, message: 'Unsupported protocol version' }],
	['GET', '/socket.io/?EIO=abc&transport=polling', 400, { code: 5, message: 'Unsupported protocol version' }],
];

served('errors are those of real servers', {}, async (server) => {
	for (const [method, target, status, error] of ERRORS) {
		const answer = await server.request(method, target);

		assert.deepEqual([target, answer.status, JSON.parse(answer.body)], [target, status, error]);
		assert.equal(answer.headers['content-type'], 'application/json');
	}
	assert.equal((await server.get('/elsewhere')).status, 404);
	assert.equal((await server.get('/socket.iox/')).status, 404);
	for (const [target, status] of [['?EIO=4&transport=websocket&refuse=1', 403], ['?EIO=5&transport=websocket', 400],
		['?EIO=4&transport=websocket&sid=nobody', 400], ['?EIO=4&transport=polling', 400]])
		assert.equal((await server.websocket(`/socket.io/${target}`)).status, status, target);
});

served('a generation that is not allowed', { oldest: 'eio4' }, async (server) => {
	for (const target of ['?EIO=3&transport=polling', '?transport=polling', '?EIO=2&transport=polling'])
		assert.deepEqual(JSON.parse((await server.get(`/socket.io/${target}`)).body), { code: 5, message: 'Unsupported protocol version' });
	assert.equal((await server.websocket('/socket.io/?transport=websocket')).status, 400);
	assert.deepEqual(JSON.parse((await server.get('/socket.io/1/')).body), { code: 0, message: 'Transport unknown' });
	await server.open(4);
});

served('handshakes of Engine.IO', { 'max-payload': 12345 }, async (server) => {
	const times = { pingInterval: 25_000, pingTimeout: 20_000 };

	for (const [target, more] of [['EIO=4&transport=polling', { maxPayload: 12345 }], ['EIO=3&b64=1&transport=polling', {}],
		['EIO=2&b64=1&transport=polling', {}], ['b64=1&transport=polling', {}]]) {
		const { body, headers } = await server.get(`/engine.io/?${target}`);
		const { sid, ...rest } = JSON.parse(body.slice(body.indexOf('{')));

		assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
		assert.deepEqual(rest, { upgrades: ['websocket'], ...times, ...more });
		assert.equal(headers['content-type'], 'text/plain; charset=UTF-8');
		assert.equal(headers['cache-control'], 'no-store');
		assert.equal(body.slice(0, body.indexOf('{')), more.maxPayload ? '0' : `${body.length - body.indexOf(':') - 1}:0`);
	}
	const ws = await server.websocket('/engine.io/?EIO=4&transport=websocket');
	const { sid, ...rest } = JSON.parse((await ws.next()).slice(1));

	assert.deepEqual(rest, { upgrades: [], ...times, maxPayload: 12345 });
});

served('a client of Engine.IO 3 that did not ask for b64 is answered in the binary framing', {}, async (server) => {
	const first = await server.get('/socket.io/?transport=polling');
	const text = first.bytes.subarray(first.bytes.indexOf(0xff) + 1).toString();

	assert.equal(first.headers['content-type'], 'application/octet-stream');
	assert.deepEqual([...first.bytes.subarray(0, first.bytes.indexOf(0xff))], [0, ...String(text.length)].map(Number));
	const target = `/socket.io/?transport=polling&sid=${JSON.parse(text.slice(1)).sid}`;

	// The namespace comes with the first poll, and never with the handshake.
	assert.match(await server.greeted(target), /^\0\x02\ufffd40\0\x01\x03\ufffd42\["auth",\{\}\]$/); // 0xff is no UTF-8
	assert.equal((await server.post(target, Buffer.from([0, 3, 9, 255, ...Buffer.from('451-["message",{"_placeholder":true,"num":0}]'), 1, 3, 255, 4, 8, 9]))).status, 400);
});

// A text of 24 UTF-16 units, 27 bytes.
const POSTED = '42["message","é\u{1F600}"]';

served('texts over polling of Engine.IO 3', {}, async (server) => {
	// 2.x counts UTF-16 units; 1.x encodes as UTF-8 twice and counts the bytes of the first time.
	const twice = Buffer.from(POSTED).toString('latin1');

	for (const body of [`${POSTED.length}:${POSTED}`, `${twice.length}:${twice}`]) {
		const { target } = await server.open(3, '/socket.io/', '&b64=1');

		assert.match(await server.greeted(target), /^2:4013:42\["auth",\{\}\]$/);
		assert.equal((await server.post(target, body)).body, 'ok');
		const answer = (await server.get(target)).body;

		// ASCII, so that both read it; the value is the same.
		assert.equal(answer, '39:42["message-back","\\u00e9\\ud83d\\ude00"]');
		assert.deepEqual(JSON.parse(answer.slice(5)), ['message-back', 'é\u{1F600}']);
	}
	// Once it is known that a client encodes once, what looks like twice is left alone.
	const { target } = await server.open(3, '/socket.io/', '&b64=1');
	const odd = '42["message","\u00c3\u00a9"]';

	await server.greeted(target);
	await server.post(target, `${POSTED.length}:${POSTED}${odd.length}:${odd}`);
	assert.match((await server.get(target)).body, /"\\u00e9\\ud83d\\ude00"\].*"\\u00c3\\u00a9"\]$/);
});

served('a poll brings packets, the answer to a POST never does', {}, async (server) => {
	const { target } = await server.open();
	const poll = await server.poll(target);

	const { body, headers } = await server.post(target, '4one\x1e4two\x1ebAQI=');

	assert.equal(body, 'ok');
	assert.equal(headers['content-length'], '2');
	assert.deepEqual(await poll.answer, { status: 200, body: '4one\x1e4two\x1ebAQI=' });
});

served('long queues are split over several polls, none of which is lost', { 'ping-interval': 60_000 }, async (server) => {
	const { target } = await server.open(4, '/socket.io/');
	const seen = [];

	await server.post(target, '40\x1e42["flood",20000]');
	for (let polls = 0; seen.length < 20_000; polls++) {
		const { body } = await server.get(target);

		assert.ok(Buffer.byteLength(body) <= 2 ** 20);
		assert.ok(polls < 200);
		seen.push(...[...body.matchAll(/\["flood",(\d+)/g)].map(([, n]) => Number(n)));
	}
	assert.deepEqual(seen, Array.from({ length: 20_000 }, (_, n) => n));
	const large = 'x'.repeat(900_000);

	await server.post(target, `42["message","${large}"]`);
	await server.post(target, `42["message","${large}"]`);
	for (let n = 0; n < 2; n++)
		assert.equal((await server.get(target)).body, `42["message-back","${large}"]`);
});

served('two polls at once end a session of Engine.IO; in 0.9 the later one counts', {}, async (server) => {
	const { target } = await server.open();
	const first = await server.poll(target);

	const second = await server.get(target);

	assert.deepEqual(await first.answer, { status: 200, body: '1' });
	assert.deepEqual([second.status, JSON.parse(second.body).code], [400, 3]);
	assert.equal(JSON.parse((await server.get(target)).body).code, 1);
	await server.says(/a session has ended how=broken/);

	const old = await server.open09();

	await server.greeted(old.target);
	const held = await server.poll(old.target);

	const later = await server.poll(old.target);

	assert.equal((await server.post(old.target, '5:::{"name":"message","args":[1]}')).body, '1');
	assert.deepEqual(await later.answer, { status: 200, body: '5:::{"name":"message-back","args":[1]}' });
	assert.equal(held.answered, false);
});

served('a poll that its client leaves: the end of a session of Engine.IO, nothing in 0.9', {}, async (server) => {
	const { target } = await server.open();
	const poll = await server.poll(target);

	poll.abort();
	await server.says(/a session has ended how=lost/);
	assert.equal(JSON.parse((await server.get(target)).body).code, 1);

	// The Java client leaves its poll whenever it has something to say: what is written meanwhile must come later, and
	// what it has not read, again.
	const old = await server.open09();
	const seen = [];

	await server.greeted(old.target);
	for (let n = 0; n < 50; n++) {
		const held = await server.poll(old.target, { isDeaf: true });

		held.abort();
		await server.post(old.target, `5:::{"name":"message","args":[${n}]}`);
	}
	while (seen.length < 50)
		seen.push(...[...(await server.get(old.target)).body.matchAll(/"args":\[(\d+)\]/g)].map(([, n]) => Number(n)));
	assert.deepEqual(seen, Array.from({ length: 50 }, (_, n) => n));
});

served('an upgrade, and one that is given up', {}, async (server) => {
	const { sid, target } = await server.open();
	const address = `/engine.io/?EIO=4&transport=websocket&sid=${sid}`;
	const given = await server.websocket(address);
	const poll = await server.poll(target);

	given.ws.send('2probe');
	assert.equal(await given.next(), '3probe');
	assert.deepEqual(await poll.answer, { status: 200, body: '6' });
	// A second one while the first is there is of no use.
	await (await server.websocket(address)).end();
	given.ws.close();
	await given.end();
	await server.post(target, '4still polling');
	assert.equal((await server.get(target)).body, '4still polling');

	// What is said before the upgrade is complete comes over the WebSocket after it.
	const ws = await server.websocket(address);

	ws.ws.send('2probe');
	assert.equal(await ws.next(), '3probe');
	assert.equal((await server.get(target)).body, '6');
	await server.post(target, '4one\x1ebAQI=');
	ws.ws._socket.write(Buffer.concat([frameOf('5'), frameOf('4two')]));
	assert.deepEqual([await ws.next(), await ws.next(), await ws.next()], ['4one', Buffer.from([1, 2]), '4two']);
	for (const answer of [await server.get(target), await server.post(target, '4late')])
		assert.equal(JSON.parse(answer.body).code, 3);
	await (await server.websocket(address)).end();
	ws.ws.send('4there');
	assert.equal(await ws.next(), '4there');
	ws.ws.close();
	await server.says(/a session has ended how=client/);
});

served('a WebSocket that asks for something else than an upgrade is closed, and the session polls on', {}, async (server) => {
	const { sid, target } = await server.open();

	for (const message of ['4hello', '5', '2', 'x']) {
		const ws = await server.websocket(`/engine.io/?EIO=4&transport=websocket&sid=${sid}`);

		ws.ws.send(message);
		await ws.end();
		assert.deepEqual(ws.messages, []);
	}
	await server.post(target, '4hello');
	assert.equal((await server.get(target)).body, '4hello');
});

served('origins', {}, async (server) => {
	const headers = { Origin: 'http://page.example', 'Access-Control-Request-Headers': 'x-one, content-type' };
	const target = '/socket.io/?EIO=4&transport=polling';

	for (const each of [target, '/socket.io/1/', '/socket.io/?EIO=3&transport=polling', '/socket.io/?EIO=9&transport=polling']) {
		const answer = await server.get(each, { headers });

		assert.equal(answer.headers['access-control-allow-origin'], 'http://page.example');
		assert.equal(answer.headers['access-control-allow-credentials'], 'true');
	}
	assert.equal((await server.get(target)).headers['access-control-allow-origin'], '*');
	const asked = await server.request('OPTIONS', `${target}&sid=x`, { headers });

	assert.equal(asked.status, 200);
	assert.equal(asked.headers['access-control-allow-methods'], 'GET,POST');
	assert.equal(asked.headers['access-control-allow-headers'], 'x-one, content-type');
});

// ---- 0.9 ----

served('0.9 on the wire', { 'ping-interval': 25_000, 'ping-timeout': 35_000 }, async (server) => {
	const refused = await server.get('/socket.io/1/?refuse=1');

	assert.deepEqual([refused.status, refused.body], [403, 'handshake unauthorized']);
	assert.deepEqual((await server.get('/socket.io/1/?refuse=2')).status, 403);
	assert.match((await server.get('/socket.io/1')).body, /^[A-Za-z0-9_-]{20}:60:60:websocket,xhr-polling$/);

	// The token is shown at the handshake only.
	const { sid, target } = await server.open09();

	assert.match(await server.greeted(`/socket.io/1/xhr-polling/${sid}`), /^(\ufffd3\ufffd)?1::(\ufffd31\ufffd)?5:::\{"name":"auth","args":\[\{\}\]\}$/);
	// A body of several packets, and lengths in UTF-16 units.
	const packet = (text) => `\ufffd${text.length}\ufffd${text}`;
	const events = ['5:::{"name":"message","args":["é\u{1F600}"]}', '5:1+::{"name":"message-with-ack","args":[1,2]}', '2::', '1::/custom'];

	assert.equal((await server.post(target, events.map(packet).join(''))).body, '1');
	assert.ok((await server.greeted(target)).startsWith([events[0].replace('message', 'message-back'), '6:::1+[1,2]', '1::/custom'].map(packet).join('')));
	await server.post(target, '1::/nosuch');
	assert.equal((await server.get(target)).body, '7::/nosuch:2');

	const poll = await server.poll(target);

	const left = await server.get(`${target}&disconnect=1`);

	assert.deepEqual([left.status, left.body], [200, '']);
	assert.deepEqual(await poll.answer, { status: 200, body: '0::' });
	await server.says(/a socket has left how=client/, 2);
	assert.equal((await server.get(target)).body, '7:::1+0');
	assert.equal((await server.get(`${target}&disconnect=1`)).body, '');
	await assert.rejects(server.get('/socket.io/1/jsonp-polling/x?t=1&i=0'), { code: 'ECONNRESET' });
});

served('an unknown sid of 0.9 over a WebSocket, and a goodbye', {}, async (server) => {
	const stranger = await server.websocket('/socket.io/1/websocket/nobody');

	assert.equal(await stranger.next(), '7:::1+0');
	await stranger.end();

	const { sid } = await server.open09();
	const ws = await server.websocket(`/socket.io/1/websocket/${sid}`);

	assert.equal(await ws.next(), '1::');
	await ws.next();
	ws.ws.send('0::');
	assert.equal(await ws.next(), '0::');
	await ws.end();
	await server.says(/a socket has left how=client goodbye=yes/);
});

// The sid of a 0.9 session is no sid of Engine.IO, nor the other way round.
served('sids of another', {}, async (server) => {
	const old = await server.open09();
	const { sid } = await server.open(4, '/socket.io/');

	assert.equal(JSON.parse((await server.get(`/socket.io/?EIO=4&transport=polling&sid=${old.sid}`)).body).code, 1);
	assert.equal((await server.get(`/socket.io/1/xhr-polling/${sid}`)).body, '7:::1+0');
	assert.equal(JSON.parse((await server.get(`/engine.io/?EIO=4&transport=polling&sid=${sid}`)).body).code, 1);
});

served('Perl: bare line feeds, no query, one write, heartbeats of its own', { 'ping-interval': 300, 'ping-timeout': 300 }, async (server) => {
	const raw = await server.raw();

	raw.socket.write(`GET /socket.io/1/ HTTP/1.1\nHost: 127.0.0.1:${server.port}\n\n`);
	await raw.holds('xhr-polling');
	assert.equal(raw.chunks, 1);
	const [head, body] = String(raw.take()).split('\r\n\r\n');

	assert.match(head, /^HTTP\/1\.1 200 /);
	assert.ok(!/transfer-encoding/i.test(head));
	assert.match(head, new RegExp(`\r\ncontent-length: ${body.length}(\r\n|$)`, 'i'));
	raw.socket.destroy();

	const ws = await server.websocket(`/socket.io/1/websocket/${body.split(':')[0]}`);
	const beats = () => ws.messages.filter((each) => each === '2::').length;

	// It answers none of ours; one of its own now and then is enough.
	for (let n = 1; n <= 4; n++) {
		await server.waitFor(() => beats() >= 2 * n, 'heartbeats');
		ws.ws.send('2::');
	}
	assert.equal(ws.closed, null);
	await ws.end();
	await server.says(/a socket has left how=heartbeat/);
});

// hixie-76: two numbers hidden in headers, eight bytes behind them, and the MD5 of all three as the answer.
served('Ruby: hixie-76', {}, async (server) => {
	const { sid } = await server.open09();
	const raw = await server.raw();
	const [key1, key2, body] = ['18x 6]8vM;54 *(5:  {   U1]8  z [  8', '1_ tx7X d  <  nw  334J702) 7]o}` 0', 'Tm[K T2u'];

	raw.socket.write(`GET /socket.io/1/websocket/${sid} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n`
		+ `Origin: http://127.0.0.1\r\nSec-WebSocket-Key1: ${key1}\r\nSec-WebSocket-Key2: ${key2}\r\n\r\n${body}`);
	await raw.holds('\x001::\xff'.replace('\xff', ''));
	const answer = raw.take();
	const at = answer.indexOf('\r\n\r\n') + 4;

	assert.match(String(answer.subarray(0, at)), /^HTTP\/1\.1 101 /);
	assert.match(String(answer.subarray(0, at)), new RegExp(`sec-websocket-location: ws://127.0.0.1:${server.port}/socket.io/1/websocket/${sid}\r\n`, 'i'));
	assert.equal(String(answer.subarray(at, at + 16)), 'fQJ,fN/4F4!~K~MH');
	assert.deepEqual([...answer.subarray(at + 16, at + 21)], [0, ...Buffer.from('1::'), 255]);
	raw.socket.write(Buffer.concat([Buffer.from([0]), Buffer.from('5:::{"name":"message","args":["é"]}'), Buffer.from([255])]));
	await raw.holds('5:::{"name":"message-back","args":["é"]}');
	raw.socket.write(Buffer.from([255, 0]));
	await raw.end();
	await server.says(/a socket has left how=client/);
});

served('Java: version 8, without an Origin', {}, async (server) => {
	const { sid } = await server.open09();
	const raw = await server.raw();
	const key = 'dGhlIHNhbXBsZSBub25jZQ==';

	raw.socket.write(`GET /socket.io/1/websocket/${sid} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
		+ `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 8\r\n\r\n`);
	await raw.holds('1::');
	assert.match(String(raw.bytes), new RegExp(createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64').replace(/[+]/g, '\\+')));
	raw.socket.write(frameOf('5:::{"name":"message","args":["x"]}'));
	await raw.holds('5:::{"name":"message-back","args":["x"]}');
});
