// Socket.IO 0.9: see matrix.mjs.
import { matrix } from './matrix.mjs';

matrix('0.9', ['websocket', 'polling']);
