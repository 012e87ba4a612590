// rows: what row tables cost and give. The server is a process of its own, so that its work and ours do not mix.
// See rows.sh.
import { execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startFeed } from '../peers/feed-server.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const tapedeckd = path.join(process.env.TAPEDECK_BIN ?? path.join(here, '../../build/bin'), 'tapedeckd');
const LIMIT_MS = 1800_000;
const POLL_MS = 200;
const QUIET_MS = 10_000;
const TICK_MS = 5;
const TICKERS = 500;
const BEGIN = 1400666400; // seconds since 1970
const LOOKUPS = 200;
const API_KEY = 'sk_bench';

// ---- the server's process ----

async function serve(rate) {
	const feed = await startFeed({ version: 4, apiKey: API_KEY });
	const begun = Date.now();
	let sent = 0;
	const timer = setInterval(() => {
		if (feed.sockets.size === 0 || sent === -1)
			return;
		for (const due = Math.min(sent + 1000, (Date.now() - begun) * rate / 1000); sent < due; sent++)
			feed.publish({ path: 'live', params: {}, timestamp: BEGIN + sent, results: [{ ticker: `T${sent % TICKERS}`, ts: BEGIN + sent, n: sent }] });
	}, TICK_MS);

	process.on('disconnect', () => process.exit(0));
	process.on('message', () => {
		clearInterval(timer);
		process.send({ sent });
	});
	process.send({ url: feed.url });
}

// ---- what measures ----

const answerOf = (server) => new Promise((resolve) => server.once('message', resolve));

class Bench {
	constructor(options) {
		this.options = options;
		this.dir = mkdtempSync(path.join(os.tmpdir(), 'tapedeck-bench-'));
		this.database = path.join(this.dir, 'market.db');
		writeFileSync(path.join(this.dir, 'api-key'), API_KEY, { mode: 0o600 });
	}

	sql(...statements) {
		return execFileSync('sqlite3', ['-cmd', '.timeout 60000', this.database, ...statements], { encoding: 'utf8', maxBuffer: 2 ** 28 }).trim();
	}

	// Runs tapedeckd; what it logs is in `log`.
	async record(url, table, paths) {
		const config = path.join(this.dir, 'config.json');
		const more = table ? { table: 'ticks', index: [['ticker', 'ts']] } : {};

		writeFileSync(config, JSON.stringify({ database: 'market.db', progress: '100ms',
			feeds: [{ name: 'bench', url, token: { url: `${url}/jwt`, api_key_file: 'api-key' }, endpoints: paths.map((each) => ({ path: each, ...more })) }] }));
		this.log = '';
		this.daemon = spawn(tapedeckd, [config], { stdio: ['ignore', 'ignore', 'pipe'] });
		this.ended = new Promise((resolve) => this.daemon.once('close', resolve));
		this.daemon.stderr.on('data', (text) => { this.log += text; });
		while (!this.log.includes(' subscribed '))
			await sleep(POLL_MS);
	}

	async stop() {
		this.daemon.kill();
		await this.ended;
	}

	lag() {
		return Math.max(...[...this.log.matchAll(/lag_ms=(\d+)/g)].map((match) => Number(match[1])));
	}

	// Events as if they had been recorded.
	fill() {
		const { events, rows } = this.options;
		const cells = `json_group_array(json_object('ticker', 'T' || ((n * ${rows} + k) % ${TICKERS}), 'ts', ${BEGIN} + (n * ${rows} + k) / ${TICKERS},`
			+ ` 'price', n % 977, 'volume', k))`;

		this.sql(`WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ${events}),
				place(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM place WHERE k + 1 < ${rows}),
				base AS (SELECT coalesce(max(event_id), 0) AS id, (SELECT stream_id FROM stream WHERE path = 'old') AS stream,
					(SELECT max(connection_id) FROM connection) AS connection, (SELECT max(last_alive) FROM run) AS at FROM event)
			INSERT INTO event (event_id, stream_id, timestamp, seq, received, connection_id, results)
			SELECT id + 1 + n, stream, (${BEGIN} + n) * 1000000, 0, at + n, connection,
				(SELECT ${cells} FROM place) FROM base, number`);
		this.sql("UPDATE stream SET events = e.n, first = e.first, last = e.last, last_received = e.received, bytes = e.bytes FROM (SELECT count(*) AS n, min(timestamp) AS first, max(timestamp) AS last, max(received) AS received, sum(length(results)) AS bytes, stream_id FROM event GROUP BY stream_id) e WHERE e.stream_id = stream.stream_id");
	}

	lookUp() {
		const script = `
import random, sqlite3, sys, time
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)
span = db.execute('SELECT max(ts) FROM ticks WHERE ticker = ?', ('T1',)).fetchone()[0] - ${BEGIN}
times, rows = [], 0
for i in range(${LOOKUPS}):
    begin = ${BEGIN} + random.randrange(max(1, span - 600))
    at = time.perf_counter()
    rows += len(db.execute('SELECT * FROM ticks WHERE ticker = ? AND ts BETWEEN ? AND ?', ('T%d' % random.randrange(${TICKERS}), begin, begin + 600)).fetchall())
    times.append((time.perf_counter() - at) * 1000)
times.sort()
print('%.2f ms median, %.2f ms at most, %d rows each' % (times[len(times) // 2], times[-1], rows // ${LOOKUPS}))`;

		return execFileSync('python3', ['-c', script, this.database], { encoding: 'utf8' }).trim();
	}

	async run() {
		const { rate } = this.options;
		const server = fork(fileURLToPath(import.meta.url), ['serve', String(rate)]);
		const { url } = await answerOf(server);

		try {
			await this.record(url, false, ['old']);
			await this.stop();
			this.fill();
			await this.record(url, false, ['old', 'live']);
			await sleep(QUIET_MS);
			await this.stop();
			console.log(`without a row table: longest wait for a commit ${this.lag()} ms`);
			const begun = Date.now();

			await this.record(url, true, ['old', 'live']);
			while (this.sql('SELECT count(*) FROM row_source WHERE until_id IS NOT NULL') !== '0' || this.sql('SELECT count(*) FROM row_table') === '0') {
				if (Date.now() - begun > LIMIT_MS)
					throw new Error('it is not caught up');
				await sleep(POLL_MS);
			}
			console.log(`caught up in ${((Date.now() - begun) / 1000).toFixed(1)} s, longest wait for a commit ${this.lag()} ms`);
			server.send('stop');
			await answerOf(server);
			await sleep(2000);
			await this.stop();
			const [count, least, most] = this.sql("SELECT count(*), min(n), max(n) FROM ticks WHERE n IS NOT NULL").split('|').map(Number);
			const [rows, asked] = this.sql('SELECT (SELECT count(*) FROM ticks), (SELECT sum(json_array_length(results)) FROM event)').split('|').map(Number);
			const holes = this.sql('SELECT count(*) FROM (SELECT n - lag(n) OVER (ORDER BY n) AS step FROM ticks WHERE n IS NOT NULL) WHERE step <> 1');

			console.log(`${rows} rows of ${asked} elements; ${count} numbered events from ${least} to ${most}, ${holes} breaks (1 is the restart)`);
			console.log(`look-up by the index: ${this.lookUp()}`);
			console.log(`file ${(Number(this.sql('SELECT page_count * page_size FROM pragma_page_count, pragma_page_size')) / 2 ** 20).toFixed(0)} MiB`);
		} finally {
			this.daemon?.kill('SIGKILL');
			server.kill();
			rmSync(this.dir, { recursive: true, force: true });
		}
	}
}

if (process.argv[2] === 'serve') {
	await serve(Number(process.argv[3]));
} else {
	const { values } = parseArgs({ options: {
		events: { type: 'string', default: '1000000' }, rows: { type: 'string', default: '10' }, rate: { type: 'string', default: '10000' } } });

	await new Bench({ events: Number(values.events), rows: Number(values.rows), rate: Number(values.rate) }).run();
}
