// Socket.IO 3: see matrix.mjs.
import { matrix } from './matrix.mjs';

matrix('3', ['websocket', 'polling', 'upgrade']);
