// SPDX-License-Identifier: Apache-2.0
// The forecast of one series: what was, what is expected with how much doubt, what there is room for, and how honest
// the forecast has been so far.
import { useEffect, useState } from 'preact/hooks';
import { get, serverNow } from './api.js';
import { Chart, farAbove } from './chart.jsx';
import { age, cores, count, dollars, number, percent } from './format.js';
import { Empty, Failed, Loading, Meter, Name, Tabs, Tag, usePoll } from './ui.jsx';

const HOUR = 3600e3;
const DAY = 24 * HOUR;
const HORIZONS = [['hour', 'Hour'], ['day', 'Day'], ['month', 'Month']];
// How much history stands before each horizon. It is read at the forecast's own step and metric, so that like stands beside like;
// without a forecast, at this step.
const PAST = {
	hour: { span: 6 * HOUR, step: 300e3, every: 20e3 },
	day: { span: 3 * DAY, step: HOUR, every: 60e3 },
	month: { span: 30 * DAY, step: HOUR, every: 300e3 },
};
const DEMAND = 'cpu_demand_high_millicores';

// Normal scores, to read a level between two of the forecast's own (97.5 % lies between 95 and 99).
const SCORE = { 0.01: -2.326, 0.025: -1.96, 0.05: -1.645, 0.1: -1.282, 0.25: -0.674, 0.5: 0, 0.75: 0.674, 0.9: 1.282, 0.95: 1.645, 0.975: 1.96, 0.99: 2.326 };

export function atLevel(levels, row, level) {
	const exact = levels.indexOf(level);
	if (exact >= 0)
		return row[exact];
	const above = levels.findIndex((l) => l > level);
	if (above <= 0)
		return row[above === 0 ? 0 : row.length - 1];
	const [low, high] = [SCORE[levels[above - 1]], SCORE[levels[above]]];
	return row[above - 1] + ((SCORE[level] - low) / (high - low)) * (row[above] - row[above - 1]);
}

const FAN = [
	{ title: '50 %', low: 0.25, high: 0.75, alpha: 0.34 },
	{ title: '80 %', low: 0.1, high: 0.9, alpha: 0.2 },
	{ title: '95 %', low: 0.025, high: 0.975, alpha: 0.11 },
];

async function load(what, horizon, signal) {
	const { span, step: otherwise } = PAST[horizon];
	const missing = (error) => {
		if (error.status === 404)
			return null;
		throw error;
	};
	const forecast = await get('forecast', { ...what, horizon }, signal);
	const to = serverNow();
	const time = { from: to - span, to, step: (forecast.state === 'ok' && forecast.step_ms) || otherwise };
	const [past, room] = await Promise.all([
		get('series', { ...what, metric: forecast.metric || DEMAND, ...time }, signal).catch(missing),
		what.kind === 'group' ? get('series', { ...what, metric: 'cpu_capacity_millicores', ...time }, signal).catch(missing) : null,
	]);
	return { forecast, past, room };
}

// One axis of time over past and forecast; each value in its place, null elsewhere.
export function merge({ forecast, past, room }) {
	const ok = forecast.state === 'ok' && forecast.values?.length > 0;
	const step = past?.step_ms ?? forecast.step_ms ?? 60e3;
	const pastTimes = (past?.mean ?? []).map((_, i) => past.from_ms + i * step);
	const from = forecast.from_ms;
	const nextTimes = ok ? forecast.values.map((_, h) => from + h * forecast.step_ms) : [];
	const kept = pastTimes.filter((t) => !ok || t < from);
	const times = [...kept, ...nextTimes];
	const gap = nextTimes.map(() => null);
	const pad = kept.map(() => null);
	const fan = FAN.flatMap(({ low, high }) => [high, low]).map((level) => [...pad, ...(ok ? forecast.values.map((row) => atLevel(forecast.quantile_levels, row, level)) : [])]);
	const median = [...pad, ...(ok ? forecast.values.map((row) => atLevel(forecast.quantile_levels, row, 0.5)) : [])];
	return { ok, times, actual: [...(past?.mean ?? []).slice(0, kept.length), ...gap], capacity: room ? [...room.mean.slice(0, kept.length), ...gap] : null, median, fan };
}

// What stays level over the whole picture: room now, minimum and maximum of the group.
function levels(group, n, capacity) {
	const flat = (v) => new Array(n).fill(v);
	const list = [];
	if (capacity || group?.capacity_millicores) {
		const last = group?.capacity_millicores ?? null;
		const whole = (capacity ?? flat(null)).map((v) => v ?? null);
		const firstAhead = whole.length - [...whole].reverse().findIndex((v) => v !== null);
		list.push([{ title: 'Capacity', colour: 'capacity', stepped: true }, whole.map((v, i) => v ?? (i >= firstAhead || !capacity ? last : null))]);
	}
	if (group?.min && group.node_millicores)
		list.push([{ title: `Min (${group.min} nodes)`, colour: 'limit', dash: [2, 4], width: 1 }, flat(group.min * group.node_millicores)]);
	if (group?.max && group.node_millicores)
		list.push([{ title: `Max (${group.max} nodes)`, colour: 'limit', dash: [8, 4], width: 1 }, flat(group.max * group.node_millicores)]);
	return list;
}

export function FanChart({ view, group, height, label }) {
	const { ok, times, actual, capacity, median, fan } = merge(view);
	const extra = levels(group, times.length, capacity);
	for (const [s, values] of extra)
		s.aside = farAbove(values[values.length - 1], actual, fan[4]);
	const previous = (view.forecast.previous ?? []).map((p) => times.map((t) => p.q50[Math.round((t - p.from_ms) / p.step_ms)] ?? null));
	const quiet = { hidden: true, width: 0 };
	const series = [
		...fan.map(() => quiet), { title: 'Median', colour: 'accent', width: 1.5, dash: [6, 3] }, { title: 'Demand', colour: 'actual', width: 1.6 }, ...extra.map(([s]) => s),
		...previous.map((_, i) => ({ title: i ? '' : 'Said before', colour: 'third', width: 0.8 })),
	];
	const bands = FAN.map((f, i) => ({ high: 2 * i, low: 2 * i + 1, colour: 'accent', alpha: f.alpha, legendAlpha: 0.2 + f.alpha * 1.8, title: f.title }));
	const spec = {
		series: ok ? series : series.slice(FAN.length * 2 + 1), bands: ok ? bands : [], format: cores, atLeast: 100,
		marks: ok ? [{ at: view.forecast.from_ms / 1000, text: 'forecast' }] : [],
	};
	const arrays = [...fan, median, actual, ...extra.map(([, v]) => v), ...previous];
	const data = [times.map((t) => t / 1000), ...(ok ? arrays : arrays.slice(FAN.length * 2 + 1))];
	return <Chart spec={spec} data={data} height={height} label={label} />;
}

// The forecast of a series with the horizon that a person chose; until one does, a day, or an hour where there is no more to
// say. Returns {data, error, tabs}.
export function useForecast(what) {
	const [chosen, choose] = useState(null);
	const [short, setShort] = useState(false);
	const horizon = chosen ?? (short ? 'hour' : 'day');
	const view = usePoll((signal) => load(what, horizon, signal), PAST[horizon].every, [JSON.stringify(what), horizon]);
	useEffect(() => {
		if (!chosen && view.data && view.data.forecast.state !== 'ok')
			setShort(true);
	}, [view.data]);
	return { ...view, horizon, tabs: <Tabs label="Horizon" options={HORIZONS} value={horizon} onChange={choose} /> };
}

export function Fan({ view, error, group, height = 260, label }) {
	if (!view)
		return error ? <Failed error={error} /> : <Loading what="Reading history and forecast" />;
	const { forecast } = view;
	return (
		<>
			{forecast.state !== 'ok' && (
				<div class="state slim" role="status">
					<b>{forecast.history_ms ? 'Too little history to forecast from' : 'No forecast'}</b>
					<p><Name>{forecast.why || 'no reason was given'}</Name></p>
				</div>
			)}
			<FanChart view={view} group={group} height={height} label={label} />
		</>
	);
}

const known = (v) => v !== null && v !== undefined;

const TOLD = 8; // members; the rest hardly weighs

// Who speaks in the forecast, with how much weight.
export function Members({ forecast }) {
	const members = [...(forecast?.members ?? [])].sort((a, b) => b.weight - a.weight);
	if (!members.length)
		return <Empty title="No member has a weight yet" />;
	return (
		<ul class="bars">
			{members.slice(0, TOLD).map((m) => (
				<li key={m.name}>
					<Name>{m.name}</Name>
					<Meter plain share={m.weight} label="weight" />
					<span class="number" title={known(m.loss) ? `loss ${number(m.loss)} of the best naive forecast's` : ''}>{known(m.weight) ? percent(m.weight * 1000) : '–'}</span>
				</li>
			))}
			{members.length > TOLD && <li class="note">and {members.length - TOLD} more</li>}
		</ul>
	);
}

function verdict(f) {
	if (!known(f.loss_ratio_to_naive))
		return <Tag tone="info">not scored yet</Tag>;
	return f.loss_ratio_to_naive <= 1 ? <Tag tone="ok">better than naive</Tag> : <Tag tone="bad">worse than naive</Tag>;
}

function bandVerdict(permille) {
	if (!known(permille))
		return <Tag tone="info">not scored yet</Tag>;
	if (permille < 700)
		return <Tag tone="bad">band too narrow</Tag>;
	return permille > 930 ? <Tag tone="warn">band too wide</Tag> : <Tag tone="ok">band holds</Tag>;
}

// May I trust it? Every issued forecast is compared with what came.
export function Honesty({ forecast: f }) {
	if (!f)
		return <Loading />;
	return (
		<dl class="facts">
			<dt>Loss against naive</dt><dd>{number(f.loss_ratio_to_naive)} {verdict(f)}</dd>
			<dt>80 % band held</dt><dd>{percent(f.coverage80_permille)} {bandVerdict(f.coverage80_permille)}</dd>
			<dt>Forecasts scored</dt><dd>{count(f.scored)}</dd>
			<dt>History</dt><dd>{age(f.history_ms)}</dd>
			<dt>Made</dt><dd>{f.generated_ms ? `${age(serverNow() - f.generated_ms)} ago, generation ${count(f.generation)}` : '–'}</dd>
		</dl>
	);
}

// The picture as numbers, for a ticket.
export function fanText(what, view, group) {
	if (!view)
		return 'not read yet\n';
	const { forecast: f } = view;
	const head = `${what.kind} ${what.name} in ${what.cluster}: ${f.state}${f.why ? ` (${f.why})` : ''}\n`;
	const room = group ? `capacity ${cores(group.capacity_millicores)}, ${group.nodes} nodes (${group.min}-${group.max}), ${dollars(group.nodes * group.node_usd_micro_hour)}\n` : '';
	const every = Math.max(1, Math.floor((f.values?.length ?? 0) / 12));
	const rows = (f.values ?? []).filter((_, h) => h % every === 0).map((row, i) => {
		const t = new Date(f.from_ms + i * every * f.step_ms).toISOString();
		return `${t}  q10 ${cores(atLevel(f.quantile_levels, row, 0.1))}  q50 ${cores(atLevel(f.quantile_levels, row, 0.5))}  q90 ${cores(atLevel(f.quantile_levels, row, 0.9))}\n`;
	});
	return head + room + rows.join('');
}
