// SPDX-License-Identifier: Apache-2.0
// One node group: will there be enough, may the forecast be trusted, what would be done; and the list of all groups.
import { useMemo, useState } from 'preact/hooks';
import { DecisionList, decisionsOf } from './decisions.jsx';
import { Fan, fanText, Honesty, Members, useForecast } from './fan.jsx';
import { nodeColumns } from './fleet.jsx';
import { cores, count, dollars, percent, signed, word } from './format.js';
import { NodeGrid, ShadeLegend } from './grid.jsx';
import { groups, loadError, nodeList, nodesRead, nodesVersion } from './live.js';
import { go, link } from './route.js';
import { Capacity, Empty, Failed, Loading, Meter, Name, Panel, Simulated, Stat, Table, Tabs, Tag, textTable } from './ui.jsx';

export const share = (g) => (g.capacity_millicores ? g.demand?.high_millicores / g.capacity_millicores : NaN);

function Recommendation({ value }) {
	if (!value)
		return <span class="note">none yet</span>;
	return <Tag tone={value.kind === 'hold' ? '' : 'info'} mark={false} title={value.text}>{word(value.kind)}{value.nodes ? ` ${signed(value.nodes)}` : ''}</Tag>;
}

const limits = (g) => (g.max ? `${g.min}–${g.max}` : '–');

const columns = [
	{ key: 'group', title: 'Group', text: (g) => g.group, cell: (g) => <a href={link('group', g.cluster, g.group)}><Name>{g.group}</Name></a> },
	{ key: 'cluster', title: 'Cluster', text: (g) => g.cluster, cell: (g) => <Name>{g.cluster}</Name> },
	{ key: 'capacity', title: 'Capacity', text: (g) => word(g.capacity), cell: (g) => <Capacity type={g.capacity} /> },
	{ key: 'nodes', title: 'Nodes', number: true, sort: (g) => g.nodes, text: (g) => `${g.nodes_ready}/${g.nodes}` },
	{ key: 'limits', title: 'Min–max', number: true, sort: (g) => g.max, text: limits },
	{ key: 'demand', title: 'Demand', number: true, sort: (g) => g.demand?.high_millicores, text: (g) => cores(g.demand?.high_millicores) },
	{ key: 'of', title: 'Of capacity', sort: share, number: true, text: (g) => percent(share(g) * 1000), cell: (g) => <span class="room"><Meter share={share(g)} mark={g.forecast ? g.forecast.q95 / g.capacity_millicores : NaN} label={`${percent(share(g) * 1000)} of capacity`} />{percent(share(g) * 1000)}</span> },
	{ key: 'q95', title: 'Forecast q95', number: true, sort: (g) => g.forecast?.q95, text: (g) => cores(g.forecast?.q95) },
	{ key: 'saturated', title: 'Saturated', number: true, sort: (g) => g.demand?.saturated_nodes, text: (g) => count(g.demand?.saturated_nodes) },
	{ key: 'pods', title: 'Pods', number: true, sort: (g) => g.pods, text: (g) => count(g.pods) },
	{ key: 'cost', title: 'Cost', number: true, sort: (g) => g.nodes * g.node_usd_micro_hour, text: (g) => (g.node_usd_micro_hour ? dollars(g.nodes * g.node_usd_micro_hour) : '–') },
	{ key: 'next', title: 'Recommendation', text: (g) => (g.recommendation ? `${g.recommendation.kind} ${signed(g.recommendation.nodes)}` : '–'), cell: (g) => <Recommendation value={g.recommendation} /> },
];

export function GroupsPage() {
	const list = groups.value;
	if (!list)
		return loadError.value ? <Failed error={loadError.value} /> : <Loading what="Reading node groups" />;
	return (
		<Panel title="Node groups" note={count(list.length)} copy={() => textTable(columns, list)}>
			<Table columns={columns} rows={list} rowKey={(g) => `${g.cluster}/${g.group}`} sortBy="group" label="Node groups"
				empty={<Empty title="No node group is known yet">Groups come with the first sample of their nodes.</Empty>} />
		</Panel>
	);
}

function Facts({ group: g }) {
	return (
		<dl class="stats">
			<Stat label="Demand" sub={`at least ${cores(g.demand?.low_millicores)}`}>{cores(g.demand?.high_millicores)}</Stat>
			<Stat label="Capacity" sub={`${percent(share(g) * 1000)} in demand`} tone={share(g) > 0.85 ? 'warn' : ''}>{cores(g.capacity_millicores)}</Stat>
			<Stat label="Nodes" sub={g.max ? `min ${g.min}, max ${g.max}, desired ${g.desired}` : 'limits are not known'}>{g.nodes_ready} of {g.nodes} ready</Stat>
			<Stat label="Saturated" tone={g.demand?.saturated_nodes ? 'bad' : ''} sub={g.demand?.saturated_nodes ? 'demand is at least what is shown' : 'no node is full'}>{count(g.demand?.saturated_nodes)}</Stat>
			<Stat label="Pods" sub={g.instance_type ? <Name>{g.instance_type}</Name> : ''}>{count(g.pods)}</Stat>
			<Stat label="Cost" sub={g.node_usd_micro_hour ? `${dollars(g.node_usd_micro_hour)} a node` : 'price is not known'}>{g.node_usd_micro_hour ? dollars(g.nodes * g.node_usd_micro_hour) : '–'}</Stat>
		</dl>
	);
}

function GroupNodes({ clusterName, groupName }) {
	const version = nodesVersion.value;
	const [view, setView] = useState('grid');
	const all = nodeList().filter((n) => n.cluster === clusterName && n.group === groupName);
	const list = useMemo(() => all.sort((a, b) => a.node.localeCompare(b.node, undefined, { numeric: true })), [all.length, nodesRead.value, view === 'grid' ? 0 : version]);
	const tabs = <Tabs label="Show as" options={[['grid', 'Grid'], ['table', 'Table']]} value={view} onChange={setView} />;
	return (
		<Panel title="Nodes of this group" note={count(list.length)} actions={tabs} copy={() => textTable(nodeColumns, list)} class="wide nodes">
			{view === 'table' ? (
				<Table columns={nodeColumns.filter((c) => c.key !== 'group')} rows={list} rowKey={(n) => n.node} sortBy="demand" sortDown label="Nodes" />
			) : (
				<>
					<div class="toolbar"><ShadeLegend shade="pressure" /></div>
					<NodeGrid nodes={list} total={list.length} shade="pressure" version={version} onOpen={(n) => go('node', n.cluster, n.node)} label="Nodes of this group" />
				</>
			)}
		</Panel>
	);
}

export function GroupPage({ names: [clusterName, groupName] }) {
	const what = { cluster: clusterName, kind: 'group', name: groupName };
	const { data, error, tabs } = useForecast(what);
	const group = groups.value?.find((g) => g.cluster === clusterName && g.group === groupName);
	if (!groups.value)
		return loadError.value ? <Failed error={loadError.value} /> : <Loading what="Reading the group" />;
	if (!group)
		return <Empty title="This group is not known">It may be gone, or belong to another cluster. <a href={link('groups')}>All groups</a></Empty>;
	const simulated = nodeList().find((n) => n.cluster === clusterName && n.group === groupName)?.simulated;
	return (
		<>
			<div class="heading">
				<p class="crumbs"><a href={link('groups')}>Groups</a> / <Name>{clusterName}</Name> /</p>
				<h1><Name>{groupName}</Name></h1>
				<Capacity type={group.capacity} />
				{group.managed && <Tag>managed</Tag>}
				{simulated && <Simulated />}
			</div>
			<Facts group={group} />
			<div class="columns fan">
				<Panel title="Demand and forecast" note={data?.forecast.metric} actions={tabs} copy={() => fanText(what, data, group)}>
					<Fan view={data} error={error} group={group} height={380} label={`Demand and forecast of ${groupName}`} />
				</Panel>
				<aside>
					<Panel title="Would do"><p class="pad"><Recommendation value={group.recommendation} /> <Name>{group.recommendation?.text ?? 'A recommendation needs a forecast or enough data to react to.'}</Name></p></Panel>
					<Panel title="May it be trusted?">{error && !data ? <Failed error={error} /> : <Honesty forecast={data?.forecast} />}</Panel>
					<Panel title="Members">{error && !data ? <Failed error={error} /> : <Members forecast={data?.forecast} />}</Panel>
				</aside>
			</div>
			<GroupNodes clusterName={clusterName} groupName={groupName} />
			<Panel title="Decisions on this group"><DecisionList rows={decisionsOf(clusterName, groupName).slice(0, 20)} /></Panel>
		</>
	);
}
