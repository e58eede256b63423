// SPDX-License-Identifier: Apache-2.0
// Every series that is forecast, with a small picture each; the chosen one is shown large. Pictures are only fetched for
// the rows in view, four at a time, so that 2,000 series cost what twenty do.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { get } from './api.js';
import { atLevel, Fan, fanText, Honesty, Members, useForecast } from './fan.jsx';
import { cores, count, percent } from './format.js';
import { cluster, groups, loadError } from './live.js';
import { palette, withAlpha } from './theme.js';
import { Empty, Failed, Loading, Name, Panel, Table, textTable, usePoll } from './ui.jsx';

const WIDTH = 120;
const HEIGHT = 24;

// At most four requests of pictures under way; a row that scrolled out of view gives up its place.
const queue = [];
let busy = 0;
function next() {
	while (busy < 4 && queue.length) {
		const job = queue.shift();
		busy++;
		job().finally(() => {
			busy--;
			next();
		});
	}
}
function enqueue(job) {
	queue.push(job);
	next();
	return () => queue.includes(job) && queue.splice(queue.indexOf(job), 1);
}

const pictures = new Map(); // series -> {at, forecast}
const ASKABLE = /^[\w.:/@-]+$/; // other names are no series to the API

function usePicture(what) {
	const key = JSON.stringify(what);
	const [forecast, setForecast] = useState(pictures.get(key)?.forecast ?? null);
	useEffect(() => {
		const kept = pictures.get(key);
		setForecast(kept?.forecast ?? null);
		if (!ASKABLE.test(what.name)) {
			setForecast({ state: 'none', why: 'not a name that is forecast' });
			return undefined;
		}
		if (kept && Date.now() - kept.at < 60e3)
			return undefined;
		const turn = new AbortController();
		const drop = enqueue(async () => {
			const answer = await get('forecast', { ...what, horizon: 'day' }, turn.signal).catch((error) => ({ state: 'error', why: error.message }));
			if (turn.signal.aborted)
				return;
			pictures.set(key, { at: Date.now(), forecast: answer });
			if (pictures.size > 3000)
				pictures.delete(pictures.keys().next().value);
			setForecast(answer);
		});
		return () => {
			turn.abort();
			drop();
		};
	}, [key]);
	return forecast;
}

function draw(canvas, forecast, colours) {
	const scale = devicePixelRatio;
	canvas.width = WIDTH * scale;
	canvas.height = HEIGHT * scale;
	const context = canvas.getContext('2d');
	context.scale(scale, scale);
	const rows = forecast.values;
	const top = Math.max(1, ...rows.map((r) => r[r.length - 2]));
	const x = (i) => (i / Math.max(1, rows.length - 1)) * WIDTH;
	const y = (v) => HEIGHT - 1 - (v / top) * (HEIGHT - 3);
	const at = (level) => rows.map((r) => atLevel(forecast.quantile_levels, r, level));
	const [low, middle, high] = [at(0.1), at(0.5), at(0.9)];
	context.fillStyle = withAlpha(colours.accent, 0.22);
	context.beginPath();
	high.forEach((v, i) => context.lineTo(x(i), y(v)));
	low.map((v, i) => [v, i]).reverse().forEach(([v, i]) => context.lineTo(x(i), y(v)));
	context.fill();
	context.strokeStyle = colours.accent;
	context.lineWidth = 1.3;
	context.beginPath();
	middle.forEach((v, i) => context.lineTo(x(i), y(v)));
	context.stroke();
}

function Picture({ what }) {
	const canvas = useRef(null);
	const forecast = usePicture(what);
	const colours = palette.value;
	const ok = forecast?.state === 'ok' && forecast.values.length > 0;
	useEffect(() => ok && draw(canvas.current, forecast, colours), [forecast, colours]);
	if (!forecast)
		return <span class="note">…</span>;
	if (!ok)
		return <span class="note" title={forecast.why}>{forecast.state === 'too-little-data' ? 'too little data' : 'none'}</span>;
	return <canvas ref={canvas} class="spark" role="img" aria-label={`forecast of ${what.name}`} />;
}

const keyOf = (row) => `${row.cluster}/${row.kind}/${row.name}`;

function rowsOf(groupList, podList) {
	const rows = groupList.map((g) => ({ cluster: g.cluster, kind: 'group', name: g.group, demand: g.demand?.high_millicores, q95: g.forecast?.q95, share: g.forecast ? g.forecast.q95 / g.capacity_millicores : null, group: g }));
	const workloads = new Map();
	for (const p of podList) {
		if (!p.workload)
			continue;
		const row = { cluster: p.cluster, kind: 'workload', name: p.workload, demand: 0, q95: null, share: null };
		const key = keyOf(row);
		if (!workloads.has(key))
			workloads.set(key, row);
		workloads.get(key).demand += p.demand_high_millicores ?? 0;
	}
	return [...rows, ...workloads.values()];
}

const columns = (choose) => [
	{ key: 'name', title: 'Series', text: (r) => r.name, cell: (r) => <button class="link" onClick={() => choose(r)}><Name>{r.name}</Name></button> },
	{ key: 'kind', title: 'Kind', text: (r) => r.kind },
	{ key: 'cluster', title: 'Cluster', text: (r) => r.cluster, cell: (r) => <Name>{r.cluster}</Name> },
	{ key: 'demand', title: 'Demand now', number: true, sort: (r) => r.demand, text: (r) => cores(r.demand) },
	{ key: 'q95', title: 'q95 ahead', number: true, sort: (r) => r.q95, text: (r) => cores(r.q95) },
	{ key: 'share', title: 'q95 of capacity', number: true, sort: (r) => r.share, text: (r) => percent(r.share === null ? null : r.share * 1000) },
	{ key: 'picture', title: 'Next day', sort: (r) => r.q95, text: () => '', cell: (r) => <Picture what={{ cluster: r.cluster, kind: r.kind, name: r.name }} /> },
];

function Chosen({ row }) {
	const what = { cluster: row.cluster, kind: row.kind, name: row.name };
	const { data, error, tabs } = useForecast(what);
	return (
		<div class="columns fan">
			<Panel title="Forecast" note={<><Name>{row.name}</Name> · {row.kind} · <Name>{row.cluster}</Name></>} actions={tabs} copy={() => fanText(what, data, row.group)}>
				<Fan view={data} error={error} group={row.group} height={280} label={`Forecast of ${row.name}`} />
			</Panel>
			<aside>
				<Panel title="May it be trusted?">{error && !data ? <Failed error={error} /> : <Honesty forecast={data?.forecast} />}</Panel>
				<Panel title="Members">{error && !data ? <Failed error={error} /> : <Members forecast={data?.forecast} />}</Panel>
			</aside>
		</div>
	);
}

export function ForecastsPage() {
	const [chosen, setChosen] = useState(null);
	const [filter, setFilter] = useState('');
	const pods = usePoll((signal) => get('pods', { cluster: cluster.value, limit: 5000 }, signal), 30000, [cluster.value]);
	const rows = useMemo(() => rowsOf(groups.value ?? [], pods.data?.items ?? []), [groups.value, pods.data]);
	if (!groups.value)
		return loadError.value ? <Failed error={loadError.value} /> : <Loading what="Reading series" />;
	const wanted = filter.trim().toLowerCase();
	const shown = wanted ? rows.filter((r) => keyOf(r).toLowerCase().includes(wanted)) : rows;
	const row = rows.find((r) => keyOf(r) === chosen) ?? rows[0];
	const choose = (r) => setChosen(keyOf(r));
	const cols = columns(choose);
	const search = <input id="filter" type="search" placeholder="Filter series …" aria-label="Filter series" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />;
	if (!row)
		return <Empty title="No series is forecast yet">Groups and workloads appear with the first samples of their nodes.</Empty>;
	return (
		<>
			<Chosen key={keyOf(row)} row={row} />
			<Panel title="All series" note={count(shown.length)} actions={search} copy={() => textTable(cols.slice(0, -1), shown)}>
				<Table columns={cols} rows={shown} rowKey={keyOf} sortBy="kind" label="Series" selected={keyOf(row)} onRow={choose} empty={<Empty title="No series matches" />} />
			</Panel>
		</>
	);
}
