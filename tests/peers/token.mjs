// token: makes tokens as the feed does: JWT-like, with a whole user record inside, 9 KB long, and by
// default without exp. The same recognisable text fills the payload, so that a test finds even a part
// of a token in what a program wrote.
import { randomBytes } from 'node:crypto';

const CANARY_BYTES = 24; // a multiple of 3: its base64 form then repeats without a shift

export function makeCanary() {
	return 'canary' + randomBytes(9).toString('hex');
}

function encode(text) {
	return Buffer.from(text).toString('base64url');
}

// A token of exactly `bytes` characters. `lifetime` (seconds) adds iat and exp.
export function makeToken({ canary = makeCanary(), bytes = 9300, lifetime = null } = {}) {
	const now = Math.floor(Date.now() / 1000);
	const claims = lifetime === null ? '' : `"iat":${now},"exp":${now + lifetime},`;
	const head = encode('{"typ":"JWT","alg":"HS256"}') + '.';
	const signature = '.' + randomBytes(32).toString('base64url');
	let start = `{${claims}"user":{"id":"${randomBytes(6).toString('hex')}","note":"`;
	const end = '"}}';

	start += ' '.repeat((3 - (start.length % 3)) % 3);
	// Every 3 bytes of payload are 4 characters; what does not divide lengthens the signature.
	const room = Math.floor((bytes - head.length - signature.length) / 4) * 3;
	const fill = Math.max(0, room - start.length - end.length);
	const payload = encode(start + canary.repeat(Math.ceil(fill / CANARY_BYTES)).slice(0, fill) + end);
	const token = head + payload + signature;

	return token + 'x'.repeat(Math.max(0, bytes - token.length));
}

// Texts of which none may appear anywhere but in a request: parts of the token, and of its payload.
export function tokenNeedles(token, canary) {
	const signature = token.slice(token.lastIndexOf('.') + 1);

	return [canary, encode(canary), signature.slice(0, 32)];
}
