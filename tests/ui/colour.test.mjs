// SPDX-License-Identifier: Apache-2.0
// The colours as figures: text is readable (WCAG AA), and the six heat levels and the states are told apart by eyes without red,
// green or blue cones. Confusions are simulated after Machado, Oliveira and Fernandes 2009 (severity 1), in linear RGB; distance
// is CIE76 in Lab.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, open } from './browser.mjs';
import { Fixture } from './fixture.mjs';

const EYES = {
	all: [1, 0, 0, 0, 1, 0, 0, 0, 1],
	protan: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
	deutan: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
	tritan: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
};
const linear = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
const through = (m, [r, g, b]) => [0, 3, 6].map((i) => Math.min(1, Math.max(0, m[i] * r + m[i + 1] * g + m[i + 2] * b)));
const luminance = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
const contrast = (a, b) => {
	const [x, y] = [luminance(linear(a)), luminance(linear(b))].sort((p, q) => q - p);
	return (x + 0.05) / (y + 0.05);
};
function lab([r, g, b]) {
	const xyz = [(0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047, luminance([r, g, b]), (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883];
	const [x, y, z] = xyz.map((v) => (v > 0.008856 ? Math.cbrt(v) : 7.787 * v + 16 / 116));
	return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}
const distance = (eye, a, b) => Math.hypot(...lab(through(eye, linear(a))).map((v, i) => v - lab(through(eye, linear(b)))[i]));

let browser;
let fixture;
before(async () => {
	browser = await launch();
	fixture = await new Fixture().start();
});
after(async () => {
	await browser.close();
	await fixture.stop();
});

async function tokens(scheme) {
	const page = await open(browser, { scheme });
	await page.goto(fixture.url);
	const names = ['bg', 'panel', 'soft', 'ink', 'muted', 'accent', 'accent-soft', 'ok', 'warn', 'warn-soft', 'bad', 'bad-soft', 'sim', 'sim-soft', 'second', ...[0, 1, 2, 3, 4, 5].map((i) => `heat-${i}`)];
	const values = await page.evaluate((list) => list.map((n) => getComputedStyle(document.documentElement).getPropertyValue(`--${n}`).trim()), names);
	await page.context().close();
	return Object.fromEntries(names.map((n, i) => [n, values[i]]));
}

for (const scheme of ['light', 'dark'])
	describe(scheme, () => {
		test('text has a contrast of at least 4.5', async () => {
			const t = await tokens(scheme);
			const pairs = [
				...['ink', 'muted', 'accent', 'ok', 'warn', 'bad', 'sim'].map((n) => [n, 'panel']), ['ink', 'bg'], ['muted', 'bg'], ['muted', 'soft'],
				['accent', 'accent-soft'], ['warn', 'warn-soft'], ['bad', 'bad-soft'], ['sim', 'sim-soft'], ['ok', 'soft'],
			];
			for (const [a, b] of pairs)
				assert.ok(contrast(t[a], t[b]) >= 4.5, `${a} on ${b}: ${contrast(t[a], t[b]).toFixed(2)}`);
		});
		for (const [eye, matrix] of Object.entries(EYES))
			test(`heat levels and state borders differ for ${eye === 'all' ? 'full colour vision' : `${eye}opia`}`, async () => {
				const t = await tokens(scheme);
				for (let a = 0; a < 6; a++)
					for (let b = a + 1; b < 6; b++) {
						const d = distance(matrix, t[`heat-${a}`], t[`heat-${b}`]);
						assert.ok(d >= 9, `heat-${a} and heat-${b}: ${d.toFixed(1)}`);
					}
				assert.ok(distance(matrix, t.second, t.bad) >= 9, `draining and not ready: ${distance(matrix, t.second, t.bad).toFixed(1)}`);
			});
	});
