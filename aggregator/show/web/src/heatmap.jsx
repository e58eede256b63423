// SPDX-License-Identifier: Apache-2.0
// A histogram over time: one column per bin of time, one row per bucket, darker where more of that time's events
// fell. On a canvas, because it has tens of thousands of cells.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { count, moment, ns, us } from './format.js';
import { palette, rampTable } from './theme.js';
import { useWidth } from './ui.jsx';

const LEFT = 66; // room for the axis, as in the charts above and below
const BOTTOM = 22;

// The rows that hold anything, with one to spare at each end.
function usedRows(bins, rows) {
	let [low, high] = [rows, -1];
	for (const bin of bins)
		bin?.forEach((v, b) => {
			if (v) {
				low = Math.min(low, b);
				high = Math.max(high, b);
			}
		});
	return high < 0 ? null : [Math.max(0, low - 1), Math.min(rows - 1, high + 1)];
}

export function quantile(bounds, bin, share) {
	const total = bin.reduce((s, v) => s + v, 0);
	let below = 0;
	for (let b = 0; b < bin.length; b++) {
		below += bin[b];
		if (total && below >= total * share)
			return bounds[b];
	}
	return null;
}

// Brightness by the square root of a bucket's share of its column: a tail of one in ten thousand is still seen.
function paint(canvas, hist, [low, high], size, colours) {
	const scale = devicePixelRatio;
	const [width, height] = [size.width * scale, size.height * scale];
	canvas.width = width;
	canvas.height = height;
	const context = canvas.getContext('2d');
	const table = rampTable(colours.density, 256).map(([r, g, b]) => `rgb(${r},${g},${b})`);
	const plotWidth = width - LEFT * scale - 8 * scale;
	const plotHeight = height - BOTTOM * scale;
	const columnWidth = plotWidth / hist.bins.length;
	const rowHeight = plotHeight / (high - low + 1);
	context.fillStyle = table[0];
	context.fillRect(LEFT * scale, 0, plotWidth, plotHeight);
	hist.bins.forEach((bin, i) => {
		const total = bin?.reduce((s, v) => s + v, 0);
		if (!total)
			return;
		const x = Math.floor(LEFT * scale + i * columnWidth);
		const wide = Math.ceil(columnWidth);
		for (let b = low; b <= high; b++)
			if (bin[b]) {
				context.fillStyle = table[Math.max(24, Math.min(255, Math.round(255 * Math.sqrt(bin[b] / total) * 1.4)))];
				context.fillRect(x, Math.floor((high - b) * rowHeight), wide, Math.ceil(rowHeight));
			}
	});
	ends(context, hist, [low, high], { scale, columnWidth, rowHeight }, colours);
	labels(context, hist, [low, high], { scale, plotWidth, plotHeight, rowHeight }, colours);
}

// The 99th percentile as a line over the cells.
function ends(context, hist, [, high], { scale, columnWidth, rowHeight }, colours) {
	context.strokeStyle = colours.second;
	context.lineWidth = 1.5 * scale;
	context.beginPath();
	hist.bins.forEach((bin, i) => {
		const top = bin && quantile(hist.bounds, bin, 0.99);
		if (!top)
			return;
		const y = (high - hist.bounds.indexOf(top)) * rowHeight;
		context.moveTo(LEFT * scale + i * columnWidth, y);
		context.lineTo(LEFT * scale + (i + 1) * columnWidth, y);
	});
	context.stroke();
}

function labels(context, hist, [low, high], { scale, plotWidth, plotHeight, rowHeight }, colours) {
	const unit = hist.hist.endsWith('_us') ? us : ns;
	context.fillStyle = colours.muted;
	context.font = `${11 * scale}px system-ui, sans-serif`;
	context.textBaseline = 'middle';
	context.textAlign = 'right';
	const every = Math.max(1, Math.ceil((20 * scale) / rowHeight));
	for (let b = low; b <= high; b += every)
		context.fillText(unit(hist.bounds[b]), (LEFT - 6) * scale, Math.max(6 * scale, (high - b) * rowHeight));
	context.textBaseline = 'top';
	const marks = Math.max(2, Math.floor(plotWidth / (110 * scale)));
	for (let m = 0; m <= marks; m++) {
		context.textAlign = m === 0 ? 'left' : m === marks ? 'right' : 'center';
		const t = hist.from_ms + (m / marks) * hist.bins.length * hist.step_ms;
		context.fillText(moment(t), LEFT * scale + (m / marks) * plotWidth, plotHeight + 6 * scale);
	}
}

export function HeatMap({ hist, height = 190, label }) {
	const [box, width] = useWidth();
	const canvas = useRef(null);
	const [at, setAt] = useState(null); // {column, row}
	const colours = palette.value;
	const rows = useMemo(() => usedRows(hist.bins, hist.bounds.length), [hist]);
	const unit = hist.hist.endsWith('_us') ? us : ns;
	useEffect(() => {
		if (width && rows)
			paint(canvas.current, hist, rows, { width, height }, colours);
	}, [hist, width, height, colours]);
	const find = (event) => {
		const x = event.offsetX - LEFT;
		const column = Math.floor((x / (width - LEFT - 8)) * hist.bins.length);
		const row = rows[1] - Math.floor((event.offsetY / (height - BOTTOM)) * (rows[1] - rows[0] + 1));
		setAt(column >= 0 && column < hist.bins.length && row >= rows[0] ? { column, row } : null);
	};
	const move = (event) => {
		const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
		if (!by)
			return;
		event.preventDefault();
		const from = at?.column ?? hist.bins.length - 1;
		setAt({ column: Math.max(0, Math.min(hist.bins.length - 1, from + by)), row: null });
	};
	if (!rows)
		return <div ref={box} class="state"><b>No events were measured in this time</b></div>;
	return (
		<div class="chart" ref={box}>
			<p class="legend" role="status">{readOut(hist, at, unit)}</p>
			<canvas ref={canvas} style={{ width: `${width}px`, height: `${height}px` }} tabIndex={0} role="img"
				aria-label={`${label}. Arrow keys read it column by column.`} onPointerMove={find} onPointerLeave={() => setAt(null)} onKeyDown={move} />
		</div>
	);
}

function readOut(hist, at, unit) {
	const column = at?.column ?? hist.bins.findLastIndex?.((b) => b?.some(Boolean)) ?? hist.bins.length - 1;
	const bin = hist.bins[column];
	const time = moment(hist.from_ms + Math.max(0, column) * hist.step_ms);
	if (!bin?.some(Boolean))
		return `${time}: nothing was measured`;
	const total = bin.reduce((s, v) => s + v, 0);
	const summary = `p50 ≤ ${unit(quantile(hist.bounds, bin, 0.5))} · p99 ≤ ${unit(quantile(hist.bounds, bin, 0.99))} · max ≤ ${unit(quantile(hist.bounds, bin, 1))}`;
	if (at?.row === null || !at)
		return `${time}: ${summary} · ${count(total)} events`;
	const from = at.row ? unit(hist.bounds[at.row - 1]) : '0';
	return `${time}: ${from} to ${unit(hist.bounds[at.row])}: ${count(bin[at.row])} of ${count(total)} · ${summary}`;
}
