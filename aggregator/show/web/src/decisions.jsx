// SPDX-License-Identifier: Apache-2.0
// What was decided and why: reasons, guards with the figures they looked at, inputs, and what was not chosen.
import { useMemo, useState } from 'preact/hooks';
import { clock, cores, count, dollars, moment, name, number, percent, signed, word } from './format.js';
import { decisions, loadError } from './live.js';
import { Empty, Failed, Loading, Name, Panel, Tabs, Tag } from './ui.jsx';

const refused = (d) => d.reasons?.some((r) => r.code === 'guard-refused') || (d.kind !== 'hold' && !d.would_act);
const same = (a, b) => a.cluster === b.cluster && a.group === b.group && a.kind === b.kind && a.to === b.to && a.would_act === b.would_act && a.reasons?.[0]?.code === b.reasons?.[0]?.code;

// A loop that decides twice a minute mostly decides the same: equal neighbours of one group become one row with how often and
// since when. Newest first in, newest first out.
export function collapse(list) {
	const open = new Map();
	const rows = [];
	for (const d of list) {
		const key = `${d.cluster}/${d.group}`;
		const last = open.get(key);
		if (last && same(last.decision, d)) {
			last.times++;
			last.since_ms = d.now_ms;
		} else {
			const row = { decision: d, times: 1, since_ms: d.now_ms, key: `${d.plan_id}/${d.group}` };
			open.set(key, row);
			rows.push(row);
		}
	}
	return rows;
}

function what(d) {
	if (d.kind === 'hold')
		return <Tag>Hold</Tag>;
	return <Tag tone={d.would_act ? 'ok' : 'warn'} mark={false}>{word(d.kind)} {signed(d.nodes)}</Tag>;
}

// A figure by the unit that its name ends in.
function input(key, value) {
	if (key.endsWith('_millicores'))
		return cores(value);
	if (key.endsWith('_permille'))
		return percent(value);
	if (key.endsWith('_usd_micro_hour'))
		return dollars(value);
	return number(value);
}

const asList = (inputs) => (Array.isArray(inputs) ? inputs.map((i) => [i.name, i.value]) : Object.entries(inputs ?? {}));
const label = (key) => name(key).replace(/_(millicores|permille|usd_micro_hour)$/, '').replaceAll('_', ' ');

export function decisionText(d) {
	const lines = [
		`${new Date(d.now_ms).toISOString()}  ${d.cluster}/${d.group}  ${d.kind} ${signed(d.nodes)} (${d.from} -> ${d.to})  ${d.would_act ? 'would act' : 'would not act'}  plan ${d.plan_id}`,
		`  ${d.text}`,
		...(d.reasons ?? []).map((r) => `  reason ${r.code}: ${r.text}`),
		...(d.guards ?? []).map((g) => `  guard ${g.name}: ${g.passed ? 'passed' : 'REFUSED'}, ${g.detail}`),
		...asList(d.inputs).map(([k, v]) => `  input ${k} = ${v}`),
		...(d.alternatives ?? []).map((a) => `  not chosen: ${a.what} (${dollars(a.cost_usd_micro_hour)}): ${a.why_not}`),
	];
	return `${lines.join('\n')}\n`;
}

export function DecisionDetail({ decision: d }) {
	return (
		<div class="detail">
			<section>
				<h4>Reasons</h4>
				<ul>{(d.reasons ?? []).map((r) => <li key={r.code}><Name>{r.text}</Name> <code><Name>{r.code}</Name></code></li>)}</ul>
			</section>
			<section>
				<h4>Guards</h4>
				<ul class="guards">
					{(d.guards ?? []).map((g) => (
						<li key={g.name}><Tag tone={g.passed ? 'ok' : 'bad'}>{g.passed ? 'passed' : 'refused'}</Tag> <span><b><Name>{g.name}</Name></b> <span class="note"><Name>{g.detail}</Name></span></span></li>
					))}
					{!d.guards?.length && <li class="note">none was asked: there was nothing to do</li>}
				</ul>
			</section>
			<section>
				<h4>Inputs</h4>
				<dl class="facts">{asList(d.inputs).map(([k, v]) => <><dt title={name(k)}>{label(k)}</dt><dd>{input(k, v)}</dd></>)}</dl>
			</section>
			<section>
				<h4>Not chosen</h4>
				<ul>
					{(d.alternatives ?? []).map((a) => <li key={a.what}><b><Name>{a.what}</Name></b> {dollars(a.cost_usd_micro_hour)}: <Name>{a.why_not}</Name></li>)}
					{!d.alternatives?.length && <li class="note">no alternative was weighed</li>}
				</ul>
			</section>
			<p class="note">Cost of the change {dollars(d.cost_usd_micro_hour)} · plan <code><Name>{d.plan_id}</Name></code> · <code>petrel explain <Name>{String(d.plan_id).slice(0, 8)}</Name></code></p>
		</div>
	);
}

function Row({ row, slim }) {
	const [open, setOpen] = useState(false);
	const d = row.decision;
	return (
		<li class={open ? 'open' : ''}>
			<button class="row" aria-expanded={open} onClick={() => setOpen(!open)}>
				<time dateTime={new Date(d.now_ms).toISOString()}>{moment(d.now_ms)}</time>
				{what(d)}
				<span class="where"><Name>{slim ? d.group : `${d.cluster} / ${d.group}`}</Name></span>
				<span class="text"><Name>{d.text}</Name></span>
				{row.times > 1 && <span class="note" title={`the same since ${clock(row.since_ms)}`}>×{count(row.times)} since {moment(row.since_ms)}</span>}
				{!slim && refused(d) && <Tag tone="warn">held back</Tag>}
			</button>
			{open && <DecisionDetail decision={d} />}
		</li>
	);
}

export const DecisionList = ({ rows, slim }) =>
	rows.length ? <ol class={`decisions ${slim ? 'slim' : ''}`}>{rows.map((r) => <Row key={r.key} row={r} slim={slim} />)}</ol> : <Empty title="Nothing was decided yet">A plan is made on every turn of the loop once there is data.</Empty>;

const KINDS = [['all', 'All'], ['changes', 'Changes'], ['refused', 'Held back']];

export function DecisionsPage() {
	const [kind, setKind] = useState('all');
	const [filter, setFilter] = useState('');
	const list = decisions.value;
	const rows = useMemo(() => {
		const wanted = filter.trim().toLowerCase();
		const fits = (d) => (kind === 'all' || (kind === 'changes' ? d.kind !== 'hold' : refused(d))) && (!wanted || [d.group, d.cluster, d.text, d.plan_id].some((v) => String(v).toLowerCase().includes(wanted)));
		return collapse((list ?? []).filter(fits));
	}, [list, kind, filter]);
	if (!list)
		return loadError.value ? <Failed error={loadError.value} /> : <Loading what="Reading decisions" />;
	const actions = (
		<>
			<Tabs label="Show" options={KINDS} value={kind} onChange={setKind} />
			<input id="filter" type="search" placeholder="Filter: group, text, plan …" aria-label="Filter decisions" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />
		</>
	);
	return (
		<Panel title="Decisions" note={`${count(rows.length)} rows of ${count(list.length)} steps`} actions={actions} copy={() => rows.map((r) => decisionText(r.decision)).join('\n')}>
			{rows.length ? <DecisionList rows={rows.slice(0, 200)} /> : <Empty title={list.length ? 'Nothing matches' : 'Nothing was decided yet'}>{list.length ? '' : 'A plan is made on every turn of the loop once there is data.'}</Empty>}
		</Panel>
	);
}

export const decisionsOf = (clusterName, group) => collapse((decisions.value ?? []).filter((d) => d.cluster === clusterName && d.group === group));
