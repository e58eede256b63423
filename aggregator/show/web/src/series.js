// SPDX-License-Identifier: Apache-2.0
// History for charts: several metrics of one thing on one grid. After the first load only the new end is asked for.
import { get, serverNow } from './api.js';
import { usePoll } from './ui.jsx';

const MINUTE = 60e3;
const HOUR = 60 * MINUTE;

// The store keeps 1 s for 10 minutes, 10 s for 48 h, 5 min for 35 days: a range is asked for at what exists.
export const RANGES = [
	{ key: '10m', title: '10 min', span: 10 * MINUTE, step: 1000, every: 2000 },
	{ key: '1h', title: '1 h', span: HOUR, step: 10e3, every: 10e3 },
	{ key: '6h', title: '6 h', span: 6 * HOUR, step: 60e3, every: 30e3 },
	{ key: '48h', title: '2 d', span: 48 * HOUR, step: 5 * MINUTE, every: 60e3 },
	{ key: '35d', title: '35 d', span: 35 * 24 * HOUR, step: HOUR, every: 300e3 },
];
export const range = (key) => RANGES.find((r) => r.key === key);

const down = (t, step) => Math.floor(t / step) * step;

// Puts an answer into an array that starts at from; bins outside it are left out.
function place(values, from, step, answer, field) {
	const shift = Math.round((answer.from_ms - from) / step);
	answer[field].forEach((v, i) => {
		if (shift + i >= 0 && shift + i < values.length)
			values[shift + i] = v;
	});
}

// {times (s), values: {metric: []}, error?} for what = {cluster, kind, name}. `kept` carries the last answer from call to call.
async function load(what, metrics, { span, step }, kept, signal) {
	const to = down(serverNow(), step) + step;
	const from = to - span;
	const n = Math.round(span / step);
	const overlap = 4 * step; // the newest bins may still have been filling
	const askFrom = kept.to && kept.to > from ? Math.max(from, kept.to - overlap) : from;
	const answers = await Promise.all(
		metrics.map((metric) =>
			get('series', { ...what, metric, from: askFrom, to, step }, signal).catch((error) => {
				if (error.status === 404)
					return null; // not measured here
				throw error;
			})
		)
	);
	const values = {};
	metrics.forEach((metric, i) => {
		const whole = new Array(n).fill(null);
		if (kept.values?.[metric])
			place(whole, from, step, { from_ms: kept.from, mean: kept.values[metric] }, 'mean');
		if (answers[i])
			place(whole, from, step, answers[i], 'mean');
		values[metric] = whole;
	});
	Object.assign(kept, { from, to, values });
	return { times: Array.from({ length: n }, (_, i) => (from + i * step) / 1000), values };
}

export function useSeries(what, metrics, rangeKey) {
	const chosen = range(rangeKey);
	const key = JSON.stringify([what, metrics, rangeKey]);
	const kept = {};
	return usePoll((signal) => load(what, metrics, chosen, kept, signal), chosen.every, [key]);
}

export const hasValues = (array) => Boolean(array?.some((v) => v !== null));
