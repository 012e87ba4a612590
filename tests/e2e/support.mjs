// support: what every end-to-end test needs: a directory of its own, a feed, the daemon under test, the
// recording read through the sqlite3 program, and the search for secrets at the end.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { FeedServer } from '../peers/feed-server.mjs';
import { makeCanary, tokenNeedles } from '../peers/token.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = process.env.TAPEDECK_BIN ?? path.join(root, 'build/bin');

// Bounds are promises of the daemon times this: a loaded machine and a sanitizer are slow.
export const SLACK = 5;
export const EXIT_MS = SLACK * 5000;
const WAIT_MS = SLACK * 5000;
const POLL_MS = 20;

// Waits until `predicate` (may be async) is true; its value is returned. Fails naming `what`.
export async function waitFor(predicate, what, bound = WAIT_MS) {
	const end = Date.now() + bound;

	for (;;) {
		const value = await predicate();

		if (value)
			return value;
		if (Date.now() > end)
			assert.fail(`waited ${bound} ms for ${what}`);
		await sleep(POLL_MS);
	}
}

// A promise that is kept when somebody calls `open`.
export function gate() {
	let open;
	const promise = new Promise((resolve) => { open = resolve; });

	return { promise, open };
}

export async function freePort() {
	const server = net.createServer();

	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	const { port } = server.address();
	await new Promise((resolve) => server.close(resolve));
	return port;
}

// The rows of a query, as objects. Ask for hex() where bytes matter.
export async function sql(database, query) {
	const { stdout } = await promisify(execFile)('sqlite3',
		['-readonly', '-json', '-cmd', '.timeout 10000', database, query], { maxBuffer: 2 ** 30 });

	return stdout.trim() === '' ? [] : JSON.parse(stdout);
}

// The file of one of our programs.
export const programFile = (name) => path.join(bin, name);

// Runs the daemon, or another of our programs, to its end: for --version, refused configurations and the like.
export async function runToEnd(args, { program = 'tapedeckd', ...options } = {}) {
	const child = spawn(programFile(program), args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
	const output = { stdout: '', stderr: '' };
	const timer = setTimeout(() => child.kill('SIGKILL'), EXIT_MS);

	child.stdout.on('data', (text) => { output.stdout += text; });
	child.stderr.on('data', (text) => { output.stderr += text; });
	const [code, signal] = await new Promise((resolve, reject) => {
		child.on('error', reject);
		child.on('close', (...how) => resolve(how));
	});
	clearTimeout(timer);
	return { code, signal, ...output };
}

export const replay = (...args) => runToEnd(args, { program: 'tapedeck-replay' });

// A running tapedeckd, or another of our programs.
class Daemon {
	constructor(scene, args, { program = 'tapedeckd', ...options }) {
		this.scene = scene;
		this.stderr = '';
		this.stdout = '';
		this.how = null; // { code, signal } once it has ended
		this.child = spawn(programFile(program), args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
		this.pid = this.child.pid;
		this.child.stderr.on('data', (text) => { this.stderr += text; });
		this.child.stdout.on('data', (text) => { this.stdout += text; });
		this.child.on('error', (error) => { this.how = { error }; });
		this.child.on('close', (code, signal) => { this.how = { code, signal }; });
	}

	get isRunning() {
		return this.how === null;
	}

	// Waits until standard error matches.
	async says(pattern, bound = WAIT_MS) {
		await waitFor(() => pattern.test(this.stderr) || !this.isRunning, `a line like ${pattern}`, bound);
		assert.match(this.stderr, pattern);
	}

	async exit(bound = EXIT_MS) {
		await waitFor(() => !this.isRunning, 'the daemon to end', bound);
		return this.how;
	}

	// A clean stop: code 0 within the promised time.
	async stop(signal = 'SIGTERM') {
		assert.ok(this.isRunning, 'the daemon has ended by itself');
		this.scene.searchProcess(this.pid);
		this.child.kill(signal);
		assert.deepEqual(await this.exit(), { code: 0, signal: null });
	}

	signal(name) {
		assert.ok(this.isRunning, 'the daemon has ended by itself');
		this.child.kill(name);
	}

	kill() {
		if (this.isRunning)
			this.child.kill('SIGKILL');
	}
}

// The world of one test: directory, secrets, feeds and daemons. All of it ends with the test.
export class Scene {
	constructor() {
		this.dir = mkdtempSync(path.join(tmpdir(), 'tapedeck-'));
		this.key = `sk_test_${randomBytes(18).toString('hex')}`;
		this.canary = makeCanary();
		this.feeds = [];
		this.peers = []; // other servers and proxies
		this.secrets = []; // more texts that may appear nowhere
		this.daemons = [];
		this.loads = []; // whatever publishes by itself
		this.own = new Set(); // files that the test wrote: the only ones that may hold a secret
		this.write('api-key', `${this.key}\n`, 0o600);
	}

	file(name) {
		return path.join(this.dir, name);
	}

	write(name, content, mode = 0o600) {
		writeFileSync(this.file(name), content, { mode });
		this.own.add(name);
		return this.file(name);
	}

	async feed(options = {}) {
		const feed = new FeedServer({ apiKey: this.key, canary: this.canary, ...options });

		this.feeds.push(feed);
		return feed.start();
	}

	// Starts a peer of another kind, which ends with the test.
	async peer(peer) {
		this.peers.push(peer);
		return peer.start();
	}

	// A feed's part of the configuration.
	feedConfig(feed, endpoints, more = {}) {
		const { token, ...rest } = more;

		return {
			name: 'test', url: feed.url,
			token: { url: `${feed.url}/jwt`, api_key_file: 'api-key', ...token },
			endpoints, ...rest,
		};
	}

	// Writes a configuration: one feed, or several; `more` are keys of the top level.
	config(feeds, more = {}) {
		return this.write('config.json', JSON.stringify({
			database: 'market.db', ...more, feeds: [feeds].flat(),
		}, null, 2));
	}

	daemon(config = this.file('config.json'), args = [], options = {}) {
		const daemon = new Daemon(this, [...args, config], options);

		this.daemons.push(daemon);
		return daemon;
	}

	// Serves recordings on a free port; `url` and `port` say where.
	async serve(args, recordings = ['market.db'], options = {}) {
		const server = new Daemon(this, ['serve', '--listen', '127.0.0.1:0', ...args, ...recordings.map((name) => this.file(name))],
			{ program: 'tapedeck-replay', ...options });

		this.daemons.push(server);
		await server.says(/ serving address=/);
		server.url = server.stderr.match(/ serving address=(\S+)/)[1];
		server.port = Number(server.url.split(':').at(-1));
		return server;
	}

	sql(query, database = 'market.db') {
		return sql(this.file(database), query);
	}

	// Waits until the recording holds at least `n` events; there may be no file yet.
	async stored(n, bound = WAIT_MS) {
		const count = async () => (await this.sql('SELECT count(*) AS n FROM event').catch(() => []))[0]?.n ?? 0;

		await waitFor(async () => await count() >= n, `${n} stored events`, bound);
	}

	#needles() {
		const texts = [this.key, Buffer.from(`${this.key}:`).toString('base64'), ...this.secrets];

		for (const feed of this.feeds)
			texts.push(...feed.issued.flatMap((token) => tokenNeedles(token, feed.canary)));
		return [...new Set(texts)];
	}

	#search(bytes, where) {
		for (const needle of this.#needles())
			assert.ok(!bytes.includes(needle), `${where} holds a secret: ${needle.slice(0, 12)}...`);
	}

	// Arguments and environment of a running process. Unreadable is as good as clean.
	searchProcess(pid) {
		for (const what of ['cmdline', 'environ']) {
			let bytes = Buffer.alloc(0);

			try {
				bytes = readFileSync(`/proc/${pid}/${what}`);
			} catch (error) {
				assert.ok(['EACCES', 'ENOENT', 'EPERM', 'ESRCH'].includes(error.code), error.message);
			}
			this.#search(bytes, `/proc/PID/${what}`);
		}
	}

	searchEverything() {
		for (const name of readdirSync(this.dir, { recursive: true }).map(String)) {
			if (!this.own.has(name) && statSync(this.file(name)).isFile())
				this.#search(readFileSync(this.file(name)), name);
		}
		for (const daemon of this.daemons) {
			this.#search(Buffer.from(daemon.stderr), 'standard error');
			this.#search(Buffer.from(daemon.stdout), 'standard output');
		}
	}

	// What a test has recorded is sound, whatever was done to the daemon; `isDamaged` says that it was meant not to be.
	async verifyEverything() {
		for (const name of readdirSync(this.dir).filter((each) => each.endsWith('.db') && !this.own.has(each))) {
			if (this.isDamaged || readFileSync(this.file(name)).length === 0)
				continue;
			const { code, stdout, stderr } = await runToEnd(['--verify', this.file(name)]);

			assert.equal(code, 0, `--verify ${name}: ${stdout}${stderr}`);
		}
	}

	async end() {
		for (const load of this.loads)
			load.stop();
		for (const daemon of this.daemons)
			daemon.kill();
		for (const peer of [...this.feeds, ...this.peers])
			await peer.stop();
		if (process.env.TAPEDECK_KEEP === undefined)
			rmSync(this.dir, { recursive: true, force: true });
	}
}

// A test with a scene. What it leaves behind is searched for secrets, and verified.
export function e2e(name, body, options = {}) {
	test(name, { timeout: 240_000, ...options }, async (t) => {
		const scene = new Scene();

		try {
			await body(scene, t);
			scene.searchEverything();
			await scene.verifyEverything();
		} catch (error) {
			for (const daemon of scene.daemons)
				t.diagnostic(`a program ${JSON.stringify(daemon.how)} said:\n${daemon.stderr.slice(-4000)}`);
			throw error;
		} finally {
			await scene.end();
		}
	});
}

// Options for a daemon in which a library of tests/peers stands before libc; `env` tells it what to do.
export function preloaded(scene, name, env) {
	const source = fileURLToPath(new URL(`../peers/${name}`, import.meta.url));
	const library = scene.file(`${name}.so`);

	execFileSync(process.env.CC ?? 'cc', ['-std=c11', '-D_GNU_SOURCE', '-shared', '-fPIC', '-o', library, source, '-ldl']);
	return { env: { ...process.env, ...env, LD_PRELOAD: library,
		ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0` } };
}

export function openssl(dir, ...args) {
	execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
}

export function makeCertificate(scene, name, { issuer, names = 'IP:127.0.0.1,DNS:localhost', days = 30 }) {
	const { dir } = scene;
	const request = ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
		'-keyout', `${name}.key`, '-subj', `/CN=tapedeck test ${name}`];

	if (issuer === undefined) {
		openssl(dir, ...request, '-x509', '-days', String(days), '-out', `${name}.pem`,
			...(names === null ? [] : ['-addext', `subjectAltName=${names}`]));
	} else {
		openssl(dir, ...request, '-addext', `subjectAltName=${names}`, '-out', `${name}.csr`);
		openssl(dir, 'x509', '-req', '-in', `${name}.csr`, '-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`,
			'-CAcreateserial', '-copy_extensions', 'copy', '-days', String(days), '-out', `${name}.pem`);
	}
	return { key: readFileSync(scene.file(`${name}.key`)), cert: readFileSync(scene.file(`${name}.pem`)) };
}

// A CA of our own (`ca.pem`) and servers' certificates, good and bad.
export function makeCertificates(scene) {
	makeCertificate(scene, 'ca', { names: null });
	return {
		good: makeCertificate(scene, 'good', { issuer: 'ca' }),
		wrongHost: makeCertificate(scene, 'wrong-host', { issuer: 'ca', names: 'DNS:feed.example' }),
		expired: makeCertificate(scene, 'expired', { issuer: 'ca', days: -1 }),
		selfSigned: makeCertificate(scene, 'self-signed', {}),
	};
}
