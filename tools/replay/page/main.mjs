// main: asks the server what is recorded and, twice a second, what the replay does; shows it, and sends what is
// pressed. Token and key live in this page's memory only.
import { browserExample, nodeExample, pythonExample, tokenExample } from './examples.mjs';
import { byId, make, Pages, setText } from './dom.mjs';
import { parseJson, plural, readTime, showClock, showDuration, showNumber, showTime, streamName } from './format.mjs';
import { readEvent } from './dialect.mjs';
import { Live } from './live.mjs';
import { Timeline } from './timeline.mjs';

const POLL_MS = 500;
const REFUSED_POLL_MS = 5000;
const PATIENCE_MS = 10_000;
const SHOW_MS = 250;
const RATE_SAMPLES = 5;
const EVENT_TEXT_MAX = 1000;
const SPEEDS = [0.1, 0.5, 1, 2, 5, 10, 60, 100, 1000, 'max'];

let recording = null;
let state = null;
let chosen = null; // the stream that is watched and that the examples are for
let token = null;
let key = null;
let samples = []; // { at, emitted }: for the rate

// ---- the server ----

class Refused extends Error {
	constructor(status, text) {
		super(text);
		this.status = status;
	}
}

const basic = (name) => ({ Authorization: `Basic ${btoa(`${name}:`)}` });

function reasonOf(text) {
	try {
		return JSON.parse(text).error;
	} catch {
		return undefined;
	}
}

async function ask(path, { parse = JSON.parse, ...options } = {}) {
	const response = await fetch(path, { credentials: 'omit', cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS), ...options,
		headers: { ...(key === null ? {} : basic(key)), ...options.headers } });
	const text = await response.text();

	if (!response.ok)
		throw new Refused(response.status, reasonOf(text) ?? `${response.status} ${response.statusText}`);
	return text === '' ? null : parse(text);
}

const fetchToken = async (of) => (await ask('/jwt', { method: 'POST', headers: basic(of) })).token;
const whyNot = (error) => (error instanceof Refused ? `The server refuses: ${error.message}` : `No answer: ${error.message}`);

async function control(order) {
	try {
		const answer = await ask('/replay', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(order) });

		setText(byId('said'), '');
		if (answer?.state !== undefined)
			showState(answer);
		else
			await poll();
	} catch (error) {
		setText(byId('said'), whyNot(error));
		if (error.status === 401 || error.status === 403)
			showToken('To control the replay from here, the server wants the API key.');
	}
}

// ---- the deck ----

const timeline = new Timeline(byId('timeline'), byId('pointed'), (to) => control({ do: 'seek', to }));
const STATES = { waiting: '… waiting', playing: '▶ playing', paused: '❚❚ paused', ended: '■ ended' };
const NEXT = { waiting: ['Start', 'resume'], playing: ['Pause', 'pause'], paused: ['Resume', 'resume'], ended: ['Ended', 'resume'] };

function rateOf({ emitted }) {
	const last = samples.at(-1);

	if (last !== undefined && emitted < last.emitted)
		samples = [];
	samples = [...samples, { at: performance.now(), emitted }].slice(-RATE_SAMPLES);
	const first = samples[0];
	const seconds = (samples.at(-1).at - first.at) / 1000;

	return seconds === 0 ? undefined : (emitted - first.emitted) / seconds;
}

function showSpeed(speed) {
	const select = byId('speed');

	if (document.activeElement !== select && select.value !== String(speed)) {
		const all = SPEEDS.includes(speed) ? SPEEDS : [speed, ...SPEEDS];

		select.replaceChildren(...all.map((each) => make('option', { value: each }, each === 'max' ? 'max' : `${each}×`)));
		select.value = String(speed);
	}
}

function showState(next) {
	const rate = rateOf(next);

	state = next;
	setText(byId('state'), STATES[next.state] ?? next.state);
	byId('state').dataset.state = next.state;
	setText(byId('position'), showClock(next.position));
	setText(byId('clients'), showNumber(next.clients));
	setText(byId('emitted'), showNumber(next.emitted));
	setText(byId('rate'), rate === undefined ? '–' : showNumber(rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate)));
	setText(byId('pause'), NEXT[next.state]?.[0] ?? 'Pause');
	showSpeed(next.speed);
	byId('pause').disabled = next.state === 'ended';
	for (const control of byId('deck').querySelectorAll('#step, #speed, #seek input, #seek button'))
		control.disabled = false;
	timeline.setPosition(next.position ?? null);
}

function notice(text) {
	setText(byId('notice'), text);
	byId('notice').hidden = text === '';
}

// How long to wait before the next time.
async function poll() {
	try {
		showState(await ask('/replay'));
		if (recording === null)
			await load();
		notice('');
		return POLL_MS;
	} catch (error) {
		samples = [];
		if (error instanceof Refused) {
			notice(whyNot(error));
			if (error.status === 401)
				showToken('Whoever looks at this replay from another machine needs its API key.');
			return REFUSED_POLL_MS;
		}
		notice('The replay does not answer; this page goes on asking.');
		recording = null; // another may answer next
		return POLL_MS;
	}
}

async function pollForEver() {
	setTimeout(pollForEver, document.hidden ? POLL_MS : await poll());
}

byId('pause').addEventListener('click', () => control({ do: NEXT[state.state]?.[1] ?? 'pause' }));
byId('step').addEventListener('click', async () => {
	if (state.state !== 'paused')
		await control({ do: 'pause' });
	await control({ do: 'step' });
});
byId('speed').addEventListener('change', ({ target }) => control({ do: 'speed', speed: target.value === 'max' ? 'max' : Number(target.value) }));
byId('seek').addEventListener('submit', (event) => {
	event.preventDefault();
	const to = readTime(byId('seek-time').value);

	if (Number.isNaN(to))
		setText(byId('said'), 'That is no time: write 2014-05-21, 2014-05-21 13:30, 2014-05-21T13:30:05.250Z, or microseconds since 1970.');
	else
		control({ do: 'seek', to });
});
for (const how of ['in', 'out', 'all'])
	byId(`zoom-${how}`).addEventListener('click', () => timeline.zoom(how));

// ---- what is recorded ----

const feedOf = (stream) => recording.feeds.find(({ name }) => name === stream.feed);
const keyOf = ({ feed, path, params }) => JSON.stringify([feed, path, params]);

function nameCell(stream) {
	return make('td', { role: 'cell', class: 'stream-name' },
		...(recording.feeds.length > 1 ? [make('span', { class: 'feed' }, stream.feed), ' '] : []),
		make('span', { class: 'path' }, stream.path), ...(stream.params === '{}' ? [] : [' ', make('span', { class: 'params' }, stream.params)]));
}

const cell = (label, text, more = {}) => make('td', { role: 'cell', 'data-label': label, ...more }, text);

function streamRow(stream) {
	const button = make('button', { type: 'button', 'aria-label': `Watch ${streamName(stream)}` }, 'Watch');

	button.addEventListener('click', () => {
		choose(stream);
		watch();
		byId('live').scrollIntoView({ block: 'nearest' });
	});
	const row = make('tr', { role: 'row' }, nameCell(stream), cell('events', showNumber(stream.events), { class: 'number' }),
		cell('first', showTime(stream.first)), cell('last', showTime(stream.last)), make('td', { role: 'cell', class: 'act' }, button));

	row.classList.toggle('chosen', stream === chosen);
	rows.set(row, stream);
	return row;
}

function gapRow(gap) {
	const button = make('button', { type: 'button', class: 'link', title: 'Seek to it' }, showTime(gap.started));

	button.addEventListener('click', () => control({ do: 'seek', to: gap.started }));
	return make('tr', { role: 'row' }, nameCell(gap), cell('cause', gap.cause), make('td', { role: 'cell', 'data-label': 'from' }, button),
		cell('to', gap.ended === null ? 'still open' : showTime(gap.ended)),
		cell('lasted', gap.ended === null ? '–' : showDuration(gap.ended - gap.started), { class: 'number' }));
}

const rows = new WeakMap();
const streamPages = new Pages(byId('stream-rows'), byId('streams-more'), streamRow);
const gapPages = new Pages(byId('gap-rows'), byId('gaps-more'), gapRow);

function showFound() {
	const words = byId('search').value.toLowerCase().split(/\s+/).filter((word) => word !== '');
	const found = recording.streams.filter(({ text }) => words.every((word) => text.includes(word)));
	const all = recording.streams.length;
	const isAll = found.length === all;
	const keys = new Set(found.map(({ key: each }) => each));
	const gaps = isAll ? recording.gaps : recording.gaps.filter((gap) => keys.has(gap.key));
	const whose = isAll ? `all ${plural(all, 'stream')}` : `the ${plural(found.length, 'stream')} found`;
	const isCut = recording.gaps.length < recording.gaps_total;
	const cut = isCut ? ` (only the longest ${showNumber(recording.gaps.length)} of ${
		showNumber(recording.gaps_total)} are known to this page)` : '';

	streamPages.show(found);
	gapPages.show(gaps);
	setText(byId('streams-said'), isAll ? plural(all, 'stream') : `${showNumber(found.length)} of ${plural(all, 'stream')}`);
	setText(byId('timeline-title'), `Gaps of ${whose}${cut}, ${showTime(recording.from)} to ${showTime(recording.to)}`);
	setText(byId('gaps-title'), `List of the ${plural(gaps.length, 'gap')} of ${whose}${cut}`);
	timeline.show(recording, gaps, isCut ? 0 : found.length);
}

async function load() {
	const found = await ask('/replay/recording', { parse: parseJson });

	for (const each of [...found.streams, ...found.gaps]) {
		each.params = typeof each.params === 'string' ? each.params : JSON.stringify(each.params ?? {});
		each.key = keyOf(each);
	}
	for (const stream of found.streams)
		stream.text = `${stream.feed} ${stream.path} ${stream.params}`.toLowerCase();
	found.gaps.sort((a, b) => a.started - b.started);
	recording = found;
	byId('seek-time').placeholder = showTime(found.from);
	if (found.needs_token)
		showToken('Clients of this replay need a token. To watch it here, paste one, or the API key, for which this page fetches a token.');
	choose(found.streams.find(({ key: each }) => each === chosen?.key) ?? found.streams.find(({ events }) => events > 0) ?? found.streams[0] ?? null);
	showFound();
}

byId('search').addEventListener('input', showFound);

// ---- the chosen stream, live and as examples ----

const live = new Live((text, isOver, isRefused = false) => {
	setText(byId('live-said'), text);
	setText(byId('watch'), isOver ? 'Watch' : 'Stop');
	if (isRefused && key !== null)
		token = null; // it may have expired: the next try fetches one
});

function exampleBlock(title, how, text) {
	const code = make('pre', { tabindex: 0 }, text);
	const button = make('button', { type: 'button', 'aria-label': `Copy: ${title}` }, 'Copy');

	button.addEventListener('click', async () => {
		getSelection().selectAllChildren(code);
		// Without a secure context there is no clipboard; what is selected can be copied the old way.
		const isCopied = await (navigator.clipboard?.writeText(text).then(() => true, () => false)) || document.execCommand('copy');

		setText(button, isCopied ? 'Copied' : 'Selected');
	});
	return make('article', {}, make('div', { class: 'example-head' }, make('h3', {}, title), button), make('p', { class: 'hint' }, how), code);
}

function showExamples() {
	const what = { origin: location.origin, feed: feedOf(chosen), stream: chosen, needsToken: recording.needs_token };

	setText(byId('example-stream'), streamName(chosen));
	byId('example-blocks').replaceChildren(
		exampleBlock('Browser', 'No library. For the console of the browser, or between <script> and </script> in an HTML file.', browserExample(what)),
		exampleBlock('socket.io-client', 'Node.js, in a file that ends with .mjs, after npm install socket.io-client.', nodeExample(what)),
		exampleBlock('python-socketio', 'Python, after pip install "python-socketio[client]". On Debian: python3-socketio and python3-websocket.', pythonExample(what)),
		...(recording.needs_token ? [exampleBlock('Token', 'A shell, beside a file api-key that holds the API key. The other examples take the token from here.', tokenExample(what))] : []));
}

function choose(stream) {
	chosen = stream;
	byId('watch').disabled = stream === null;
	for (const row of byId('stream-rows').children)
		row.classList.toggle('chosen', rows.get(row) === stream);
	if (stream === null)
		return;
	setText(byId('live-stream'), streamName(stream));
	showExamples();
}

async function watch() {
	if (recording.needs_token && token === null && key === null) {
		setText(byId('live-said'), 'This replay needs a token: paste one, or the API key, above.');
		byId('token-text').focus();
		return;
	}
	try {
		token ??= key === null ? null : await fetchToken(key);
		live.watch(feedOf(chosen), chosen, token);
	} catch (error) {
		setText(byId('live-said'), whyNot(error));
	}
}

byId('watch').addEventListener('click', () => (live.isOpen ? live.stop() : watch()));

// As the feed wrote it, which may be a number with more digits than a number can have.
const showMember = (value) => (typeof value === 'string' ? value : JSON.stringify(value) ?? '');

function eventLine(json) {
	const packet = parseJson(json);
	const { timestamp, results } = readEvent(feedOf(chosen), packet);
	const text = JSON.stringify(results ?? packet.slice(1)) ?? '';

	return make('li', {}, make('time', {}, showMember(timestamp)), ' ', text.slice(0, EVENT_TEXT_MAX));
}

let shownEvents = -1;

function showEvents() {
	if (!document.hidden && recording !== null && live.received !== shownEvents) {
		shownEvents = live.received;
		byId('events').replaceChildren(...live.shown.reverse().map(eventLine));
		setText(byId('live-count'), plural(shownEvents, 'event'));
	}
	setTimeout(showEvents, SHOW_MS);
}

// ---- the token ----

function showToken(why) {
	byId('token').hidden = false;
	setText(byId('token-why'), why);
}

byId('token-form').addEventListener('submit', async (event) => {
	const text = byId('token-text').value.trim();

	event.preventDefault();
	byId('token-text').value = '';
	try {
		if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) {
			token = text;
		} else {
			token = await fetchToken(text);
			key = text;
			await poll();
		}
		setText(byId('token-said'), key === null ? 'The token is used from now on.' : 'The key is accepted; a token is fetched and used from now on.');
	} catch (error) {
		setText(byId('token-said'), whyNot(error));
	}
});

setText(byId('host'), location.host);
pollForEver();
showEvents();
