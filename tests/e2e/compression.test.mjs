// permessage-deflate: offered where configured, agreed to by real servers, and read byte for byte.
import assert from 'node:assert/strict';
import { e2e, waitFor } from './support.mjs';

const EVENTS = 1000;
const results = (n) => `[{"n":${n},"text":"${'é\u2028\u{1F600} '.repeat(40)}","a":1.10}]`;

for (const version of ['1.3', '1.7', '2', '3', '4']) {
	for (const compression of [true, false]) {
		e2e(`${version}: compression ${compression ? 'on' : 'off'}`, async (scene) => {
			const feed = await scene.feed({ version, socketio: { perMessageDeflate: { threshold: 64 } } });
			let sent = 0;

			scene.config(scene.feedConfig(feed, [{ path: 'p' }], { compression, transports: ['websocket'] }));
			const daemon = scene.daemon();
			await waitFor(() => feed.subscriptions().size === 1, 'a subscription');
			for (let n = 0; n < EVENTS; n++)
				feed.publishText('p', {}, `{"path":"p","params":{},"timestamp":${1400666400 + n},"results":${results(n)}}`);
			await scene.stored(EVENTS);
			for (const socket of feed.tcp)
				sent += socket.bytesWritten;
			await daemon.stop();
			const [request] = feed.requests.filter(({ kind }) => kind === 'upgrade');
			assert.equal(/permessage-deflate/.test(request.headers['sec-websocket-extensions'] ?? ''), compression);
			const rows = await scene.sql('SELECT hex(results) AS results FROM event ORDER BY event_id');
			assert.deepEqual(rows.map((row) => Buffer.from(row.results, 'hex').toString()),
				Array.from({ length: EVENTS }, (_, n) => results(n)));
			const plain = EVENTS * Buffer.byteLength(results(0));
			assert.ok(compression ? sent < plain / 2 : sent > plain, `${sent} bytes for ${plain}`);
		});
	}
}
