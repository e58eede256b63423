// SPDX-License-Identifier: Apache-2.0
// Pages live behind the '#', so that the server has one page to serve and a link can be mailed.
//     #/  #/node/CLUSTER/NAME  #/group/CLUSTER/NAME  #/forecasts  #/decisions  #/drains  #/agents
import { signal } from '@preact/signals';
import { part } from './api.js';

function decode(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text; // a hand-made link with a stray percent sign
	}
}

function parse() {
	const [path, search = ''] = location.hash.replace(/^#\/?/, '').split('?');
	const [page, ...names] = path.split('/').map(decode);
	return { page: page || 'fleet', names, query: Object.fromEntries(new URLSearchParams(search)) };
}

export const route = signal(parse());
addEventListener('hashchange', () => {
	route.value = parse();
	scrollTo(0, 0);
});

export const link = (page, ...names) => `#/${[page === 'fleet' ? '' : page, ...names.map(part)].join('/')}`;
export const go = (page, ...names) => (location.hash = link(page, ...names));
