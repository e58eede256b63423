// SPDX-License-Identifier: Apache-2.0
// One node: how long tasks waited for a CPU, who used it, and what pressed on IO, memory and network.
import { useMemo, useState } from 'preact/hooks';
import { get, part, serverNow } from './api.js';
import { Chart, farAbove } from './chart.jsx';
import { age, bytes, bytesPerSecond, cores, count, forMetric, name, ns, percent, perSecond, shortNode, word } from './format.js';
import { HeatMap } from './heatmap.jsx';
import { link } from './route.js';
import { hasValues, range, RANGES, useSeries } from './series.js';
import { Capacity, Empty, Failed, Loading, Meter, Name, Panel, Simulated, Stat, State, Table, Tabs, Tag, textTable, usePoll } from './ui.jsx';

// DELTA metrics come per second: time per second is a share, 1e9 ns/s = one core.
const nsToCores = (v) => (v === null ? null : v / 1e6);
const usToPermille = (v) => (v === null ? null : v / 1e3);
const same = (v) => v;

// The charts, one line each: the metrics they need and how each is drawn.
const CHARTS = [
	{
		title: 'CPU', format: cores, atLeast: 100, metrics: [
			['cpu_usage_ns', 'Used', 'accent', nsToCores, { fill: 0.12 }], ['cpu_demand_high_millicores', 'Demand', 'actual', same], ['cpu_capacity_millicores', 'Capacity', 'capacity', same, { dash: [6, 4] }],
			['cpu_iowait_ns', 'Waiting for IO', 'third', nsToCores], ['cpu_steal_ns', 'Stolen', 'bad', nsToCores],
		],
	},
	{ title: 'Pressure (PSI, some)', format: percent, atLeast: 50, metrics: [['psi_cpu_some_us', 'CPU', 'accent', usToPermille, { fill: 0.12 }], ['psi_io_some_us', 'IO', 'second', usToPermille], ['psi_mem_some_us', 'Memory', 'third', usToPermille]] },
	{ title: 'Disk', format: bytesPerSecond, binary: true, atLeast: 4096, metrics: [['disk_read_bytes', 'Read', 'accent', same, { fill: 0.12 }], ['disk_write_bytes', 'Written', 'second', same]] },
	{ title: 'Disk busy', format: percent, atLeast: 50, metrics: [['disk_io_time_ms', 'Busiest device', 'accent', same, { fill: 0.12 }]] },
	{ title: 'Network', format: bytesPerSecond, binary: true, atLeast: 4096, metrics: [['net_rx_bytes', 'Received', 'accent', same, { fill: 0.12 }], ['net_tx_bytes', 'Sent', 'second', same]] },
	{ title: 'TCP', format: perSecond, atLeast: 1, metrics: [['tcp_retransmits', 'Retransmits', 'bad', same], ['tcp_resets', 'Resets', 'second', same], ['tcp_connections', 'Closed', 'accent', same]] },
	{ title: 'Memory', format: bytes, binary: true, metrics: [['mem_used_bytes', 'Used', 'accent', same, { fill: 0.12 }], ['mem_total_bytes', 'Total', 'capacity', same, { dash: [6, 4] }]] },
	{ title: 'Scheduler', format: perSecond, metrics: [['context_switches', 'Switches', 'accent', same], ['involuntary_switches', 'Involuntary', 'second', same], ['foreign_preemptions', 'Foreign pre-emptions', 'third', same]] },
];
const METRICS = [...new Set(CHARTS.flatMap((c) => c.metrics.map(([m]) => m)))];

const HISTS = [['runq_latency_ns', 'Run queue'], ['oncpu_burst_ns', 'On-CPU burst'], ['block_latency_ns', 'Block'], ['block_device_ns', 'Device'], ['tcp_srtt_us', 'TCP RTT']];

function NodeChart({ chart, view }) {
	const given = chart.metrics.filter(([m]) => hasValues(view.values[m]));
	const data = useMemo(() => [view.times, ...given.map(([m, , , convert]) => view.values[m].map(convert))], [view]);
	if (!given.length)
		return <Empty title="Not measured on this node">The capability report below says why.</Empty>;
	const { format, binary, atLeast } = chart;
	const aside = (colour, i) => colour === 'capacity' && farAbove(data[i + 1].find((v) => v !== null), ...data.slice(1).filter((_, k) => k !== i));
	const spec = { format, binary, atLeast, sync: 'node', series: given.map(([, title, colour, , more], i) => ({ title, colour, aside: aside(colour, i), ...more })) };
	return <Chart spec={spec} data={data} height={150} label={chart.title} />;
}

const chartText = (chart, view) => () => {
	const rows = view.times.map((t, i) => ({ t, i })).filter(({ i }) => i % Math.ceil(view.times.length / 60) === 0);
	const columns = [{ title: 'time', text: (r) => new Date(r.t * 1000).toISOString() }, ...chart.metrics.map(([m, title, , convert]) => ({ title, number: true, text: (r) => chart.format(convert(view.values[m][r.i])) }))];
	return `${chart.title}\n${textTable(columns, rows)}`;
};

function Charts({ what, rangeKey }) {
	const { data, error } = useSeries(what, METRICS, rangeKey);
	if (!data)
		return error ? <Failed error={error} /> : <Loading what="Reading history" />;
	return (
		<div class="cards">
			{CHARTS.map((c) => <Panel key={c.title} title={c.title} copy={chartText(c, data)}><NodeChart chart={c} view={data} /></Panel>)}
		</div>
	);
}

function histText(hist) {
	const rows = hist.bins.map((bin, i) => ({ bin, t: hist.from_ms + i * hist.step_ms })).filter((r) => r.bin);
	const top = (bin) => bin.map((v, b) => (v ? `${hist.bounds[b]}:${v}` : '')).filter(Boolean).join(' ');
	return `${hist.hist} (upper bound:count)\n${rows.map((r) => `${new Date(r.t).toISOString()} ${top(r.bin)}`).join('\n')}\n`;
}

function Latency({ what, rangeKey }) {
	const [hist, setHist] = useState(HISTS[0][0]);
	const { span, every } = range(rangeKey);
	const step = Math.max(rangeKey === '10m' ? 5000 : 10000, Math.ceil(span / 120 / 10000) * 10000);
	const load = (signal) => get('hist', { ...what, hist, from: serverNow() - span, to: serverNow(), step }, signal);
	const { data, error } = usePoll(load, Math.max(5000, every), [JSON.stringify(what), hist, rangeKey]);
	const tabs = <Tabs label="Histogram" options={HISTS} value={hist} onChange={setHist} />;
	const body = () => {
		if (data)
			return <HeatMap hist={data} label={`${word(hist)} over time`} />;
		if (error?.status === 404)
			return <Empty title="Not measured on this node">The capability report below says why.</Empty>;
		return error ? <Failed error={error} /> : <Loading what="Reading histograms" />;
	};
	return <Panel title="Latency over time" actions={tabs} copy={() => (data ? histText(data) : 'not read yet\n')} class="wide">{body()}</Panel>;
}

const podColumns = (max) => [
	{ key: 'name', title: 'Pod or unit', text: (p) => p.name || p.uid, cell: (p) => <Name>{p.name || p.uid}</Name> },
	{ key: 'namespace', title: 'Namespace', text: (p) => p.namespace ?? '', cell: (p) => <Name>{p.namespace}</Name> },
	{ key: 'bar', title: 'CPU', sort: (p) => p.cpu_millicores, number: true, text: (p) => cores(p.cpu_millicores), cell: (p) => <span class="room"><Meter plain share={p.cpu_millicores / max} mark={p.demand_high_millicores / max} label={`demand ${cores(p.demand_high_millicores)}`} />{cores(p.cpu_millicores)}</span> },
	{ key: 'demand', title: 'Demand', number: true, sort: (p) => p.demand_high_millicores, text: (p) => cores(p.demand_high_millicores), cell: (p) => <>{p.saturated && <Tag tone="bad" title="saturated: demand is at least this">sat</Tag>} {cores(p.demand_high_millicores)}</> },
	{ key: 'request', title: 'Request', number: true, sort: (p) => p.request_millicores, text: (p) => cores(p.request_millicores) },
	{ key: 'throttled', title: 'Throttled', number: true, sort: (p) => p.throttled_permille, text: (p) => percent(p.throttled_permille) },
	{ key: 'runq', title: 'Run queue p99', number: true, sort: (p) => p.runq_p99_ns, text: (p) => ns(p.runq_p99_ns) },
	{ key: 'psi', title: 'CPU stall', number: true, sort: (p) => p.psi_cpu_permille, text: (p) => percent(p.psi_cpu_permille) },
	{ key: 'mem', title: 'Memory', number: true, sort: (p) => p.mem_bytes, text: (p) => bytes(p.mem_bytes) },
];

function Pods({ cluster, node }) {
	const { data, error } = usePoll((signal) => get('pods', { cluster, node, limit: 1000 }, signal), 3000, [cluster, node]);
	const rows = data?.items ?? [];
	const max = rows.reduce((m, p) => Math.max(m, p.demand_high_millicores ?? 0, p.cpu_millicores ?? 0), 1);
	const columns = podColumns(max);
	return (
		<Panel title="CPU by pod" note={data && count(rows.length)} copy={() => textTable(columns, rows)} class="wide">
			{!data ? (error ? <Failed error={error} /> : <Loading what="Reading pods" />) : <Table columns={columns} rows={rows} rowKey={(p) => p.uid || p.name} sortBy="bar" sortDown label="Pods" empty={<Empty title="No pod is known on this node" />} />}
		</Panel>
	);
}

const HOOK = { attached: ['ok', 'measured'], fallback: ['warn', 'by other means'], refused: ['bad', 'refused'], off: ['', 'off'] };

function Capabilities({ node }) {
	const hooks = node.hooks ?? [];
	const text = () => hooks.map((h) => `${h.name}: ${h.state}${h.error ? ` (error ${h.error})` : ''} ${h.detail}\n`).join('');
	return (
		<Panel title="Capability report" copy={text} note="what is measured here, and how">
			{!hooks.length && <Empty title="No report yet" />}
			<ul class="list hooks">
				{hooks.map((h) => {
					const [tone, words] = HOOK[h.state] ?? ['', name(h.state)];
					return <li key={h.name}><b><Name>{h.name}</Name></b> <Tag tone={tone}>{words}</Tag> <span class="note"><Name>{h.detail}</Name>{h.error ? ` (error ${h.error})` : ''}</span></li>;
				})}
			</ul>
		</Panel>
	);
}

function Agent({ node }) {
	const self = node.self ?? {};
	return (
		<Panel title="Agent">
			<dl class="facts">
				<dt>Version</dt><dd><Name>{node.version || '–'}</Name></dd>
				<dt>Own CPU</dt><dd>{percent(self.cpu_permille)} of a core</dd>
				<dt>Own memory</dt><dd>{bytes(self.rss_bytes)}</dd>
				<dt>Lost events</dt><dd>{count(self.lost_events)}</dd>
				<dt>Clock</dt><dd>{node.clock_offset_ms === null ? '–' : `${node.clock_offset_ms} ms off`}</dd>
				<dt>Scheduler programs</dt><dd>{node.duty ? `${name(node.duty.mode)}, ${count(node.duty.on_ms)} ms on` : '–'}</dd>
				<dt>Instance</dt><dd><Name>{node.instance_id || '–'}</Name></dd>
			</dl>
		</Panel>
	);
}

function Values({ node }) {
	const entries = Object.entries(node.values ?? {}).sort(([a], [b]) => a.localeCompare(b));
	return (
		<Panel title="All values" note="of the newest sample; counts per second" copy={() => entries.map(([k, v]) => `${k} ${v}\n`).join('')}>
			<dl class="facts dense">{entries.map(([k, v]) => <><dt><Name>{k}</Name></dt><dd>{forMetric(k, false)(v)}</dd></>)}</dl>
		</Panel>
	);
}

function Facts({ node }) {
	const runq = node.hists?.runq_latency_ns;
	const block = node.hists?.block_latency_ns;
	return (
		<dl class="stats">
			<Stat label="CPU demand" tone={node.saturated ? 'bad' : ''} sub={node.saturated ? 'saturated: at least this' : `used ${percent(node.cpu_permille)}`}>{percent(node.demand_high_permille)}</Stat>
			<Stat label="Run queue p99" sub={runq ? `p50 ${ns(runq.p50)}, ${count(runq.count)} waits` : ''}>{ns(node.runq_p99_ns)}</Stat>
			<Stat label="IO stall" sub={`CPU stall ${percent(node.psi_cpu_permille)}`}>{percent(node.psi_io_permille)}</Stat>
			<Stat label="Block p99" sub={block ? `p50 ${ns(block.p50)}` : ''}>{ns(node.block_p99_ns)}</Stat>
			<Stat label="Memory" sub={`stall ${percent(node.psi_mem_permille)}`}>{percent(node.mem_permille)}</Stat>
			<Stat label="Retransmits">{perSecond(node.retransmits_per_s)}</Stat>
			<Stat label="Newest sample" tone={node.age_ms > 10000 ? 'warn' : ''} sub={`${count(node.pods)} pods`}>{age(node.age_ms)}</Stat>
		</dl>
	);
}

export function NodePage({ names: [cluster, nodeName] }) {
	const [rangeKey, setRange] = useState('10m');
	const { data: node, error } = usePoll((signal) => get(`nodes/${part(cluster)}/${part(nodeName)}`, {}, signal), 2000, [cluster, nodeName]);
	const what = { cluster, kind: 'node', name: nodeName };
	if (!node)
		return error ? <Failed error={error} /> : <Loading what="Reading the node" />;
	return (
		<>
			<div class="heading">
				<p class="crumbs"><a href={link('fleet')}>Fleet</a> / <Name>{cluster}</Name> / {node.group ? <a href={link('group', cluster, node.group)}><Name>{node.group}</Name></a> : 'no group'} /</p>
				<h1><Name short={shortNode(nodeName)}>{nodeName}</Name></h1>
				<State state={node.state} />
				<Capacity type={node.capacity} />
				{node.simulated && <Simulated />}
				<span class="note"><Name>{[node.instance_type, node.zone_id].filter(Boolean).join(' · ')}</Name></span>
				<span class="spacer" />
				<Tabs label="Time range" options={RANGES.map((r) => [r.key, r.title])} value={rangeKey} onChange={setRange} />
			</div>
			<Facts node={node} />
			<Latency what={what} rangeKey={rangeKey} />
			<Pods cluster={cluster} node={nodeName} />
			<Charts what={what} rangeKey={rangeKey} />
			<div class="cards">
				<Capabilities node={node} />
				<Agent node={node} />
				<Values node={node} />
			</div>
		</>
	);
}
