// Clients that break the rules, fall silent, or take more than is good for others.
import assert from 'node:assert/strict';
import { waitFor } from './support.mjs';
import { frameOf, served } from './sio_peer.mjs';

const ENGINE = '/socket.io/?transport=websocket&EIO=';

// Over a WebSocket of Engine.IO 4, in "/" already or not.
const BREAKS = {
	'an event before the namespace is joined': [false, ['42["message",1]']],
	'an attachment that nobody announced': [true, [Buffer.from([1, 2, 3])]],
	'a packet of no type': [true, ['x']],
	'an empty message': [true, ['']],
	'a ping': [true, ['2']],
	'an open packet': [true, ['0{"sid":"x"}']],
	'a Socket.IO packet of no type': [true, ['49']],
	'an event that is no array': [true, ['42{"a":1}']],
	'an event that is no JSON': [true, ['42["message"']],
	'an event without a name': [true, ['42[]']],
	'an event whose name is a number': [true, ['42[1,2]']],
	'JSON behind the array': [true, ['42["message"]x']],
	'deep nesting': [true, [`42["message",${'['.repeat(5000)}${']'.repeat(5000)}]`]],
	'an ack id of thirty digits': [true, [`42${'9'.repeat(30)}["message"]`]],
	'a thousand attachments': [true, ['451000-["message"]']],
	'a text while an attachment is due': [true, ['451-["message",{"_placeholder":true,"num":0}]', '42["message"]']],
	'"/" twice': [true, ['40']],
	'data for a namespace that is no object': [true, ['40/custom,"x"']],
	'data for a namespace that is no JSON': [true, ['40/custom,{"a":}']],
	'a namespace with a long name': [true, [`40/${'x'.repeat(300)}`]],
	'an event in another namespace': [true, ['42/custom,["message"]']],
	'an error': [true, ['44{"message":"x"}']],
	'a message above the limit': [true, [`42["message","${'x'.repeat(10_000)}"]`]],
};

async function joined(server, eio = 4) {
	const ws = await server.websocket(ENGINE + eio);

	await ws.next();
	if (eio === 4)
		ws.ws.send('40');
	assert.match(await ws.next(), /^40/);
	assert.match(await ws.next(), /^42\["auth"/);
	return ws;
}

served('clients of Engine.IO 4 that break the protocol are closed', { 'max-payload': 10_000 }, async (server) => {
	let ended = 0;

	for (const [what, [isJoined, messages]] of Object.entries(BREAKS)) {
		const ws = isJoined ? await joined(server) : await server.websocket(`${ENGINE}4`);

		for (const message of messages)
			ws.ws.send(message);
		await ws.end();
		assert.deepEqual(ws.messages.slice(isJoined ? 3 : 1), [], what);
		ended += isJoined ? 1 : 0;
	}
	await server.says(/how=broken/, ended);
	await joined(server);
});

served('clients of Engine.IO 3 and 0.9 that break the protocol are closed; harmless oddities are borne', {}, async (server) => {
	for (const message of ['x', '42["message"', '3', Buffer.from([9, 1]), Buffer.from([4, 1]), 'b4####', '42{}']) {
		const ws = await joined(server, 3);

		ws.ws.send(message);
		if (message === '3') {
			ws.ws.send('2');
			assert.equal(await ws.next(), '3');
			ws.ws.terminate();
		}
		await ws.end();
	}
	const ws = await joined(server, 3);

	for (const message of ['40', '42/nowhere,["message"]', '41/nowhere', '43[1]'.replace('43', '435'), '2probe', '6'])
		ws.ws.send(message);
	assert.deepEqual([await ws.next(), await ws.next()], ['40', '3']);

	for (const message of ['x', '5:::{', '5:::["message"]', '9::', Buffer.from([1])]) {
		const { sid } = await server.open09();
		const old = await server.websocket(`/socket.io/1/websocket/${sid}`);

		await old.next();
		old.ws.send(message);
		await old.end();
	}
});

served('garbage in a POST ends the session', {}, async (server) => {
	for (const [eio, bodies] of [[4, ['', 'x', '4a\x1e', '\x1e', 'b####', '4\xff', '0{}', '2']], [3, ['', 'x', '5:4a', '999999999999:4a', '1:', '0:', '\x00\xff']]]) {
		for (const body of bodies) {
			const { target } = await server.open(eio, '/engine.io/', '&b64=1');
			const poll = await server.poll(target);

			const answer = await server.post(target, Buffer.from(body, 'latin1'));

			assert.equal(answer.status, 400, JSON.stringify(body));
			assert.match((await poll.answer).body, eio === 4 ? /(^|\x1e)1$/ : /1:1$/);
			assert.equal(JSON.parse((await server.get(target)).body).code, 1, JSON.stringify(body));
		}
	}
	const { target } = await server.open09();

	assert.equal((await server.post(target, 'x')).status, 400);
	await server.says(/a socket has left how=broken/);
	assert.equal((await server.get(target)).body, '7:::1+0');
});

served('a POST above the limit is refused, and the session lives', { 'max-payload': 1000 }, async (server) => {
	const { target } = await server.open();

	assert.equal((await server.post(target, `4${'x'.repeat(1000)}`)).status, 413);
	assert.equal((await server.post(target, `4${'x'.repeat(999)}`)).body, 'ok');
	assert.equal((await server.get(target)).body, `4${'x'.repeat(999)}`);
});

served('clients that fall silent are dropped', { 'ping-interval': 200, 'ping-timeout': 200 }, async (server) => {
	const silent = [await server.websocket(`${ENGINE}3`), await server.websocket('/engine.io/?EIO=4&transport=websocket')];
	const { sid } = await server.open09();

	silent.push(await server.websocket(`/socket.io/1/websocket/${sid}`));
	await server.open(4);
	await server.open(3, '/engine.io/', '&b64=1');
	await server.open09();
	// One that polls, but says nothing.
	const { target } = await server.open(3, '/engine.io/', '&b64=1');
	const poll = await server.poll(target);

	for (const ws of silent)
		await ws.end();
	assert.deepEqual(await poll.answer, { status: 200, body: '1:1' });
	await server.says(/how=heartbeat/, 7);
});

served('a session that joins no namespace is closed', { 'connect-timeout': 100 }, async (server) => {
	await (await server.websocket(`${ENGINE}4`)).end();
	const refused = await server.websocket(`${ENGINE}4&refuse=2`);

	refused.ws.send('40');
	await refused.next();
	assert.equal(await refused.next(), '44{"message":"not authorized","data":{"code":401}}');
	await refused.end();
	const left = await joined(server);

	left.ws.send('41');
	await left.end();
	await server.says(/a socket has left how=client goodbye=yes/);

	const { target } = await server.open(4, '/socket.io/');

	assert.equal((await server.get(target)).body, '1');
	assert.equal(JSON.parse((await server.get(target)).body).code, 1);
});

served('there is room for so many sessions, and then again', { 'sessions-max': 2 }, async (server) => {
	const one = await server.websocket('/engine.io/?EIO=4&transport=websocket');
	const { target } = await server.open();

	assert.equal((await server.get('/engine.io/?EIO=4&transport=polling')).status, 503);
	assert.equal((await server.websocket('/engine.io/?EIO=4&transport=websocket')).status, 503);
	await server.post(target, '1');
	one.ws.close();
	await server.says(/a session has ended how=client/, 2);
	await server.open();
	await server.open();
});

served('who does not fetch what waits for him is dropped, and others are served', { 'out-max': 100_000 }, async (server) => {
	const { target } = await server.open();
	const large = `4${'x'.repeat(40_000)}`;

	for (let n = 0; n < 3; n++)
		assert.equal((await server.post(target, large)).body, 'ok');
	await server.post(target, large);
	await server.says(/a session has ended how=stuck/);
	await joined(server);
});

served('a client that does not read is not written to without end, and loses nothing when it reads again', {}, async (server) => {
	const count = 100_000; // 24 MB
	const ws = await joined(server);

	ws.ws.pause();
	ws.ws._socket.write(frameOf(`42["flood",${count}]`));
	const other = await joined(server);

	for (let n = 0; n < 20; n++) {
		other.ws.send(`42["message",${n}]`);
		assert.equal(await other.next(), `42["message-back",${n}]`);
	}
	ws.ws.resume();
	await waitFor(() => ws.messages.length >= count + 3 || ws.closed !== null, 'the flood');
	assert.equal(ws.messages.length, count + 3);
	assert.ok(ws.messages.slice(3).every((text, n) => text.startsWith(`42["flood",${n},`)));
});

served('many come and go at once, in every state', { 'ping-interval': 2000, 'ping-timeout': 3000 }, async (server) => {
	const rounds = Array.from({ length: 40 }, async (_, n) => {
		const raw = await server.raw();
		const target = ['/socket.io/?EIO=4&transport=websocket', '/engine.io/?EIO=3&transport=websocket', '/socket.io/?EIO=3&transport=websocket'][n % 3];

		raw.socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
			+ 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n');
		if (n % 4 !== 0)
			await raw.holds('pingTimeout');
		raw.socket.write(Buffer.concat([frameOf('40'), frameOf('42["flood",1000]'), frameOf('42["kick"]'), frameOf('42["message",1]')]));
		if (n % 2 === 0)
			raw.socket.destroy();
		else
			raw.socket.resetAndDestroy();
		const { sid, target: polled } = await server.open(n % 2 === 0 ? 4 : 3, '/engine.io/', '&b64=1');
		const poll = await server.poll(polled);

		const ws = await server.websocket(`/engine.io/?EIO=4&transport=websocket&sid=${sid}`);

		ws.ws.send('2probe');
		if (n % 5 !== 0)
			await ws.next();
		if (n % 3 === 0)
			ws.ws.send('5');
		ws.ws.terminate();
		poll.abort();
	});

	await Promise.all(rounds);
	await server.says(/a session has ended/, 40);
	await joined(server);
});
