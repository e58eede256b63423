// SPDX-License-Identifier: Apache-2.0
// Light, dark, or what the system prefers; and the colours for canvases, which CSS does not reach.
import { signal } from '@preact/signals';

const root = document.documentElement;
const system = matchMedia('(prefers-color-scheme: dark)');

export const theme = signal(root.dataset.theme ?? 'system');
// Changes whenever the colours do; canvases read it to be drawn again.
export const palette = signal(read());

function read() {
	const style = getComputedStyle(root);
	const colour = (name) => style.getPropertyValue(`--${name}`).trim();
	const ramp = (name, n) => Array.from({ length: n }, (_, i) => colour(`${name}-${i}`));
	const names = ['ink', 'muted', 'line', 'panel', 'accent', 'ok', 'warn', 'bad', 'actual', 'capacity', 'limit', 'second', 'third', 'fourth'];
	return { ...Object.fromEntries(names.map((n) => [n, colour(n)])), heat: ramp('heat', 6), density: ramp('density', 5) };
}

const refresh = () => (palette.value = read());
system.addEventListener('change', refresh);

export function cycleTheme() {
	const order = ['system', 'light', 'dark'];
	theme.value = order[(order.indexOf(theme.value) + 1) % order.length];
	if (theme.value === 'system')
		delete root.dataset.theme;
	else
		root.dataset.theme = theme.value;
	try {
		localStorage.setItem('petrel.theme', theme.value);
	} catch {
		// storage is refused (private window): the choice lasts as long as the page
	}
	refresh();
}

// A colour of the density ramp, share in [0, 1].
export function rampTable(stops, size) {
	const rgb = stops.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
	return Array.from({ length: size }, (_, i) => {
		const at = (i / (size - 1)) * (rgb.length - 1);
		const k = Math.min(rgb.length - 2, Math.floor(at));
		return rgb[k].map((v, c) => Math.round(v + (rgb[k + 1][c] - v) * (at - k)));
	});
}

export function withAlpha(hex, alpha) {
	const value = Math.round(alpha * 255).toString(16).padStart(2, '0');
	return `${hex}${value}`;
}
