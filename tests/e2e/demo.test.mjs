// demo: the recording of real market data that the demo and the README play.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { e2e, replay, runToEnd } from './support.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

function csv(name) {
	const [head, ...lines] = readFileSync(`${root}/tests/data/market/${name}`, 'utf8').trimEnd().split('\n');
	const names = head.split(',');

	return lines.map((line) => Object.fromEntries(line.split(',').map((value, i) => [names[i], value])));
}

const isQuiet = (event) => event.results.length === 0;
const rowsOf = (events, path) => events.filter((event) => event.path === path).flatMap((event) => event.results);

e2e('the market data is a sound recording that holds every row, in the feed\'s own time', async (scene) => {
	const file = scene.file('market-2014.db');
	const volume = csv('tweet-volume.csv');
	const first = volume[0].ts.slice(0, 10);

	execFileSync(`${root}/tools/demo-recording.sh`, [file]);
	assert.equal((await runToEnd(['--verify', file])).stdout, `${file}: sound\n`);
	const { code, stdout } = await replay('print', file);
	const events = stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
	assert.equal(code, 0);
	assert.deepEqual(rowsOf(events, 'tweet-volume'), volume);
	assert.deepEqual(rowsOf(events, '/real-time/tweet-volume'), volume);
	assert.deepEqual(rowsOf(events, 'daily-close'), csv('daily-close.csv').filter((row) => row.date >= first));
	for (const event of events.filter((event) => event.path !== 'daily-close' && !isQuiet(event)))
		assert.ok(event.results.every((row) => row.ts === event.timestamp));
	for (const event of events.filter((event) => event.path === '/real-time/tweet-volume'))
		assert.deepEqual(event.params, { ticker: event.results[0].ticker });
	assert.equal(events.find((event) => event.path === 'daily-close').timestamp, '2014-05-19T20:00:00.000Z');
	const minutes = events.filter((event) => event.path === 'tweet-volume').map((event) => Date.parse(event.timestamp));
	assert.ok(events.some(isQuiet));
	assert.ok(minutes.every((at, i) => i === 0 || at === minutes[i - 1] + 60_000), 'each minute, quiet ones too');
});

e2e('a file that is there is not written over', (scene) => {
	const file = scene.write('market-2014.db', 'mine');

	assert.throws(() => execFileSync(`${root}/tools/demo-recording.sh`, [file], { stdio: 'pipe' }), /is there already/);
	assert.equal(readFileSync(file, 'utf8'), 'mine');
});

e2e('an option is no file', (scene) => {
	assert.throws(() => execFileSync(`${root}/tools/demo-recording.sh`, ['--help'], { cwd: scene.dir, stdio: 'pipe' }), /usage: tools\/demo-recording\.sh FILE/);
});
