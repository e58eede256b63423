// SPDX-License-Identifier: Apache-2.0
// The aggregator's own HTTP server over a synthetic fleet: tests/flow/serve_show, as the release or dev preset built it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

function serveShow() {
	const found = [process.env.PETREL_SERVE_SHOW, ...['release', 'dev'].map((p) => join(ROOT, 'build', p, 'serve_show'))].find((p) => p && existsSync(p));
	if (!found)
		throw new Error('serve_show is not built: cmake --preset release && cmake --build --preset release');
	return found;
}

// {url, stop()} of the real server with so many nodes.
export async function startReal(nodes) {
	const child = spawn(serveShow(), [String(nodes)], { stdio: ['pipe', 'pipe', 'inherit'] });
	const port = await new Promise((resolve, reject) => {
		child.stdout.on('data', (data) => {
			const match = /ready (\d+)/.exec(String(data));
			if (match)
				resolve(match[1]);
		});
		child.on('exit', (code) => reject(new Error(`serve_show ended with ${code}`)));
	});
	return {
		url: `http://127.0.0.1:${port}`, pid: child.pid,
		stop: () => new Promise((done) => {
			child.removeAllListeners('exit');
			child.on('exit', done);
			child.kill();
		}),
	};
}
