// SPDX-License-Identifier: Apache-2.0
// The first page: every node at a glance, what wants a person, and what was decided last.
import { useMemo, useRef, useState } from 'preact/hooks';
import { DecisionList, collapse } from './decisions.jsx';
import { cores, count, percent, shortNode, word } from './format.js';
import { NodeGrid, ShadeLegend, SHADES } from './grid.jsx';
import { clusters, decisions, groups, loadError, nodeList, nodesRead, nodesVersion, status } from './live.js';
import { go, link } from './route.js';
import { Capacity, Empty, Failed, Loading, Meter, Name, Panel, Simulated, Table, Tabs, Tag, textTable } from './ui.jsx';

const byName = (a, b) => a.localeCompare(b, undefined, { numeric: true });

// [[cluster, group, nodes sorted by name]], stable while no node comes or goes.
function sections(list) {
	const table = new Map();
	for (const node of list) {
		const key = JSON.stringify([node.cluster, node.group || '']);
		if (!table.has(key))
			table.set(key, []);
		table.get(key).push(node);
	}
	return [...table].map(([key, nodes]) => [...JSON.parse(key), nodes.sort((a, b) => byName(a.node, b.node))]).sort((a, b) => byName(a[0], b[0]) || byName(a[1], b[1]));
}

const matcher = (text) => {
	const wanted = text.trim().toLowerCase();
	if (!wanted)
		return null;
	return (n) => [n.node, n.group, n.instance_type, n.zone_id, n.instance_id, word(n.state), n.capacity].some((v) => v?.toLowerCase().includes(wanted));
};

export const nodeColumns = [
	{ key: 'node', title: 'Node', text: (n) => n.node, cell: (n) => <a href={link('node', n.cluster, n.node)}><Name short={shortNode(n.node)}>{n.node}</Name></a> },
	{ key: 'state', title: 'State', text: (n) => word(n.state) },
	{ key: 'cpu', title: 'CPU used', number: true, sort: (n) => n.cpu_permille, text: (n) => percent(n.cpu_permille) },
	{ key: 'demand', title: 'CPU demand', number: true, sort: (n) => n.demand_high_permille, text: (n) => percent(n.demand_high_permille), cell: (n) => <>{n.saturated && <Tag tone="bad" title="saturated: demand is at least this">sat</Tag>} {percent(n.demand_high_permille)}</> },
	{ key: 'io', title: 'IO stall', number: true, sort: (n) => n.psi_io_permille, text: (n) => percent(n.psi_io_permille) },
	{ key: 'runq', title: 'Run queue p99', number: true, sort: (n) => n.runq_p99_ns, text: (n) => SHADES.runq.text(n) },
	{ key: 'mem', title: 'Memory', number: true, sort: (n) => n.mem_permille, text: (n) => percent(n.mem_permille) },
	{ key: 'pods', title: 'Pods', number: true, sort: (n) => n.pods, text: (n) => count(n.pods) },
	{ key: 'group', title: 'Group', text: (n) => n.group, cell: (n) => n.group && <a href={link('group', n.cluster, n.group)}><Name>{n.group}</Name></a> },
	{ key: 'capacity', title: 'Capacity', text: (n) => word(n.capacity) },
	{ key: 'type', title: 'Type', text: (n) => n.instance_type, cell: (n) => <Name>{n.instance_type}</Name> },
	{ key: 'zone', title: 'Zone', text: (n) => n.zone_id, cell: (n) => <Name>{n.zone_id}</Name> },
];

function SectionHead({ clusterName, groupName, nodes, several }) {
	const group = groups.value?.find((g) => g.cluster === clusterName && g.group === groupName);
	const simulated = nodes[0]?.simulated;
	const demand = group?.demand?.high_millicores;
	return (
		<h3>
			{groupName ? <a href={link('group', clusterName, groupName)}><Name>{groupName}</Name></a> : 'no group'}
			{several && <span class="note"><Name>{clusterName}</Name></span>}
			{simulated && <Simulated />}
			{group && <Capacity type={group.capacity} />}
			<span class="note">{count(nodes.length)} {nodes.length === 1 ? 'node' : 'nodes'}</span>
			{group?.capacity_millicores > 0 && (
				<span class="room">
					<Meter share={demand / group.capacity_millicores} label={`demand ${cores(demand)} of ${cores(group.capacity_millicores)}`} />
					<span class="note">{cores(demand)} of {cores(group.capacity_millicores)}</span>
				</span>
			)}
		</h3>
	);
}

function Nodes() {
	const [shade, setShade] = useState('pressure');
	const [view, setView] = useState('grid');
	const [filter, setFilter] = useState('');
	const version = nodesVersion.value;
	const input = useRef(null);
	const list = nodeList();
	const matches = useMemo(() => matcher(filter), [filter]);
	const parts = useMemo(() => sections(list), [list.length, nodesRead.value, view === 'grid' ? 0 : version]);
	const found = matches ? list.filter(matches).length : list.length;
	const open = (n) => go('node', n.cluster, n.node);
	const several = clusters.value.length > 1;
	const copy = () => textTable(nodeColumns, matches ? list.filter(matches) : list);
	const actions = (
		<>
			<Tabs label="Show as" options={[['grid', 'Grid'], ['table', 'Table']]} value={view} onChange={setView} />
			<input id="filter" ref={input} type="search" placeholder="Filter: name, type, zone, state …" aria-label="Filter nodes" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />
		</>
	);
	return (
		<Panel title="Nodes" note={matches ? `${count(found)} of ${count(list.length)}` : count(list.length)} actions={actions} copy={copy} class="nodes">
			{view === 'grid' && (
				<div class="toolbar">
					<Tabs label="Colour by" options={Object.entries(SHADES).map(([key, s]) => [key, s.title])} value={shade} onChange={setShade} />
					<ShadeLegend shade={shade} />
				</div>
			)}
			{view === 'grid'
				? parts.map(([clusterName, groupName, nodes]) => (
						<div class="section" key={`${clusterName}/${groupName}`}>
							<SectionHead {...{ clusterName, groupName, nodes, several }} />
							<NodeGrid nodes={nodes} total={list.length} shade={shade} matches={matches} version={version} onOpen={open} label={`Nodes of ${groupName || clusterName}`} />
						</div>
					))
				: <NodeTable {...{ list, matches }} />}
		</Panel>
	);
}

const NodeTable = ({ list, matches }) => (
	<Table columns={nodeColumns} rows={matches ? list.filter(matches) : list} rowKey={(n) => `${n.cluster}/${n.node}`} sortBy="demand" sortDown label="Nodes" empty={<Empty title="No node matches the filter" />} />
);

// What a person should look at, worst first; each line leads to the page that explains it.
export function attention() {
	const list = [];
	const add = (tone, text, href) => list.push({ tone, text, href });
	const now = status.value;
	if (now?.paused)
		add('warn', 'Petrel is paused: nothing is changed until it is resumed', link('decisions'));
	if (now && !now.safe_to_scale && now.guard)
		add('bad', `Not safe to scale: guard ${now.guard}`, link('decisions'));
	if (now?.store && !now.store.storing)
		add('bad', `History is not being stored: ${now.store.error ?? 'no reason given'}`, link('agents'));
	for (const g of groups.value ?? []) {
		const share = g.demand?.high_millicores / g.capacity_millicores;
		if (g.max && g.nodes >= g.max)
			add('warn', `${g.group} is at its maximum of ${g.max} nodes`, link('group', g.cluster, g.group));
		if (g.demand?.saturated_nodes)
			add('bad', `${g.group}: ${g.demand.saturated_nodes} of ${g.nodes} nodes saturated`, link('group', g.cluster, g.group));
		else if (share > 0.85)
			add('warn', `${g.group}: demand is at ${percent(share * 1000)} of capacity`, link('group', g.cluster, g.group));
	}
	const states = { 'not-ready': ['bad', 'not ready'], silent: ['warn', 'silent'], draining: ['info', 'draining'] };
	const bad = nodeList().filter((n) => states[n.state]);
	for (const [state, [tone, text]] of Object.entries(states)) {
		const nodes = bad.filter((n) => n.state === state);
		nodes.slice(0, nodes.length > 3 ? 0 : 3).forEach((n) => add(tone, `${shortNode(n.node)} is ${text}`, link('node', n.cluster, n.node)));
		if (nodes.length > 3)
			add(tone, `${count(nodes.length)} nodes are ${text}`, link('agents'));
	}
	const rank = { bad: 0, warn: 1, info: 2 };
	return list.sort((a, b) => rank[a.tone] - rank[b.tone]);
}

function Attention() {
	void nodesVersion.value;
	const list = attention();
	const copy = () => list.map((l) => `${l.tone}: ${l.text}\n`).join('') || 'nothing\n';
	return (
		<Panel title="Needs attention" note={list.length || ''} copy={copy}>
			{list.length === 0 && <Empty title="Nothing needs attention">Every agent reports, no group is short, and all guards pass.</Empty>}
			<ul class="list">
				{list.slice(0, 12).map((l) => (
					<li key={l.text}><Tag tone={l.tone} /><a href={l.href}><Name>{l.text}</Name></a></li>
				))}
			</ul>
			{list.length > 12 && <p class="note pad">and {list.length - 12} more</p>}
		</Panel>
	);
}

export function FleetPage() {
	if (!nodesRead.value)
		return loadError.value ? <Failed error={loadError.value} /> : <Loading what="Reading the fleet" />;
	void nodesVersion.value;
	if (!nodeList().length)
		return (
			<Empty title="No node has reported yet">
				An agent shows up here within two seconds of its first sample. Start one with <code>petrel-agent</code>, or see <code>petrel doctor</code> for what is missing.
			</Empty>
		);
	return (
		<div class="columns">
			<Nodes />
			<aside>
				<Attention />
				<Panel title="Latest decisions" actions={<a href={link('decisions')}>All</a>}>
					<DecisionList rows={collapse(decisions.value ?? []).slice(0, 8)} slim />
				</Panel>
			</aside>
		</div>
	);
}
