// dialect: how a feed names its events, and where in them it says what. The packets of Socket.IO 5 for it.

// JSON text of a template's arguments, without their brackets. `params` is JSON text already, and stays as it is.
export function fillIn(args, { path, params }) {
	const fill = (value) => {
		if (value === '$path')
			return JSON.stringify(path);
		if (value === '$params')
			return params;
		if (Array.isArray(value))
			return `[${value.map(fill).join(',')}]`;
		if (typeof value === 'object' && value !== null && !JSON.isRawJSON?.(value))
			return `{${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}:${fill(each)}`).join(',')}}`;
		return JSON.stringify(value);
	};

	return args.map(fill).join(',');
}

export const inNamespace = (feed, more) => (feed.namespace === '/' ? '' : `${feed.namespace}${more}`);

// `emit` is the dialect's subscribe or unsubscribe. With an ack the number is `id`.
export function emitPacket(feed, emit, stream, id) {
	const args = fillIn(emit.args, stream);

	return `42${inNamespace(feed, ',')}${emit.ack ? id : ''}[${JSON.stringify(emit.event)}${args === '' ? '' : ','}${args}]`;
}

// The event in which a stream's data come.
export function dataEvent(feed, stream) {
	const { event, path } = feed.dialect.data;

	if (event !== '*')
		return event;
	return path === '$event' ? stream.path : '*';
}

// A packet taken apart: { kind, id, json }, in our namespace; null if it is none or another's.
export function readPacket(feed, text) {
	const [whole, kind, namespace = '/', id, json] = /^4([0-6])(?:\d+-)?(?:(\/[^,]*)(?:,|$))?(\d+)?([^]*)$/.exec(text) ?? [];

	return whole === undefined || namespace !== feed.namespace ? null : { kind, id, json };
}

// What a JSON Pointer finds; undefined if nothing.
export function pointed(value, pointer) {
	return pointer.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
		.reduce((at, part) => (typeof at === 'object' && at !== null && Object.hasOwn(at, part) ? at[part] : undefined), value);
}

// An event's time and results as the feed wrote them.
export function readEvent(feed, [, ...args]) {
	const { timestamp, results = '' } = feed.dialect.data;

	return {
		timestamp: timestamp === undefined ? undefined : pointed(args[0], timestamp),
		results: pointed(args[0], results),
	};
}
