// node-recorder: the recorder one would write in Node.js with care: socket.io-client, better-sqlite3 in
// a worker thread, groups of 10,000 rows or 200 ms, WAL with synchronous=FULL, and the table and key
// index of a recording. What it does not do: keep the bytes, detect duplicates, know its gaps.
// usage: node node-recorder.mjs URL DATABASE SHAPE
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { io } from 'socket.io-client';
import { SHAPES, paramsOf } from './shapes.mjs';

const GROUP = 10_000;
const INTERVAL_MS = 200;

const SCHEMA = `
PRAGMA page_size = 8192;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 16000;
CREATE TABLE stream (stream_id INTEGER PRIMARY KEY, path TEXT NOT NULL, params TEXT NOT NULL, UNIQUE (path, params)) STRICT;
CREATE TABLE event (
	event_id       INTEGER PRIMARY KEY,
	stream_id      INTEGER NOT NULL,
	timestamp      INTEGER NOT NULL,
	seq            INTEGER NOT NULL,
	timestamp_text TEXT,
	received       INTEGER NOT NULL,
	connection_id  INTEGER NOT NULL,
	results        TEXT NOT NULL,
	extra          TEXT,
	UNIQUE (stream_id, timestamp, seq)
) STRICT;`;

function write() {
	const db = new Database(workerData.database);
	const ids = new Map();

	db.exec(SCHEMA);
	const addStream = db.prepare('INSERT INTO stream (path, params) VALUES (?, ?)');
	const addEvent = db.prepare('INSERT INTO event (stream_id, timestamp, seq, timestamp_text, received, connection_id, results) ' +
		'VALUES (?, ?, 0, ?, ?, 1, ?)');

	function streamOf(path, params) {
		const key = `${path} ${params}`;

		if (!ids.has(key))
			ids.set(key, addStream.run(path, params).lastInsertRowid);
		return ids.get(key);
	}

	const store = db.transaction((rows) => {
		for (const [path, params, timestamp, received, results] of rows)
			addEvent.run(streamOf(path, params), timestamp * 1000, String(timestamp), received, results);
	});
	parentPort.on('message', store);
}

function record([url, database, shapeName]) {
	const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { database } });
	const socket = io(url, { transports: ['websocket'] });
	const { path, streams } = SHAPES[shapeName];
	let rows = [];

	function flush() {
		if (rows.length > 0)
			worker.postMessage(rows);
		rows = [];
	}

	setInterval(flush, INTERVAL_MS);
	socket.on('data', (event) => {
		rows.push([event.path, JSON.stringify(event.params), event.timestamp, Date.now() * 1000, JSON.stringify(event.results)]);
		if (rows.length >= GROUP)
			flush();
	});
	socket.on('connect', () => {
		for (let i = 0; i < streams; i++)
			socket.emit('subscribe', { path, params: paramsOf(i) }, () => {});
	});
	process.on('SIGTERM', () => process.exit(0));
}

if (isMainThread)
	record(process.argv.slice(2));
else
	write();
