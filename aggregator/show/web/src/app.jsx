// SPDX-License-Identifier: Apache-2.0
// The shell: where one is, which cluster, whether the data is fresh, and the strip that says whether it is safe.
import { Component } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { AgentsPage } from './agents.jsx';
import { second } from './api.js';
import { DecisionsPage } from './decisions.jsx';
import { DrainsPage } from './drains.jsx';
import { FleetPage } from './fleet.jsx';
import { ForecastsPage } from './forecasts.jsx';
import { age, bytes, clock, count, name, percent, word } from './format.js';
import { GroupPage, GroupsPage } from './group.jsx';
import { chooseCluster, cluster, clusters, connection, lastData, loadError, status } from './live.js';
import { NodePage } from './node.jsx';
import { go, link, route } from './route.js';
import { cycleTheme, theme } from './theme.js';
import { CopyButton, Empty, Failed, Meter, Name, Panel, Simulated, Stat } from './ui.jsx';

const NAV = [['fleet', 'Fleet'], ['groups', 'Groups'], ['forecasts', 'Forecasts'], ['decisions', 'Decisions'], ['drains', 'Drains'], ['agents', 'Agents']];
const PAGES = { fleet: FleetPage, groups: GroupsPage, group: GroupPage, node: NodePage, forecasts: ForecastsPage, decisions: DecisionsPage, drains: DrainsPage, agents: AgentsPage };
const PARENT = { node: 'fleet', group: 'groups' };

const MODE = { observe: 'computes and shows, changes nothing', recommend: 'asks before it changes anything', act: 'changes node groups by itself' };

const CONNECTION = { live: ['ok', 'Live'], polling: ['warn', 'Polling'], connecting: ['', 'Connecting'], lost: ['bad', 'No data'] };

function Mark() {
	return (
		<svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
			<path d="M2 10c6-1 10 1 13 6 4-6 9-8 15-8-6 2-9 7-11 12-1 2-2 3-4 3s-3-1-4-3C9 16 7 12 2 10z" />
		</svg>
	);
}

function ClusterChooser() {
	const list = clusters.value;
	const chosen = cluster.value;
	const listed = list.some((c) => c.cluster === chosen);
	return (
		<select id="cluster" aria-label="Cluster" value={chosen} onChange={(e) => chooseCluster(e.currentTarget.value)}>
			<option value="">All clusters ({list.length})</option>
			{list.map((c) => <option key={c.cluster} value={c.cluster}>{name(c.cluster)}{c.simulated ? ' · SIMULATED' : ''}</option>)}
			{chosen && !listed && <option value={chosen}>{name(chosen)} (not known)</option>}
		</select>
	);
}

function Header() {
	const { page } = route.value;
	const current = PARENT[page] ?? page;
	const [tone, text] = CONNECTION[connection.value];
	return (
		<header class="bar">
			<a class="brand" href={link('fleet')} aria-label="Petrel, fleet"><Mark />Petrel</a>
			<nav aria-label="Pages">
				{NAV.map(([key, title]) => <a key={key} href={link(key)} aria-current={key === current ? 'page' : undefined}>{title}</a>)}
			</nav>
			<span class="spacer" />
			<ClusterChooser />
			<span class={`connection ${tone}`} role="status" title={lastData.value ? `Newest data ${clock(lastData.value)}` : ''}><i aria-hidden="true" />{text}</span>
			<button class="quiet" onClick={cycleTheme} title="Theme (t)" aria-label={`Theme: ${theme.value}`}>
				<svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="5.5" /><path class="solid" d="M8 2.5a5.5 5.5 0 0 1 0 11z" /></svg>
			</button>
			<button class="quiet" onClick={() => help.open()} title="Keys (?)" aria-label="Keys">?</button>
		</header>
	);
}

function stripText() {
	const s = status.value;
	if (!s)
		return 'not read yet\n';
	return [
		`petrel ${s.version}  ${new Date().toISOString()}`, `mode ${s.mode}${s.paused ? ', PAUSED' : ''}, leader ${s.leader ?? 'none'}`,
		`safe to scale: ${s.safe_to_scale ? 'yes' : `no, guard ${s.guard ?? 'not named'}`}`, `agents ${s.agents.reporting} of ${s.agents.expected} (${percent(s.coverage_permille)}), oldest sample ${age(s.oldest_sample_ms)}`,
		...s.clusters.map((c) => `cluster ${c.cluster}${c.simulated ? ' (SIMULATED)' : ''}: ${c.nodes} nodes, ${c.agents.reporting} of ${c.agents.expected} agents, mode ${c.mode}`), '',
	].join('\n');
}

function Safe({ s }) {
	if (s.safe_to_scale)
		return <Stat label="Safe to scale" tone="ok" sub="every guard passes">✓ Yes</Stat>;
	return <Stat label="Safe to scale" tone="bad" sub={<>guard: <Name>{s.guard ?? 'not named'}</Name></>}>✕ No</Stat>;
}

function Strip() {
	const s = status.value;
	if (!s)
		return <dl class="stats strip" aria-busy="true">{['Mode', 'Safe to scale', 'Agents', 'Oldest sample', 'Leader', 'Clusters'].map((l) => <Stat key={l} label={l} sub=" ">…</Stat>)}</dl>;
	const simulated = s.clusters?.filter((c) => c.simulated).length ?? 0;
	const covered = s.coverage_permille;
	return (
		<dl class="stats strip" aria-label="Fleet">
			<Stat label="Mode" tone={s.paused ? 'warn' : ''} sub={s.paused ? 'nothing is changed until resumed' : MODE[s.mode]}>{s.paused ? '▲ Paused' : word(s.mode)}</Stat>
			<Safe s={s} />
			<Stat label="Agents reporting" tone={covered < 900 ? 'bad' : covered < 1000 ? 'warn' : ''} sub={<><Meter plain share={covered / 1000} mark={0.9} label="coverage" />{count(s.agents.reporting)} of {count(s.agents.expected)}</>}>{s.agents.expected ? percent(covered) : '–'}</Stat>
			<Stat label="Oldest sample" tone={s.oldest_sample_ms > 60000 ? 'bad' : s.oldest_sample_ms > 10000 ? 'warn' : ''} sub="of the reporting agents">{age(s.oldest_sample_ms)}</Stat>
			<Stat label="Leader" tone={s.leader ? '' : 'warn'} sub={`up ${age(s.uptime_ms)}, ${name(s.version)}`}>{s.leader ? <Name short={s.leader}>{s.leader}</Name> : 'none'}</Stat>
			<Stat wideOnly label="History" tone={s.store?.storing === false ? 'bad' : ''} sub={s.store?.storing === false ? <Name>{s.store.error ?? 'not stored'}</Name> : 'stored'}>{bytes(s.store?.file_bytes)}</Stat>
			<Stat label="Clusters" sub={simulated ? <Simulated /> : 'real'}>{count(s.clusters?.length)}{simulated ? <small> {simulated} simulated</small> : ''}</Stat>
			<CopyButton text={stripText} what="status" />
		</dl>
	);
}

function Banner() {
	const now = second.value;
	if (connection.value === 'lost' && lastData.value)
		return (
			<div class="banner bad" role="alert">
				<b>Stale:</b> no data for {age(now - lastData.value)}. What is shown is from {clock(lastData.value)}; the aggregator is asked again by itself.
			</div>
		);
	if (status.value?.ready === false)
		return <div class="banner">The aggregator is still getting ready (<a href="/readyz">why</a>): figures and forecasts are not complete yet.</div>;
	const chosen = status.value?.clusters?.length ? status.value.clusters : [];
	if (chosen.length && chosen.every((c) => c.simulated))
		return <div class="banner sim"><Simulated /> No real machine is behind these figures: a simulator replays recorded load.</div>;
	return null;
}

const KEYS = [['1 … 6', 'The pages'], ['/', 'Filter'], ['c', 'Choose the cluster'], ['t', 'Theme'], ['← ↑ → ↓, Enter', 'In the node grid: choose, open'], ['← →', 'In a heat map: read it column by column'], ['Esc', 'Leave the field or grid'], ['?', 'This list']];

const help = { open: () => {} };

function Help() {
	const dialog = useRef(null);
	help.open = () => dialog.current?.showModal();
	return (
		<dialog ref={dialog} aria-label="Keys">
			<Panel title="Keys" actions={<button class="quiet" autofocus onClick={() => dialog.current.close()}>Close</button>}>
				<dl class="facts">{KEYS.map(([k, v]) => <><dt><kbd>{k}</kbd></dt><dd>{v}</dd></>)}</dl>
			</Panel>
		</dialog>
	);
}

function onKey(event) {
	if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented)
		return;
	const writing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
	if (event.key === 'Escape' && writing)
		event.target.blur();
	if (writing)
		return;
	const act = {
		'/': () => document.getElementById('filter')?.focus(), c: () => document.getElementById('cluster')?.focus(), t: cycleTheme, '?': () => help.open(),
		...Object.fromEntries(NAV.map(([key], i) => [String(i + 1), () => go(key)])),
	}[event.key];
	if (act) {
		event.preventDefault();
		act();
	}
}

// A page that fails says so in its place; the shell and the other pages go on.
class Guarded extends Component {
	componentDidCatch(error) {
		console.error(error);
		this.setState({ error });
	}
	render({ children }, { error }) {
		return error ? <Failed error={{ message: `This page has a fault: ${error.message}`, hint: 'Reloading the page may help; the other pages are not affected.' }} /> : children;
	}
}

function Page() {
	const { page, names } = route.value;
	const Content = PAGES[page];
	const heading = useRef(null);
	useEffect(() => {
		document.title = `${names.length ? name(names[names.length - 1]) : (NAV.find(([k]) => k === page)?.[1] ?? 'Petrel')} · Petrel`;
	}, [page, names.join('/')]);
	return (
		<main id="main" tabIndex={-1} ref={heading}>
			<Guarded key={[page, ...names].join('/')}>
				{Content ? <Content names={names} /> : <Empty title="There is no such page"><a href={link('fleet')}>To the fleet</a></Empty>}
			</Guarded>
		</main>
	);
}

export function App() {
	useEffect(() => {
		document.addEventListener('keydown', onKey);
		return () => document.removeEventListener('keydown', onKey);
	}, []);
	const error = loadError.value;
	return (
		<>
			<a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById('main').focus(); }}>Skip to the page</a>
			<Header />
			<Banner />
			{error && !status.value ? null : <Strip />}
			<Page />
			<footer>
				<span>Times are this browser's ({Intl.DateTimeFormat().resolvedOptions().timeZone}).</span>
				<a href="/openapi.json">API</a> <a href="/metrics">Metrics</a> <a href={document.querySelector('link[rel=license]')?.href}>Licences</a>
			</footer>
			<Help />
		</>
	);
}
