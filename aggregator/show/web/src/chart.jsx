// SPDX-License-Identifier: Apache-2.0
// Lines over time: uPlot in the page's colours, with a legend that reads the value under the cursor, or the newest.
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { clock, moment } from './format.js';
import { palette, withAlpha } from './theme.js';
import { useWidth } from './ui.jsx';

const FONT = '11px system-ui, sans-serif';

// Marks on the axis of time as people write them: 14:05, then the day where it changes.
const TIMES = [
	[86400, '{DD} {MMM}', null, null, null, null, null, null, 1],
	[3600, '{HH}:{mm}', '\n{DD} {MMM}', null, '\n{DD} {MMM}', null, null, null, 1],
	[60, '{HH}:{mm}', '\n{DD} {MMM}', null, '\n{DD} {MMM}', null, null, null, 1],
	[1, '{HH}:{mm}:{ss}', '\n{DD} {MMM}', null, '\n{DD} {MMM}', null, null, null, 1],
];

// Bytes are read in powers of two, everything else in tens.
const POWERS = Array.from({ length: 50 }, (_, i) => 2 ** i);

function axes(colours, { format, binary }, width) {
	const common = { stroke: colours.muted, font: FONT, grid: { stroke: colours.line, width: 1 }, ticks: { show: false } };
	return [
		{ ...common, space: width < 420 ? 70 : 90, values: TIMES, grid: { show: false } },
		{ ...common, size: 66, space: 34, gap: 6, ...(binary && { incrs: POWERS }), values: (_, marks) => marks.map(format) },
	];
}

function line(s, colours) {
	const stroke = colours[s.colour] ?? s.colour;
	return {
		label: s.title, stroke: s.hidden ? 'transparent' : stroke, width: s.width ?? 1.5, dash: s.dash, points: { show: false }, spanGaps: false,
		fill: s.fill ? withAlpha(stroke, s.fill) : undefined, auto: !s.aside, paths: s.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
	};
}

function options(spec, width, height, colours, onCursor) {
	const { series, bands = [], sync, atLeast, marks } = spec;
	return {
		width,
		height,
		legend: { show: false },
		padding: [8, 8, 0, 0],
		cursor: { sync: sync && { key: sync }, points: { size: 6 }, drag: { x: false, y: false }, y: false },
		scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(atLeast ?? 0, high ?? 0) * 1.08 || 1] } },
		axes: axes(colours, spec, width),
		series: [{}, ...series.map((s) => line(s, colours))],
		bands: bands.map((b) => ({ series: [b.high + 1, b.low + 1], fill: withAlpha(colours[b.colour], b.alpha) })),
		hooks: {
			setCursor: [(u) => onCursor(u.cursor.idx ?? null)],
			draw: marks ? [(u) => marks.forEach((m) => drawMark(u, m, colours))] : [],
		},
	};
}

// A thin vertical line with a word, such as "now".
function drawMark(u, { at, text }, colours) {
	const x = Math.round(u.valToPos(at, 'x', true));
	if (!(x > u.bbox.left && x < u.bbox.left + u.bbox.width))
		return;
	const { ctx } = u;
	ctx.save();
	ctx.strokeStyle = ctx.fillStyle = colours.muted;
	ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
	ctx.beginPath();
	ctx.moveTo(x, u.bbox.top);
	ctx.lineTo(x, u.bbox.top + u.bbox.height);
	ctx.stroke();
	ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
	ctx.textAlign = 'left';
	ctx.textBaseline = 'alphabetic';
	ctx.fillText(text, x + 4 * devicePixelRatio, u.bbox.top + 11 * devicePixelRatio);
	ctx.restore();
}

const newest = (values) => {
	let i = values.length - 1;
	while (i > 0 && (values[i] === null || values[i] === undefined))
		i--;
	return i;
};

function Legend({ spec, data, index }) {
	const listed = spec.series.map((s, i) => [s, data[i + 1]]).filter(([s]) => s.title && !s.hidden);
	return (
		<ul class="legend">
			{listed.map(([s, values]) => (
				<li key={s.title}>
					<i class={`swatch ${s.colour} ${s.dash ? 'dashed' : ''}`} aria-hidden="true" />
					{s.title} <b>{spec.format(values[index ?? newest(values)])}</b>
				</li>
			))}
			{spec.bands?.filter((b) => b.title).map((b) => (
				<li key={b.title}><i class={`swatch band ${b.colour}`} style={{ opacity: String(b.legendAlpha ?? b.alpha) }} aria-hidden="true" />{b.title}</li>
			))}
			<li class="at">{index === null || index === undefined ? '' : moment(data[0][index] * 1000)}</li>
		</ul>
	);
}

// spec: {series: [{title, colour, width?, dash?, fill?, stepped?, hidden?, aside? (does not stretch the scale)}], bands?: [{high,
// low, colour, alpha, title}], format, binary?, sync?, atLeast? (the top of the scale), marks?: [{at, text}]}; data: [times in s, one array per series].
export function Chart({ spec, data, height = 170, label }) {
	const [box, width] = useWidth();
	const plot = useRef(null);
	const [index, setIndex] = useState(null);
	const colours = palette.value;
	const shape = JSON.stringify([spec.series, spec.bands, spec.marks, spec.atLeast]);
	useEffect(() => {
		if (!width)
			return undefined;
		plot.current = new uPlot(options(spec, width, height, colours, setIndex), data, box.current);
		return () => plot.current.destroy();
	}, [width, height, colours, shape]);
	useEffect(() => plot.current?.setData(data), [data]);
	return (
		<div class="chart">
			<Legend spec={spec} data={data} index={index} />
			<div ref={box} class="plot" style={{ height: `${height}px` }} role="img" aria-label={`${label}: ${describe(spec, data)}`} />
		</div>
	);
}

// Whether a limit lies so far above what happened that drawing it in would press everything else flat.
export const farAbove = (limit, ...arrays) => limit > 2.2 * arrays.reduce((top, a) => a.reduce((m, v) => Math.max(m, v ?? 0), top), 0);

// The newest values in words, for who does not see the lines.
function describe(spec, data) {
	const at = data[0].length ? clock(data[0][data[0].length - 1] * 1000) : '';
	const parts = spec.series.map((s, i) => (s.title && !s.hidden ? `${s.title} ${spec.format(data[i + 1][newest(data[i + 1])])}` : ''));
	return `${parts.filter(Boolean).join(', ')}; until ${at}`;
}
