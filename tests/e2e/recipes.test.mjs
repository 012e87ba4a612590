// recipes: each block of the README's sections "Query it" and "Print it" is run as it stands, while the recording goes on,
// and gives what follows from what the server has sent.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { e2e, runToEnd, waitFor } from './support.mjs';

const run = promisify(execFile);
const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
const sectionOf = (title) => readme.split(/^## /m).find((text) => text.startsWith(`${title}\n`));
const section = sectionOf('Query it');
const blocksOf = (text) => [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, block]) => ({ language, text: block }));
const blocks = [...blocksOf(section), ...blocksOf(sectionOf('Print it'))];
const bin = process.env.TAPEDECK_BIN ?? fileURLToPath(new URL('../../build/bin', import.meta.url));
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };

const minute = (i) => `2014-05-21T12:0${i}`;
const us = (text) => Date.parse(text) * 1000;
const VOLUMES = [ // before the gap, then after it
	['00:10', 'AAPL', 5], ['00:20', 'FB', 7], ['00:40', 'AAPL', 9], ['01:05', 'AAPL', 3], ['02:30', 'AAPL', 8],
	['03:00', 'FB', 2], ['03:30', 'AAPL', 4],
].map(([time, ticker, volume]) => ({ timestamp: `2014-05-21T12:${time}.000Z`, ticker, volume }));
const BEFORE = 5;
const SENTIMENTS = [['00:30', 'AAPL', 1.5], ['00:45', 'FB', -0.25], ['02:00', 'AAPL', 0.5], ['00:05', 'FB', 2]]
	.map(([time, ticker, sentiment]) => ({ timestamp: `2014-05-21T12:${time}.000Z`, ticker, sentiment }));

const rowOf = ({ timestamp, ...row }) => row;
const eventOf = (path, each) => ({ path, timestamp: each.timestamp, results: [rowOf(each)] });
const of = (ticker) => VOLUMES.filter((each) => each.ticker === ticker);
const sumOf = (ticker) => of(ticker).reduce((sum, each) => sum + each.volume, 0);
const last = (list) => list.at(-1);

async function record(scene) {
	const feed = await scene.feed();
	const endpoints = [...section.matchAll(/^```json\n([\s\S]*?)^```$/gm)].flatMap(([, text]) => JSON.parse(text));
	const stored = (n) => scene.stored(n);

	scene.config(scene.feedConfig(feed, endpoints));
	const daemon = scene.daemon();
	const subscribed = () => waitFor(() => [...feed.subscriptions()].length === endpoints.length, 'the subscriptions');
	await subscribed();
	VOLUMES.slice(0, BEFORE).forEach((each) => feed.publish(eventOf('tweet-volume', each)));
	SENTIMENTS.forEach((each) => feed.publish(eventOf('crowd-sentiment', each)));
	await stored(BEFORE + SENTIMENTS.length);
	feed.kick();
	await waitFor(() => feed.sockets.size === 0, 'the loss');
	await subscribed();
	await waitFor(async () => (await scene.sql('SELECT count(*) AS n FROM coverage WHERE ended IS NULL'))[0].n === endpoints.length, 'the coverage');
	VOLUMES.slice(BEFORE).forEach((each) => feed.publish(eventOf('tweet-volume', each)));
	await stored(VOLUMES.length + SENTIMENTS.length);
	return daemon;
}

function candles() {
	const all = new Map();

	for (const { timestamp, ticker, volume } of VOLUMES) {
		const key = `${ticker} ${timestamp.slice(0, 16)}`;

		all.set(key, [...(all.get(key) ?? []), volume]);
	}
	return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, values]) => ({
		ticker: key.split(' ')[0], minute: key.split(' ')[1],
		open: values[0], high: Math.max(...values), low: Math.min(...values), close: last(values),
	}));
}

const asOf = ({ ticker, timestamp }) => last(of(ticker).filter((each) => each.timestamp <= timestamp))?.volume ?? null;
const lastEvents = [['crowd-sentiment', [...SENTIMENTS].sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1)).at(-1)], ['tweet-volume', last(VOLUMES)]];

// What each block gives, in the order of the section; `index`: by an index of a row table; `noScan`: not by reading
// all of this table.
const CHECKS = [
	{ rows: (rows) => assert.deepEqual(rows.sort((a, b) => (a.ticker < b.ticker ? -1 : 1)),
		['AAPL', 'FB'].map((ticker) => ({ ticker, timestamp: us(last(of(ticker)).timestamp), volume: last(of(ticker)).volume }))), index: true },
	{ rows: (rows) => assert.deepEqual(rows, [{ timestamp: last(of('AAPL')).timestamp, volume: last(of('AAPL')).volume }]) },
	{ rows: (rows) => assert.deepEqual(rows.sort((a, b) => (a.path < b.path ? -1 : 1)), lastEvents.map(([path, each]) => ({
		path, params: '{}', timestamp: us(each.timestamp), results: JSON.stringify([rowOf(each)]) }))), noScan: 'e' },
	{ rows: (rows) => assert.deepEqual(rows, of('AAPL').filter((each) => each.timestamp >= minute(1) && each.timestamp < minute(3))
		.map(({ timestamp, volume }) => ({ time: timestamp.replace('.000', ''), volume }))), index: true },
	{ rows: (rows) => assert.deepEqual(rows, [...SENTIMENTS].sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1))
		.map((each) => ({ ticker: each.ticker, timestamp: us(each.timestamp), sentiment: each.sentiment, volume: asOf(each) }))), index: true },
	{ rows: (rows) => assert.deepEqual(rows, candles()) },
	{ rows: (rows) => {
		assert.deepEqual(rows.map((row) => row.cause), ['server_closed']);
		assert.ok(rows[0].seconds > 0 && rows[0].started !== null && rows[0].ended !== null);
	} },
	{ rows: (rows) => assert.deepEqual(rows.map(({ path, before, after }) => [path, before, after]), [
		['crowd-sentiment', JSON.stringify([rowOf(lastEvents[0][1])]), null],
		['tweet-volume', JSON.stringify([rowOf(VOLUMES[BEFORE - 1])]), JSON.stringify([rowOf(VOLUMES[BEFORE])])]]) },
	{ rows: (rows) => {
		assert.deepEqual(rows.map(({ path, events }) => [path, events]), [['crowd-sentiment', SENTIMENTS.length], ['tweet-volume', VOLUMES.length]]);
		const age = Date.now() / 1000 - us(last(VOLUMES).timestamp) / 1e6;
		assert.ok(Math.abs(rows[1].offset_s - age) < 300, `${rows[1].offset_s} s`);
	} },
	{ rows: (rows) => assert.equal(rows.reduce((sum, row) => sum + row.events, 0), VOLUMES.length + SENTIMENTS.length) },
	{ rows: (rows) => assert.deepEqual(rows.map((row) => row.close_reason), ['disconnected']) },
	{ text: (text) => assert.equal(text, `AAPL ${of('AAPL').length}\nFB ${of('FB').length}\n`) },
	{ text: (text) => assert.match(text, new RegExp(`AAPL +${sumOf('AAPL')}\nFB +${sumOf('FB')}\n`)) },
	{ text: (text) => assert.match(text, new RegExp(`AAPL +${sumOf('AAPL')}\n.*FB +${sumOf('FB')}\n`)) },
	{ copies: ['copy.db', 'backup.db'] },
	{ text: (text) => assert.equal(text, VOLUMES.map((each) => `${each.timestamp}\t${each.ticker}\t${each.volume}\n`).join('')) },
	{ file: ['two-minutes.ndjson', (text) => assert.deepEqual(text.split('\n').slice(0, -1).map((line) => JSON.parse(line)).map(({ timestamp, results }) => ({ timestamp, ...results[0] })),
		[...VOLUMES, ...SENTIMENTS].filter((each) => each.timestamp >= minute(1) && each.timestamp < minute(3)).sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1)))] },
	{ file: ['tweet_volume.csv', (text) => assert.deepEqual(text.split('\r\n').slice(0, -1).map((line) => line.split(',').slice(3).join()),
		['ticker,volume', ...VOLUMES.map((each) => `${each.ticker},${each.volume}`)])] },
	{ text: (text) => assert.deepEqual(text.split('\n').slice(0, -1).map((line) => JSON.parse(line)).sort(),
		[['crowd-sentiment', 'server_closed', true], ['tweet-volume', 'server_closed', true]]) },
];

// Debian's Python, for which setup.sh installs pandas; another one may come first in the PATH.
const PROGRAMS = { python: ['/usr/bin/python3', '-c'], r: ['Rscript', '-e'], sh: ['bash', '-ec'] };

async function checkPlan(scene, text, { index, noScan }) {
	const { stdout: plan } = await run('sqlite3', ['-readonly', scene.file('market.db'), `EXPLAIN QUERY PLAN ${text}`]);

	assert.ok(!index || /USING (COVERING )?INDEX (tweet_volume|crowd_sentiment):/.test(plan), plan);
	assert.ok(noScan === undefined || !new RegExp(`SCAN ${noScan}\\b`).test(plan), plan);
}

async function checkBlock(scene, { language, text }, check) {
	if (check.rows !== undefined) {
		assert.equal(language, 'sql');
		check.rows(await scene.sql(text));
		return checkPlan(scene, text, check);
	}
	const [program, option] = PROGRAMS[language];
	const { stdout } = await run(program, [option, text], { cwd: scene.dir, env });

	check.text?.(stdout);
	check.file?.[1](readFileSync(scene.file(check.file[0]), 'utf8'));
	for (const copy of check.copies ?? []) {
		assert.equal((await scene.sql('SELECT count(*) AS n FROM event', copy))[0].n, VOLUMES.length + SENTIMENTS.length);
		assert.equal((await runToEnd(['--verify', scene.file(copy)])).code, 0);
	}
	return undefined;
}

e2e('every recipe of the README gives what it says', async (scene, t) => {
	const daemon = await record(scene);
	const recipes = blocks.filter(({ language }) => !['json', 'text'].includes(language));

	assert.equal(recipes.length, CHECKS.length, 'a recipe without a test, or a test without a recipe');
	for (const [i, recipe] of recipes.entries())
		await t.test(recipe.text.slice(0, 60).split('\n')[0], () => checkBlock(scene, recipe, CHECKS[i]));
	await daemon.stop();
});
