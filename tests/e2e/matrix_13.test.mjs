// Socket.IO 1.3: see matrix.mjs.
import { matrix } from './matrix.mjs';

matrix('1.3', ['websocket', 'polling', 'upgrade']);
