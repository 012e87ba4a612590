// sockets: the real Socket.IO packages of both living generations under one name each, so that files
// outside this directory (which have no node_modules above them) can import them.
import { createRequire } from 'node:module';
import { Server as ServerV4 } from 'socket.io';
import { io as connectV4 } from 'socket.io-client';

const require = createRequire(import.meta.url);
const serverV2 = require('socket.io-2');
const connectV2 = require('socket.io-client-2');

// A Socket.IO server on an http server. Version 2 speaks Engine.IO 3, version 4 Engine.IO 4.
export function attachServer(version, httpServer, options) {
	return version === 2 ? serverV2(httpServer, options) : new ServerV4(httpServer, options);
}

// The unmodified client of that version. forceNew: tests never share a connection.
export function connect(version, url, options) {
	const all = { forceNew: true, ...options };

	return version === 2 ? connectV2(url, all) : connectV4(url, all);
}
