// SPDX-License-Identifier: Apache-2.0
// The one way to the aggregator: GET under /api/v1 with a deadline, errors as {code, message, hint}, and the
// aggregator's clock.
import { signal } from '@preact/signals';

const DEADLINE_MS = 15000;

export class ApiError extends Error {
	constructor(status, { code = 'unknown', message = '', hint = '' } = {}) {
		super(message || `the aggregator answered ${status}`);
		this.status = status;
		this.code = code;
		this.hint = hint;
	}
}

// The aggregator's clock minus this browser's: ages are counted on the clock that stamped the samples.
let clockOffset = 0;
export const serverNow = () => Date.now() + clockOffset;
export function learnClock(nowMs) {
	if (Number.isFinite(nowMs))
		clockOffset = nowMs - Date.now();
}

// Ticks once a second, for ages on the page.
export const second = signal(Date.now());
setInterval(() => (second.value = Date.now()), 1000);

export function query(parameters) {
	const given = Object.entries(parameters).filter(([, v]) => v !== undefined && v !== null && v !== '');
	return given.length ? `?${given.map(([k, v]) => `${k}=${part(v)}`).join('&')}` : '';
}

// A name as one part of a path or query. Half a surrogate pair, which JSON can carry, cannot be encoded: as UTF-8 it is U+FFFD.
export function part(text) {
	return encodeURIComponent(new TextDecoder().decode(new TextEncoder().encode(text)));
}

export async function get(path, parameters = {}, signal) {
	const deadline = new AbortController();
	const timer = setTimeout(() => deadline.abort(), DEADLINE_MS);
	signal?.addEventListener('abort', () => deadline.abort());
	try {
		const response = await fetch(`/api/v1/${path}${query(parameters)}`, { signal: deadline.signal });
		const body = await response.json().catch(() => null);
		if (!response.ok)
			throw new ApiError(response.status, body?.error);
		if (body === null)
			throw new ApiError(response.status, { code: 'not-json', message: 'the answer is not JSON' });
		learnClock(body.now_ms);
		return body;
	} catch (error) {
		if (error instanceof ApiError || signal?.aborted)
			throw error;
		const late = deadline.signal.aborted;
		throw new ApiError(0, {
			code: late ? 'timeout' : 'unreachable',
			message: late ? `no answer within ${DEADLINE_MS / 1000} s` : 'the aggregator cannot be reached',
			hint: 'Is petrel-aggregator running? It is asked again by itself.',
		});
	} finally {
		clearTimeout(timer);
	}
}
