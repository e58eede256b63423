// SPDX-License-Identifier: Apache-2.0
// Nodes that are emptied: how long is left, what has been done, what blocks, where the pods are.
import { useState } from 'preact/hooks';
import { second, serverNow } from './api.js';
import { age, count, moment, name, shortNode } from './format.js';
import { drains, loadError } from './live.js';
import { link } from './route.js';
import { Empty, Failed, Loading, Meter, Name, Panel, Table, Tag, textTable } from './ui.jsx';

const TONE = { done: 'ok', failed: 'bad', withdrawn: '', planned: '', blocked: 'warn', gone: 'ok', terminating: 'info', evicting: 'info', doing: 'info' };
const STAGES = [['seen', 'Seen'], ['tainted', 'Marked'], ['first_eviction', 'First eviction'], ['replacement_ready', 'Replacement ready'], ['drained', 'Drained'], ['completed', 'Completed']];

const toneOf = (word) => TONE[word] ?? 'warn';
const podColumns = [
	{ key: 'pod', title: 'Pod', text: (p) => `${p.namespace}/${p.name}`, cell: (p) => <Name>{`${p.namespace}/${p.name}`}</Name> },
	{ key: 'state', title: 'State', text: (p) => p.state, cell: (p) => <Tag tone={p.state in TONE ? TONE[p.state] : ''}>{p.state}</Tag> },
	{ key: 'grace', title: 'Grace', number: true, sort: (p) => p.grace_s, text: (p) => `${count(p.grace_s)} s` },
	{ key: 'why', title: 'Note', text: (p) => p.why, cell: (p) => name(p.why) },
];

const left = (d) => second.value && d.deadline_ms - serverNow(); // asking for the second draws it anew
function countdown(d) {
	if (d.ended_ms || !d.deadline_ms)
		return '';
	return left(d) > 0 ? `${age(left(d))} left` : 'deadline passed';
}

const drainText = (d) => [
	`${d.cluster}/${d.node}  ${d.kind}  ${d.phase}${d.dry_run ? ' (dry run)' : ''}  ${countdown(d)}  drain ${d.id}`, `  ${d.text}`,
	...d.blocking.map((b) => `  blocked by ${b.namespace}/${b.budget}: ${b.text}`), textTable(podColumns, d.pods),
].join('\n');

function Stage({ at, from, title }) {
	return <li><Tag tone={at ? 'ok' : ''}>{at ? `+${age(at - from)}` : '…'}</Tag> {title}</li>;
}

function Detail({ d }) {
	const { times, replacement: r } = d;
	const whole = d.deadline_ms - d.started_ms;
	return (
		<div class="detail">
			{!d.ended_ms && d.deadline_ms > 0 && <p><Meter share={1 - left(d) / whole} mark={(d.predicted_ms - d.started_ms) / whole} label={countdown(d)} /></p>}
			<section>
				<h4>Since the notice</h4>
				<ul class="guards">{STAGES.map(([key, title]) => <Stage key={key} title={title} from={times.notice_ms} at={times[`${key}_ms`]} />)}</ul>
			</section>
			<section>
				<h4>Steps</h4>
				<ul class="guards">{d.steps.filter((s) => s.state !== 'skipped').map((s) => <li><Tag tone={s.state in TONE ? TONE[s.state] : ''}>{s.state}</Tag> <Name>{s.text}</Name></li>)}</ul>
			</section>
			<section>
				<h4>Blocked by</h4>
				<ul>
					{d.blocking.map((b) => <li><b><Name>{`${b.namespace}/${b.budget}`}</Name></b> <span class="note"><Name>{b.text}</Name></span></li>)}
					{!d.blocking.length && <li class="note">nothing</li>}
				</ul>
				<h4>Replacement</h4>
				<Tag tone={r.state === 'ready' ? 'ok' : r.state === 'failed' ? 'bad' : ''}>{r.state}</Tag> <Name>{r.node || r.text}</Name>
			</section>
			<Table columns={podColumns} rows={d.pods} rowKey={(p) => p.uid} label="Pods" empty={<p class="note">It has no pods to move.</p>} />
			<p class="note">Node <a href={link('node', d.cluster, d.node)}><Name>{d.node}</Name></a> of <Name>{d.group}</Name> · <code>petrel explain <Name>{d.id.slice(0, 8)}</Name></code></p>
		</div>
	);
}

function Drain({ d }) {
	const [open, setOpen] = useState(!d.ended_ms);
	return (
		<li class={open ? 'open' : ''}>
			<button class="row" aria-expanded={open} onClick={() => setOpen(!open)}>
				<time dateTime={new Date(d.started_ms).toISOString()}>{moment(d.started_ms)}</time>
				<Tag tone={toneOf(d.phase)}>{d.phase}</Tag>
				<span class="where"><Name short={shortNode(d.node)}>{d.node}</Name></span>
				<span class="text"><Name>{d.text}</Name></span>
				<b>{countdown(d)}</b>
				<Tag title={d.kind}>{d.dry_run ? 'dry run' : `${count(d.pods_left)} of ${count(d.pods_total)} pods left`}</Tag>
			</button>
			{open && <Detail d={d} />}
		</li>
	);
}

export function DrainsPage() {
	const list = drains.value;
	if (!list)
		return loadError.value ? <Failed error={loadError.value} /> : <Loading what="Reading drains" />;
	return (
		<Panel title="Drains" note={`${count(list.filter((d) => !d.ended_ms).length)} running of ${count(list.length)}`} copy={() => list.map(drainText).join('\n')}>
			{list.length ? <ol class="decisions">{list.map((d) => <Drain key={d.id} d={d} />)}</ol> : <Empty title="No node is or was drained">In the demo, <code>petrel notice demo-spot-3</code> interrupts one.</Empty>}
		</Panel>
	);
}
