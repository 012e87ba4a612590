// A server that offers connection state recovery and yet feeds each socket by itself, not by room: a resumed
// session says nothing there, and must not count as recorded.
import assert from 'node:assert/strict';
import { RECOVERY } from './accidents.mjs';
import { checkInGaps, compare, connectionsOf, feedLoad, gaps, passes, settled, tickers } from './numbered.mjs';
import { e2e, SLACK, waitFor } from './support.mjs';

const STREAMS = [...tickers(10), { path: 'slow' }];
const SILENCE_MS = 30_000;

e2e('a stream that is silent after a resume is subscribed again after 30 s, and the silence is a gap', async (scene) => {
	const feed = await scene.feed({ socketio: RECOVERY });
	const load = feedLoad(scene, feed, STREAMS, { rate: 100 });
	const ofNew = (what) => feed.journal.filter((entry) => entry.what === what && entry.socket === 2);

	// 3 x 20 s is more than 30 s: this one has to wait longer.
	scene.config(scene.feedConfig(feed, [...tickers(10), { path: 'slow', expect_every: '20s' }]));
	const daemon = scene.daemon();
	await waitFor(() => feed.subscriptions().size === STREAMS.length, 'the subscriptions');
	load.start();
	await passes(scene, load);
	feed.cut();
	await waitFor(() => feed.counters.recoveries === 1, 'the resumed session');
	const resumed = ofNew('connection')[0].at;
	await waitFor(() => feed.subscriptions().size === 10, 'ten subscriptions anew', SILENCE_MS + SLACK * 5000);
	await passes(scene, load);
	load.stop();
	await settled(scene, load);
	await daemon.stop();
	assert.ok(ofNew('subscribe')[0].at - resumed >= SILENCE_MS * 0.95, `asked again after ${ofNew('subscribe')[0].at - resumed} ms`);
	assert.deepEqual(ofNew('subscribe').map(({ key }) => key).sort(), tickers(10).map(({ path, params }) => `${path} ${JSON.stringify(params)}`).sort(),
		'each silent stream once, not yet the one with a longer patience');
	assert.equal(feed.counters.connections, 2);
	const { missing, doubled } = await compare(scene, load);
	assert.deepEqual(doubled, []);
	const ofTickers = missing.filter((n) => load.streamOf(n).path === 'p');
	assert.ok(ofTickers.length > 0);
	// Recovery could not bring back what was sent before the resume; from there on the gap has to show it.
	await checkInGaps(scene, load, ofTickers.filter((n) => load.sent[n] >= resumed));
	const rows = (await gaps(scene)).filter((gap) => gap.path === 'p');
	assert.equal(rows.length, 10, 'one gap for each');
	for (const gap of rows) {
		assert.ok(gap.started / 1000 <= resumed + 100, 'from the resume on');
		assert.equal(gap.cause, 'silent');
	}
	assert.deepEqual((await connectionsOf(scene)).map((row) => row.close_reason), ['network', 'stopped']);
});
