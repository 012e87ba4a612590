// lanes: what the timeline draws, computed: which gaps melt into one bar, how much was recorded, where ticks stand.

const CAUSES = ['starting', 'network', 'server_closed', 'heartbeat', 'token', 'refused', 'silent', 'stopped', 'crash', 'disk', 'overload'];

const rank = (cause) => (CAUSES.indexOf(cause) + 1 || CAUSES.length + 1);

// The causes that occur, in the order of the README.
export function causesOf(gaps) {
	return [...new Set(gaps.map(({ cause }) => cause))].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

// Time to place on the axis and back.
export function scaleOf({ from, to }, width) {
	const span = Math.max(to - from, 1);

	return { x: (us) => (us - from) / span * width, time: (x) => Math.round(from + x / width * span), from, to, width };
}

// Gaps of one cause as bars, ascending; those that would touch on the screen are one. So there are never more
// bars than the axis has places. `gaps` ascend by their start; an open one has no end.
export function barsOf(gaps, scale) {
	const bars = [];

	for (const gap of gaps) {
		const ended = gap.ended ?? Infinity;

		if (gap.started > scale.to || ended < scale.from)
			continue;
		const left = Math.max(scale.x(gap.started), 0);
		const right = Math.min(scale.x(ended), scale.width);
		const last = bars.at(-1);

		if (last === undefined || left > last.right + 1) {
			bars.push({ left, right, started: gap.started, ended, gaps: [gap] });
		} else {
			last.right = Math.max(last.right, right);
			last.ended = Math.max(last.ended, ended);
			last.gaps.push(gap);
		}
	}
	return bars;
}

// For each place of the axis the share of the streams that was being recorded, 0 to 1. A stream misses for one
// cause at a time, so gaps are counted, not streams.
export function recordedShares(gaps, scale, streams) {
	const width = Math.max(Math.floor(scale.width), 1);
	const changes = new Float64Array(width + 1);

	for (const { started, ended } of gaps) {
		const left = Math.max(Math.floor(scale.x(started)), 0);
		const right = ended === null ? width - 1 : Math.min(Math.floor(scale.x(ended)), width - 1);

		if (left > right)
			continue;
		changes[left] += 1;
		changes[right + 1] -= 1;
	}
	let missing = 0;

	return Array.from({ length: width }, (_, i) => {
		missing += changes[i];
		return Math.max(1 - missing / Math.max(streams, 1), 0);
	});
}

const SECOND = 1e6;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
	...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => n * 1000),
	...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND), ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
	...[1, 2, 3, 6, 12].map((n) => n * HOUR), ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].map((n) => n * DAY),
];

function tickText(us, step) {
	const text = new Date(us / 1000).toISOString();

	if (us % DAY === 0)
		return text.slice(0, 10);
	if (step >= MINUTE)
		return text.slice(11, 16);
	return step >= SECOND ? text.slice(11, 19) : text.slice(11, 23);
}

// Round times, no nearer to each other than `least` places.
export function ticksOf(scale, least = 90) {
	const wanted = (scale.to - scale.from) * least / scale.width;
	const step = STEPS.find((each) => each >= wanted) ?? STEPS.at(-1);
	const ticks = [];

	for (let us = Math.ceil(scale.from / step) * step; us <= scale.to && ticks.length < 100; us += step)
		ticks.push({ x: scale.x(us), text: tickText(us, step) });
	return ticks;
}
