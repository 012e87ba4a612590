// demo-server: plays days of real market data as a Market Prophit-like feed, in the feed's own time and
// much faster: by default an hour of the market a second. See --help and ../data/market/README.md.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { FeedServer } from './feed-server.mjs';

const MINUTE_MS = 60_000;
const TICK_MS = 50;
const CLOSE_HOUR_UTC = 20; // New York closes at 16:00, which in summer is 20:00 UTC
const DATA = new URL('../data/market/', import.meta.url);

function readRows(file) {
	const [head, ...lines] = readFileSync(new URL(file, DATA), 'utf8').trimEnd().split('\n');
	const names = head.split(',');

	return lines.map((line) => {
		const values = line.split(',');

		return Object.fromEntries(names.map((name, i) => [name, values[i]]));
	});
}

function groupBy(rows, name) {
	const groups = new Map();

	for (const row of rows) {
		if (!groups.has(row[name]))
			groups.set(row[name], []);
		groups.get(row[name]).push(row);
	}
	return groups;
}

// The data behind the endpoints, and what a minute of it publishes.
export class Market {
	constructor() {
		const volume = readRows('tweet-volume.csv');

		this.minutes = groupBy(volume, 'ts');
		this.days = groupBy(readRows('daily-close.csv'), 'date');
		this.tickers = new Set(volume.map((row) => row.ticker));
		this.first = Date.parse(volume[0].ts);
		this.last = Date.parse(volume.at(-1).ts);
	}

	// null, or why there is no such endpoint: the text of the subscribe's ack.
	check(path, params = {}) {
		const names = Object.keys(params).join();

		if (path === 'tweet-volume' || path === 'daily-close')
			return names === '' ? null : 'params must be empty';
		if (path !== '/real-time/tweet-volume')
			return 'unknown path';
		if (names !== 'ticker')
			return 'params must be a ticker';
		return this.tickers.has(params.ticker) ? null : 'unknown ticker';
	}

	// The events of one minute, quiet ones included.
	* eventsOf(time) {
		const timestamp = new Date(time).toISOString();
		const rows = this.minutes.get(timestamp) ?? [];
		const day = this.days.get(timestamp.slice(0, 10));

		yield { path: 'tweet-volume', params: {}, timestamp, results: rows };
		for (const row of rows)
			yield { path: '/real-time/tweet-volume', params: { ticker: row.ticker }, timestamp, results: [row] };
		if (day !== undefined && timestamp.slice(11, 16) === `${CLOSE_HOUR_UTC}:00`)
			yield { path: 'daily-close', params: {}, timestamp, results: day };
	}
}

// Serves `market` from `from` on, `speed` minutes a second. Returns the feed; its `ended` tells whether
// the data is over.
export async function startDemo({ market, from, speed, ...options }) {
	const feed = new FeedServer({ ...options, accepts: (path, params) => market.check(path, params) });
	const begun = Date.now();
	let time = from;

	await feed.start();
	feed.ended = false;
	feed.timer = setInterval(() => {
		const until = Math.min(market.last, from + ((Date.now() - begun) / 1000) * speed * MINUTE_MS);

		for (; time <= until; time += MINUTE_MS) {
			for (const event of market.eventsOf(time))
				feed.publish(event);
		}
		if (time > market.last) {
			clearInterval(feed.timer);
			feed.ended = true;
			feed.onEnd?.();
		}
	}, TICK_MS);
	return feed;
}

const USAGE = `usage: node demo-server.mjs --api-key-file FILE [options]
  --port N         default 38080; 0 takes a free one
  --start T        the market's time to begin with, default 2014-05-21T10:30Z
  --speed N        minutes of the market in a second, default 60
  --version V      the Socket.IO version to speak: 0.9, 1.0, 1.3, 1.7, 2, 3 or 4, the default
Endpoints: tweet-volume {}, daily-close {}, /real-time/tweet-volume {"ticker": "AAPL"}.
The data runs from 2014-05-19 to 2014-06-06.`;

async function main() {
	const { values } = parseArgs({ options: {
		'api-key-file': { type: 'string' }, port: { type: 'string', default: '38080' },
		start: { type: 'string', default: '2014-05-21T10:30Z' }, speed: { type: 'string', default: '60' },
		version: { type: 'string', default: '4' }, help: { type: 'boolean' },
	} });
	const from = Date.parse(values.start);
	const speed = Number(values.speed);

	if (values.help || values['api-key-file'] === undefined || Number.isNaN(from) || !(speed > 0)) {
		console.error(USAGE);
		process.exit(values.help ? 0 : 2);
	}
	const feed = await startDemo({
		market: new Market(), from: from - (from % MINUTE_MS), speed, port: Number(values.port),
		version: values.version, apiKey: readFileSync(values['api-key-file'], 'utf8').trimEnd(),
	});

	console.log(`demo feed at ${feed.url}, from ${new Date(from).toISOString()}, ${speed} minutes a second`);
	feed.onEnd = () => console.log('the data is over; restart the demo feed to play it again');
	for (const signal of ['SIGINT', 'SIGTERM'])
		process.on(signal, () => process.exit(0));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
	await main();
