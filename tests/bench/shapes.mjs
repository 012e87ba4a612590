// shapes: the two kinds of events of the benchmark, as WebSocket frames built beforehand, so that the
// sender is not what is measured. Within a round every stream has one event; between rounds only the
// timestamp's digits change.
const FIRST_MS = Date.parse('2014-05-21T10:00:00.000Z');
const DIGITS = 13; // milliseconds since 1970, fixed in width

const small = (ticker) => [{
	ts: '2014-05-21T10:00:00.000Z', ticker, crowd_sentiment: '0.6908441588708437',
	moving_average: '-0.0337734249681757', volume: '102',
}];

function large() {
	return Array.from({ length: 310 }, (_, i) => ({ ...small(`T${i}`)[0], volume: String(i) }));
}

export const SHAPES = {
	small: { streams: 1000, results: small, path: '/real-time/crowd-sentiment', title: 'small events, 1,000 streams' },
	large: { streams: 10, results: large, path: 'crowd-sentiment', title: 'large events, 10 streams' },
};

export function paramsOf(number) {
	return { ticker: `T${String(number).padStart(4, '0')}` };
}

// A server's text frame: unmasked, final.
export function frame(text) {
	const payload = Buffer.from(text);
	let head;

	if (payload.length < 126) {
		head = Buffer.from([0x81, payload.length]);
	} else if (payload.length < 65536) {
		head = Buffer.from([0x81, 126, 0, 0]);
		head.writeUInt16BE(payload.length, 2);
	} else {
		head = Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
		head.writeBigUInt64BE(BigInt(payload.length), 2);
	}
	return Buffer.concat([head, payload]);
}

// Returns round(number): the frames of one event of every stream, all with that round's timestamp.
export function roundMaker({ streams, results, path }) {
	const frames = Array.from({ length: streams }, (_, i) => {
		const params = paramsOf(i);

		return frame(`42["data",${JSON.stringify({ path, params, timestamp: FIRST_MS, results: results(params.ticker) })}]`);
	});
	const template = Buffer.concat(frames);
	const marker = Buffer.from(`"timestamp":${FIRST_MS}`);
	const places = [];

	for (let at = template.indexOf(marker); at !== -1; at = template.indexOf(marker, at + 1))
		places.push(at + marker.length - DIGITS);
	return {
		eventBytes: Math.round(template.length / streams),
		round(number) {
			const bytes = Buffer.from(template);
			const digits = String(FIRST_MS + number);

			for (const place of places)
				bytes.write(digits, place, 'latin1');
			return bytes;
		},
	};
}
