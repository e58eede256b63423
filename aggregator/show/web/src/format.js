// SPDX-License-Identifier: Apache-2.0
// Numbers for people: one rule per unit, used everywhere, so that a figure reads the same on every page.
// Unknown (null, undefined, NaN) is a dash, never 0. Number and unit are joined by a narrow no-break space.

export const UNKNOWN = '–';
const GAP = '\u202f';

const known = (v) => v !== null && v !== undefined && Number.isFinite(v);

// Three digits that matter: 0.24, 3.4, 12.3, 123, 12,300.
export function number(v) {
	if (!known(v))
		return UNKNOWN;
	const size = Math.abs(v);
	if (size === 0)
		return '0';
	if (size < 1)
		return v.toFixed(size < 0.1 ? 3 : 2).replace(/\.?0+$/, '') || '0';
	if (size < 100)
		return v.toFixed(size < 10 ? 2 : 1).replace(/\.?0+$/, '');
	return Math.round(v).toLocaleString('en-US');
}

const scaled = (steps) => (v) => {
	if (!known(v))
		return UNKNOWN;
	const size = Math.abs(v);
	const [unit, by] = steps.find(([, from]) => size >= from) ?? steps[steps.length - 1];
	const figure = v / by;
	const digits = Math.abs(figure) < 10 && !Number.isInteger(figure) ? 1 : 0;
	return `${figure.toFixed(digits)}${GAP}${unit}`;
};

export const bytes = scaled([['TiB', 2 ** 40], ['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 1024], ['B', 1]]);
export const ns = scaled([['s', 1e9], ['ms', 1e6], ['µs', 1e3], ['ns', 1]]);
export const us = (v) => ns(known(v) ? v * 1e3 : v);
export const ms = (v) => ns(known(v) ? v * 1e6 : v);
export const count = (v) => (known(v) ? Math.round(v).toLocaleString('en-US') : UNKNOWN);
export const cores = (millicores) => (known(millicores) ? `${number(millicores / 1000)}${GAP}cores` : UNKNOWN);
export const percent = (permille) => (known(permille) ? `${number(Math.round(permille) / 10)}${GAP}%` : UNKNOWN);
export const perSecond = (v) => (known(v) ? `${number(v)}${GAP}/s` : UNKNOWN);
export const bytesPerSecond = (v) => (known(v) ? `${bytes(v)}/s` : UNKNOWN);
export const dollars = (micro) => (known(micro) ? `${micro < 0 ? '−' : ''}$${Math.abs(micro / 1e6).toFixed(2)}${GAP}/h` : UNKNOWN);
export const signed = (v) => (v > 0 ? `+${v}` : v < 0 ? `−${-v}` : '±0');

// How long ago or how long: "0.4 s", "12 s", "3 min", "5 h", "9 d".
export function age(milliseconds) {
	if (!known(milliseconds) || milliseconds < 0)
		return UNKNOWN;
	const s = milliseconds / 1000;
	if (s < 10)
		return `${s.toFixed(1)}${GAP}s`;
	if (s < 120)
		return `${Math.round(s)}${GAP}s`;
	if (s < 7200)
		return `${Math.round(s / 60)}${GAP}min`;
	if (s < 172800)
		return `${Math.round(s / 3600)}${GAP}h`;
	return `${Math.round(s / 86400)}${GAP}d`;
}

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const dayFormat = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
export const clock = (t) => clockFormat.format(t);
// The time, with its day unless that is today.
export const moment = (t) => (new Date(t).toDateString() === new Date().toDateString() ? clock(t) : dayFormat.format(t));

// What the API's unit names mean: from a metric's name to its formatter.
export function forMetric(metric, isRate) {
	if (metric.endsWith('_millicores'))
		return cores;
	if (metric.endsWith('_bytes'))
		return isRate ? bytesPerSecond : bytes;
	if (metric.endsWith('_ns'))
		return ns;
	if (metric.endsWith('_us'))
		return us;
	if (metric.endsWith('_ms'))
		return ms;
	if (metric.endsWith('_permille'))
		return percent;
	return isRate ? perSecond : count;
}

// Names come from outside: control and direction marks are made visible, so that a name can neither break a
// line nor turn the text around it. Markup is never an issue: text goes to the page as text.
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
export const name = (text) =>
	String(text ?? '').replace(INVISIBLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

// "ip-10-0-3-7.eu-central-1.compute.internal" is "ip-10-0-3-7" where room is short.
export const shortNode = (text) => name(text).replace(/\.[a-z0-9-]+\.compute\.internal$|\.ec2\.internal$/, '');

const WORDS = {
	'on-demand': 'on-demand', spot: 'spot', mixed: 'mixed', unknown: 'unknown capacity', 'scale-out': 'Scale out', 'scale-in': 'Scale in', hold: 'Hold', observe: 'Observe',
	recommend: 'Recommend', act: 'Act', ready: 'ready', 'not-ready': 'not ready', silent: 'silent', draining: 'draining', gone: 'gone',
};
export const word = (code) => WORDS[code] ?? name(code);
