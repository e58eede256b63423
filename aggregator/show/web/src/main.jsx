// SPDX-License-Identifier: Apache-2.0
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { render } from 'preact';
import { signal } from '@preact/signals';

const status = signal(null);
async function load() {
	try {
		status.value = await (await fetch('/api/v1/status')).json();
	} catch {
		status.value = null;
	}
	setTimeout(load, 2000);
}
load();
render(
	<main>
		<pre>{() => JSON.stringify(status.value, null, 2)}</pre>
	</main>,
	document.getElementById('app')
);
