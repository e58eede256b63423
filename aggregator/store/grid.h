// SPDX-License-Identifier: Apache-2.0
// A regular grid of bins that windows are spread over: how every query and every roll-up averages.
//
// A window adds to each bin it touches with the time they share as its weight, so increases are
// conserved whatever the phases. The maximum of a bin is the largest mean of a window that lies in
// it for the most part (at least half of the window, or over the whole bin); the mean where there
// is none.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct store_grid {
	int64_t from_ms, step_ms;
	size_t n;
	double *sum;    // of value x ms, n
	double *weight; // ms, n
	double *max;    // n, -INFINITY where none
};
int store_grid_init(struct store_grid *g, int64_t from_ms, int64_t step_ms, size_t n); // -ENOMEM
void store_grid_done(struct store_grid *g);
// The window [start, end) had this mean and maximum; covered is how many of its ms were measured.
struct store_window {
	int64_t start_ms, end_ms;
	double covered_ms;
	double mean, max;
};
void store_grid_add(struct store_grid *g, const struct store_window *w);
// Bin i as mean, max, NAN where nothing was added.
void store_grid_get(const struct store_grid *g, size_t i, double *ret_mean, double *ret_max);
