// SPDX-License-Identifier: Apache-2.0
// One cell per node: colour = how hard it is pressed, hatch = spot, border = state. Drawn on a canvas, so that 5,000
// nodes fit one page and change every second; read by mouse (tooltip) or keys (arrows, Enter).
import { useEffect, useRef, useState } from 'preact/hooks';
import { age, count, ns, percent, shortNode, word } from './format.js';
import { palette } from './theme.js';
import { Name, useWidth } from './ui.jsx';

// A level is how many of the limits the value has reached: 0 (calm) to 5. Limits of IO are lower than those of CPU: a node whose
// tasks stand still for IO half of the time is as bad off as one whose CPU is full.
const level = (value, limits) => {
	if (value === null || value === undefined)
		return null;
	let n = 0;
	while (n < limits.length && value >= limits[n])
		n++;
	return n;
};
const CPU = [200, 400, 600, 800, 1000];
const IO = [20, 50, 100, 250, 500];
const RUNQ = [1e5, 1e6, 4e6, 1e7, 5e7];
const MEMORY = [500, 650, 800, 900, 950];

const worst = (...levels) => levels.reduce((a, b) => (a === null ? b : b === null ? a : Math.max(a, b)), null);

export const SHADES = {
	pressure: {
		title: 'Pressure', limits: ['light', 'moderate', 'busy', 'hot', 'over'], lowest: 'calm',
		level: (n) => worst(level(n.demand_high_permille, CPU), level(n.psi_io_permille, IO)), text: (n) => percent(n.demand_high_permille),
		note: 'the worse of CPU demand and IO stall',
	},
	cpu: { title: 'CPU', limits: CPU.map(percent), lowest: '0', level: (n) => level(n.demand_high_permille, CPU), text: (n) => percent(n.demand_high_permille), note: 'demand, of capacity' },
	io: { title: 'IO', limits: IO.map(percent), lowest: '0', level: (n) => level(n.psi_io_permille, IO), text: (n) => percent(n.psi_io_permille), note: 'time with a task stalled on IO' },
	runq: { title: 'Run queue', limits: RUNQ.map(ns), lowest: '0', level: (n) => level(n.runq_p99_ns, RUNQ), text: (n) => ns(n.runq_p99_ns), note: 'wait for a CPU, p99' },
	memory: { title: 'Memory', limits: MEMORY.map(percent), lowest: '0', level: (n) => level(n.mem_permille, MEMORY), text: (n) => percent(n.mem_permille), note: 'used, of all' },
};

export function ShadeLegend({ shade }) {
	const { lowest, limits, note } = SHADES[shade];
	return (
		<div class="shades">
			<span class="note">{note}:</span>
			<ol>{[lowest, ...limits].map((text, i) => <li key={i}><i class={`heat-${i}`} aria-hidden="true" />{i && shade !== 'pressure' ? '≥ ' : ''}{text}</li>)}</ol>
			<ul>
				<li><i class="cell spot" aria-hidden="true" />spot</li>
				<li><i class="cell draining" aria-hidden="true" />draining</li>
				<li><i class="cell not-ready" aria-hidden="true" />not ready</li>
				<li><i class="cell silent" aria-hidden="true" />silent</li>
				<li><i class="cell saturated" aria-hidden="true" />saturated</li>
			</ul>
		</div>
	);
}

// The side of a cell in pixels, and the gap to the next. The largest is taken with which all cells of the page stay within a
// window's height; 5,000 fit a laptop's at the smallest.
const GAP = { 46: 4, 28: 3, 17: 2, 10: 1 };
const TALL = 700;
function cellSize(total, width) {
	const fits = (side) => Math.ceil(total / Math.max(1, Math.floor(width / (side + GAP[side])))) * (side + GAP[side]) <= TALL;
	return [46, 28, 17].find(fits) ?? 10;
}

const dark = (hex) => {
	const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
	return 0.3 * r + 0.59 * g + 0.11 * b < 140;
};

function hatch(context, x, y, size, colour) {
	context.save();
	context.beginPath();
	context.rect(x, y, size, size);
	context.clip();
	context.strokeStyle = colour;
	context.lineWidth = size > 20 ? 1.5 : 1;
	context.beginPath();
	const gap = size > 20 ? 8 : size > 12 ? 6 : 5;
	for (let d = gap; d < 2 * size; d += gap) {
		context.moveTo(x + d, y);
		context.lineTo(x + d - size, y + size);
	}
	context.stroke();
	context.restore();
}

function frame(context, x, y, size, colour, { dash = [], wide = 2 } = {}) {
	context.strokeStyle = colour;
	context.lineWidth = Math.min(wide, Math.max(1.5, size / 8));
	context.setLineDash(dash);
	const half = context.lineWidth / 2;
	context.strokeRect(x + half, y + half, size - 2 * half, size - 2 * half);
	context.setLineDash([]);
}

function drawCell(context, node, x, y, size, shade, colours) {
	const n = node.state === 'silent' || node.state === 'gone' ? null : SHADES[shade].level(node);
	const fill = n === null ? colours.panel : colours.heat[n];
	const ink = dark(fill) ? '#ffffff' : '#10202a';
	context.fillStyle = fill;
	context.fillRect(x, y, size, size);
	if (node.capacity === 'spot')
		hatch(context, x, y, size, n === null ? colours.line : `${ink}4d`);
	if (n === null)
		frame(context, x, y, size, colours.muted, { dash: size > 12 ? [3, 2] : [2, 1], wide: 1 });
	if (node.state === 'draining')
		frame(context, x, y, size, colours.second, { wide: 3 });
	if (node.state === 'not-ready')
		frame(context, x, y, size, colours.bad, { wide: 3 });
	if (node.saturated && n !== null) {
		const corner = Math.max(4, size / 4);
		context.fillStyle = ink;
		context.beginPath();
		context.moveTo(x + size - corner, y);
		context.lineTo(x + size, y);
		context.lineTo(x + size, y + corner);
		context.fill();
	}
	if (size >= 40) {
		context.fillStyle = n === null ? colours.muted : ink;
		context.textAlign = 'center';
		context.textBaseline = 'middle';
		context.fillText(n === null ? '?' : SHADES[shade].text(node).replace('\u202f', ''), x + size / 2, y + size / 2 + 1);
	}
}

function paint(canvas, nodes, layout, { shade, matches, focus, colours }) {
	const scale = devicePixelRatio;
	canvas.width = layout.width * scale;
	canvas.height = layout.height * scale;
	const context = canvas.getContext('2d');
	context.scale(scale, scale);
	context.font = '11px system-ui, sans-serif';
	nodes.forEach((node, i) => {
		const [x, y] = layout.at(i);
		context.globalAlpha = matches && !matches(node) ? 0.15 : 1;
		drawCell(context, node, x, y, layout.size, shade, colours);
	});
	context.globalAlpha = 1;
	if (focus !== null && focus < nodes.length) {
		const [x, y] = layout.at(focus);
		context.strokeStyle = colours.ink;
		context.lineWidth = 2;
		context.strokeRect(x - 1, y - 1, layout.size + 2, layout.size + 2);
	}
}

function arrange(n, width, size) {
	const pitch = size + GAP[size];
	const columns = Math.max(1, Math.floor((width - 4) / pitch));
	return {
		size, pitch, columns, width, height: Math.ceil(n / columns) * pitch + 4,
		at: (i) => [2 + (i % columns) * pitch, 2 + Math.floor(i / columns) * pitch],
		find: (x, y) => {
			const column = Math.floor((x - 2) / pitch);
			const i = Math.floor((y - 2) / pitch) * columns + column;
			return column >= 0 && column < columns && i >= 0 && i < n ? i : null;
		},
	};
}

function Tip({ node, place }) {
	const left = Math.max(0, Math.min(place.x, place.room - 268));
	const rows = [
		['CPU demand', `${percent(node.demand_high_permille)}${node.saturated ? ' (saturated: at least)' : ''}`],
		['CPU used', percent(node.cpu_permille)], ['IO stall', percent(node.psi_io_permille)], ['Run queue p99', ns(node.runq_p99_ns)],
		['Memory', percent(node.mem_permille)], ['Pods', count(node.pods)], ['Sample', age(node.age_ms)],
	];
	return (
		<div class="tip" style={{ left: `${left}px`, top: `${place.y}px` }}>
			<b><Name>{node.node}</Name></b>
			<span class="note">{[node.group, word(node.capacity), node.instance_type, node.zone_id, word(node.state)].filter(Boolean).map((t, i) => <span key={i}>{i ? ' · ' : ''}<Name>{t}</Name></span>)}</span>
			<dl>{rows.map(([k, v]) => <><dt>{k}</dt><dd>{v}</dd></>)}</dl>
		</div>
	);
}

const STEPS = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (l) => -l.columns, ArrowDown: (l) => l.columns, Home: () => -Infinity, End: () => Infinity };

// nodes: items of the API in a stable order; total: cells on the whole page, which sets their size.
export function NodeGrid({ nodes, total, shade, matches, version, onOpen, label }) {
	const [box, width] = useWidth();
	const canvas = useRef(null);
	const [focus, setFocus] = useState(null);
	const [byKeys, setByKeys] = useState(false);
	const layout = arrange(nodes.length, width, cellSize(total, width));
	const colours = palette.value;
	useEffect(() => {
		if (width)
			paint(canvas.current, nodes, layout, { shade, matches, focus, colours });
	}, [nodes, version, width, total, shade, matches, focus, colours]);
	const keys = (event) => {
		if (event.key === 'Enter' && focus !== null)
			return onOpen(nodes[focus]);
		if (event.key === 'Escape')
			return setFocus(null);
		const step = STEPS[event.key];
		if (!step)
			return undefined;
		event.preventDefault();
		setByKeys(true);
		return setFocus(focus === null ? 0 : Math.max(0, Math.min(nodes.length - 1, focus + step(layout))));
	};
	const point = (event) => {
		setByKeys(false);
		setFocus(layout.find(event.offsetX, event.offsetY));
	};
	const focused = focus !== null ? nodes[focus] : null;
	const [x, y] = focused ? layout.at(focus) : [0, 0];
	return (
		<div class="grid" ref={box}>
			<canvas ref={canvas} tabIndex={0} role="application" aria-roledescription="node grid" style={{ width: `${width}px`, height: `${layout.height}px`, cursor: focused ? 'pointer' : null }}
				aria-label={`${label}: ${nodes.length} nodes. Arrow keys choose one, Enter opens it.`} onPointerMove={point} onPointerLeave={() => setFocus(null)}
				onFocus={() => focus === null && setByKeys(true)} onBlur={() => setFocus(null)} onKeyDown={keys}
				onClick={(event) => { const i = layout.find(event.offsetX, event.offsetY); if (i !== null) onOpen(nodes[i]); }} />
			{focused && <Tip node={focused} place={{ x, y: y + layout.pitch + 4, room: width }} />}
			<span class="offscreen" role="status">{focused && byKeys ? `${shortNode(focused.node)}, ${word(focused.state)}, CPU ${percent(focused.demand_high_permille)}` : ''}</span>
		</div>
	);
}
