// SPDX-License-Identifier: Apache-2.0
// The pieces every page is made of: panel, tag, meter, table, tabs, and the states of a thing that is still to come.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { name, UNKNOWN, word } from './format.js';

// ---- copy as text ------------------------------------------------------------------------------------------------

const plain = (text) => text.replace(/[\u202f\u00a0]/g, ' ');

async function toClipboard(text) {
	if (navigator.clipboard)
		return navigator.clipboard.writeText(text);
	// Over plain http from another machine there is no clipboard API.
	const area = document.createElement('textarea');
	area.value = text;
	area.className = 'offscreen';
	document.body.append(area);
	area.select();
	const copied = document.execCommand('copy');
	area.remove();
	if (!copied)
		throw new Error('the browser refused');
}

export function CopyButton({ text, what }) {
	const [state, setState] = useState('');
	const copy = async () => {
		const done = await toClipboard(plain(text())).then(() => 'copied', () => 'refused');
		setState(done);
		setTimeout(() => setState(''), 1500);
	};
	return (
		<button class="quiet" onClick={copy} aria-label={`Copy ${what} as text`} title="Copy as text">
			<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z" /></svg>
			<span class="copied" role="status">{state}</span>
		</button>
	);
}

// Columns and rows as aligned text: numbers to the right.
export function textTable(columns, rows) {
	const cells = [columns.map((c) => c.title), ...rows.map((r) => columns.map((c) => String(c.text(r))))];
	const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
	const line = (row) => row.map((cell, i) => (columns[i].number ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join('  ').trimEnd();
	return `${cells.map(line).join('\n')}\n`;
}

// ---- layout ------------------------------------------------------------------------------------------------------

export function Panel({ title, note, actions, copy, class: extra = '', children, id }) {
	return (
		<section class={`panel ${extra}`} aria-label={typeof title === 'string' ? title : undefined} id={id}>
			<header>
				<h2>{title}</h2>
				{note && <span class="note">{note}</span>}
				<span class="spacer" />
				{actions}
				{copy && <CopyButton text={copy} what={String(title)} />}
			</header>
			{children}
		</section>
	);
}

export const Name = ({ children, short }) => {
	const text = name(children);
	return <bdi class="name" title={short ? text : undefined}>{short ?? text}</bdi>;
};

const MARKS = { ok: '✓', warn: '▲', bad: '✕', info: '•' };
export const Tag = ({ tone = '', mark, children, title }) => (
	<span class={`tag ${tone}`} title={title}>
		{mark !== false && MARKS[tone] && <i aria-hidden="true">{MARKS[tone]}</i>}
		{children}
	</span>
);
export const Simulated = () => <Tag tone="sim" title="No real machine is behind it: a simulator replays recorded load">SIMULATED</Tag>;
export const Capacity = ({ type }) => <Tag tone={type === 'spot' ? 'spot' : ''}>{word(type)}</Tag>;

const STATE_TONE = { ready: 'ok', 'not-ready': 'bad', silent: 'warn', draining: 'info', gone: '' };
export const State = ({ state }) => <Tag tone={STATE_TONE[state] ?? ''}>{word(state)}</Tag>;

export function Tabs({ label, options, value, onChange }) {
	return (
		<div class="tabs" role="group" aria-label={label}>
			{options.map(([key, text]) => (
				<button key={key} aria-pressed={key === value} onClick={() => onChange(key)}>{text}</button>
			))}
		</div>
	);
}

export const Stat = ({ label, children, sub, tone = '', wideOnly }) => (
	<div class={`stat ${tone} ${wideOnly ? 'wide-only' : ''}`}>
		<dt>{label}</dt>
		<dd>
			<b>{children}</b>
			{sub && <small>{sub}</small>}
		</dd>
	</div>
);

// A bar from 0 to `of`, with a mark for what is expected. `share` over 1 is drawn full and in the colour of trouble, unless it is `plain`.
export function Meter({ share, mark, label, plain: neutral }) {
	const known = Number.isFinite(share);
	const width = known ? Math.min(1, share) * 100 : 0;
	const tone = neutral ? '' : share >= 1 ? 'bad' : share >= 0.8 ? 'warn' : '';
	return (
		<svg class={`meter ${tone}`} viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label={label}>
			<rect class="track" width="100" height="8" />
			<rect class="fill" width={width} height="8" />
			{Number.isFinite(mark) && <rect class="mark" x={Math.min(99, Math.max(0, mark * 100 - 0.5))} width="1.2" height="8" />}
		</svg>
	);
}

// ---- states ------------------------------------------------------------------------------------------------------

export const Loading = ({ what = 'Loading' }) => <p class="state" role="status"><span class="dots">{what}</span></p>;
export const Empty = ({ title, children }) => (
	<div class="state">
		<b>{title}</b>
		{children && <p>{children}</p>}
	</div>
);
export const Failed = ({ error }) => (
	<div class="state failed" role="alert">
		<b>{error.status === 404 ? 'Not found' : 'This could not be read'}</b>
		<p>{name(error.message)}</p>
		{error.hint && <p class="note">{name(error.hint)}</p>}
	</div>
);

// ---- table -------------------------------------------------------------------------------------------------------

const ROW = 32; // CSS fixes the rows of a long table to this height
const LONG = 120; // rows, from here on only those in view are in the page

function order(rows, column, down) {
	if (!column)
		return rows;
	const value = column.sort ?? column.text;
	const unknown = (v) => v === null || v === undefined || v === UNKNOWN || Number.isNaN(v);
	return [...rows].sort((a, b) => {
		const [x, y] = [value(a), value(b)];
		if (unknown(x) || unknown(y))
			return unknown(x) - unknown(y);
		const by = typeof x === 'number' ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
		return down ? -by : by;
	});
}

// columns: {key, title, text(row), cell?(row), sort?(row), number?}. Sorted by a click on a head; long lists keep only the
// rows in view.
export function Table({ columns, rows, rowKey, sortBy, sortDown = false, label, empty, onRow, selected }) {
	const [sort, setSort] = useState({ key: sortBy, down: sortDown });
	const [top, setTop] = useState(0);
	const box = useRef(null);
	const column = columns.find((c) => c.key === sort.key);
	const sorted = useMemo(() => order(rows, column, sort.down), [rows, sort.key, sort.down]);
	const long = sorted.length > LONG;
	const height = long ? Math.min(640, innerHeight * 0.7) : undefined;
	const first = long ? Math.max(0, Math.floor(top / ROW) - 8) : 0;
	const shown = long ? sorted.slice(first, first + Math.ceil(height / ROW) + 16) : sorted;
	const below = long ? sorted.length - first - shown.length : 0;
	if (!sorted.length)
		return empty ?? <Empty title="Nothing here" />;
	const by = (c) => () => setSort({ key: c.key, down: sort.key === c.key ? !sort.down : Boolean(c.number) });
	return (
		<div class={`table ${long ? 'long' : ''}`} ref={box} tabIndex={0} role="region" aria-label={label}
			style={{ maxHeight: height ? `${height}px` : null }} onScroll={(e) => long && setTop(e.currentTarget.scrollTop)}>
			<table aria-rowcount={sorted.length + 1}>
				<thead>
					<tr>
						{columns.map((c) => (
							<th key={c.key} class={c.number ? 'number' : ''} aria-sort={sort.key === c.key ? (sort.down ? 'descending' : 'ascending') : undefined}>
								<button onClick={by(c)}>{c.title}</button>
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					{first > 0 && <tr class="pad" style={{ height: `${first * ROW}px` }} />}
					{shown.map((row) => (
						<tr key={rowKey(row)} class={selected && selected === rowKey(row) ? 'selected' : ''} onClick={onRow && (() => onRow(row))}>
							{columns.map((c) => <td key={c.key} class={c.number ? 'number' : ''}>{c.cell ? c.cell(row) : c.text(row)}</td>)}
						</tr>
					))}
					{below > 0 && <tr class="pad" style={{ height: `${below * ROW}px` }} />}
				</tbody>
			</table>
		</div>
	);
}

// ---- hooks -------------------------------------------------------------------------------------------------------

// The width of an element in CSS pixels, as it changes.
export function useWidth() {
	const ref = useRef(null);
	const [width, setWidth] = useState(0);
	useEffect(() => {
		const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
		observer.observe(ref.current);
		return () => observer.disconnect();
	}, []);
	return [ref, width];
}

// Runs load(signal) at once and every `every` ms while the page is visible; keeps the last answer when one fails.
export function usePoll(load, every, dependencies) {
	const [state, setState] = useState({ data: null, error: null });
	useEffect(() => {
		const turn = new AbortController();
		let timer = 0;
		setState({ data: null, error: null });
		const run = async () => {
			if (!document.hidden)
				await load(turn.signal).then(
					(data) => !turn.signal.aborted && setState({ data, error: null }),
					(error) => !turn.signal.aborted && setState((old) => ({ data: old.data, error }))
				);
			if (!turn.signal.aborted)
				timer = setTimeout(run, every);
		};
		run();
		return () => {
			turn.abort();
			clearTimeout(timer);
		};
	}, dependencies);
	return state;
}
