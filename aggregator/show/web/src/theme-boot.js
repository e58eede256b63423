// SPDX-License-Identifier: Apache-2.0
// Runs before the first paint: a chosen theme must not flash the other one.
try {
	const chosen = localStorage.getItem('petrel.theme');
	if (chosen === 'light' || chosen === 'dark')
		document.documentElement.dataset.theme = chosen;
} catch {
	// storage is refused (private window): the system's preference holds
}
