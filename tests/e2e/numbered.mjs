// numbered: a load of numbered events, and the questions that a recording of it must answer: is each number
// there exactly once, lies each missing one inside a gap, has the coverage a hole. Asked in SQL of its own,
// not through the code under test; only the view `gap` is believed where a test is about that view.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { streamKey } from '../peers/feed-server.mjs';
import { SLACK, waitFor } from './support.mjs';

const TICK_MS = 5;
const BURST_MAX = 500; // of one tick, when the machine was busy
const POLL_MS = 100;
const STALL_MS = SLACK * 1000;
const SHOWN_MAX = 10;

// `count` endpoints that differ in their params.
export function tickers(count, path = 'p', from = 0) {
	return Array.from({ length: count }, (_, i) => ({ path, params: { ticker: `T${from + i}` } }));
}

// Publishes numbers from 1 on, in turn over `streams` ({ path, params }), and remembers when each was sent.
export class Load {
	// `twins`: each number that this divides is published twice in one breath, and must be stored twice. `pad`: so
	// many bytes more in each event.
	constructor(publish, streams, { name = 'load', rate = 1000, twins = 0, pad = 0 } = {}) {
		Object.assign(this, { publish, streams, name, rate, twins, pad: 'x'.repeat(pad) });
		this.sent = [NaN]; // by number: milliseconds since 1970
		this.timer = null;
	}

	get last() {
		return this.sent.length - 1;
	}

	streamOf(number) {
		return this.streams[number % this.streams.length];
	}

	copiesOf(number) {
		return this.twins !== 0 && number % this.twins === 0 ? 2 : 1;
	}

	// How many events the numbers are.
	get total() {
		return this.last + (this.twins === 0 ? 0 : Math.floor(this.last / this.twins));
	}

	// Publishes the next number at once.
	next() {
		const at = Date.now();
		const number = this.sent.push(at) - 1;
		const { path, params = {} } = this.streamOf(number);
		const event = {
			path, params, timestamp: new Date(at).toISOString(), results: [{ load: this.name, n: number, sent: at, pad: this.pad }],
		};

		for (let copy = 0; copy < this.copiesOf(number); copy++)
			this.publish(event, number);
		return number;
	}

	start() {
		const [from, begun] = [this.last, Date.now()];

		this.timer = setInterval(() => {
			const due = from + Math.floor((Date.now() - begun) * this.rate / 1000);

			for (let i = 0; i < BURST_MAX && this.last < due; i++)
				this.next();
		}, TICK_MS);
		return this;
	}

	stop() {
		clearInterval(this.timer);
		this.timer = null;
		return this;
	}
}

// A load over a feed-server; it ends with the test.
export function feedLoad(scene, feed, streams, options = {}) {
	const load = new Load((event) => feed.publish(event), streams, options);

	scene.loads.push(load);
	return load;
}

const NUMBERS = (load, feed) => `SELECT json_extract(e.results, '$[0].n') AS n, s.path AS path, s.params AS params, count(*) AS copies
	FROM event e JOIN stream s USING (stream_id) JOIN feed f USING (feed_id)
	WHERE f.name = '${feed}' AND json_extract(e.results, '$[0].load') = '${load.name}' GROUP BY 1, 2, 3 ORDER BY 1`;

const COUNT = (load, feed, what) => `SELECT ${what} AS n FROM event e JOIN stream s USING (stream_id) JOIN feed f USING (feed_id)
	WHERE f.name = '${feed}' AND json_extract(e.results, '$[0].load') = '${load.name}'`;

async function ask(scene, load, feed, what) {
	return (await scene.sql(COUNT(load, feed, what)).catch(() => []))[0]?.n ?? 0;
}

// Waits until a number is stored that is published from now on.
export async function passes(scene, load, feed = 'test') {
	const from = load.last;

	await waitFor(async () => {
		await sleep(POLL_MS);
		return await ask(scene, load, feed, "max(json_extract(e.results, '$[0].n'))") > from;
	}, `a number above ${from} of '${load.name}'`, SLACK * 10_000);
}

// Waits until everything that was published is stored, or nothing more comes.
export async function settled(scene, load, feed = 'test') {
	let [last, since] = [-1, Date.now()];

	while (last < load.total && Date.now() - since < STALL_MS) {
		const count = await ask(scene, load, feed, 'count(*)');

		if (count !== last)
			[last, since] = [count, Date.now()];
		await sleep(POLL_MS);
	}
}

// Compares what is stored with what was sent: { missing, doubled, strange }, of numbers.
export async function compare(scene, load, feed = 'test') {
	const stored = new Map();
	const strange = [];

	for (const row of await scene.sql(NUMBERS(load, feed))) {
		const { path, params = {} } = load.streamOf(row.n);

		if (row.path !== path || row.params !== streamKey('', params).slice(1) || row.n > load.last)
			strange.push(row.n);
		stored.set(row.n, (stored.get(row.n) ?? 0) + row.copies);
	}
	const all = Array.from({ length: load.last }, (_, i) => i + 1);
	return {
		missing: all.filter((n) => (stored.get(n) ?? 0) < load.copiesOf(n)),
		doubled: all.filter((n) => (stored.get(n) ?? 0) > load.copiesOf(n)),
		strange,
	};
}

const shown = (load, numbers) => `${numbers.length} of ${load.last}: ${numbers.slice(0, SHOWN_MAX)
	.map((n) => `${n} sent ${new Date(load.sent[n]).toISOString()}`).join(', ')}`;

// Each number is stored exactly once (its twin, too), in its own stream.
export async function checkOnce(scene, load, feed = 'test') {
	const { missing, doubled, strange } = await compare(scene, load, feed);

	assert.ok(load.last > 0, 'nothing was sent');
	assert.equal(missing.length, 0, `missing in '${feed}': ${shown(load, missing)}`);
	assert.equal(doubled.length, 0, `too often in '${feed}': ${shown(load, doubled)}`);
	assert.equal(strange.length, 0, `in a wrong stream of '${feed}': ${shown(load, strange)}`);
}

// The gaps of a feed. Those that every recording has are left out: before an endpoint was first subscribed,
// and after the clean end.
export async function gaps(scene, feed = 'test') {
	const rows = await scene.sql(`SELECT g.path AS path, g.params AS params, g.started AS started, g.ended AS ended, g.cause AS cause,
		g.started = (SELECT min(w.started) FROM wanted w JOIN stream s USING (stream_id) JOIN feed f USING (feed_id)
			WHERE f.name = g.feed AND s.path = g.path AND s.params = g.params) AS is_first
		FROM gap g WHERE g.feed = '${feed}' ORDER BY g.started`);

	return rows.filter((row) => !(row.cause === 'starting' && row.is_first === 1 && row.ended !== null)
		&& !(row.cause === 'stopped' && row.ended === null));
}

// The holes in the coverage of a feed's streams, from the table itself, without the view.
async function holes(scene, feed) {
	const rows = await scene.sql(`SELECT s.path AS path, s.params AS params, c.started AS started, c.ended AS ended
		FROM coverage c JOIN stream s USING (stream_id) JOIN feed f USING (feed_id)
		WHERE f.name = '${feed}' ORDER BY c.stream_id, c.started`);
	const found = [];

	for (const [i, row] of rows.entries()) {
		const before = rows[i - 1];

		if (before?.path === row.path && before.params === row.params && before.ended !== null && before.ended < row.started)
			found.push({ ...row, us: row.started - before.ended });
	}
	return found;
}

// Every endpoint was recorded from its first subscription to the end. `except`: paths that were not.
export async function checkCovered(scene, { feed = 'test', streams, except = [] }) {
	const isMeant = (row) => !except.includes(row.path);
	const covered = new Set((await scene.sql(`SELECT DISTINCT s.path AS path, s.params AS params FROM coverage
		JOIN stream s USING (stream_id) JOIN feed f USING (feed_id) WHERE f.name = '${feed}'`)).map((row) => `${row.path} ${row.params}`));
	const bare = streams.filter((stream) => !covered.has(streamKey(stream.path, stream.params)));

	const checkNone = (found, what) => assert.equal(found.length, 0,
		`${found.length} ${what} of '${feed}': ${JSON.stringify(found.slice(0, SHOWN_MAX))}`);

	checkNone(bare, 'endpoints without any coverage');
	checkNone((await gaps(scene, feed)).filter(isMeant), 'gaps');
	checkNone((await holes(scene, feed)).filter(isMeant), 'holes in the coverage');
}

// Each of the numbers was sent while a gap of its stream was open, give or take `tolerance` ms.
export async function checkInGaps(scene, load, numbers, { feed = 'test', tolerance = 100 } = {}) {
	const byStream = new Map();

	for (const gap of await gaps(scene, feed)) {
		const key = `${gap.path} ${gap.params}`;

		byStream.set(key, [...byStream.get(key) ?? [], gap]);
	}
	const outside = numbers.filter((n) => {
		const { path, params } = load.streamOf(n);
		const at = load.sent[n];

		return !(byStream.get(streamKey(path, params)) ?? []).some((gap) => at >= gap.started / 1000 - tolerance
			&& (gap.ended === null || at <= gap.ended / 1000 + tolerance));
	});
	assert.equal(outside.length, 0, `lost outside of any gap: ${shown(load, outside)}`);
}

// The connections of a feed, oldest first.
export function connectionsOf(scene, feed = 'test') {
	return scene.sql(`SELECT c.* FROM connection c JOIN feed f USING (feed_id) WHERE f.name = '${feed}' ORDER BY connection_id`);
}
