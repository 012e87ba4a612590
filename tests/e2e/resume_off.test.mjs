// The same accidents as in resume.test.mjs, on a server that recovers nothing: what was lost lies inside gaps.
import assert from 'node:assert/strict';
import { accidents, runAccidents } from './accidents.mjs';
import { checkInGaps, compare, connectionsOf, feedLoad, gaps, passes, settled, tickers } from './numbered.mjs';
import { e2e, waitFor } from './support.mjs';

const STREAMS = tickers(50);
const steps = accidents();

e2e(`${steps.join(', ')}: without recovery each lost number lies inside a gap, and none is doubled`, async (scene) => {
	const feed = await scene.feed({ rooms: true });
	const load = feedLoad(scene, feed, STREAMS, { rate: 500 });
	const world = { feed, load };

	scene.config(scene.feedConfig(feed, STREAMS));
	world.daemon = scene.daemon();
	await waitFor(() => feed.subscriptions().size === STREAMS.length, 'the subscriptions');
	load.start();
	await passes(scene, load);
	const daemon = await runAccidents(scene, world, steps, STREAMS.length);
	load.stop();
	await settled(scene, load);
	await daemon.stop();
	const { missing, doubled, strange } = await compare(scene, load);
	assert.deepEqual([doubled.length, strange.length], [0, 0], `too often: ${doubled.slice(0, 10)}, strange: ${strange.slice(0, 10)}`);
	assert.ok(missing.length > 0, 'the accidents cost nothing');
	await checkInGaps(scene, load, missing);
	const causes = new Map();
	for (const { cause } of await gaps(scene))
		causes.set(cause, (causes.get(cause) ?? 0) + 1);
	for (const [step, cause] of [['cut', 'network'], ['SIGKILL', 'crash']]) {
		const n = steps.filter((one) => one === step).length;

		assert.equal(causes.get(cause) ?? 0, n * STREAMS.length, `${n} gaps of cause ${cause} in each of ${STREAMS.length} streams`);
	}
	assert.equal(feed.counters.subscribes, (steps.length + 1) * STREAMS.length);
	assert.deepEqual([...new Set((await connectionsOf(scene)).map((row) => row.pid))], [null]);
}, { timeout: 240_000 + steps.length * 30_000 });
