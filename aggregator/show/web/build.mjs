// SPDX-License-Identifier: Apache-2.0
// Builds the dashboard into built/ and writes the assembler file and table that carry it into the
// aggregator. The result is committed, so that a C-only build needs no node:
//
//     npm ci && npm run build          # after a change under src/
//     npm run check                    # fails when built/ is not what src/ gives, or is too big
//
// The output is the same bytes for the same sources and lock file: names carry the hash of their content.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { gzipAsync } from '@gfx/zopfli';
import { build } from 'esbuild';
import { minify } from 'terser';

const here = dirname(fileURLToPath(import.meta.url));
const BUDGET_BYTES = 60 * 1024; // all assets together, gzip (DESIGN 10)

const sha = (bytes, length) => createHash('sha256').update(bytes).digest('hex').slice(0, length);

async function bundle() {
	const result = await build({
		absWorkingDir: here,
		entryPoints: { app: 'src/main.jsx', theme: 'src/theme-boot.js' },
		outdir: 'out',
		write: false,
		bundle: true,
		minify: true,
		format: 'iife',
		target: ['es2021', 'chrome100', 'firefox100', 'safari15'],
		jsx: 'automatic',
		jsxImportSource: 'preact',
		legalComments: 'none', // the licences travel in licenses.txt
		charset: 'utf8',
		logLevel: 'warning',
	});
	const files = {};
	for (const file of result.outputFiles) {
		const name = file.path.split('/').pop();
		files[name] = Buffer.from(name.endsWith('.js') ? await shorten(file.text) : file.contents);
	}
	return files;
}

// terser takes 5 % more off than esbuild's own minifier, zopfli 3 % more than gzip -9 and always the same bytes.
async function shorten(code) {
	const result = await minify(code, { ecma: 2020, toplevel: true, compress: { passes: 3, keep_fargs: false, unsafe_arrows: true, unsafe_comps: true } });
	return result.code;
}

const pack = async (raw) => Buffer.from(await gzipAsync(raw, { numiterations: 15 }));

function licences() {
	const packages = ['preact', '@preact/signals', '@preact/signals-core', 'uplot'];
	const parts = packages.map((name) => {
		const dir = join(here, 'node_modules', name);
		const { version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
		const file = readdirSync(dir).find((f) => /^licen[sc]e/i.test(f));
		const text = file ? readFileSync(join(dir, file), 'utf8') : `${license}\n`;
		return `${name} ${version}\n\n${text.trim()}\n`;
	});
	const rule = `\n${'-'.repeat(78)}\n\n`;
	return Buffer.from(['Petrel dashboard: Apache-2.0. It contains:\n', ...parts].join(rule));
}

const TYPES = {
	html: 'text/html; charset=utf-8',
	js: 'text/javascript; charset=utf-8',
	css: 'text/css; charset=utf-8',
	svg: 'image/svg+xml',
	txt: 'text/plain; charset=utf-8',
};

async function assets() {
	const parts = await bundle();
	parts['icon.svg'] = readFileSync(join(here, 'src/icon.svg'));
	parts['licenses.txt'] = licences();
	const list = [];
	const names = {};
	for (const name of Object.keys(parts).sort()) {
		const dot = name.lastIndexOf('.');
		const path = `/assets/${name.slice(0, dot)}-${sha(parts[name], 10)}${name.slice(dot)}`;
		names[name] = path;
		list.push({ path, type: TYPES[name.slice(dot + 1)], raw: parts[name], immutable: true });
	}
	let html = readFileSync(join(here, 'src/index.html'), 'utf8');
	html = html.replace(/\{\{([a-z.]+)\}\}/g, (all, name) => {
		if (!names[name])
			throw new Error(`index.html asks for ${name}, which the build does not make`);
		return names[name];
	});
	list.unshift({ path: '/', type: TYPES.html, raw: Buffer.from(html), immutable: false });
	for (const a of list)
		a.file = a.path === '/' ? 'index.html.gz' : `${a.path.slice('/assets/'.length)}.gz`;
	return list;
}

const assembler = (list) => `/* SPDX-License-Identifier: Apache-2.0 */
/* Written by build.mjs: the dashboard's files, gzip, as read-only data. The hashes make this file change, and so be
   assembled again, when a file behind an unchanged name does. */
	.section .rodata
${list
	.map(
		(a, i) => `	.global web_data_${i}
	.balign 16
web_data_${i}: /* ${a.etag} */
	.incbin "aggregator/show/web/built/${a.file}"`
	)
	.join('\n')}
	.section .note.GNU-stack,"",%progbits
`;

const table = (list) => `// SPDX-License-Identifier: Apache-2.0
// Written by build.mjs: A(number, path, content type, etag, bytes of gzip, immutable)
#define WEB_ASSETS(A) \\
${list
	.map((a, i) => `	A(${i}, "${a.path}", "${a.type}", "\\"${a.etag}\\"", ${a.gzip.length}, ${a.immutable})`)
	.join(' \\\n')}
`;

function write(list) {
	rmSync(join(here, 'built'), { recursive: true, force: true });
	mkdirSync(join(here, 'built'));
	for (const a of list)
		writeFileSync(join(here, 'built', a.file), a.gzip);
	writeFileSync(join(here, 'built/table.h'), table(list));
	writeFileSync(join(here, 'assets.S'), assembler(list));
}

// Compares what is inside the gzip files, so that a newer packer alone changes nothing.
function stale(list) {
	const same = (a) => {
		const path = join(here, 'built', a.file);
		return existsSync(path) && gunzipSync(readFileSync(path)).equals(a.raw);
	};
	const expected = ['table.h', ...list.map((a) => a.file)];
	const extra = readdirSync(join(here, 'built')).filter((name) => !expected.includes(name));
	return [...list.filter((a) => !same(a)).map((a) => a.file), ...extra];
}

const list = await assets();
if (process.argv.includes('--check')) {
	const wrong = stale(list);
	if (wrong.length) {
		console.error(`not what src/ gives; run "npm run build" and commit: ${wrong.join(', ')}`);
		process.exit(1);
	}
	for (const a of list)
		a.gzip = readFileSync(join(here, 'built', a.file));
} else {
	for (const a of list) {
		a.gzip = await pack(a.raw);
		a.etag = sha(a.gzip, 32);
	}
	write(list);
}
const total = list.reduce((sum, a) => sum + a.gzip.length, 0);
for (const a of list)
	console.log(`${String(a.gzip.length).padStart(7)} gzip ${String(a.raw.length).padStart(7)} raw  ${a.path}`);
console.log(`${String(total).padStart(7)} gzip in total, budget ${BUDGET_BYTES}`);
if (total > BUDGET_BYTES) {
	console.error(`the dashboard is ${total - BUDGET_BYTES} bytes over its budget`);
	process.exitCode = 1;
}
