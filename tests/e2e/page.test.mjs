// page: the replay's page in a real browser: what it shows of a recording, that it controls the replay and watches a
// stream, that nothing of a recording becomes HTML, and that what it offers to copy runs.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { barsOf, recordedShares, scaleOf, ticksOf } from '../../tools/replay/page/lanes.mjs';
import { parseJson, readTime, showDuration, showTime } from '../../tools/replay/page/format.mjs';
import { closeClean, launch, open } from './browser.mjs';
import { e2e, waitFor } from './support.mjs';
import { fetchToken, makeTape, S, stateOf, T0 } from './tapes.mjs';

const STEP = S / 10;
const EVENTS = 1200;
const HOSTILE = `<img src=x onerror="document.title='hit'">'\\"</script><script>document.title='hit'</script>`;
const HOSTILE_PARAMS = '{"<b>n</b>":1.10}';

const every = (step, count, stream) => Array.from({ length: count }, (_, i) => ({ at: i * step, results: `[{"n":${i},"price":1.10}]`, ...stream }));
const AAPL = { path: 'prices', params: '{"ticker":"AAPL"}' };
const FB = { path: 'prices', params: '{"ticker":"FB"}' };
const QUIET = { path: 'quiet' };
const ODD = { path: HOSTILE, params: HOSTILE_PARAMS };
const TAPE = {
	events: [...every(STEP, EVENTS, AAPL), ...every(S, EVENTS / 10, FB), ...every(STEP, EVENTS, ODD)].sort((a, b) => a.at - b.at),
	quiet: [QUIET],
	gaps: [{ ...AAPL, from: 30 * S, to: 42 * S, cause: 'network' }, { ...FB, from: 36 * S, to: 48 * S, cause: 'network' },
		{ ...FB, from: 90 * S, to: 96 * S, cause: 'silent' }],
};

let browser;

before(async () => { browser = await launch(); });
after(() => browser.close());

const number = (text) => Number(text.replaceAll(',', ''));
const text = (page, selector) => page.textContent(selector);
const stateIs = (page, name) => page.waitForSelector(`#state[data-state=${name}]`);
const received = async (page) => number((await text(page, '#live-count')).split(' ')[0] || '0');
const newest = async (page) => JSON.parse((await text(page, '#events li:first-child')).replace(/^\S+ /, ''));

// Two more looks of the page at the replay: what was under way has arrived.
async function settled(page) {
	for (let i = 0; i < 2; i++)
		await page.waitForResponse((response) => response.url().endsWith('/replay') && response.request().method() === 'GET');
}

async function market(scene, ...args) {
	makeTape(scene, 'tape.db', TAPE);
	return scene.serve(args, ['tape.db']);
}

const rowOf = (page, name) => page.locator('#stream-rows tr', { hasText: name });

test('times are read and shown as people write them', () => {
	for (const [written, us] of [['2014-05-21', T0 - 36_000 * S], ['2014-05-21 10:00', T0], ['2014-05-21T10:00:01.5Z', T0 + 1.5 * S],
		['2014-05-21T12:00:00.000001+02:00', T0 + 1], [String(T0), T0], ['12:00', NaN], ['2014-13-41', NaN], ['', NaN], ['soon', NaN]])
		assert.equal(readTime(written), us, written);
	assert.deepEqual([T0, T0 + 1000, T0 + 1, null].map(showTime), ['2014-05-21 10:00:00', '2014-05-21 10:00:00.001', '2014-05-21 10:00:00.000001', '–']);
	assert.deepEqual([5, 1500, 61 * S, 7200 * S, 90_000 * S].map(showDuration), ['5 µs', '1 ms', '1 min 1 s', '2 h', '1 d 1 h']);
	assert.equal(JSON.stringify(parseJson('{"a":[1,"b",null]}')), '{"a":[1,"b",null]}');
});

test('gaps that touch on the screen are one bar; the share of recorded streams follows them', () => {
	const scale = scaleOf({ from: 0, to: 1000 }, 100);
	const gap = (started, ended) => ({ started, ended });
	const bars = barsOf([gap(-50, -10), gap(-50, 20), gap(100, 200), gap(150, 160), gap(205, 210), gap(500, 600), gap(990, null), gap(1100, 1200)], scale);

	assert.deepEqual(bars.map(({ left, right, gaps }) => [left, right, gaps.length]), [[0, 2, 1], [10, 21, 3], [50, 60, 1], [99, 100, 1]]);
	assert.equal(bars.at(-1).ended, Infinity);
	const shares = recordedShares([gap(100, 199), gap(150, 199), gap(900, null), gap(-100, -50), gap(1001, 1100)], scale, 2);

	assert.deepEqual([9, 10, 14, 15, 19, 20, 89, 90, 99].map((i) => shares[i]), [1, 0.5, 0.5, 0, 0, 1, 1, 0.5, 0.5]);
	for (const span of [1, 1e3, 1e6, 3e9, 1e13, 1e15]) {
		const ticks = ticksOf(scaleOf({ from: T0, to: T0 + span }, 800));

		assert.ok(ticks.length <= 9, `${span}: ${ticks.length}`);
		assert.ok(ticks.every(({ x }, i) => x >= 0 && x <= 800 && (i === 0 || x - ticks[i - 1].x >= 89)));
	}
});

e2e('what is recorded is shown as text, its gaps on the timeline', async (scene) => {
	const replay = await market(scene);
	const page = await open(browser, replay.url);

	await page.waitForSelector('#stream-rows tr');
	const rows = await page.$$eval('#stream-rows tr', (all) => all.map((row) => [...row.cells].slice(0, 4).map((cell) => cell.textContent)));
	const shown = ({ path, params }, count, last) => [`${path} ${params}`, count, '2014-05-21 10:00:00', last];

	assert.deepEqual(rows.sort(), [shown(AAPL, '1,200', '2014-05-21 10:01:59.900'), shown(FB, '120', '2014-05-21 10:01:59'),
		shown(ODD, '1,200', '2014-05-21 10:01:59.900'), ['quiet', '0', '–', '–']].sort());
	await rowOf(page, 'onerror').locator('button').click();
	assert.equal(await text(page, '#live-stream'), `${HOSTILE} ${HOSTILE_PARAMS}`);
	await page.waitForSelector('#events li');
	assert.equal(await page.title(), 'tapedeck replay');
	assert.equal(await page.evaluate(() => document.querySelectorAll('main img, main b, main script').length), 0);
	assert.ok((await text(page, '#events li:first-child')).includes('"price":1.10'), 'digits are kept');

	const width = await page.$eval('#timeline .ground', (ground) => ground.getBBox().width);
	const bars = await page.$$eval('rect.gap', (all) => all.map((bar) => ({ cause: bar.dataset.cause, x: bar.x.baseVal.value,
		width: bar.width.baseVal.value, title: bar.querySelector('title').textContent })));
	const { from, to } = await stateOf(replay);
	const place = (us) => (us - from) / (to - from) * width;

	assert.deepEqual(bars.map(({ cause, title }) => [cause, title]), [
		['network', 'network: 2 gaps of 2 streams, from 2014-05-21 10:00:30 to 2014-05-21 10:00:48 (18 s)'],
		['silent', 'silent: 1 gap of 1 stream, from 2014-05-21 10:01:30 to 2014-05-21 10:01:36 (6 s)']]);
	for (const [i, [started, ended]] of [[30, 48], [90, 96]].entries()) {
		assert.ok(Math.abs(bars[i].x - place(T0 + started * S)) < 1, JSON.stringify(bars[i]));
		assert.ok(Math.abs(bars[i].x + bars[i].width - place(T0 + ended * S)) < 1, JSON.stringify(bars[i]));
	}
	assert.deepEqual(await page.$$eval('.lane-name', (all) => all.map((name) => name.textContent)), ['recorded', 'network', 'silent']);

	await page.fill('#search', 'FB');
	assert.equal(await page.locator('#stream-rows tr').count(), 1);
	assert.equal(await page.locator('rect.gap').count(), 2);
	await page.click('#gaps summary');
	assert.deepEqual(await page.$$eval('#gap-rows tr', (all) => all.map((row) => [...row.cells].map((cell) => cell.textContent))), [
		['prices {"ticker":"FB"}', 'network', '2014-05-21 10:00:36', '2014-05-21 10:00:48', '12 s'],
		['prices {"ticker":"FB"}', 'silent', '2014-05-21 10:01:30', '2014-05-21 10:01:36', '6 s']]);
	await page.fill('#search', 'nothing is called that');
	assert.equal(await page.locator('#stream-rows tr').count(), 0);
	await closeClean(page);
	await replay.stop();
});

e2e('events arrive; pause, step, seek and speed do what they say', async (scene) => {
	const replay = await market(scene, '--clock', 'shared', '--settle', '1ms');
	const page = await open(browser, replay.url);

	await stateIs(page, 'waiting');
	assert.equal((await stateOf(replay)).clients, 0, 'looking changes nothing');
	await rowOf(page, 'AAPL').locator('button').click();
	await stateIs(page, 'playing');
	await waitFor(async () => await received(page) > 5, 'events');
	assert.equal(await text(page, '#clients'), '1');
	await page.click('#pause');
	await stateIs(page, 'paused');
	await settled(page);
	const held = await received(page);
	const position = await text(page, '#position');

	await settled(page);
	assert.equal(await received(page), held, 'events while it is paused');
	assert.equal(await text(page, '#position'), position);
	assert.equal((await newest(page))[0].n, held - 1, 'all events from the first on');

	await page.click('#step');
	await waitFor(async () => await received(page) > held, 'one event');
	await settled(page);
	assert.equal(await received(page), held + 1, 'a step is one event');

	await page.fill('#seek-time', '2014-05-21 10:01');
	await page.press('#seek-time', 'Enter');
	await waitFor(async () => await text(page, '#position') === '2014-05-21 10:01:00.000', 'the position after a seek');
	await page.click('#step');
	await waitFor(async () => (await newest(page))[0].n === 600, 'the event after a seek');
	await page.fill('#seek-time', 'noon');
	await page.press('#seek-time', 'Enter');
	assert.match(await text(page, '#said'), /That is no time/);

	const line = await page.locator('#timeline').boundingBox();
	const ground = await page.$eval('#timeline .ground', (rect) => { const { x, width } = rect.getBoundingClientRect(); return { x, width }; });

	await page.mouse.click(ground.x + ground.width / 4, line.y + 20);
	const clicked = await waitFor(async () => { const { position: us } = await stateOf(replay); return us < T0 + 31 * S && us; }, 'a seek by click');

	assert.ok(Math.abs(clicked - (T0 + (EVENTS - 1) * STEP / 4)) < S, String(clicked));
	await page.focus('#timeline');
	await page.keyboard.press('Home');
	await waitFor(async () => (await stateOf(replay)).position === T0, 'a seek by keyboard');

	await page.selectOption('#speed', 'max');
	await waitFor(async () => (await stateOf(replay)).speed === 'max', 'the speed');
	await page.click('#pause');
	await stateIs(page, 'ended');
	await waitFor(async () => (await newest(page))[0].n === EVENTS - 1, 'the last event');
	await page.click('#watch');
	await waitFor(async () => (await stateOf(replay)).clients === 0, 'the page to leave');
	await closeClean(page);
	await replay.stop();
});

e2e('ten thousand streams are searched, not drawn', async (scene) => {
	const streams = Array.from({ length: 10_000 }, (_, i) => ({ path: '/real-time/prices', params: `{"ticker":"T${i}"}` }));

	makeTape(scene, 'tape.db', {
		events: streams.map((stream, i) => ({ ...stream, at: i * 10_000, results: '[]' })),
		gaps: streams.map((stream, i) => ({ ...stream, from: (5 + i % 50) * S, to: (6 + i % 50) * S, cause: i % 2 === 0 ? 'network' : 'refused' })),
	});
	const replay = await scene.serve([], ['tape.db']);
	const page = await open(browser, replay.url);

	await page.waitForSelector('#stream-rows tr');
	assert.equal(await text(page, '#streams-said'), '10,000 streams');
	assert.ok(await page.locator('#stream-rows tr').count() <= 200);
	assert.ok(await page.evaluate(() => document.querySelectorAll('*').length) < 3000);
	await page.fill('#search', 'T999');
	assert.equal(await text(page, '#streams-said'), '11 of 10,000 streams');
	await page.fill('#search', '');
	await page.click('#streams-more');
	assert.equal(await page.locator('#stream-rows tr').count(), 200);
	await closeClean(page);
	await replay.stop();
});

e2e('a replay that wants a token says so, and a key or a token is kept in memory only', async (scene) => {
	const replay = await market(scene, '--settle', '1ms', '--api-key-file', scene.file('api-key'));
	const page = await open(browser, replay.url);
	const refused = (line) => /401/.test(line);

	await page.waitForSelector('#token');
	await rowOf(page, 'AAPL').locator('button').click();
	assert.match(await text(page, '#live-said'), /needs a token/);
	await page.fill('#token-text', 'no key');
	await page.press('#token-text', 'Enter');
	await waitFor(async () => /refuses/.test(await text(page, '#token-said')), 'a refusal');
	await page.fill('#token-text', scene.key);
	await page.press('#token-text', 'Enter');
	await waitFor(async () => /accepted/.test(await text(page, '#token-said')), 'a token');
	await rowOf(page, 'AAPL').locator('button').click();
	await page.waitForSelector('#events li');
	const kept = await page.evaluate(() => [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, location.href, document.documentElement.outerHTML].join());

	assert.ok(!kept.includes(scene.key));
	assert.deepEqual(page.errors.filter((line) => !refused(line)), []);
	await page.context().close();

	const token = await fetchToken(replay, scene.key);
	const second = await open(browser, replay.url);

	await second.waitForSelector('#token');
	await second.fill('#token-text', token.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')));
	await second.press('#token-text', 'Enter');
	await second.click('#watch');
	await waitFor(async () => /refuses/.test(await text(second, '#live-said')), 'a refused token');
	await second.fill('#token-text', token);
	await second.press('#token-text', 'Enter');
	await second.click('#watch');
	await second.waitForSelector('#events li');
	await closeClean(second);
	await replay.stop();
});

e2e('a replay that others can reach shows and does nothing without its key', async (scene) => {
	const replay = await market(scene, '--listen', '0.0.0.0:0', '--start', 'paused', '--api-key-file', scene.file('api-key'));
	const page = await open(browser, `http://127.0.0.1:${replay.port}`);

	await page.waitForSelector('#token');
	assert.match(await text(page, '#notice'), /API key/);
	assert.equal(await page.locator('#stream-rows tr').count(), 0);
	await page.fill('#token-text', scene.key);
	await page.press('#token-text', 'Enter');
	await page.waitForSelector('#stream-rows tr');
	await page.fill('#seek-time', '2014-05-21 10:01');
	await page.press('#seek-time', 'Enter');
	await waitFor(async () => await text(page, '#position') === '2014-05-21 10:01:00.000', 'the position after a seek');
	assert.ok(!await page.isVisible('#notice'));
	assert.deepEqual(page.errors.filter((line) => !/401/.test(line)), []);
	await page.context().close();
	await replay.stop();
});

e2e('the page comes with a policy that lets it load and connect to nothing else', async (scene) => {
	const replay = await market(scene);

	for (const path of ['/', '/page/main.mjs', '/page/page.css']) {
		const answer = await fetch(replay.url + path);

		assert.equal(answer.status, 200);
		assert.match(answer.headers.get('content-type'), /^text\/(html|javascript|css); charset=utf-8$/);
		assert.match(answer.headers.get('content-security-policy'), /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';.* frame-ancestors 'none'$/);
		assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
		assert.equal((await fetch(replay.url + path, { method: 'POST' })).status, 405);
		assert.equal(await (await fetch(replay.url + path, { method: 'HEAD' })).text(), '');
	}
	assert.equal((await fetch(`${replay.url}/page/`)).status, 404);
	assert.equal((await fetch(`${replay.url}/page/page.h`)).status, 404);
	await replay.stop();
});
