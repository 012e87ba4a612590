// Socket.IO 1.0 on polling: see matrix.mjs. On a WebSocket that one version encodes its text as UTF-8 twice.
import { matrix } from './matrix.mjs';

matrix('1.0', ['polling']);
