// SPDX-License-Identifier: Apache-2.0
// An invented fleet for the page's tests: every figure is a function of (seed, name, time), so that the
// list, the stream, the history and the forecast agree with each other, and a run can be repeated.
const DAY = 86400e3;

export function hash01(text) {
	let h = 2166136261;
	for (let i = 0; i < text.length; i++)
		h = Math.imul(h ^ text.charCodeAt(i), 16777619);
	h = Math.imul(h ^ (h >>> 15), 2246822507);
	return ((h ^ (h >>> 13)) >>> 0) / 4294967296;
}

// Smooth noise in [0, 1]: cosine between hashed points.
function noise(name, t, period) {
	const k = Math.floor(t / period);
	const share = (1 - Math.cos(Math.PI * (t / period - k))) / 2;
	return hash01(`${name}:${k}`) * (1 - share) + hash01(`${name}:${k + 1}`) * share;
}

// The fleet wakes up at nine in the morning whenever the tests run, so that they see the same decisions at any hour.
const NINE = 9 * 3600e3 - (Date.now() % DAY);

// Demand of a node as a share of its capacity; over 1 is more than it can run.
export function load(name, at) {
	const t = at + NINE;
	const day = 0.5 - 0.38 * Math.cos((2 * Math.PI * ((t % DAY) - 5 * 3600e3)) / DAY);
	const own = 0.35 + 0.9 * hash01(name);
	const quick = 0.75 + 0.5 * noise(name, t, 7e3) * noise(`${name}m`, t, 300e3);
	return Math.max(0.02, day * own * quick + 0.12 * (noise(`${name}h`, t, 3600e3) - 0.5));
}

const GROUPS = [
	['web', 'on-demand', 'm7i.2xlarge', 8000, 403200],
	['batch', 'spot', 'c7g.4xlarge', 16000, 231400],
	['mixed-jobs', 'mixed', 'm6a.xlarge', 4000, 172800],
];
const STATES = ['ready', 'ready', 'ready', 'ready', 'ready', 'ready', 'ready', 'ready', 'ready', 'draining'];

export function makeFleet({ nodes = 24, simulated = true, cluster = 'demo', hostile = false, groups = null } = {}) {
	const table = groups ? Array.from({ length: groups }, (_, i) => [`group-${i}`, ...GROUPS[i % 3].slice(1)]) : GROUPS;
	const list = [];
	for (let i = 0; i < nodes; i++) {
		const [group, capacity, type, millicores] = table[i % table.length];
		const name = `ip-10-${64 + (i >> 16)}-${(i >> 8) & 255}-${i & 255}.eu-central-1.compute.internal`;
		let state = STATES[Math.floor(hash01(`${name}s`) * STATES.length)];
		if (i % 40 === 7)
			state = 'silent';
		if (i % 97 === 11)
			state = 'not-ready';
		list.push({ name, group, capacity, type, millicores, state, cluster, simulated, zone: `euc1-az${1 + (i % 3)}` });
	}
	if (hostile)
		for (const [i, name] of HOSTILE.entries())
			if (list[i])
				list[i].name = name;
	return { list, table, cluster, simulated, byName: new Map(list.map((n) => [n.name, n])) };
}

export const HOSTILE = [
	'<script>window.hacked=1</script>',
	'"><img src=x onerror="window.hacked=1">',
	"javascript:alert(1)//'",
	'\u202egnp.exe\u0000\n\tnewline',
	'../../../etc/passwd',
	`long-${'x'.repeat(247)}`,
	'%2e%2e%2f%00',
	'\ud800lone',
];

const permille = (x) => Math.round(1000 * x);

export function nodeItem(n, t) {
	const demand = load(n.name, t);
	const silent = n.state === 'silent';
	const io = Math.round(900 * Math.max(0, noise(`${n.name}io`, t, 60e3) - 0.55) * hash01(`${n.name}d`));
	return {
		cluster: n.cluster, node: n.name, group: n.group, capacity: n.capacity, state: n.state, simulated: n.simulated,
		instance_id: `i-${Math.floor(hash01(n.name) * 2 ** 48).toString(16).padStart(17, '0')}`,
		instance_type: n.type, zone_id: n.zone, version: '0.1.0', pods: 8 + Math.floor(hash01(`${n.name}p`) * 30),
		age_ms: silent ? 48000 : Math.floor(t % 1000), clock_offset_ms: Math.floor(hash01(`${n.name}c`) * 40 - 20),
		cpu_permille: silent ? null : permille(Math.min(1, demand)),
		demand_high_permille: silent ? null : permille(demand * 1.04),
		mem_permille: silent ? null : permille(0.3 + 0.5 * hash01(`${n.name}mem`)),
		psi_cpu_permille: silent ? null : permille(Math.max(0, demand - 0.7) * 0.8),
		psi_io_permille: silent ? null : io, psi_mem_permille: silent ? null : 0,
		runq_p99_ns: silent ? null : Math.round(40000 * Math.exp(4.5 * Math.max(0, demand - 0.4))),
		block_p99_ns: silent ? null : Math.round(300000 + 9e6 * (io / 1000)),
		retransmits_per_s: silent ? null : Number((0.4 * noise(`${n.name}r`, t, 20e3)).toFixed(2)),
		saturated: silent ? null : demand > 1,
		duty: { mode: 'cycle', on_ms: 100 },
		self: { cpu_permille: 1, rss_bytes: 6 << 20, lost_events: n.state === 'draining' ? 12 : 0 },
	};
}

// The compact form of the stream.
export function nodeDelta(n, t) {
	const i = nodeItem(n, t);
	const us = i.runq_p99_ns === null ? null : Math.round(i.runq_p99_ns / 1000);
	return [i.cluster, i.node, i.state, i.cpu_permille, i.demand_high_permille, i.psi_io_permille, us, i.saturated];
}

export function groupItems(fleet, t) {
	return fleet.table.map(([group, capacity, type, millicores, price]) => {
		const members = fleet.list.filter((n) => n.group === group);
		const live = members.filter((n) => n.state !== 'silent');
		const usage = Math.round(live.reduce((sum, n) => sum + Math.min(1, load(n.name, t)) * n.millicores, 0));
		const high = Math.round(usage * 1.06);
		const count = members.length;
		return {
			cluster: fleet.cluster, group, capacity, managed: true, min: Math.ceil(count / 2), max: count * 2, desired: count, nodes: count,
			nodes_ready: members.filter((n) => n.state === 'ready').length, pods: count * 14, instance_type: type,
			node_millicores: millicores, node_usd_micro_hour: price,
			demand: {
				usage_millicores: usage, low_millicores: usage, high_millicores: high,
				saturated_nodes: live.filter((n) => load(n.name, t) > 1).length,
			},
			capacity_millicores: count * millicores,
			forecast: count ? { horizon_ms: 3600e3, q50: Math.round(high * 1.05), q95: Math.round(high * 1.3) } : null,
			recommendation: count ? recommendation(group, count, high / (count * millicores)) : null,
		};
	});
}

function recommendation(group, count, fill) {
	if (fill > 0.6)
		return { kind: 'scale-out', nodes: 2, text: `${group} needs ${count + 2} nodes by the forecast's 95 % quantile: would add 2` };
	if (fill < 0.3)
		return { kind: 'scale-in', nodes: -1, text: `${group} would need ${count - 1} nodes, but coverage is below 90 %: held` };
	return { kind: 'hold', nodes: 0, text: `${group} fits: ${count} nodes cover the demand to provision for` };
}

export function pods(fleet, node, t) {
	const n = fleet.byName.get(node);
	if (!n)
		return [];
	const kinds = ['checkout', 'search', 'catalog', 'ingest', 'etl-nightly', 'cache', 'gateway', 'fluent-bit', 'node-exporter'];
	return Array.from({ length: 14 }, (_, i) => {
		const workload = kinds[i % kinds.length];
		const name = `${workload}-${Math.floor(hash01(node + i) * 1e9).toString(36)}`;
		const low = Math.round(n.millicores * load(name, t) * 0.09);
		const saturated = i === 2;
		return {
			cluster: n.cluster, node, uid: `uid-${i}`, namespace: i < 6 ? 'shop' : 'platform', name, workload, kind: 'pod', cpu_millicores: low,
			demand_low_millicores: low, demand_high_millicores: saturated ? Math.round(low * 1.6) : Math.round(low * 1.03), saturated,
			throttled_permille: saturated ? 312 : 0, mem_bytes: Math.round((64 + 900 * hash01(`${name}m`)) * 2 ** 20),
			runq_p99_ns: Math.round(30000 + 4e6 * hash01(`${name}q`) ** 4), psi_cpu_permille: saturated ? 140 : 3,
			request_millicores: i % 3 ? 250 : null,
		};
	});
}
