// browser: Debian's Chromium, driven, and everything that it has to complain about.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const { chromium } = createRequire(fileURLToPath(new URL('../peers/', import.meta.url)))('playwright-core');
const WAIT_MS = 30_000;

export async function launch() {
	return chromium.launch({
		executablePath: '/usr/bin/chromium',
		args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
			'--disable-component-update', '--disable-sync'],
	});
}

// A page in a context of its own. `page.said` is what went to its console, each line as a JSON array; errors and warnings are in
// `page.errors`.
export async function open(browser, url, options = {}) {
	const context = await browser.newContext(options);
	const page = await context.newPage();

	page.setDefaultTimeout(WAIT_MS);
	page.said = [];
	page.errors = [];
	page.on('console', (message) => {
		if (message.type() === 'error' || message.type() === 'warning')
			page.errors.push(message.text());
		else
			Promise.all(message.args().map((each) => each.jsonValue())).then((values) => page.said.push(JSON.stringify(values)),
				() => {}); // the page is gone, and nobody asks any more
	});
	page.on('pageerror', (error) => page.errors.push(String(error)));
	if (url !== undefined)
		await page.goto(url);
	return page;
}

export async function closeClean(page) {
	assert.deepEqual(page.errors, []);
	await page.context().close();
}
