// SPDX-License-Identifier: Apache-2.0
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { render } from 'preact';
import { App } from './app.jsx';
import { start } from './live.js';

start();
const root = document.getElementById('app');
root.replaceChildren();
render(<App />, root);
