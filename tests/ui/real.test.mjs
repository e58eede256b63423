// SPDX-License-Identifier: Apache-2.0
// The page on the aggregator's own HTTP server. What the invented server of fixture.mjs answers is only worth testing against if the
// real one answers the same.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, open } from './browser.mjs';
import { Fixture } from './fixture.mjs';
import { startReal } from './real.mjs';

let browser;
let real;
before(async () => {
	browser = await launch();
	real = await startReal(24);
});
after(async () => {
	await browser?.close();
	await real?.stop();
});

const see = (page, what) => page.getByText(what).first().waitFor({ timeout: 8000 });

describe('the real server', () => {
	test('serves every page without a fault', async () => {
		const page = await open(browser);
		page.expected = [/Failed to load resource.*40[04]/]; // a workload that is not forecast is a 404
		const node = '#/node/demo/ip-10-0-0-3.eu-central-1.compute.internal';
		const pages = { '#/': 'Needs attention', '#/groups': 'Node groups', '#/group/demo/spot': 'May it be trusted?', [node]: 'Capability report', '#/forecasts': 'All series', '#/decisions': 'Decisions', '#/drains': 'shop/web-pdb', '#/agents': 'Own memory' };
		for (const [at, words] of Object.entries(pages)) {
			await page.goto(`${real.url}/${at}`);
			await see(page, words);
			await see(page, 'Live');
			await page.waitForTimeout(500);
		}
		assert.equal(await page.evaluate(() => document.querySelectorAll('main script').length), 0);
		assert.deepEqual(page.faults, []);
		await page.context().close();
	});

	test('streams: the page is live and its figures move', async () => {
		const page = await open(browser);
		await page.goto(real.url);
		await page.getByRole('button', { name: 'Table' }).click();
		const cell = () => page.evaluate(() => [...document.querySelectorAll('tbody tr td:nth-child(3)')].map((c) => c.innerText).join());
		await page.waitForFunction(() => document.querySelectorAll('tbody tr').length > 20);
		const first = await cell();
		await page.waitForTimeout(4000);
		assert.notEqual(await cell(), first);
		await page.context().close();
	});

	// The keys of every object that both servers answer; an array stands for its first item.
	const shape = (value) => {
		if (Array.isArray(value))
			return value.length ? [shape(value[0])] : [];
		if (value && typeof value === 'object')
			return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, shape(v)]));
		return null;
	};
	const OPEN = new Set(['values', 'inputs', 'hists', 'members', 'hooks']); // their keys are data
	function compare(ours, theirs, path, missing) {
		if (Array.isArray(ours) && Array.isArray(theirs))
			return ours.length && theirs.length && compare(ours[0], theirs[0], `${path}[]`, missing);
		if (!ours || !theirs)
			return undefined;
		for (const key of Object.keys(ours))
			if (!(key in theirs))
				missing.push(`${path}.${key}`);
			else if (!OPEN.has(key))
				compare(ours[key], theirs[key], `${path}.${key}`, missing);
		return undefined;
	}

	test('answers with every field that the invented server has', async () => {
		const invented = await new Fixture().start();
		const answers = async (url, node, group) => {
			const get = async (path) => shape(await (await fetch(`${url}/api/v1/${path}`)).json());
			const now = Date.now();
			const time = `from=${now - 60000}&to=${now}&step=10000`;
			return {
				status: await get('status'), clusters: await get('clusters'), groups: await get('groups?cluster=demo'), nodes: await get('nodes?cluster=demo'), node: await get(`nodes/demo/${node}`),
				decisions: await get('decisions?cluster=demo'), drains: await get('drains?cluster=demo'), series: await get(`series?cluster=demo&kind=node&name=${node}&metric=cpu_usage_ns&${time}`),
				hist: await get(`hist?cluster=demo&kind=node&name=${node}&hist=runq_latency_ns&${time}`), forecast: await get(`forecast?cluster=demo&kind=group&name=${group}&horizon=day`),
			};
		};
		const ours = await answers(invented.url, 'ip-10-64-0-0.eu-central-1.compute.internal', 'web');
		const theirs = await answers(real.url, 'ip-10-0-0-3.eu-central-1.compute.internal', 'spot');
		await invented.stop();
		const missing = [];
		compare(ours, theirs, '', missing);
		assert.deepEqual(missing, []);
	});
});
