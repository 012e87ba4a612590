// examples: programs to copy, for one stream of this server. Texts only: whoever shows them puts them in as text.
import { dataEvent, emitPacket, fillIn, inNamespace } from './dialect.mjs';
import { parseJson } from './format.mjs';

// A script may stand in an HTML file, where `<` could end it.
const inScript = (text) => text.replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
const quoted = (text) => inScript(`'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`);
const literal = (value) => inScript(JSON.stringify(value));

// Any browser's console, or a file: the protocol by hand.
export function browserExample({ origin, feed, stream, needsToken }) {
	const { subscribe } = feed.dialect;
	const address = `${origin.replace(/^http/, 'ws')}${feed.path}?EIO=4&transport=websocket${needsToken ? '&token=' : ''}`;
	const ack = subscribe.ack ? `
    else if (data.startsWith(${quoted(`43${inNamespace(feed, ',')}0[`)})) console.log('subscribed', data);` : '';

	return `{${needsToken ? `
  const token = prompt('Token');` : ''}
  const socket = new WebSocket(${quoted(address)}${needsToken ? ' + encodeURIComponent(token)' : ''});
  socket.onmessage = ({ data }) => {
    if (data.startsWith('0')) socket.send(${quoted(`40${inNamespace(feed, ',')}`)}); // opened: join
    else if (data === '2') socket.send('3'); // are you there? yes
    else if (data.startsWith('40')) socket.send(${quoted(emitPacket(feed, subscribe, stream, 0))});${ack}
    else if (data.startsWith('42')) console.log(...JSON.parse(data.slice(data.indexOf('['))));
    else if (data.startsWith('44')) console.error('refused', data);
  };
  socket.onclose = ({ code }) => console.log('closed', code);
}
`;
}

const PATH = '/socket.io/';

export function nodeExample({ origin, feed, stream, needsToken }) {
	const { subscribe } = feed.dialect;
	const event = dataEvent(feed, stream);
	const options = [
		...(feed.path === PATH ? [] : [`path: ${literal(feed.path)}`]),
		...(needsToken ? ['query: { token: process.env.TOKEN }'] : []),
	];
	const args = inScript(fillIn(subscribe.args, stream));
	const emitted = [literal(subscribe.event), ...(args === '' ? [] : [args]),
		...(subscribe.ack ? ["(error) => console.log('subscribed', error)"] : [])];

	return `import { io } from 'socket.io-client';

const socket = io(${literal(origin + inNamespace(feed, ''))}${options.length === 0 ? '' : `, { ${options.join(', ')} }`});
socket.on('connect', () => socket.emit(${emitted.join(', ')}));
socket.on('connect_error', (error) => console.error(error.message));
${event === '*' ? 'socket.onAny' : `socket.on(${literal(event)}, `}${event === '*' ? '((event, ' : '('}data) => console.log(JSON.stringify(data)));
`;
}

// A JSON value as Python writes it.
function python(value) {
	if (value === null)
		return 'None';
	if (typeof value === 'boolean')
		return value ? 'True' : 'False';
	if (Array.isArray(value))
		return `[${value.map(python).join(', ')}]`;
	if (typeof value === 'object' && !JSON.isRawJSON?.(value))
		return `{${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${python(each)}`).join(', ')}}`;
	return JSON.stringify(value);
}

export function pythonExample({ origin, feed, stream, needsToken }) {
	const { subscribe } = feed.dialect;
	const event = dataEvent(feed, stream);
	const isRoot = feed.namespace === '/';
	const space = isRoot ? '' : `, namespace=${python(feed.namespace)}`;
	const args = parseJson(`[${fillIn(subscribe.args, stream)}]`).map(python);
	const data = args.length === 0 ? '' : `, ${args.length === 1 ? args[0] : `(${args.join(', ')})`}`;
	const options = [
		...(feed.path === PATH ? [] : [`socketio_path=${python(feed.path.replace(/^\/|\/$/g, ''))}`]),
		...(isRoot ? [] : [`namespaces=[${python(feed.namespace)}]`]),
	].map((each) => `, ${each}`).join('');

	return `${needsToken ? 'import os\n\n' : ''}import socketio

sio = socketio.Client()

@sio.on("connect"${space})
def connected():
    sio.emit(${python(subscribe.event)}${data}${subscribe.ack ? ', callback=lambda error: print("subscribed", error)' : ''}${space})

@sio.on(${python(event)}${space})
def received(${event === '*' ? 'event, ' : ''}data):
    print(data)

sio.connect(${needsToken ? `${python(`${origin}?token=`)} + os.environ["TOKEN"]` : python(origin)}${options})
sio.wait()
`;
}

// The key goes to curl by its standard input: arguments can be read by everybody on the machine.
export function tokenExample({ origin }) {
	return `export TOKEN=$(printf 'user = "%s:"' "$(cat api-key)" | curl -s -X POST -K - ${origin}/jwt | cut -d '"' -f 4)
echo "$TOKEN"
`;
}
