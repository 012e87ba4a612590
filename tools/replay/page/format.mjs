// format: times, numbers and JSON as the page reads and shows them. Times are microseconds since 1970, UTC.

const NONE = '–';
const keepsDigits = typeof JSON.rawJSON === 'function';

// JSON whose numbers keep their digits where the browser can: 1.10 stays 1.10.
export function parseJson(text) {
	return JSON.parse(text, (key, value, context) => {
		const isChanged = typeof value === 'number' && context?.source !== undefined && String(value) !== context.source;

		return keepsDigits && isChanged ? JSON.rawJSON(context.source) : value;
	});
}

// 2014-05-21 12:01:02.345, as fine as it must be.
export function showTime(us) {
	if (typeof us !== 'number')
		return NONE;
	const ms = Math.floor(us / 1000);
	const rest = us - ms * 1000;
	const text = new Date(ms).toISOString().replace('T', ' ').slice(0, -1);

	return rest === 0 ? text.replace(/\.000$/, '') : text + String(rest).padStart(3, '0');
}

// What has as many digits at every time, for a text that changes all the time.
export function showClock(us) {
	return typeof us === 'number' ? new Date(Math.floor(us / 1000)).toISOString().replace('T', ' ').slice(0, -1) : NONE;
}

// Microseconds, or a date with or without a time; no zone: UTC. NaN where it is neither.
export function readTime(text) {
	const trimmed = text.trim();

	if (/^\d{1,16}$/.test(trimmed) && trimmed.length > 4)
		return Number(trimmed);
	const [whole, day, time = '00:00', seconds = '', fraction = '', zone = 'Z'] =
		/^(\d{4}-\d\d-\d\d)(?:[T ]+(\d\d:\d\d)(:\d\d)?(\.\d+)?)? *(Z|z|UTC|[+-]\d\d:\d\d)?$/.exec(trimmed) ?? [];

	if (whole === undefined)
		return NaN;
	const micros = Number(fraction.slice(1, 7).padEnd(6, '0'));

	return Date.parse(`${day}T${time}${seconds || ':00'}${/^(z|utc)$/i.test(zone) ? 'Z' : zone}`) * 1000 + micros;
}

const UNITS = [['d', 86_400e6], ['h', 3600e6], ['min', 60e6], ['s', 1e6], ['ms', 1e3]];

// The two largest units: 2 h 5 min.
export function showDuration(us) {
	const first = UNITS.findIndex(([, size]) => us >= size);

	if (first === -1)
		return `${us} µs`;
	const [name, size] = UNITS[first];
	const [smaller, smallerSize] = UNITS[first + 1] ?? ['', Infinity];
	const rest = Math.floor((us % size) / smallerSize);

	return `${Math.floor(us / size)} ${name}${rest === 0 ? '' : ` ${rest} ${smaller}`}`;
}

export function showNumber(n) {
	return typeof n === 'number' ? n.toLocaleString('en') : NONE;
}

export function plural(n, one, many = `${one}s`) {
	return `${showNumber(n)} ${n === 1 ? one : many}`;
}

// How a stream is called where there is one line for it.
export function streamName({ path, params }) {
	return params === '{}' ? path : `${path} ${params}`;
}
