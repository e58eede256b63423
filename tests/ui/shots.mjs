// SPDX-License-Identifier: Apache-2.0
// Screenshots of every page, light and dark, wide and 360 px, to be looked at:
//
//     node tests/ui/shots.mjs OUT-DIR [URL]      URL: a running aggregator; without it the invented fleet
import { mkdirSync } from 'node:fs';
import { launch, open } from './browser.mjs';
import { Fixture } from './fixture.mjs';

const [out = '/tmp/petrel-shots', given, only] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const fixture = given && given !== '-' ? null : await new Fixture().start();
const url = fixture?.url ?? given;
const get = async (path) => (await (await fetch(`${url}/api/v1/${path}`)).json()).items;
const [node] = await get('nodes');
const [group] = await get('groups');
const PAGES = {
	fleet: '#/', groups: '#/groups', group: `#/group/${encodeURIComponent(group.cluster)}/${encodeURIComponent(group.group)}`,
	node: `#/node/${encodeURIComponent(node.cluster)}/${encodeURIComponent(node.node)}`, forecasts: '#/forecasts', decisions: '#/decisions', drains: '#/drains', agents: '#/agents',
};
const SIZES = { wide: [1440, 900], narrow: [360, 740] };
const browser = await launch();
for (const scheme of ['light', 'dark'])
	for (const [size, [width, height]] of Object.entries(SIZES)) {
		const page = await open(browser, { width, height, scheme });
		for (const [name, hash] of Object.entries(PAGES)) {
			if (only && !`${name}-${scheme}-${size}`.match(only))
				continue;
			await page.goto(`${url}/${hash}`);
			await page.waitForTimeout(1500);
			if (name === 'decisions')
				await page.locator('.decisions .row').first().click();
			await page.screenshot({ path: `${out}/${name}-${scheme}-${size}.png`, fullPage: true });
		}
		if (page.faults.length)
			console.log(scheme, size, page.faults);
		await page.context().close();
	}
await browser.close();
await fixture?.stop();
console.log(out);
