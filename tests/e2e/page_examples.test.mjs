// page_examples: the clients that the replay's page offers to copy, and those of the README's section "Clients", run as they
// stand: in a page of a browser, in Node.js, in Python.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { browserExample, nodeExample, pythonExample, tokenExample } from '../../tools/replay/page/examples.mjs';
import { closeClean, launch, open } from './browser.mjs';
import { e2e, waitFor } from './support.mjs';
import { makeTape, S, USUAL } from './tapes.mjs';

const PYTHON = '/usr/bin/python3';
const STEP = S / 10;
const EVENTS = 1200;
const HOSTILE = `<img src=x onerror="document.title='hit'">'\\"</script><script>document.title='hit'</script>`;

const ROOMS = {
	subscribe: { event: 'join-room', args: ['$path'], ack: false },
	unsubscribe: { event: 'leave-room', args: ['$path'], ack: false },
	data: { event: 'message', path: '/room_name', timestamp: '/message/data/timestamp', results: '/message/data' },
};
const CHANNELS = {
	subscribe: { event: 'subscribe', args: ['$path'], ack: true },
	unsubscribe: { event: 'unsubscribe', args: ['$path'], ack: true },
	data: { event: '*', path: '$event', results: '' },
};

let browser;

before(async () => { browser = await launch(); });
after(() => browser.close());

const every = (stream) => Array.from({ length: EVENTS }, (_, i) => ({ at: i * STEP, results: `{"n":${i}}`, ...stream }));
const together = (...streams) => streams.flatMap(every).sort((a, b) => a.at - b.at);

// Runs a program until its output holds all that is wanted.
async function runUntil(wanted, program, args, options) {
	const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
	let output = '';

	child.stdout.on('data', (bytes) => { output += bytes; });
	child.stderr.on('data', (bytes) => { output += bytes; });
	try {
		await waitFor(() => wanted.every((each) => output.includes(each)), `what ${program} should say`);
	} catch (error) {
		throw new Error(`${error.message}; it said: ${output}`);
	} finally {
		child.kill('SIGKILL');
	}
}

const inHtml = (script) => `<!doctype html>\n<script>\n${script}</script>\n`;

// An HTML file; what it asks for is the token.
async function runInPage(html, wanted, token = '') {
	const page = await open(browser);

	page.on('dialog', (dialog) => dialog.accept(token));
	await page.setContent(html);
	await waitFor(() => wanted.every((each) => page.said.some((line) => line.includes(each))), `events in a page: ${page.said}`);
	assert.equal(await page.title(), '');
	await closeClean(page);
}

async function runInNode(scene, script, wanted, options) {
	const name = `example-${scene.own.size}.mjs`;

	scene.write(name, script);
	await runUntil(wanted, process.execPath, [scene.file(name)], options);
}

const runInPython = (script, wanted, options) => runUntil(wanted.map((each) => each.replaceAll('"', "'")), PYTHON, ['-u', '-c', script], options);

function linkPackages(scene) {
	symlinkSync(fileURLToPath(new URL('../peers/node_modules', import.meta.url)), scene.file('node_modules'));
	scene.own.add('node_modules');
}

async function copied(page, title) {
	return page.locator('#examples article', { has: page.getByRole('heading', { name: title, exact: true }) }).locator('pre').textContent();
}

e2e('the examples run as they are copied, in every dialect, whatever a stream is called', async (scene) => {
	const streams = [{ path: 'prices', params: '{"ticker":"AAPL"}' }, { path: HOSTILE, params: '{"<b>n</b>":1.10}' },
		{ feed: 2, path: "it's" }, { feed: 3, path: 'board_"X"' }];

	linkPackages(scene);
	makeTape(scene, 'tape.db', { events: together(...streams),
		feeds: [{ dialect: USUAL }, { dialect: ROOMS, namespace: '/rooms' }, { dialect: CHANNELS, namespace: '/channels', path: '/feed/' }] });
	const replay = await scene.serve(['--settle', '1ms'], ['tape.db']);
	const page = await open(browser, replay.url);

	await page.waitForSelector('#stream-rows tr');
	for (const [name, wanted] of [["it's", ['room_name', '"n"']], ['board', ['"n"']], ['AAPL', ['"AAPL"', '"n"']], ['onerror', ['onerror', '"n"']]]) {
		await page.locator('#stream-rows tr', { hasText: name }).locator('button').click();
		await page.waitForSelector('#events li');
		await runInPage(inHtml(await copied(page, 'Browser')), wanted);
		if (name === 'AAPL' || name === 'onerror')
			continue; // of our dialect, for which the README's are run
		await runInNode(scene, await copied(page, 'socket.io-client'), wanted);
		await runInPython(await copied(page, 'python-socketio'), wanted);
	}
	await closeClean(page);
	await replay.stop();
});

const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
const section = readme.split(/^### /m).find((text) => text.startsWith('Clients\n')).split(/^## /m)[0];
const blocks = new Map([...section.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => [language, text]));
const HOST = '127.0.0.1:3000';

e2e('the clients of the README run as they stand, but for the port, and are those of the page', async (scene) => {
	const feed = { name: 'market', namespace: '/', path: '/socket.io/', dialect: { ...USUAL, subscribe: { ...USUAL.subscribe, args: [{ path: '$path', params: '$params' }] } } };
	const stream = { path: '/real-time/tweet-volume', params: '{"ticker":"AAPL"}' };
	const what = { origin: `http://${HOST}`, feed, stream, needsToken: true };
	const wanted = ['"AAPL"', '"n"'];

	assert.deepEqual(Object.fromEntries(blocks), { sh: tokenExample(what), html: inHtml(browserExample(what)),
		js: nodeExample(what), python: pythonExample(what) });
	linkPackages(scene);
	makeTape(scene, 'tape.db', { events: together(stream) });
	const replay = await scene.serve(['--settle', '1ms', '--api-key-file', scene.file('api-key')], ['tape.db']);
	const [sh, html, js, python] = ['sh', 'html', 'js', 'python'].map((name) => blocks.get(name).replaceAll(HOST, `127.0.0.1:${replay.port}`));
	const { stdout } = await promisify(execFile)('bash', ['-ec', sh], { cwd: scene.dir });
	const token = stdout.trim();
	const env = { ...process.env, TOKEN: token };

	assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
	await runInPage(html, wanted, token);
	await runInNode(scene, js, wanted, { env });
	await runInPython(python, wanted, { env });
	await replay.stop();
});
