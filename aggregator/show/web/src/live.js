// SPDX-License-Identifier: Apache-2.0
// The fleet as the page knows it, kept fresh by the event stream, and by polling while the stream is silent.
//
// One table of nodes is changed in place (5,000 of them change every second); `nodesVersion` says that it did. Whatever
// arrives, from stream or poll, sets `lastData`: the page calls itself stale by that, not by the state of a socket, which may
// look open for minutes after the other end is gone.
import { batch, computed, effect, signal } from '@preact/signals';
import { ApiError, get, learnClock, query, second } from './api.js';

const QUIET_MS = 4000; // a stream that says nothing for this long is helped out by polling
const STALE_MS = 6000; // nothing from anywhere for this long is said in a banner
const DEAD_MS = 20000; // and the stream is opened anew
const POLL_MS = 2000;
const KEEP_PLANS = 500;

export const cluster = signal(stored('petrel.cluster'));
export const status = signal(null);
export const clusters = signal([]);
export const groups = signal(null);
export const decisions = signal(null);
export const drains = signal(null);
export const loadError = signal(null);
export const lastData = signal(0);
export const nodes = new Map();
export const nodesVersion = signal(0);
// 0 until the list was read; another number whenever the table holds new items rather than changed ones.
export const nodesRead = signal(0);
let reads = 0;
const lastEvent = signal(0);

// 'connecting', 'live' (stream), 'polling', 'lost'
export const connection = computed(() => {
	const now = second.value;
	if (!lastData.value)
		return loadError.value ? 'lost' : 'connecting';
	if (now - lastData.value > STALE_MS)
		return 'lost';
	return now - lastEvent.value > QUIET_MS + 2000 ? 'polling' : 'live';
});

function stored(key) {
	try {
		return localStorage.getItem(key) ?? '';
	} catch {
		return '';
	}
}

export const nodeKey = (clusterName, node) => `${clusterName}/${node}`;
export const nodeList = () => [...nodes.values()];

export function chooseCluster(name) {
	cluster.value = name;
	try {
		localStorage.setItem('petrel.cluster', name);
	} catch {
		// storage is refused (private window): the choice lasts as long as the page
	}
}

const fresh = () => (lastData.value = Date.now());

function setNodes(items) {
	nodes.clear();
	const seen = Date.now();
	for (const item of items) {
		item.seen_ms = seen; // age_ms was true then
		nodes.set(nodeKey(item.cluster, item.node), item);
	}
	nodesRead.value = ++reads;
	nodesVersion.value++;
}

// The stream's compact form; true if it speaks of a node that the page has not seen.
function patchNode([clusterName, node, state, cpu, demandHigh, psiIo, runqUs, saturated]) {
	const item = nodes.get(nodeKey(clusterName, node));
	if (!item)
		return true;
	item.state = state;
	item.cpu_permille = cpu;
	item.demand_high_permille = demandHigh;
	item.psi_io_permille = psiIo;
	item.runq_p99_ns = runqUs === null || runqUs === undefined ? null : runqUs * 1000;
	item.saturated = saturated;
	item.age_ms = 0;
	item.seen_ms = Date.now();
	return false;
}

export const flattenPlan = (plan) =>
	(plan.steps ?? []).map((step) => ({ plan_id: plan.id, now_ms: plan.now_ms, cluster: plan.cluster, ...step }));

const items = (data) => (Array.isArray(data) ? data : data?.items ?? []);
const wanted = (name) => !cluster.value || name === cluster.value;

const onEvent = {
	hello: (data) => learnClock(data.now_ms),
	status: (data) => (status.value = data),
	groups: (data) => {
		const changed = new Map(items(data).map((g) => [nodeKey(g.cluster, g.group), g]));
		const known = groups.value ?? [];
		const kept = known.map((g) => changed.get(nodeKey(g.cluster, g.group)) ?? g);
		const names = new Set(known.map((g) => nodeKey(g.cluster, g.group)));
		groups.value = [...kept, ...[...changed].filter(([key]) => !names.has(key)).map(([, g]) => g)];
	},
	nodes: (data) => {
		const strangers = items(data).filter(patchNode).length;
		nodesVersion.value++;
		if (strangers)
			rereadNodes();
	},
	drain: (d) => (drains.value = [d, ...(drains.value ?? []).filter((old) => old.id !== d.id)].sort((a, b) => b.started_ms - a.started_ms)),
	plan: (plan) => {
		if (plan.truncated)
			rereadDecisions();
		else if (wanted(plan.cluster))
			decisions.value = [...flattenPlan(plan), ...(decisions.value ?? [])].slice(0, KEEP_PLANS);
	},
};

let source = null;
let opened = 0;

function openStream() {
	source?.close();
	opened = Date.now();
	source = new EventSource(`/api/v1/events${query({ cluster: cluster.value })}`);
	for (const [name, handle] of Object.entries(onEvent)) {
		source.addEventListener(name, (event) => {
			let data;
			try {
				data = JSON.parse(event.data);
			} catch {
				return; // a broken event is no news
			}
			batch(() => {
				handle(data);
				lastEvent.value = Date.now();
				fresh();
			});
		});
	}
}

let loading = null;

// Everything the shell needs, at once. A second call takes the place of the first.
async function loadAll() {
	loading?.abort();
	const turn = (loading = new AbortController());
	const scope = { cluster: cluster.value };
	const into = async (path, parameters, put) => {
		const body = await get(path, parameters, turn.signal);
		if (!turn.signal.aborted)
			batch(() => (put(body), fresh()));
	};
	try {
		await Promise.all([
			into('status', scope, (b) => (status.value = b)),
			into('clusters', {}, (b) => (clusters.value = b.items)),
			into('groups', scope, (b) => (groups.value = b.items)),
			into('nodes', scope, (b) => setNodes(b.items)),
			into('drains', scope, (b) => (drains.value = b.items)),
			into('decisions', { ...scope, limit: 200 }, (b) => (decisions.value = b.items)),
		]);
		loadError.value = null;
	} catch (error) {
		if (!turn.signal.aborted)
			loadError.value = error instanceof ApiError ? error : new ApiError(0, { message: String(error) });
	}
}

let soon = 0;
// The list of nodes again, a second from now, once however often it is asked for.
export function rereadNodes() {
	if (soon)
		return;
	soon = setTimeout(async () => {
		const asked = cluster.value;
		const body = await get('nodes', { cluster: asked }).catch(() => null);
		soon = 0;
		if (body && asked === cluster.value)
			setNodes(body.items);
	}, 1000);
}

// A plan too large for the stream comes without its steps.
async function rereadDecisions() {
	const body = await get('decisions', { cluster: cluster.value, limit: 200 }).catch(() => null);
	if (body)
		decisions.value = body.items;
}

let lastPoll = 0;
let lastNodesPoll = 0;

async function poll() {
	const now = Date.now();
	lastPoll = now;
	const scope = { cluster: cluster.value };
	try {
		const [newStatus, newGroups, newDrains] = await Promise.all([get('status', scope), get('groups', scope), get('drains', scope)]);
		if (scope.cluster !== cluster.value)
			return;
		batch(() => {
			status.value = newStatus;
			groups.value = newGroups.items;
			drains.value = newDrains.items;
			fresh();
		});
		if (now - lastNodesPoll > (nodes.size > 500 ? 15000 : 4000)) {
			lastNodesPoll = now;
			rereadNodes();
		}
		if (loadError.value)
			await loadAll();
	} catch {
		// still unreachable; the banner tells by the age of the data
	}
}

// Values that the stream does not carry (memory, CPU pressure, the agent's own cost) are read again now and then.
const REREAD_MS = 60000;
let lastRead = Date.now();

function watch() {
	const now = Date.now();
	if (document.hidden)
		return;
	const silent = now - Math.max(lastEvent.value, opened);
	if (silent > DEAD_MS || source?.readyState === EventSource.CLOSED && now - opened > 5000)
		openStream();
	if (now - lastEvent.value > QUIET_MS && now - lastPoll > POLL_MS)
		poll();
	if (now - lastRead > REREAD_MS) {
		lastRead = now;
		rereadNodes();
	}
}

export function start() {
	effect(() => {
		const chosen = cluster.value;
		void chosen;
		batch(() => {
			groups.value = null;
			decisions.value = null;
			nodesRead.value = 0;
			nodes.clear();
		});
		lastPoll = Date.now();
		loadAll();
		openStream();
	});
	setInterval(watch, 1000);
	document.addEventListener('visibilitychange', () => !document.hidden && watch());
}
