// The daemon is killed at random moments, again and again, while 1,000 numbered events a second come: each
// number is stored exactly once, or was sent inside a gap of its stream; and no gap reaches further than the
// time in which nothing was recorded. TAPEDECK_KILLS=N: how often (12).
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { streamKey } from '../peers/feed-server.mjs';
import { feedLoad, passes, tickers } from './numbered.mjs';
import { e2e, SLACK, waitFor } from './support.mjs';

const KILLS = Number(process.env.TAPEDECK_KILLS ?? 12);
const STREAMS = [...tickers(10), ...tickers(9, '/real-time/q'), { path: 'without-params', params: {} }];
const RATE = 1000;
const LIFE_MS = 1200; // at most, from subscribed to killed
const YOUNG_MS = 30; // at most, of those that are killed while they start
const YOUNG_EVERY = 3;
const SUBSCRIBED_MS = SLACK * 1000;
// What was sent, and neither read nor committed, when the daemon died: sent before the gap begins, by as much as
// a loaded machine lets a byte wait between two processes.
const IN_FLIGHT_MS = SLACK * 20;
// Lost at the most: what was received since the last commit (200 ms), and what was in flight.
const UNCOMMITTED_MS = SLACK * 200;

const random = (max) => Math.random() * max;
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

// Milliseconds from the daemon's beginning to its own word that everything is subscribed.
async function subscribed(daemon) {
	const line = /^(\S+) .*subscribed .*confirmed=(\d+) refused=0 /m;

	await daemon.says(line, SUBSCRIBED_MS);
	const [, at, confirmed] = line.exec(daemon.stderr);
	assert.equal(Number(confirmed), STREAMS.length);
	return Date.parse(at) - daemon.begun;
}

function start(scene) {
	const begun = Date.now();

	return Object.assign(scene.daemon(), { begun });
}

async function kill(daemon) {
	daemon.kill();
	daemon.killed = Date.now();
	assert.equal((await daemon.exit()).signal, 'SIGKILL', daemon.stderr);
}

// Lets daemons live and die; returns the last one, the times that starts took, and when nothing was subscribed.
async function killAgainAndAgain(scene, first) {
	const [took, downs] = [[], []];
	let daemon = first;

	for (let i = 0; i < KILLS; i++) {
		const isYoung = i % YOUNG_EVERY === YOUNG_EVERY - 1;

		await sleep(isYoung ? random(YOUNG_MS) : random(LIFE_MS));
		await kill(daemon);
		downs.push({ from: daemon.killed });
		daemon = start(scene);
		for (let n = 0; isYoung && n < 2; n++) { // while it starts
			await sleep(random(YOUNG_MS));
			await kill(daemon);
			daemon = start(scene);
		}
		took.push(await subscribed(daemon));
		downs.at(-1).to = daemon.begun + took.at(-1);
	}
	return { daemon, took, downs };
}

// ---- the check, with nothing of the daemon but its tables and the view ----

const NUMBERS = `SELECT s.path AS path, s.params AS params, json_extract(e.results, '$[0].n') AS n, e.received AS received
	FROM event e JOIN stream s USING (stream_id)`;
const GAPS = 'SELECT path, params, started, ended, cause FROM gap ORDER BY started';

// Whole microseconds come out of SQLite: its text of a number with a point has fewer digits.
const inMilliseconds = (row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name,
	['started', 'ended', 'received'].includes(name) && value !== null ? value / 1000 : value]));

function byStream(rows) {
	const found = new Map(STREAMS.map(({ path, params }) => [streamKey(path, params), []]));

	for (const row of rows)
		found.get(`${row.path} ${row.params}`).push(inMilliseconds(row));
	return found;
}

// What was sent to one stream against what is stored of it; returns the lost, and how far before its gap one was sent.
function checkStream(key, load, sent, rows, gaps) {
	const copies = new Map();
	let [lost, early] = [0, 0];

	for (const { n, received } of rows) {
		assert.ok(sent.has(n), `${key}: ${n} was never sent to it`);
		assert.ok(received >= sent.get(n) - 1, `${key}: ${n} was received before it was sent`);
		copies.set(n, (copies.get(n) ?? 0) + 1);
	}
	for (const [n, at] of sent) {
		assert.ok((copies.get(n) ?? 0) < 2, `${key}: ${n} is stored ${copies.get(n)} times`);
		if (copies.has(n))
			continue;
		const before = Math.min(...gaps.filter(({ ended }) => ended === null || at <= ended).map(({ started }) => Math.max(0, started - at)));

		const isOvertaken = rows.some((row) => row.n > n && gaps.some(({ started }) => started >= at && started <= at + before && row.received <= started));
		assert.ok(before <= IN_FLIGHT_MS && !isOvertaken, `${key}: ${n}, sent ${new Date(at).toISOString()}, is missing, and not in a gap: ${JSON.stringify(gaps)}`);
		early = Math.max(early, before);
		lost++;
	}
	return { lost, early };
}

// The gaps of one stream: each begins with a kill and ends with a subscription. A daemon that was killed before its
// first commit has recorded nothing: then one gap goes on to the next daemon's.
function checkGaps(key, gaps, downs, rows) {
	const crashes = gaps.filter(({ cause }) => cause === 'crash');
	let at = 0;

	assert.deepEqual(gaps.filter(({ cause }) => cause !== 'crash').map(({ cause }) => cause), ['starting', 'stopped'],
		`${key}: other gaps than at the beginning and at the end`);
	for (const { started, ended } of crashes) {
		const { from } = downs[at];

		assert.ok(started >= from - UNCOMMITTED_MS && started <= from + 1, `${key}: killed at ${from}, its gap starts at ${started}`);
		for (at++; at < downs.length && downs[at].from <= ended; at++)
			assert.ok(downs[at].from - downs[at - 1].to <= UNCOMMITTED_MS, `${key}: a gap over all of a daemon's life, until ${downs[at].from}`);
		const { to } = downs[at - 1];
		assert.ok(ended >= downs[at - 1].from && ended <= to + IN_FLIGHT_MS, `${key}: subscribed at ${to}, its gap ends at ${ended}`);
		const inside = rows.filter(({ received }) => received > started && received < ended);
		assert.deepEqual(inside, [], `${key}: stored inside a gap`);
	}
	assert.equal(at, downs.length, `${key}: a kill without a gap`);
	return crashes.length;
}

e2e(`killed ${KILLS} times under ${RATE} events a second: stored once, or in a gap; and quickly back`, async (scene, t) => {
	const feed = await scene.feed();
	const load = feedLoad(scene, feed, STREAMS, { rate: RATE });

	scene.config(scene.feedConfig(feed, STREAMS));
	const first = start(scene);
	await subscribed(first);
	load.start();
	await passes(scene, load);
	const { daemon, took, downs } = await killAgainAndAgain(scene, first);
	await passes(scene, load);
	load.stop();
	await waitFor(async () => (await scene.sql(`SELECT 1 FROM event WHERE json_extract(results, '$[0].n') = ${load.last}`)).length > 0, 'the last number');
	await daemon.stop();

	const [stored, gaps] = [byStream(await scene.sql(NUMBERS)), byStream(await scene.sql(GAPS))];
	const sums = { lost: 0, early: 0, gaps: 0 };
	for (const [i, { path, params }] of STREAMS.entries()) {
		const key = streamKey(path, params);
		const sent = new Map(load.sent.map((at, n) => [n, at]).filter(([n]) => n > 0 && n % STREAMS.length === i));
		const { lost, early } = checkStream(key, load, sent, stored.get(key), gaps.get(key));

		sums.gaps += checkGaps(key, gaps.get(key), downs, stored.get(key));
		sums.lost += lost;
		sums.early = Math.max(sums.early, early);
	}
	const down = downs.reduce((sum, { from, to }) => sum + to - from, 0);
	t.diagnostic(`${load.last} numbers sent, ${sums.lost} of them lost in ${sums.gaps} gaps; down ${down} ms in all`);
	t.diagnostic(`from start to subscribed: at most ${Math.max(...took)} ms, median ${median(took)} ms`);
	t.diagnostic(`sent before its gap, at most: ${sums.early.toFixed(1)} ms`);
	assert.ok(sums.lost > 0, 'the kills have cost something: they were real');
}, { timeout: 240_000 + KILLS * 15_000 });
