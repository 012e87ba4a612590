// Socket.IO 1.7: see matrix.mjs.
import { matrix } from './matrix.mjs';

matrix('1.7', ['websocket', 'polling', 'upgrade']);
