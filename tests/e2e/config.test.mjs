// The table of good and bad configurations (tests/data/config), seen by the JSON Schema and by the program.
// The parser's messages are checked one by one in tests/unit/test_config.c; here: exit codes, streams, and
// that an editor with the schema sees the same errors that the program would report.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const data = path.join(root, 'tests/data/config');
const daemon = path.join(process.env.TAPEDECK_BIN ?? path.join(root, 'build/bin'), 'tapedeckd');
const require = createRequire(new URL('../peers/package.json', import.meta.url));
const Ajv2020 = require('ajv/dist/2020').default;

const good = [
	...readdirSync(path.join(data, 'good')).filter((name) => name.endsWith('.json')).map((name) => path.join(data, 'good', name)),
	...readdirSync(path.join(root, 'config')).filter((name) => name.endsWith('.json')).map((name) => path.join(root, 'config', name)),
];
const bad = readFileSync(path.join(data, 'bad.txt'), 'utf8').split('\n')
	.filter((line) => line !== '' && !line.startsWith('#'))
	.map((line) => line.split('\t'))
	.map(([name, who, message]) => ({ file: path.join(data, 'bad', name), bySchema: who === 'schema', message }));

const schema = JSON.parse(readFileSync(path.join(root, 'schema/config.schema.json'), 'utf8'));
const validate = new Ajv2020({ allErrors: true, strict: true, strictTypes: false, strictRequired: false }).compile(schema);

// What the schema says to a file: null if it takes it, else why not.
function schemaRefuses(file) {
	let value;

	try {
		value = JSON.parse(readFileSync(file, 'utf8'));
	} catch (error) {
		return error.message;
	}
	return validate(value) ? null : JSON.stringify(validate.errors, null, 1);
}

function run(...args) {
	return new Promise((resolve) => {
		execFile(daemon, args, { timeout: 60_000 }, (error, stdout, stderr) => {
			resolve({ code: error === null ? 0 : error.code, stdout, stderr });
		});
	});
}

// A few at a time: each is a process of its own.
async function eachOf(list, check) {
	const rest = [...list];

	await Promise.all(Array.from({ length: 4 }, async () => {
		while (rest.length > 0)
			await check(rest.shift());
	}));
}

test('the table is as large as it should be', () => {
	assert.ok(good.length >= 15, `${good.length} good files`);
	assert.ok(bad.length >= 60, `${bad.length} bad files`);
	assert.ok(bad.filter(({ bySchema }) => bySchema).length >= 60, 'most can be expressed in the schema');
});

test('the schema takes every good file', () => {
	for (const file of good)
		assert.equal(schemaRefuses(file), null, file);
});

test('the schema refuses every bad file that a schema can, and only those', () => {
	const wrong = bad.filter(({ file, bySchema }) => (schemaRefuses(file) !== null) !== bySchema);

	assert.deepEqual(wrong.map(({ file }) => path.basename(file)), []);
});

test('every default in the schema is a value that the schema takes', () => {
	const objects = [schema, ...Object.values(schema.$defs)];

	for (const object of objects)
		for (const [key, property] of Object.entries(object.properties))
			if ('default' in property) {
				const { default: value, ...rest } = property;
				const check = new Ajv2020({ strict: false }).compile({ ...rest, $defs: schema.$defs });

				assert.ok(check(value), `${key}: ${JSON.stringify(value)}`);
			}
});

test('--check-config takes every good file', { skip: !existsSync(daemon) }, async () => {
	await eachOf(good, async (file) => {
		const { code, stdout, stderr } = await run('--check-config', file);

		assert.equal(stderr, '', file);
		assert.match(stdout, /: ok, [0-9]+ feeds?, [0-9]+ endpoints?\n$/);
		assert.ok(stdout.startsWith(`${file}: ok`), stdout);
		assert.equal(code, 0, file);
	});
});

test('--check-config refuses every bad file with one message and exit code 2', { skip: !existsSync(daemon) }, async () => {
	await eachOf(bad, async ({ file, message }) => {
		const { code, stdout, stderr } = await run('--check-config', file);

		assert.equal(code, 2, file);
		assert.equal(stdout, '', file);
		assert.ok(stderr.includes(message), `${file}: wanted "${message}", got "${stderr}"`);
		assert.ok(!stderr.includes('canary'), `${file}: a secret shows: ${stderr}`);
		assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
	});
});

test('--print-config shows every key with its default', { skip: !existsSync(daemon) }, async () => {
	const { code, stdout } = await run('--print-config', path.join(data, 'good/minimal.json'));
	const printed = JSON.parse(stdout);
	const compare = (object, definition) => {
		assert.deepEqual(Object.keys(object).sort(), Object.keys(definition.properties).sort());
		for (const [key, { default: value }] of Object.entries(definition.properties))
			if (value !== undefined && key !== 'dialect')
				assert.deepEqual(object[key], value, key);
	};

	assert.equal(code, 0);
	compare(printed, schema);
	compare(printed.feeds[0], schema.$defs.feed);
	compare(printed.feeds[0].dialect, schema.$defs.dialect);
	compare(printed.feeds[0].endpoints[0], schema.$defs.endpoint);
});

test('--print-config hides what may be a secret', { skip: !existsSync(daemon) }, async () => {
	const { code, stdout } = await run('--print-config', path.join(data, 'good/every_key.json'));
	const [feed] = JSON.parse(stdout).feeds;

	assert.equal(code, 0);
	assert.deepEqual(feed.query, { client: '***' });
	assert.deepEqual(feed.headers, { Origin: '***', 'X-Note': '***' });
	assert.deepEqual(feed.auth, { token: '***', version: '***' });
	assert.equal(feed.proxy, 'http://***@proxy.example.org:3128');
	assert.equal(feed.token.url, 'https://example.org/jwt?***');
});
