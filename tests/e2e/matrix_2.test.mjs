// Socket.IO 2: see matrix.mjs.
import { matrix } from './matrix.mjs';

matrix('2', ['websocket', 'polling', 'upgrade']);
