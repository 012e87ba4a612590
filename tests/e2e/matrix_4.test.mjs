// Socket.IO 4: see matrix.mjs.
import { matrix } from './matrix.mjs';

matrix('4', ['websocket', 'polling', 'upgrade']);
