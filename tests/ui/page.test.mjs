// SPDX-License-Identifier: Apache-2.0
// The page in a real browser, against the invented fleet: what it shows, by mouse and by keys, and what it does when the
// aggregator is empty, slow, broken, silent or hostile. No test measures time; bench.mjs does.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, open } from './browser.mjs';
import { Fixture } from './fixture.mjs';
import { HOSTILE } from './fleet.mjs';

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

// Runs body(page, fixture) on a fresh server and page, and then asks that nothing went wrong behind its back.
async function once({ at = '', scenario, nodes, workloads, wide, height, scheme, expected = [] }, body) {
	const fixture = await new Fixture({ nodes: nodes ?? 24, scenario, workloads }).start();
	const page = await open(browser, { width: wide ?? 1280, height: height ?? 800, scheme });
	page.expected = expected;
	try {
		await page.goto(`${fixture.url}/${at}`);
		await body(page, fixture);
		assert.deepEqual(page.faults, []);
	} finally {
		await page.context().close();
		await fixture.stop();
	}
}

// A browser on a busy machine can be late: a failed test may try once more on a fresh page, and its first failure is said.
async function on(options, body) {
	try {
		await once(options, body);
	} catch (error) {
		console.log(`# tried once more after: ${error.message.split('\n')[0]}`);
		await once(options, body);
	}
}

const text = (page, selector = 'body') => page.locator(selector).first().innerText();
const see = (page, what) => page.getByText(what).first().waitFor({ timeout: 8000 });
const REFUSED = /Failed to load resource|ERR_|EventSource/;

const NODE = '#/node/demo/ip-10-64-0-0.eu-central-1.compute.internal';
const PAGES = { '#/': 'Needs attention', '#/groups': 'Node groups', '#/group/demo/web': 'May it be trusted?', [NODE]: 'Capability report', '#/forecasts': 'All series', '#/decisions': 'Decisions', '#/drains': 'First eviction', '#/agents': 'Own memory' };

describe('every page', () => {
	for (const [at, words] of Object.entries(PAGES))
		for (const scheme of ['light', 'dark'])
			test(`${at} in ${scheme} renders without a fault`, () =>
				on({ at, scheme }, async (page) => {
					await see(page, words);
					await page.waitForTimeout(400);
				}));
	for (const wide of [360, 768, 3840])
		test(`no page is wider than a window of ${wide} px`, () =>
			on({ wide }, async (page, { url }) => {
				for (const [at, words] of Object.entries(PAGES)) {
					await page.goto(`${url}/${at}`);
					await see(page, words);
					await page.waitForTimeout(200);
					const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
					assert.ok(overflow <= 0, `${at} is ${overflow} px too wide`);
				}
			}));
	test('a page that does not exist says so', () => on({ at: '#/nothing' }, (page) => see(page, 'There is no such page')));
	test('a node that does not exist says so, with the hint of the API', () => on({ at: '#/node/demo/nobody', expected: [REFUSED] }, (page) => see(page, 'petrel nodes lists them')));
});

describe('keys alone', () => {
	test('lead through pages, filter, cluster, theme and help', () =>
		on({}, async (page) => {
			await see(page, 'Needs attention');
			await page.keyboard.press('Tab');
			assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
			await page.keyboard.press('Enter');
			assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
			for (const [key, hash] of [['2', '#/groups'], ['3', '#/forecasts'], ['4', '#/decisions'], ['5', '#/drains'], ['6', '#/agents'], ['1', '#/']]) {
				await page.keyboard.press(key);
				await page.waitForFunction((h) => location.hash === h, hash);
			}
			await page.locator('#filter').waitFor(); // the hash changes before the page is drawn
			await page.keyboard.press('/');
			await page.keyboard.type('spot');
			assert.equal(await page.locator('#filter').inputValue(), 'spot');
			await page.keyboard.press('Escape');
			await page.keyboard.press('c');
			assert.equal(await page.evaluate(() => document.activeElement.id), 'cluster');
			await page.keyboard.press('Escape');
			await page.keyboard.press('t');
			assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
			await page.keyboard.press('?');
			await page.locator('dialog[open]').waitFor();
			await page.keyboard.press('Escape');
			await page.locator('dialog[open]').waitFor({ state: 'hidden' });
		}));
	test('choose a node in the grid and open it', () =>
		on({}, async (page) => {
			await page.locator('.grid canvas').first().focus();
			await page.keyboard.press('ArrowRight');
			await page.keyboard.press('ArrowRight');
			const chosen = await text(page, '.tip b');
			await page.keyboard.press('Enter');
			await see(page, 'Capability report');
			assert.ok((await page.evaluate(() => decodeURIComponent(location.hash))).includes(chosen));
		}));
	test('open a decision and read its guards', () =>
		on({ at: '#/decisions' }, async (page) => {
			const row = page.locator('.decisions .row').first();
			await row.focus();
			assert.equal(await row.getAttribute('aria-expanded'), 'false');
			await page.keyboard.press('Enter');
			assert.equal(await row.getAttribute('aria-expanded'), 'true');
			for (const words of ['Reasons', 'Guards', 'Inputs', 'Not chosen', 'freshness', 'demand q95'])
				await see(page, words);
		}));
	test('open a drain that has ended and read what it did', () =>
		on({ at: '#/drains' }, async (page) => {
			const ended = page.locator('.decisions .row').nth(1);
			assert.equal(await ended.getAttribute('aria-expanded'), 'false');
			await ended.focus();
			await page.keyboard.press('Enter');
			await see(page, '+44 s');
		}));
	test('read the heat map column by column', () =>
		on({ at: NODE }, async (page) => {
			await see(page, 'Latency over time');
			await page.locator('.chart canvas[tabindex]').focus();
			const before = await text(page, '.chart p.legend');
			await page.keyboard.press('PageUp');
			await page.waitForFunction((b) => document.querySelector('.chart p.legend').innerText !== b, before);
			assert.match(await text(page, '.chart p.legend'), /p50 ≤ .* p99 ≤ .* events/);
		}));
	test('sort a table', () =>
		on({ at: '#/groups' }, async (page) => {
			const head = page.locator('th', { hasText: 'Of capacity' });
			await head.locator('button').focus();
			await page.keyboard.press('Enter');
			assert.equal(await head.getAttribute('aria-sort'), 'descending');
			await page.keyboard.press('Enter');
			assert.equal(await head.getAttribute('aria-sort'), 'ascending');
		}));
});

describe('what an operator must see', () => {
	test('the failing guard is named, and what needs attention is listed', () =>
		on({}, async (page) => {
			await see(page, 'guard: coverage');
			await see(page, 'Not safe to scale: guard coverage');
			await see(page, /is silent/);
		}));
	test('a simulated cluster is labelled everywhere, a real one nowhere', () =>
		on({}, async (page) => {
			await see(page, 'Needs attention');
			const heads = await page.locator('.section h3').allInnerTexts();
			for (const head of heads)
				assert.equal(head.includes('SIMULATED'), !head.includes('machine'), head);
			assert.match(await page.locator('#cluster').innerText(), /demo · SIMULATED/);
			await page.locator('#cluster').selectOption('demo');
			await see(page, /No real machine is behind these figures/);
			await page.locator('#cluster').selectOption('local');
			await page.getByText(/No real machine/).waitFor({ state: 'detached' });
			assert.equal(await page.locator('.section h3').count(), 1);
			assert.doesNotMatch(await text(page, 'main'), /SIMULATED/);
		}));
	test('the chosen cluster survives a reload', () =>
		on({}, async (page) => {
			await see(page, 'Needs attention');
			await page.locator('#cluster').selectOption('local');
			await page.reload();
			await see(page, 'machine');
			assert.equal(await page.locator('#cluster').inputValue(), 'local');
		}));
	test('equal decisions are one row with how often and since when', () =>
		on({ at: '#/decisions' }, async (page) => {
			await see(page, /×\d+ since/);
			const made = await page.evaluate(async () => (await (await fetch('/api/v1/decisions')).json()).items.length);
			assert.ok((await page.locator('.decisions > li').count()) < made / 2);
		}));
	test('the forecast shows three bands, limits, weights and honesty', () =>
		on({ at: '#/group/demo/web' }, async (page) => {
			for (const words of ['50 %', '80 %', '95 %', 'Median', 'Capacity', 'Said before', /Min \(\d+ nodes\)/, /Max \(\d+ nodes\)/, 'seasonal-naive', 'better than naive', 'band holds'])
				await see(page, words);
			await page.getByRole('button', { name: 'Month' }).click();
			await see(page, 'Too little history to forecast from');
			await see(page, '3 h of history; 2 days are needed for this horizon');
		}));
	test('two thousand series are a list that is filtered, and only what is in view is asked for', () =>
		on({ at: '#/forecasts', workloads: 2000 }, async (page, fixture) => {
			const rows = page.locator('[aria-label=Series] table');
			await page.waitForFunction(() => Number(document.querySelector('[aria-label=Series] table')?.ariaRowCount ?? document.querySelector('[aria-label=Series] table')?.getAttribute('aria-rowcount')) > 2000);
			assert.ok((await rows.locator('tbody tr').count()) < 100);
			await page.waitForTimeout(1500);
			assert.ok(fixture.requests.filter((r) => r.includes('/forecast?')).length < 120);
			await page.getByLabel('Filter series').fill('service-1234');
			await page.waitForFunction(() => document.querySelectorAll('[aria-label=Series] tbody tr').length === 1);
			await page.getByRole('button', { name: 'service-1234' }).click();
			await page.getByRole('img', { name: /Forecast of service-1234: .*Median/ }).waitFor();
			await page.getByLabel('Filter series').fill('no such thing');
			await see(page, 'No series matches');
		}));
	test('with too little history for a day the hour is shown, until a person chooses', () =>
		on({ at: '#/group/local/machine' }, async (page) => {
			await see(page, 'Too little history to forecast from');
			await page.locator('[aria-label=Horizon] [aria-pressed=true]', { hasText: 'Hour' }).waitFor();
			await page.getByRole('button', { name: 'Day' }).click();
			await page.locator('[aria-label=Horizon] [aria-pressed=true]', { hasText: 'Day' }).waitFor();
		}));
	test('the capability report says what is refused and why', () =>
		on({ at: NODE }, async (page) => {
			await see(page, 'refused');
			await see(page, /CAP_PERFMON is missing/);
		}));
	test('a figure changes on the page when the stream says so', () =>
		on({}, async (page, fixture) => {
			await see(page, 'Needs attention');
			fixture.deltaOverride = (n) => [n.cluster, n.name, 'ready', 100, 100, 0, 10, false];
			await page.getByRole('button', { name: 'Table' }).click();
			await page.waitForFunction(() => document.querySelector('tbody td:nth-child(3)')?.innerText.startsWith('10'));
			fixture.deltaOverride = (n) => [n.cluster, n.name, 'ready', 777, 800, 0, 10, false];
			await page.waitForFunction(() => document.querySelector('tbody td:nth-child(3)')?.innerText.startsWith('77.7'));
		}));
	test('a drain counts down, names the budget that blocks, and moves when the stream says so', () =>
		on({ at: '#/drains' }, async (page, fixture) => {
			const row = page.locator('.decisions .row').first();
			await see(page, 'shop/web-pdb');
			await see(page, 'launched');
			assert.match(await row.innerText(), /evicting.*2 of 4 pods/s);
			const left = () => row.locator('b').innerText();
			const before = await left();
			assert.match(before, /\d+\Ws left/);
			await page.waitForFunction((text) => document.querySelector('.decisions .row b').innerText !== text, before);
			const [drain] = fixture.drains('demo');
			fixture.send('drain', Object.assign(drain, { phase: 'done', ended_ms: Date.now(), pods_left: 0, blocking: [] }), 'demo');
			await page.waitForFunction(() => /done.*0 of 4 pods/s.test(document.querySelector('.decisions .row').innerText));
			assert.equal(await left(), '');
			assert.equal(await page.locator('.decisions .row').count(), 2);
		}));
	test('a panel copies as aligned plain text', () =>
		on({ at: '#/groups' }, async (page) => {
			await page.getByRole('button', { name: 'Copy Node groups as text' }).click();
			const copied = await page.evaluate(() => navigator.clipboard.readText());
			const lines = copied.trimEnd().split('\n');
			assert.match(lines[0], /^Group +Cluster +Capacity +Nodes/);
			assert.equal(lines.length, 5);
			assert.doesNotMatch(copied, /[\u202f\u00a0]/);
		}));
	test('the filter finds by state', () =>
		on({}, async (page) => {
			await see(page, 'Needs attention');
			await page.locator('#filter').fill('silent');
			await see(page, '1 of 25');
		}));
});

describe('when things go wrong', () => {
	test('an empty fleet says what to do', () => on({ scenario: 'empty' }, (page) => see(page, 'No node has reported yet')));
	for (const at of ['#/groups', '#/forecasts', '#/decisions', '#/drains', '#/agents'])
		test(`${at} of an empty fleet is calm`, () => on({ scenario: 'empty', at }, (page) => see(page, /No node group is known|No series is forecast|Nothing was decided|No node is or was drained|No agent has reported/)));
	test('an error of the API is shown with its hint, and goes by itself', () =>
		on({ scenario: 'error', expected: [REFUSED] }, async (page, fixture) => {
			await see(page, 'the store does not answer');
			await see(page, 'see petrel doctor');
			fixture.scenario = 'normal';
			await see(page, 'Needs attention');
		}));
	test('a slow answer is waited for, and said', () =>
		on({ scenario: 'slow' }, async (page) => {
			await see(page, 'Reading the fleet');
			await see(page, 'Needs attention');
		}));
	test('while the stream is silent the page polls and says so', () =>
		on({}, async (page, fixture) => {
			await see(page, 'Live');
			fixture.paused = true;
			await page.locator('.connection', { hasText: 'Polling' }).waitFor({ timeout: 12000 });
			assert.equal(await page.locator('.banner.bad').count(), 0);
			fixture.paused = false;
			await page.locator('.connection', { hasText: 'Live' }).waitFor();
		}));
	test('when nothing comes at all the figures are called stale, until they are not', () =>
		on({ expected: [REFUSED] }, async (page, fixture) => {
			await see(page, 'Live');
			fixture.down = true;
			for (const { response } of fixture.streams)
				response.destroy();
			await page.locator('.banner.bad', { hasText: 'Stale' }).waitFor({ timeout: 15000 });
			await page.locator('.connection', { hasText: 'No data' }).waitFor();
			assert.ok(await page.locator('.grid canvas').count(), 'what is known stays on the page');
			fixture.down = false;
			await page.locator('.banner.bad').waitFor({ state: 'detached', timeout: 15000 });
		}));
});

describe('hostile names', () => {
	test('are text on every page', () =>
		on({ scenario: 'hostile' }, async (page) => {
			await page.getByRole('button', { name: 'Table' }).click();
			await see(page, HOSTILE[0]);
			await see(page, '\\u202egnp.exe\\u0000\\u000a\\u0009newline');
			for (const key of ['2', '3', '4', '5']) {
				await page.keyboard.press(key);
				await page.waitForTimeout(250);
			}
			assert.equal(await page.evaluate(() => window.hacked), undefined);
			assert.equal(await page.evaluate(() => document.querySelectorAll('main script, main img').length), 0);
		}));
	for (const name of HOSTILE)
		test(`a node called ${JSON.stringify(name.slice(0, 24))} has a page that can be linked to`, () =>
			on({ scenario: 'hostile', expected: name.includes('\ud800') ? [REFUSED] : [] }, async (page) => {
				await see(page, 'Needs attention');
				await page.getByRole('button', { name: 'Table' }).click();
				const links = page.locator('td:first-child a');
				await links.first().waitFor();
				const hrefs = await links.evaluateAll((list) => list.map((a) => a.getAttribute('href')));
				const wanted = encodeURIComponent(Buffer.from(name, 'utf8').toString('utf8'));
				const at = hrefs.findIndex((h) => h.endsWith(`/${wanted}`));
				assert.ok(at >= 0, hrefs.join(' '));
				await links.nth(at).click();
				await see(page, name.includes('\ud800') ? 'Not found' : 'Capability report');
				assert.equal(await page.evaluate(() => window.hacked), undefined);
			}));
});

describe('5,000 nodes', () => {
	test('are on one page, each to be pointed at', () =>
		on({ nodes: 5000 }, async (page) => {
			await see(page, 'Needs attention');
			const labels = await page.locator('.grid canvas').evaluateAll((list) => list.map((c) => c.getAttribute('aria-label')));
			const total = labels.reduce((sum, l) => sum + Number(/: (\d+) nodes/.exec(l)[1]), 0);
			assert.equal(total, 5001);
			const canvas = page.locator('.grid canvas').nth(3);
			await canvas.scrollIntoViewIfNeeded();
			await canvas.hover({ position: { x: 100, y: 20 } });
			await see(page, 'CPU demand');
		}));
	test('the table keeps only the rows in view, and scrolls to the last', () =>
		on({ nodes: 5000 }, async (page) => {
			await page.getByRole('button', { name: 'Table' }).click();
			const rows = page.locator('tbody tr');
			await rows.nth(5).waitFor();
			assert.ok((await rows.count()) < 120);
			await page.locator('.table').evaluate((t) => (t.scrollTop = t.scrollHeight));
			await page.waitForFunction(() => document.querySelectorAll('tr.pad').length === 1);
		}));
});
