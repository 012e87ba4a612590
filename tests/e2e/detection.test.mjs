// Which generation a server speaks: named wrongly, and changed since the last time.
import { generationOf, VERSIONS } from '../peers/sockets.mjs';
import { misnamed, replaced } from './matrix.mjs';

for (const version of VERSIONS.filter((each) => each !== '1.0')) {
	for (const named of ['0.9', 'eio3', 'eio4'].filter((each) => each !== generationOf(version)))
		misnamed(version, named);
}

for (const [from, to] of [['2', '4'], ['4', '2'], ['0.9', '4'], ['4', '0.9'], ['3', '2'], ['2', '3'], ['3', '0.9']])
	replaced(from, to);
