// timeline: the recording from its first event to its last, drawn: how many of the streams were being recorded, a lane for
// each cause of a gap, and where the replay is. One seeks on it.
import { barsOf, causesOf, recordedShares, scaleOf, ticksOf } from './lanes.mjs';
import { makeSvg, setText } from './dom.mjs';
import { plural, showDuration, showTime } from './format.mjs';

const LABELS = 104; // where the lanes' names stand
const RECORDED_Y = 8;
const NAME_HEIGHT = 12; // of a name above its lane
const RECORDED_HEIGHT = 30;
const LANE_HEIGHT = 20;
const BAR_HEIGHT = 12;
const AXIS_HEIGHT = 24;
const LEAST_BAR = 2;
const ZOOM = 4;
const LEAST_SPAN = 1000;

const STEPS = { ArrowLeft: -0.01, ArrowDown: -0.01, ArrowRight: 0.01, ArrowUp: 0.01, PageDown: -0.1, PageUp: 0.1 };

function barTitle(cause, bar) {
	const streams = new Set(bar.gaps.map(({ key }) => key)).size;
	const isOpen = bar.ended === Infinity;
	const lasted = isOpen ? 'still open' : showDuration(bar.ended - bar.started);

	return `${cause}: ${plural(bar.gaps.length, 'gap')} of ${plural(streams, 'stream')}, from ${showTime(bar.started)} to ${
		isOpen ? 'now' : showTime(bar.ended)} (${lasted})`;
}

export class Timeline {
	#root;
	#seek;
	#pointed;
	#svg = makeSvg('svg', { 'aria-hidden': 'true' });
	#position = null; // where the replay is
	#marker = makeSvg('g', { class: 'marker', visibility: 'hidden' });
	#whole = null; // { from, to } of the recording
	#view = null; // and of what is shown of it
	#gaps = [];
	#streams = 0;
	#scale = null;
	#height = 0;

	// `seek(us)` is called; `pointed` shows the time under the pointer.
	constructor(root, pointed, seek) {
		this.#root = root;
		this.#pointed = pointed;
		this.#seek = seek;
		root.append(this.#svg);
		new ResizeObserver(() => this.#draw()).observe(root);
		root.addEventListener('click', (event) => this.#at(event, seek));
		root.addEventListener('pointermove', (event) => this.#at(event, (us) => setText(pointed, showTime(us))));
		root.addEventListener('pointerleave', () => setText(pointed, ''));
		root.addEventListener('keydown', (event) => this.#key(event));
	}

	// Gaps ascend by their start, each with the `key` of its stream; `streams`: of how many they are; 0: not all gaps are
	// known, so nothing is said of what was recorded.
	show({ from, to }, gaps, streams) {
		const isSame = this.#whole?.from === from && this.#whole?.to === to;

		this.#whole = { from, to: Math.max(to, from + 1) };
		this.#view = isSame ? this.#view : this.#whole;
		this.#gaps = gaps;
		this.#streams = streams;
		this.#root.setAttribute('aria-valuemin', from);
		this.#root.setAttribute('aria-valuemax', to);
		this.#draw();
	}

	setPosition(us) {
		this.#position = us;
		this.#root.setAttribute('aria-valuenow', us ?? this.#whole?.from ?? 0);
		this.#root.setAttribute('aria-valuetext', us === null ? 'unknown' : `${showTime(us)} UTC`);
		this.#follow();
		this.#place();
	}

	// `how`: 'in' and 'out' around the replay's position, or 'all'.
	zoom(how) {
		if (this.#view === null)
			return;
		const span = this.#view.to - this.#view.from;
		const wanted = Math.max(how === 'in' ? span / ZOOM : span * ZOOM, LEAST_SPAN);

		if (how === 'all' || wanted >= this.#whole.to - this.#whole.from)
			this.#view = this.#whole;
		else
			this.#lookAt(this.#position ?? (this.#view.from + this.#view.to) / 2, wanted);
		this.#draw();
	}

	#lookAt(us, span) {
		const from = Math.round(Math.min(Math.max(us - span / 2, this.#whole.from), this.#whole.to - span));

		this.#view = { from, to: Math.round(from + span) };
	}

	// The position is never out of sight when it moves.
	#follow() {
		const at = this.#position;

		if (this.#view === null || at === null || this.#view === this.#whole || (at >= this.#view.from && at <= this.#view.to))
			return;
		this.#lookAt(at, this.#view.to - this.#view.from);
		this.#draw();
	}

	#at(event, then) {
		if (this.#scale === null)
			return;
		const x = event.clientX - this.#root.getBoundingClientRect().left - this.#left;

		if (x >= -LEAST_BAR || event.type !== 'click')
			then(Math.min(Math.max(this.#scale.time(x), this.#view.from), this.#view.to));
	}

	#key(event) {
		if (this.#whole === null || event.altKey || event.ctrlKey || event.metaKey)
			return;
		const ends = { Home: this.#whole.from, End: this.#whole.to };
		const step = (STEPS[event.key] ?? 0) * (this.#view.to - this.#view.from);
		const to = ends[event.key] ?? (step === 0 ? undefined : (this.#position ?? this.#whole.from) + step);

		if (to === undefined)
			return;
		event.preventDefault();
		this.#seek(Math.round(Math.min(Math.max(to, this.#whole.from), this.#whole.to)));
	}

	// On a narrow screen the names stand above their lanes.
	get #isNarrow() {
		return this.#root.clientWidth < 560;
	}

	get #left() {
		return this.#isNarrow ? 0 : LABELS;
	}

	get #recordedY() {
		return RECORDED_Y + (this.#isNarrow ? NAME_HEIGHT : 0);
	}

	#draw() {
		const width = this.#root.clientWidth - this.#left;

		if (this.#view === null || width <= 0)
			return;
		this.#scale = scaleOf(this.#view, width);
		const causes = causesOf(this.#gaps);
		const above = this.#isNarrow ? NAME_HEIGHT : 0;
		const lane = LANE_HEIGHT + above;
		const top = this.#recordedY + RECORDED_HEIGHT + 6;

		this.#height = top + causes.length * lane + 2;
		const plot = makeSvg('g', { transform: `translate(${this.#left} 0)` }, ...this.#axis(), this.#recorded(),
			...causes.flatMap((cause, i) => this.#lane(cause, top + i * lane + above)), this.#marker);

		this.#svg.setAttribute('width', this.#root.clientWidth);
		this.#svg.setAttribute('height', this.#height + AXIS_HEIGHT);
		this.#svg.replaceChildren(plot, this.#name(this.#streams === 0 ? '' : 'recorded', this.#isNarrow ? this.#recordedY - 4 : RECORDED_Y + RECORDED_HEIGHT / 2 + 4),
			...causes.map((cause, i) => this.#name(cause, top + i * lane + 14)));
		this.#place();
	}

	#name(text, y) {
		return makeSvg('text', { class: 'lane-name', x: this.#isNarrow ? 0 : LABELS - 8, y,
			'text-anchor': this.#isNarrow ? 'start' : 'end' }, text);
	}

	#axis() {
		const { width } = this.#scale;

		return ticksOf(this.#scale).flatMap(({ x, text }) => [
			makeSvg('line', { class: 'tick', x1: x, x2: x, y1: this.#recordedY, y2: this.#height + 4 }),
			makeSvg('text', { class: 'tick-text', x, y: this.#height + 18,
				'text-anchor': x < 30 ? 'start' : x > width - 36 ? 'end' : 'middle' }, text),
		]);
	}

	// As high as the share of the streams that was being recorded.
	#recorded() {
		const bottom = this.#recordedY + RECORDED_HEIGHT;
		const shares = this.#streams === 0 ? [] : recordedShares(this.#gaps, this.#scale, this.#streams);
		const steps = [];

		for (const [i, share] of shares.entries())
			if (i === 0 || share !== shares[i - 1])
				steps.push(`H${i}V${(bottom - share * RECORDED_HEIGHT).toFixed(1)}`);
		return makeSvg('g', {}, makeSvg('rect', { class: 'ground', x: 0, y: this.#recordedY, width: this.#scale.width, height: RECORDED_HEIGHT }),
			makeSvg('path', { class: 'recorded', d: `M0 ${bottom}${steps.join('')}H${this.#scale.width}V${bottom}Z` },
				makeSvg('title', {}, `how many of ${plural(this.#streams, 'stream')} were being recorded`)));
	}

	#lane(cause, y) {
		const gaps = this.#gaps.filter((gap) => gap.cause === cause);
		const middle = y + LANE_HEIGHT / 2;

		return [makeSvg('line', { class: 'lane', x1: 0, x2: this.#scale.width, y1: middle, y2: middle }),
			...barsOf(gaps, this.#scale).map((bar) => makeSvg('rect', {
				class: bar.ended === Infinity ? 'gap open' : 'gap', 'data-cause': cause,
				x: bar.left, y: middle - BAR_HEIGHT / 2, height: BAR_HEIGHT, width: Math.max(bar.right - bar.left, LEAST_BAR),
			}, makeSvg('title', {}, barTitle(cause, bar))))];
	}

	#place() {
		const at = this.#position;
		const isSeen = this.#scale !== null && at !== null && at >= this.#view.from && at <= this.#view.to;

		this.#marker.setAttribute('visibility', isSeen ? 'visible' : 'hidden');
		if (!isSeen)
			return;
		this.#marker.setAttribute('transform', `translate(${this.#scale.x(at)} 0)`);
		this.#marker.replaceChildren(makeSvg('line', { y1: 4, y2: this.#height + 4 }), makeSvg('path', { d: 'M-6 0H6L0 8Z' }));
	}
}
