// SPDX-License-Identifier: Apache-2.0
// Debian's Chromium, headless, and pages that keep count of everything that must not happen on them.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const FLAGS = [
	'--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
const PLACES = [process.env.PETREL_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-headless-shell', '/usr/bin/google-chrome'];

export async function launch() {
	const executablePath = PLACES.find((p) => p && existsSync(p));
	if (!executablePath)
		throw new Error('no Chromium: apt-get install chromium, or set PETREL_CHROMIUM');
	return chromium.launch({ executablePath, args: FLAGS });
}

// A page with `faults`: console errors, exceptions, violations of the content security policy, requests to other hosts.
export async function open(browser, { width = 1280, height = 800, scheme = 'light' } = {}) {
	const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, permissions: ['clipboard-read', 'clipboard-write'] });
	const page = await context.newPage();
	page.faults = [];
	page.expected = []; // patterns of faults that a test provokes on purpose
	const fault = (text) => page.expected.some((p) => p.test(text)) || page.faults.push(text);
	page.on('console', (message) => message.type() === 'error' && fault(`console: ${message.text()}`));
	page.on('pageerror', (error) => fault(`exception: ${error.message}`));
	page.on('request', (request) => {
		const { hostname, protocol } = new URL(request.url());
		if (hostname !== '127.0.0.1' || protocol !== 'http:')
			fault(`request to ${request.url()}`);
	});
	await page.exposeFunction('petrelCspViolation', (text) => fault(`csp: ${text}`));
	await page.addInitScript(() => {
		document.addEventListener('securitypolicyviolation', (e) => window.petrelCspViolation(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
	});
	return page;
}
