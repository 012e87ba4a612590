// The way to the server: certificates, good and bad, names, addresses, proxies. What is refused has its
// reason in the log and in the recording, sends no secret, and is over as soon as the other side is cured.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import { TcpProxy } from '../peers/tcp-proxy.mjs';
import { e2e, EXIT_MS, freePort, makeCertificate, makeCertificates, openssl, preloaded, runToEnd, SLACK, waitFor } from './support.mjs';

const RETRY_MS = SLACK * 10_000; // a few failed tries double the pause

let second = 1400666400;

function publish(feed) {
	feed.publish({ path: 'p', params: {}, timestamp: second++, results: [] });
}

const subscribed = (feed, bound) => waitFor(() => feed.subscriptions().size === 1, 'the subscription', bound);

// The daemon subscribes, and records.
async function records(scene, feed, n = 1) {
	await subscribed(feed, RETRY_MS);
	publish(feed);
	await scene.stored(n);
}

// A feed's configuration without a token.
function plainConfig(scene, feed, more = {}) {
	const config = scene.feedConfig(feed, [{ path: 'p' }], more);

	delete config.token;
	return config;
}

// ---- certificates ----

// A certificate of the CA that begins to be valid far from now.
function makeNotYetValid(scene) {
	const { key } = makeCertificate(scene, 'not-yet', { issuer: 'ca' });

	scene.write('index.txt', '');
	scene.write('ca.cnf', `[ca]\ndefault_ca = a\n[a]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes
default_md = sha256\npolicy = p\ncopy_extensions = copy\ncertificate = ca.pem\nprivate_key = ca.key\n[p]\ncommonName = supplied\n`);
	openssl(scene.dir, 'ca', '-batch', '-notext', '-config', 'ca.cnf', '-in', 'not-yet.csr', '-out', 'not-yet.pem',
		'-startdate', '20990101000000Z', '-enddate', '20991231000000Z');
	return { key, cert: readFileSync(scene.file('not-yet.pem')) };
}

// A certificate of a CA that nobody trusts.
function makeUnknownCa(scene) {
	makeCertificate(scene, 'other-ca', { names: null });
	return makeCertificate(scene, 'other', { issuer: 'other-ca' });
}

// What is wrong, the certificate, and the words that must be said.
const BAD = [
	['the wrong host', (scene, all) => all.wrongHost, /alternative certificate subject name matches target host name/],
	['an expired one', (scene, all) => all.expired, /certificate has expired/],
	['a self-signed one', (scene, all) => all.selfSigned, /self.signed certificate/],
	['one that is not yet valid', makeNotYetValid, /not yet valid/],
	['one of an unknown CA', makeUnknownCa, /unable to get local issuer certificate/],
];

for (const [what, make, reason] of BAD) {
	e2e(`the feed's certificate is ${what}: refused with the reason, and connected once it is good`, async (scene) => {
		const all = makeCertificates(scene);
		const feed = await scene.feed({ tls: make(scene, all), needToken: false });

		scene.config(plainConfig(scene, feed, { ca_file: 'ca.pem' }));
		const daemon = scene.daemon();
		await daemon.says(new RegExp(`cannot connect .*reason=tls .*${reason.source}`));
		assert.ok(daemon.isRunning);
		assert.equal(feed.counters.connections, 0);
		await feed.stop();
		feed.tls = all.good;
		await feed.start();
		await records(scene, feed);
		await daemon.stop();
		const rows = await scene.sql('SELECT close_reason, close_detail, established FROM connection ORDER BY connection_id');
		assert.equal(rows[0].close_reason, 'tls');
		assert.match(rows[0].close_detail, reason);
		assert.ok(rows.slice(0, -1).every((row) => row.established === null));
		assert.notEqual(rows.at(-1).established, null);
	});
}

e2e('the token endpoint\'s certificate is not yet valid: the key stays here, and goes once it is good', async (scene) => {
	const all = makeCertificates(scene);
	const feed = await scene.feed({ tls: makeNotYetValid(scene) });

	scene.config(scene.feedConfig(feed, [{ path: 'p' }], { ca_file: 'ca.pem' }));
	const daemon = scene.daemon();
	await daemon.says(/cannot fetch the token .*not yet valid/);
	assert.equal(feed.tokenRequests.length, 0);
	await feed.stop();
	feed.tls = all.good;
	await feed.start();
	await records(scene, feed);
	await daemon.stop();
});

e2e('without ca_file an own CA is unknown, to the feed, too', async (scene) => {
	const feed = await scene.feed({ tls: makeCertificates(scene).good, needToken: false });

	scene.config(plainConfig(scene, feed));
	const daemon = scene.daemon();
	await daemon.says(/cannot connect .*reason=tls .*unable to get local issuer certificate/);
	await daemon.stop();
	assert.equal(feed.counters.connections, 0);
});

e2e('https asked of a port that speaks plain http is told as a matter of TLS', async (scene) => {
	const feed = await scene.feed({ needToken: false });

	scene.config(plainConfig(scene, feed, { url: feed.url.replace('http:', 'https:') }));
	const daemon = scene.daemon();
	await daemon.says(/cannot connect .*reason=tls .*SSL/);
	await daemon.stop();
});

for (const maxVersion of ['TLSv1.3', 'TLSv1.2']) {
	e2e(`the host's name is told to the server, which chooses its certificate by it, ${maxVersion}`, async (scene) => {
		const { good, wrongHost } = makeCertificates(scene);
		const asked = [];
		const SNICallback = (name, done) => {
			asked.push(name);
			done(null, name === 'localhost' ? tls.createSecureContext(good) : undefined);
		};
		const feed = await scene.feed({ tls: { ...wrongHost, SNICallback, maxVersion } });
		const url = `https://localhost:${feed.port}`;

		scene.config(scene.feedConfig(feed, [{ path: 'p' }], { url, ca_file: 'ca.pem', token: { url: `${url}/jwt` } }));
		const daemon = scene.daemon();
		await records(scene, feed);
		await daemon.stop();
		assert.ok(asked.length >= 2, 'the token\'s connection and the feed\'s');
		assert.ok(asked.every((name) => name === 'localhost'));
	});
}

// ---- addresses ----

for (const secure of [false, true]) {
	e2e(`an IPv6 address, ${secure ? 'https' : 'http'}`, async (scene) => {
		makeCertificate(scene, 'ca', { names: null });
		const six = secure ? makeCertificate(scene, 'six', { issuer: 'ca', names: 'IP:::1' }) : null;
		const feed = await scene.feed({ host: '::1', tls: six });
		const url = `${secure ? 'https' : 'http'}://[::1]:${feed.port}`;

		scene.config(scene.feedConfig(feed, [{ path: 'p' }], { url, ca_file: 'ca.pem', token: { url: `${url}/jwt` } }));
		const daemon = scene.daemon();
		await records(scene, feed);
		await daemon.stop();
	});
}

e2e('a certificate for IPv4 does not do for an IPv6 address', async (scene) => {
	const feed = await scene.feed({ host: '::1', tls: makeCertificates(scene).good, needToken: false });

	scene.config(plainConfig(scene, feed, { url: `https://[::1]:${feed.port}`, ca_file: 'ca.pem' }));
	const daemon = scene.daemon();
	await daemon.says(/cannot connect .*reason=tls .*target host name/);
	await daemon.stop();
});

// The environment of a daemon for which names are what `hosts` says; see resolver.c.
function withHosts(scene, hosts) {
	return preloaded(scene, 'resolver.c', { TAPEDECK_HOSTS: hosts });
}

e2e('a name that does not exist is told', async (scene) => {
	const feed = await scene.feed();

	scene.config([
		scene.feedConfig(feed, [{ path: 'p' }], { name: 'a', url: `http://feed.test:${feed.port}` }),
		scene.feedConfig(feed, [{ path: 'p' }], { name: 'b', token: { url: `http://token.test:${feed.port}/jwt` } }),
	]);
	const daemon = scene.daemon(undefined, [], withHosts(scene, ''));
	await daemon.says(/cannot connect .*feed=a .*reason=unreachable .*resolve host: feed\.test/);
	await daemon.says(/cannot fetch the token .*feed=b .*resolve host: token\.test/);
	await daemon.stop();
});

e2e('a name that takes its time holds up nothing else, nor the end', async (scene) => {
	const feed = await scene.feed({ needToken: false });
	const at = (name) => ({ name, url: `http://${name}.test:${feed.port}` });

	scene.config([
		plainConfig(scene, feed, { name: 'quick' }), plainConfig(scene, feed, at('slow')), plainConfig(scene, feed, at('endless')),
		// The token's time is over while its name is still being looked up.
		scene.feedConfig(feed, [{ path: 'p' }], { name: 'late', token: { url: `http://late.test:${feed.port}/jwt`, timeout: '500ms' } }),
	]);
	const daemon = scene.daemon(undefined, [],
		withHosts(scene, 'slow.test=2000:127.0.0.1;late.test=4000:127.0.0.1;endless.test=60000:127.0.0.1'));
	await subscribed(feed);
	const beat = setInterval(() => publish(feed), 20);
	await daemon.says(/cannot fetch the token .*feed=late .*timed out/i);
	await daemon.says(/ connected .*feed=slow/);
	assert.doesNotMatch(daemon.stderr, / connected .*feed=endless/);
	clearInterval(beat);
	const before = Date.now();
	await daemon.stop(); // while two names are being looked up
	assert.ok(Date.now() - before < EXIT_MS);
	const [{ pause }] = await scene.sql(`SELECT max(pause) / 1000 AS pause FROM (SELECT received - lag(received)
		OVER (ORDER BY event_id) AS pause FROM event JOIN connection USING (connection_id) JOIN feed USING (feed_id) WHERE name = 'quick')`);
	assert.ok(pause < SLACK * 100, `nothing was read for ${pause} ms`);
});

e2e('of several addresses the next is tried when the first is a black hole', async (scene) => {
	const feed = await scene.feed({ needToken: false });

	scene.config(plainConfig(scene, feed, { url: `http://feed.test:${feed.port}` }));
	const daemon = scene.daemon(undefined, [], withHosts(scene, 'feed.test=0:192.0.2.1,127.0.0.1'));
	await records(scene, feed);
	await daemon.stop();
	assert.deepEqual(await scene.sql('SELECT count(*) AS n FROM connection'), [{ n: 1 }], 'it took a second try');
});

// ---- proxies ----

const basic = (user, password) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

// A proxy's password appears nowhere, in no form.
function keepSecret(scene, user, password) {
	scene.secrets.push(password, Buffer.from(`${user}:${password}`).toString('base64'));
}

for (const secure of [false, true]) {
	e2e(`an HTTP proxy is asked to CONNECT, ${secure ? 'https, with a password' : 'http'}`, async (scene) => {
		const feed = await scene.feed(secure ? { tls: makeCertificates(scene).good } : { needToken: false });
		const proxy = await scene.peer(new TcpProxy({ connect: true, authorization: secure ? basic('user', 'pass-canary-1') : null }));

		keepSecret(scene, 'user', 'pass-canary-1');
		// A token over plain http is asked of a proxy without CONNECT, so the feed needs none there.
		scene.config(secure
			? scene.feedConfig(feed, [{ path: 'p' }], { ca_file: 'ca.pem', proxy: `http://user:pass-canary-1@127.0.0.1:${proxy.port}` })
			: plainConfig(scene, feed, { proxy: `http://127.0.0.1:${proxy.port}` }));
		const daemon = scene.daemon();
		await records(scene, feed);
		await daemon.stop();
		assert.ok(proxy.requests.length >= (secure ? 2 : 1));
		assert.ok(proxy.requests.every((line) => line === `CONNECT 127.0.0.1:${feed.port} HTTP/1.1`));
		const printed = await runToEnd(['--print-config', scene.file('config.json')]);
		assert.equal(printed.code, 0);
		assert.doesNotMatch(printed.stdout + printed.stderr, /pass-canary/);
	});
}

e2e('the proxy of the environment serves where none is configured, and "" means none', async (scene) => {
	const feed = await scene.feed({ tls: makeCertificates(scene).good, needToken: false });
	const proxy = await scene.peer(new TcpProxy({ connect: true, authorization: basic('user', 'pass-canary-2') }));
	const env = { ...process.env, https_proxy: `http://user:pass-canary-2@127.0.0.1:${proxy.port}`, no_proxy: '' };

	keepSecret(scene, 'user', 'pass-canary-2');
	scene.searchProcess = () => {}; // the environment is where the password came from
	scene.config(plainConfig(scene, feed, { ca_file: 'ca.pem' }));
	const first = scene.daemon(undefined, [], { env });
	await records(scene, feed);
	await first.stop();
	const asked = proxy.requests.length;
	assert.ok(asked >= 1);
	scene.config(plainConfig(scene, feed, { ca_file: 'ca.pem', proxy: '' }));
	await waitFor(() => feed.subscriptions().size === 0, 'the first to be gone');
	const second = scene.daemon(undefined, [], { env });
	await records(scene, feed, 2);
	await second.stop();
	assert.equal(proxy.requests.length, asked);
});

// Ways in which a proxy refuses, with the words that must be said.
const REFUSALS = [
	['wants a password and gets none', { authorization: 'Basic never' }, '', /407/],
	['wants another password', { authorization: 'Basic never' }, 'user:pass-canary-3@', /407/],
	['forbids it', { refusal: '403 Forbidden' }, '', /403/],
	['finds no way', { refusal: '502 Bad Gateway' }, 'user:pass-canary-3@', /502/],
];

for (const [what, options, user, reason] of REFUSALS) {
	e2e(`a proxy that ${what}: told for token and feed, and connected once it agrees`, async (scene) => {
		const server = { tls: makeCertificates(scene).good };
		const [open, closed] = [await scene.feed({ ...server, needToken: false }), await scene.feed(server)];
		const proxy = await scene.peer(new TcpProxy({ connect: true, ...options }));
		const more = { ca_file: 'ca.pem', proxy: `http://${user}127.0.0.1:${proxy.port}` };

		keepSecret(scene, 'user', 'pass-canary-3');
		scene.config([plainConfig(scene, open, { name: 'open', ...more }),
			scene.feedConfig(closed, [{ path: 'p' }], { name: 'closed', ...more })]);
		const daemon = scene.daemon();
		await daemon.says(new RegExp(`cannot connect .*feed=open .*reason=unreachable .*${reason.source}`));
		await daemon.says(new RegExp(`cannot fetch the token .*feed=closed .*${reason.source}`));
		assert.equal(open.counters.connections + closed.tokenRequests.length, 0);
		proxy.authorization = null;
		proxy.refusal = null;
		await Promise.all([subscribed(open, RETRY_MS), subscribed(closed, RETRY_MS)]);
		await daemon.stop();
		const [row] = await scene.sql('SELECT close_reason, close_detail, established FROM connection ORDER BY connection_id LIMIT 1');
		assert.equal(row.close_reason, 'unreachable');
		assert.match(row.close_detail, reason);
		assert.equal(row.established, null);
	});
}

e2e('a proxy that is down is told with its port, and used once it is there', async (scene) => {
	const feed = await scene.feed({ tls: makeCertificates(scene).good });
	const proxy = new TcpProxy({ connect: true });

	proxy.port = await freePort();
	scene.config(scene.feedConfig(feed, [{ path: 'p' }], { ca_file: 'ca.pem', proxy: `http://127.0.0.1:${proxy.port}` }));
	const daemon = scene.daemon();
	await daemon.says(new RegExp(`cannot fetch the token .*127.0.0.1 port ${proxy.port}`));
	await scene.peer(proxy);
	await records(scene, feed);
	await proxy.stop();
	await daemon.says(new RegExp(`cannot connect .*127.0.0.1 port ${proxy.port}`));
	await proxy.start();
	await records(scene, feed, 2);
	await daemon.stop();
});

e2e('a proxy that accepts and says nothing is given up, while others record', async (scene) => {
	const feed = await scene.feed({ tls: makeCertificates(scene).good, needToken: false });
	const proxy = await scene.peer(new TcpProxy({ connect: true, isSilent: true }));
	const more = { ca_file: 'ca.pem', proxy: `http://127.0.0.1:${proxy.port}` };

	scene.config([
		plainConfig(scene, feed, { name: 'direct', ca_file: 'ca.pem' }), plainConfig(scene, feed, { name: 'held', ...more }),
		scene.feedConfig(feed, [{ path: 'p' }], { name: 'token', ...more, token: { timeout: '1s' } }),
	]);
	const daemon = scene.daemon();
	await records(scene, feed);
	await daemon.says(/cannot fetch the token .*feed=token .*(timed out|timeout)/i);
	await daemon.says(/cannot connect .*feed=held .*reason=(unreachable|connect_timeout) .*(timed out|timeout)/i, SLACK * 20_000);
	proxy.isSilent = false;
	await daemon.says(/ connected .*feed=held/, RETRY_MS);
	publish(feed);
	await scene.stored(2);
	await daemon.stop();
});

e2e('a daemon that a proxy holds stops at once', async (scene) => {
	const feed = await scene.feed({ tls: makeCertificates(scene).good });
	const proxy = await scene.peer(new TcpProxy({ connect: true, isSilent: true }));
	const more = { ca_file: 'ca.pem', proxy: `http://127.0.0.1:${proxy.port}` };

	scene.config([plainConfig(scene, feed, { name: 'held', ...more }),
		scene.feedConfig(feed, [{ path: 'p' }], { name: 'token', ...more })]);
	const daemon = scene.daemon();
	await waitFor(() => proxy.pairs.size === 2, 'both at the proxy');
	await daemon.stop();
	assert.deepEqual(await scene.sql('SELECT close_reason, established FROM connection'), [{ close_reason: 'stopped', established: null }]);
});
