// SPDX-License-Identifier: Apache-2.0
// The dashboard with 5,000 nodes in a real Chromium on the aggregator's own server: one JSON line per figure.
//
//     node tests/ui/bench.mjs [--short] [--nodes N]
//
// update lag: how old what the page shows is. The API is asked for the nodes of the first rows five times a second, the cells are
// read at the same moment; a shown value is current while it is within 2 % of the API's (smaller changes are not said, by design),
// and else as old as the last moment at which the API said it.
import { request } from 'node:http';
import { launch, open } from './browser.mjs';
import { startReal } from './real.mjs';

const short = process.argv.includes('--short');
const nodes = Number(process.argv.includes('--nodes') ? process.argv[process.argv.indexOf('--nodes') + 1] : 5000);
const SECONDS = short ? 15 : 45;
const UNSAID_PERMILLE = 20;
const ROWS = 12;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function figure(name, value, unit, budget, more = {}) {
	const ok = budget === null ? null : value <= budget;
	console.log(JSON.stringify({ name: `dashboard_${name}`, value: Math.round(value * 10) / 10, unit, baseline: null, ratio: null, budget, ok, nodes, ...more }));
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

async function paints(browser, url) {
	const first = [];
	const grid = [];
	for (let i = 0; i < (short ? 3 : 7); i++) {
		const page = await open(browser, { width: 1440, height: 900 });
		await page.goto(url);
		await page.locator('.grid canvas').first().waitFor();
		const [paint, drawn] = await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done([performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.now()])))));
		first.push(paint);
		grid.push(drawn);
		await page.context().close();
	}
	const sort = (list) => list.sort((a, b) => a - b);
	figure('first_paint', at(sort(first), 0.5), 'ms', 1000, { worst: Math.round(Math.max(...first)), runs: first.length });
	figure('all_nodes_drawn', at(sort(grid), 0.5), 'ms', null, { worst: Math.round(Math.max(...grid)), runs: grid.length });
}

// Bytes that one viewer's event stream carries.
function streamRate(url, seconds) {
	return new Promise((done, fail) => {
		const stream = request(`${url}/api/v1/events`, (response) => {
			let bytes = 0;
			response.on('data', (d) => (bytes += d.length));
			response.on('error', () => {});
			setTimeout(() => {
				stream.destroy();
				done(bytes / seconds);
			}, seconds * 1000);
		});
		stream.on('error', fail);
		stream.end();
	});
}

async function shown(page) {
	return page.evaluate((n) => [...document.querySelectorAll('tbody tr:not(.pad)')].slice(0, n).map((tr) => {
		const [name, , cpu] = [...tr.children];
		return { node: name.querySelector('[title]')?.title ?? name.innerText, permille: Math.round(parseFloat(cpu.innerText) * 10), known: !Number.isNaN(parseFloat(cpu.innerText)) };
	}), ROWS);
}

async function lag(page, url) {
	await page.getByRole('button', { name: 'Table' }).click();
	await page.locator('th', { hasText: 'Node' }).locator('button').click();
	await page.locator('tbody tr:not(.pad)').nth(ROWS).waitFor();
	const history = new Map(); // node -> [[time, permille]]
	const ages = [];
	const end = Date.now() + SECONDS * 1000;
	while (Date.now() < end) {
		const started = Date.now();
		const cells = await shown(page);
		const now = Date.now();
		await Promise.all(cells.map(async ({ node, permille, known }) => {
			const cluster = node === 'host' ? 'here' : 'demo';
			const item = await (await fetch(`${url}/api/v1/nodes/${cluster}/${encodeURIComponent(node)}`)).json();
			if (!known || item.cpu_permille === null || item.cpu_permille === undefined)
				return;
			if (!history.has(node))
				history.set(node, []);
			const past = history.get(node);
			past.push([now, item.cpu_permille]);
			const last = past.findLast(([, v]) => Math.abs(v - permille) <= UNSAID_PERMILLE);
			if (last)
				ages.push(now - last[0]);
			else if (past.length > 25)
				ages.push(now - past[0][0]); // the API never said it since we look: at least so old
		}));
		await sleep(Math.max(0, 200 - (Date.now() - started)));
	}
	ages.sort((a, b) => a - b);
	figure('update_lag_p95', at(ages, 0.95), 'ms', 2000, { p50: at(ages, 0.5), p99: at(ages, 0.99), worst: ages[ages.length - 1], readings: ages.length });
}

async function mainThread(page, seconds) {
	const cdp = await page.context().newCDPSession(page);
	await cdp.send('Performance.enable');
	const read = async () => Object.fromEntries((await cdp.send('Performance.getMetrics')).metrics.map((m) => [m.name, m.value]));
	const before = await read();
	await sleep(seconds * 1000);
	const after = await read();
	figure('main_thread_busy', (1000 * (after.TaskDuration - before.TaskDuration)) / seconds, 'permille of a core', null, { heap_mib: Math.round(after.JSHeapUsedSize / 2 ** 20) });
}

const real = await startReal(nodes);
const browser = await launch();
try {
	await sleep(5000); // until every node has been seen
	await paints(browser, real.url);
	const list = await (await fetch(`${real.url}/api/v1/nodes`)).text();
	figure('node_list', list.length, 'bytes', null);
	figure('stream_per_viewer', await streamRate(real.url, short ? 10 : 30), 'bytes/s', 200000);
	const page = await open(browser, { width: 1440, height: 900 });
	await page.goto(real.url);
	await page.locator('.grid canvas').first().waitFor();
	await mainThread(page, short ? 6 : 20);
	await lag(page, real.url);
	if (page.faults.length)
		throw new Error(page.faults.join('; '));
} finally {
	await browser.close();
	await real.stop();
}
