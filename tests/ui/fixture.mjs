// SPDX-License-Identifier: Apache-2.0
// A small aggregator for the page: API v1 over the invented fleet of fleet.mjs, with the built bundle and
// the same headers. By hand:
//
//     node tests/ui/fixture.mjs [--nodes 5000] [--port 7480] [--scenario empty|error|slow|hostile]
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { groupItems, hash01, load, makeFleet, nodeDelta, nodeItem, pods } from './fleet.mjs';

const BUILT = join(dirname(fileURLToPath(import.meta.url)), '../../aggregator/show/web/built');
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml', txt: 'text/plain' };
const LEVELS = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];
const SCORES = [-2.326, -1.645, -1.282, -0.674, 0, 0.674, 1.282, 1.645, 2.326];
const STEPS = { hour: [300e3, 12], day: [3600e3, 24], month: [3600e3, 720] };

export class Fixture {
	constructor({ nodes = 24, scenario = 'normal', real = true, workloads = 0 } = {}) {
		this.scenario = scenario;
		this.workloads = workloads; // more than the invented fleet has
		this.fleets = [makeFleet({ nodes: scenario === 'empty' ? 0 : nodes, hostile: scenario === 'hostile', groups: nodes > 1000 ? 12 : null })];
		if (scenario === 'empty')
			this.fleets[0].table = [];
		else if (real)
			this.fleets.push(localMachine());
		this.streams = new Set();
		this.bytesStreamed = 0;
		this.requests = [];
		this.paused = false; // true: streams stay open but say nothing
		this.plans = [];
		this.started = Date.now();
	}

	async start(port = 0) {
		this.server = createServer((request, response) => this.handle(request, response));
		await new Promise((done) => this.server.listen(port, '127.0.0.1', done));
		this.timer = setInterval(() => this.tick(), 1000);
		this.url = `http://127.0.0.1:${this.server.address().port}`;
		for (let i = 40; i >= 0; i--)
			this.addPlan(Date.now() - i * 30e3);
		return this;
	}

	async stop() {
		clearInterval(this.timer);
		this.server.closeAllConnections();
		await new Promise((done) => this.server.close(done));
	}

	selected(cluster) {
		return this.fleets.filter((f) => !cluster || f.cluster === cluster);
	}

	nodes(cluster) {
		return this.selected(cluster).flatMap((f) => f.list);
	}

	handle(request, response) {
		const url = new URL(request.url, 'http://x');
		this.requests.push(url.pathname + url.search);
		if (this.down) {
			request.socket.destroy();
			return;
		}
		const asset = url.pathname === '/' ? 'index.html' : url.pathname.startsWith('/assets/') ? url.pathname.slice(8) : null;
		if (asset)
			return sendAsset(response, asset);
		if (url.pathname === '/api/v1/events')
			return this.stream(response, url.searchParams.get('cluster'));
		if (this.scenario === 'error')
			return sendError(response, 503, 'store-unavailable', 'the store does not answer', 'see petrel doctor');
		const answer = () => this.api(url, response);
		return this.scenario === 'slow' ? setTimeout(answer, 3000) : answer();
	}

	api(url, response) {
		const q = Object.fromEntries(url.searchParams);
		const [, , , name, ...rest] = url.pathname.split('/').map(decodeURIComponent);
		const now = Date.now();
		const list = (items) => sendJson(response, { items, now_ms: now });
		if (name === 'status')
			return sendJson(response, this.status(q.cluster, now));
		if (name === 'clusters')
			return list(this.fleets.map((f) => this.cluster(f)));
		if (name === 'groups')
			return list(this.selected(q.cluster).flatMap((f) => groupItems(f, now)));
		if (name === 'nodes' && rest.length === 2)
			return this.node(response, rest, now);
		if (name === 'nodes')
			return list(this.nodes(q.cluster).filter((n) => !q.group || n.group === q.group).map((n) => nodeItem(n, now)));
		if (name === 'pods')
			return list([...this.manyPods(), ...this.selected(q.cluster).flatMap((f) => (q.node ? [q.node] : f.list.slice(0, 20).map((n) => n.name)).flatMap((n) => pods(f, n, now)))]);
		if (name === 'series')
			return sendJson(response, this.series(q, now));
		if (name === 'hist')
			return sendJson(response, this.hist(q, now));
		if (name === 'forecast')
			return sendJson(response, this.forecast(q, now));
		if (name === 'drains')
			return list(this.drains(q.cluster));
		if (name === 'decisions')
			return list(this.plans.flatMap(flatten).filter((d) => !q.cluster || d.cluster === q.cluster).slice(0, Number(q.limit ?? 200)));
		if (name === 'plans')
			return list(this.plans.slice(0, Number(q.limit ?? 100)));
		return sendError(response, 404, 'not-found', `no ${url.pathname} here`, 'see /openapi.json');
	}

	// A pod for each of many workloads, to see a long list of series.
	manyPods() {
		const { cluster, list } = this.fleets[0];
		const pod = this.workloads && pods(this.fleets[0], list[0].name, Date.now())[0];
		return Array.from({ length: this.workloads }, (_, i) => ({ ...pod, cluster, uid: `many-${i}`, pod: `service-${i}-x`, workload: `service-${i}` }));
	}

	// One that runs and is blocked, one that went well.
	drains(cluster) {
		const [f] = this.selected(cluster);
		if (this.scenario === 'empty' || !f?.simulated)
			return [];
		return (this.drainList ??= [makeDrain(f, f.list[2], this.started - 30e3), makeDrain(f, f.list[5], this.started - 600e3, true)]);
	}

	cluster(f) {
		const reporting = f.list.filter((n) => n.state !== 'silent').length;
		return {
			cluster: f.cluster, region: 'eu-central-1', account: '111122223333', simulated: f.simulated, mode: 'observe', nodes: f.list.length,
			groups: f.table.length, pods: f.list.length * 14, agents: { expected: f.list.length, reporting },
		};
	}

	status(cluster, now) {
		const fleets = this.selected(cluster);
		const agents = fleets.map((f) => this.cluster(f).agents);
		const expected = agents.reduce((s, a) => s + a.expected, 0);
		const reporting = agents.reduce((s, a) => s + a.reporting, 0);
		const coverage = expected ? Math.round((1000 * reporting) / expected) : 0;
		return {
			version: '0.1.0', mode: 'observe', leader: 'petrel-aggregator-0', uptime_ms: now - this.started, agents: { expected, reporting },
			coverage_permille: coverage, oldest_sample_ms: expected ? 900 : -1, safe_to_scale: coverage >= 980,
			guard: coverage >= 980 ? null : 'coverage', paused: false,
			store: { storing: true, error: null, file_bytes: 48 << 20, dropped_bins: 0 },
			clusters: fleets.map((f) => this.cluster(f)),
		};
	}

	node(response, [cluster, name], now) {
		const n = this.selected(cluster).find((f) => f.byName.has(name))?.byName.get(name);
		if (!n)
			return sendError(response, 404, 'not-found', `no node ${name} in ${cluster}`, 'petrel nodes lists them');
		const hook = (name, state, error = 0, detail = '') => ({ name, state, error, detail });
		return sendJson(response, {
			...nodeItem(n, now),
			values: { cpu_capacity_millicores: n.millicores, mem_total_bytes: 32 * 2 ** 30, tcp_established: 812, fs_used_permille: 430, context_switches: 21400 },
			hooks: [
				hook('sched', 'attached'), hook('block', 'attached'), hook('tcp', 'fallback', -1, 'no BTF for inet_sock_set_state: /proc/net/snmp instead'),
				hook('mem', 'refused', -1, 'CAP_PERFMON is missing'), hook('psi', 'attached'), hook('cgroupfs', 'off', 0, 'not asked for'),
			],
			hists: { runq_latency_ns: { p50: 9000, p90: 41000, p99: 380000, count: 120394 }, block_latency_ns: { p50: 210000, p90: 900000, p99: 4100000, count: 5120 } },
		});
	}

	value(q, t) {
		const f = this.selected(q.cluster)[0];
		const members = q.kind === 'group' ? f.list.filter((n) => n.group === q.name).slice(0, 40) : [f.byName.get(q.name) ?? { name: q.name, millicores: 4000 }];
		const scale = q.kind === 'group' ? f.list.filter((n) => n.group === q.name).length / (members.length || 1) : 1;
		const share = members.reduce((s, n) => s + Math.min(1.3, load(n.name, t)), 0) * scale;
		const cores = (members[0]?.millicores ?? 4000) * share;
		if (/capacity/.test(q.metric))
			return (members[0]?.millicores ?? 4000) * members.length * scale;
		if (/millicores/.test(q.metric))
			return cores * (/low/.test(q.metric) ? 0.95 : 1);
		if (/_ns$/.test(q.metric))
			return cores * 1e6 * (/user/.test(q.metric) ? 0.7 : /system/.test(q.metric) ? 0.2 : /wait/.test(q.metric) ? 0.05 : 0.9);
		if (/psi.*_us/.test(q.metric))
			return 1e6 * Math.max(0, share - 0.6) * hash01(q.metric) * 0.3;
		if (/_ms$/.test(q.metric))
			return 200 * share;
		if (/bytes/.test(q.metric))
			return 2e7 * share * (0.2 + hash01(q.metric));
		return 40 * share * hash01(q.metric);
	}

	series(q, now) {
		const step = Number(q.step);
		const from = Math.floor(Number(q.from) / step) * step;
		const n = Math.max(0, Math.min(20000, Math.floor(Number(q.to) / step) - from / step));
		const hole = now - (now % 3600e3) - 1800e3; // two minutes without data, to see the gap
		const mean = Array.from({ length: n }, (_, i) => {
			const t = from + i * step;
			return t > now || (t >= hole && t < hole + 120e3) ? null : Number(this.value(q, t).toFixed(1));
		});
		return {
			cluster: q.cluster, kind: q.kind, name: q.name, metric: q.metric, unit: q.metric.split('_').pop(), kind_of_value: 'gauge', from_ms: from, step_ms: step,
			mean, max: mean.map((v) => (v === null ? null : v * 1.1)),
		};
	}

	hist(q, now) {
		const step = Number(q.step);
		const from = Math.floor(Number(q.from) / step) * step;
		const n = Math.min(2000, Math.floor(Number(q.to) / step) - from / step);
		const bounds = Array.from({ length: 32 }, (_, b) => 2 ** (b + 9));
		const bins = Array.from({ length: n }, (_, i) => {
			const t = from + i * step;
			if (t > now)
				return null;
			const busy = load(q.name, t);
			const centre = 5 + 4 * Math.max(0, busy - 0.3);
			return bounds.map((_, b) => {
				const body = 9000 * Math.exp(-((b - centre) ** 2) / 4);
				const tail = busy > 0.8 ? 300 * Math.exp(-((b - 14) ** 2) / 6) * (busy - 0.8) : 0;
				return Math.round((body + tail) * (0.7 + 0.6 * hash01(`${q.name}${i + from / step}:${b}`)));
			});
		});
		return { hist: q.hist, from_ms: from, step_ms: step, bounds, bins };
	}

	forecast(q, now) {
		const [step, count] = STEPS[q.horizon ?? 'day'];
		const from = Math.floor(now / step) * step;
		const base = { cluster: q.cluster, kind: q.kind, name: q.name, metric: 'cpu_demand_high_millicores', generated_ms: now - 41e3, generation: 118, from_ms: from, step_ms: step, quantile_levels: LEVELS };
		if (q.horizon === 'month' || q.cluster === 'local')
			return { ...base, state: 'too-little-data', why: '3 h of history; 2 days are needed for this horizon', values: [], members: [], loss_ratio_to_naive: null, coverage80_permille: null, scored: 0, history_ms: 3 * 3600e3 };
		const values = Array.from({ length: count }, (_, h) => {
			const middle = this.value({ ...q, metric: 'cpu_demand_high_millicores' }, from + h * step);
			const spread = middle * (0.03 + 0.15 * Math.sqrt((h + 1) / count));
			return SCORES.map((z) => Math.round(Math.max(0, middle + z * spread)));
		});
		const previous = [1, 2, 4, 8].map((ago) => {
			const start = from - (ago * count * step) / 4;
			const said = (z) => Array.from({ length: count }, (_, h) => Math.round(this.value({ ...q, metric: base.metric }, start + h * step) * (1 + 0.03 * z + 0.05 * Math.sin(ago * h))));
			return { generated_ms: start, from_ms: start, step_ms: step, q10: said(-1.3), q50: said(0), q90: said(1.3) };
		});
		return {
			...base, state: 'ok', why: '', values, previous, members: [{ name: 'seasonal-naive', weight: 0.46 }, { name: 'ets', weight: 0.31 }, { name: 'last-value', weight: 0.23 }, { name: 'theta', weight: 0 }],
			loss_ratio_to_naive: 0.87, coverage80_permille: 792, scored: 1284, history_ms: 9 * DAY_MS,
		};
	}

	addPlan(now) {
		for (const f of this.fleets) {
			const steps = groupItems(f, now).map(planStep);
			const plan = { id: Math.floor(hash01(f.cluster + now) * 2 ** 48).toString(16).padStart(32, '0'), cluster: f.cluster, now_ms: now, mode: 'observe', steps };
			this.plans.unshift(plan);
			this.send('plan', plan, f.cluster);
		}
		this.plans.length = Math.min(this.plans.length, 200);
	}

	stream(response, cluster) {
		response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
		const client = { response, cluster };
		this.streams.add(client);
		response.on('close', () => this.streams.delete(client));
		this.write(client, 'hello', { version: '0.1.0', now_ms: Date.now() });
	}

	write(client, event, data) {
		const text = `event: ${event}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
		this.bytesStreamed += Buffer.byteLength(text);
		client.response.write(text);
	}

	send(event, data, cluster) {
		if (this.paused)
			return;
		const text = JSON.stringify(data);
		for (const client of this.streams)
			if (!cluster || !client.cluster || client.cluster === cluster)
				this.write(client, event, text);
	}

	// What changed since the last second, as show does it: a node whose figures moved.
	tick() {
		const now = Date.now();
		this.ticks = (this.ticks ?? 0) + 1;
		for (const client of this.streams) {
			if (this.paused)
				continue;
			const status = this.status(client.cluster, now);
			this.write(client, 'status', status);
			this.write(client, 'groups', this.selected(client.cluster).flatMap((f) => groupItems(f, now)));
		}
		const last = (this.lastDelta ??= new Map());
		const changed = [];
		for (const n of this.nodes()) {
			const delta = this.deltaOverride?.(n) ?? nodeDelta(n, now);
			const text = JSON.stringify(delta);
			if (last.get(n.name) !== text) {
				last.set(n.name, text);
				changed.push(delta);
			}
		}
		for (const f of this.fleets)
			this.send('nodes', changed.filter((d) => d[0] === f.cluster), f.cluster);
		if (this.ticks % 30 === 0)
			this.addPlan(now);
	}
}

const DAY_MS = 86400e3;

function makeDrain(f, node, start, ended = false) {
	const pod = (name, state, why = '') => ({ namespace: 'shop', name, uid: `${start}-${name}`, workload: 'web', state, planned_ms: start, done_ms: state === 'gone' ? start + 9e3 : 0, grace_s: 30, why });
	const budget = 'The disruption budget web-pdb needs 4 healthy pods and has 4 currently';
	return {
		id: Math.floor(start).toString(16).padStart(32, '0'), cluster: f.cluster, node: node.name, instance: 'i-0123456789abcdef0', group: node.group, kind: 'SPOT_ITN', source: 'imds', dry_run: false,
		phase: ended ? 'done' : 'evicting', observed_ms: start, deadline_ms: start + 120e3, started_ms: start, ended_ms: ended ? start + 95e3 : 0, predicted_ms: start + 80e3,
		pods: ended ? [pod('web-0', 'gone')] : [pod('web-7d9f8-x2x1q', 'blocked', budget), pod('web-7d9f8-k4k4k', 'terminating'), pod('queue-0', 'gone'), pod('agent-x', 'left', 'its DaemonSet would bring it back')],
		pods_total: ended ? 1 : 4, pods_left: ended ? 0 : 2, blocking: ended ? [] : [{ namespace: 'shop', budget: 'web-pdb', text: budget }],
		replacement: { state: ended ? 'ready' : 'launched', instance: 'i-0aaaaaaaaaaaaaaaa', node: ended ? 'ip-10-64-9-9.eu-central-1.compute.internal' : '', zone: 'eu-central-1b', text: 'i-0aaaaaaaaaaaaaaaa in eu-central-1b' },
		steps: [
			{ at_ms: start, kind: 'mark', text: `cordon, taint and take out of load balancers: ${node.name}`, state: 'done', done_ms: start + 600 },
			{ at_ms: start, kind: 'launch', text: 'launch a node in eu-central-1b', state: 'done', done_ms: start + 700 },
			{ at_ms: start, kind: 'desired', text: 'set the desired size', state: 'skipped', done_ms: 0 },
			{ at_ms: start + 95e3, kind: 'delete', text: 'delete what a disruption budget still blocks', state: 'planned', done_ms: 0 },
		],
		times: { notice_ms: start, seen_ms: start + 400, receipted_ms: start + 410, tainted_ms: start + 600, first_eviction_ms: start + 650, drained_ms: ended ? start + 60e3 : 0, replacement_ready_ms: ended ? start + 44e3 : 0, completed_ms: ended ? start + 95e3 : 0 },
		text: ended ? 'the pod had moved 60 s before the deadline' : '2 of 4 pods are to go, gone in about 80 s, 40 s before the deadline; budget web-pdb will block',
	};
}

function localMachine() {
	const f = makeFleet({ nodes: 1, simulated: false, cluster: 'local' });
	Object.assign(f.list[0], { name: 'workstation', group: 'machine', capacity: 'unknown', type: '', millicores: 2000, zone: '', state: 'ready' });
	f.table = [['machine', 'unknown', '', 2000, 0]];
	f.byName = new Map(f.list.map((n) => [n.name, n]));
	return f;
}

function planStep(g) {
	const guard = (name, passed, detail) => ({ name, passed, detail });
	const kind = g.recommendation?.kind ?? 'hold';
	const blocked = kind === 'scale-in';
	const reason = { 'scale-out': ['demand-above-capacity', 'the demand to provision for exceeds the capacity'], 'scale-in': ['guard-refused', 'a guard refused the step'], hold: ['capacity-fits', 'the capacity fits the demand to provision for'] }[kind];
	const nodes = g.recommendation?.nodes ?? 0;
	return {
		kind, group: g.group, nodes, from: g.nodes, to: g.nodes + nodes, would_act: kind !== 'hold' && !blocked, reasons: [{ code: reason[0], text: reason[1] }],
		guards: [guard('coverage', !blocked, '23 of 24 agents report (958 permille, needs 900)'), guard('freshness', true, 'oldest sample 0.9 s, at most 60 s'), guard('limits', true, `${g.min} to ${g.max} nodes`), guard('step-size', true, '+2 of 8 nodes, at most +50 %')],
		inputs: { demand_q95_millicores: g.forecast?.q95 ?? 0, demand_now_millicores: g.demand.high_millicores, capacity_millicores: g.capacity_millicores, node_millicores: g.node_millicores },
		alternatives: kind === 'scale-out' ? [{ what: 'add 1 node', cost_usd_micro_hour: g.node_usd_micro_hour, why_not: 'covers the median only: 0.31 chance of running short' }, { what: 'hold', cost_usd_micro_hour: 0, why_not: 'q95 exceeds the capacity within 41 min' }] : [],
		cost_usd_micro_hour: nodes * g.node_usd_micro_hour, text: g.recommendation?.text ?? `${g.group}: nothing is known yet`,
	};
}

const flatten = (p) => p.steps.map((s) => ({ plan_id: p.id, now_ms: p.now_ms, cluster: p.cluster, ...s }));

const HEADERS = { 'Content-Security-Policy': "default-src 'self'", 'X-Content-Type-Options': 'nosniff' };

function sendJson(response, body, status = 200) {
	response.writeHead(status, { ...HEADERS, 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
	response.end(JSON.stringify(body));
}

const sendError = (response, status, code, message, hint) => sendJson(response, { error: { code, message, hint } }, status);

function sendAsset(response, name) {
	const file = readdirSync(BUILT).find((f) => f === `${name}.gz`);
	if (!file)
		return sendError(response, 404, 'not-found', `no ${name}`, '');
	const bytes = readFileSync(join(BUILT, file));
	gunzipSync(bytes);
	response.writeHead(200, { ...HEADERS, 'Content-Type': TYPES[name.split('.').pop()], 'Content-Encoding': 'gzip', 'Cache-Control': name === 'index.html' ? 'no-cache' : 'public, max-age=31536000, immutable' });
	response.end(bytes);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const option = (name, otherwise) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : otherwise);
	const fixture = new Fixture({ nodes: Number(option('--nodes', 24)), scenario: option('--scenario', 'normal') });
	await fixture.start(Number(option('--port', 7480)));
	console.log(fixture.url);
}
