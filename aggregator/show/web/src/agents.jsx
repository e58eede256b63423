// SPDX-License-Identifier: Apache-2.0
// May the data be believed: which agents report, how late, with what clock, at what cost, and what they lost.
import { useEffect } from 'preact/hooks';
import { age, bytes, count, percent, shortNode, word } from './format.js';
import { loadError, nodeList, nodesRead, nodesVersion, rereadNodes, status } from './live.js';
import { link } from './route.js';
import { Empty, Failed, Loading, Name, Panel, Simulated, Stat, State, Table, Tag, textTable } from './ui.jsx';

const SKEW_MS = 2000; // beyond this samples are placed on the aggregator's clock
const ageNow = (n) => (n.age_ms === null || n.age_ms < 0 ? null : n.age_ms + Date.now() - n.seen_ms);
const skewed = (n) => Math.abs(n.clock_offset_ms ?? 0) > SKEW_MS;

const columns = [
	{ key: 'node', title: 'Node', text: (n) => n.node, cell: (n) => <a href={link('node', n.cluster, n.node)}><Name short={shortNode(n.node)}>{n.node}</Name></a> },
	{ key: 'cluster', title: 'Cluster', text: (n) => n.cluster, cell: (n) => <><Name>{n.cluster}</Name> {n.simulated && <Simulated />}</> },
	{ key: 'state', title: 'State', text: (n) => word(n.state), cell: (n) => <State state={n.state} /> },
	{ key: 'age', title: 'Newest sample', number: true, sort: ageNow, text: (n) => age(ageNow(n)) },
	{ key: 'clock', title: 'Clock off by', number: true, sort: (n) => Math.abs(n.clock_offset_ms), text: (n) => `${count(n.clock_offset_ms)} ms`, cell: (n) => <>{skewed(n) && <Tag tone="warn" title="samples are placed on the aggregator's clock">skew</Tag>} {count(n.clock_offset_ms)} ms</> },
	{ key: 'duty', title: 'Programs', text: (n) => n.duty?.mode ?? '–', cell: (n) => <Name>{n.duty?.mode ?? '–'}</Name> },
	{ key: 'cpu', title: 'Own CPU', number: true, sort: (n) => n.self?.cpu_permille, text: (n) => percent(n.self?.cpu_permille) },
	{ key: 'rss', title: 'Own memory', number: true, sort: (n) => n.self?.rss_bytes, text: (n) => bytes(n.self?.rss_bytes) },
	{ key: 'lost', title: 'Lost events', number: true, sort: (n) => n.self?.lost_events, text: (n) => count(n.self?.lost_events), cell: (n) => <>{n.self?.lost_events > 0 && <Tag tone="warn" />} {count(n.self?.lost_events)}</> },
	{ key: 'version', title: 'Version', text: (n) => n.version, cell: (n) => <Name>{n.version}</Name> },
];

export function AgentsPage() {
	void nodesVersion.value;
	useEffect(() => {
		rereadNodes(); // the stream tells only what changes, so an age kept from before is too old
		const timer = setInterval(() => document.hidden || rereadNodes(), nodeList().length > 500 ? 15000 : 5000);
		return () => clearInterval(timer);
	}, []);
	if (!nodesRead.value)
		return loadError.value ? <Failed error={loadError.value} /> : <Loading what="Reading agents" />;
	const list = nodeList();
	const versions = [...new Set(list.map((n) => n.version))];
	const lost = list.filter((n) => n.self?.lost_events > 0).length;
	const late = list.filter(skewed).length;
	const store = status.value?.store;
	const agents = status.value?.agents;
	return (
		<>
			<dl class="stats">
				<Stat label="Reporting" sub={`of ${count(agents?.expected)} expected`} tone={agents && agents.reporting < agents.expected ? 'warn' : ''}>{count(agents?.reporting)}</Stat>
				<Stat label="Versions" sub={versions.slice(0, 3).map((v) => <Name key={v}>{v} </Name>)} tone={versions.length > 1 ? 'warn' : ''}>{count(versions.length)}</Stat>
				<Stat label="Lost events" sub="agents that lost any" tone={lost ? 'warn' : ''}>{count(lost)}</Stat>
				<Stat label="Clock skew" sub="agents over 2 s off" tone={late ? 'warn' : ''}>{count(late)}</Stat>
				<Stat label="History" tone={store && !store.storing ? 'bad' : ''} sub={store?.storing ? `${count(store.dropped_bins)} bins dropped` : <Name>{store?.error ?? 'unknown'}</Name>}>{store ? (store.storing ? bytes(store.file_bytes) : 'not stored') : '–'}</Stat>
			</dl>
			<Panel title="Agents" note={count(list.length)} copy={() => textTable(columns, list)}>
				<Table columns={columns} rows={list} rowKey={(n) => `${n.cluster}/${n.node}`} sortBy="age" sortDown label="Agents" empty={<Empty title="No agent has reported yet" />} />
			</Panel>
		</>
	);
}
