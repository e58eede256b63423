// SPDX-License-Identifier: Apache-2.0
// The past of a series as a fixed number of columns, for members that map it straight to a future
// value.
//
// A plain window would have to span a season (1,440 columns on a 1-minute grid), so it is folded:
// means of blocks that double in width going back, and the values one season before the target,
// their mean over several seasons, and the same a week ago. Everything is relative to the last
// value. That is 10 to 25 columns whatever the grid. A row depends on y[0..origin) alone.
#pragma once

#include <stddef.h>

#include "aggregator/forecast/model/bands.h"
#include "aggregator/forecast/model/member.h"

enum {
	WINDOW_COLUMNS =
		36, // constant, blocks, seasonal columns, regressors, target; a multiple of 4
	WINDOW_REGRESSORS = 8,
};

// Simple rules stand among the columns; -1 = not for this series.
struct layout {
	size_t columns; // without the target
	size_t p;       // stride: columns + target, rounded up
	size_t blocks;
	int same_time; // one season before the target
	int profile;   // mean of the same time over several seasons
	int weekly;
};

struct window {
	const struct member_input *in;
	size_t fit_end;
	size_t season, week; // steps; 0 = none, week 0 when not longer than season
	size_t smooth;       // half width of the smoothing of seasonal columns
	struct layout at;
	size_t first; // first origin with enough past
	double *z;    // gaps filled, n
	double *sum;  // prefix sums of z, n + 1
	double *comb; // sums of z at stride season, n
	struct spread spread;
};

int window_init(struct window *w, const struct member_input *in, size_t fit_end); // -ENOMEM
void window_done(struct window *w);
// The columns of one (origin, target) pair, zeros up to at.p; origin >= first.
void window_row(const struct window *w, size_t origin, size_t target, double *ret);

// The pieces rows are made of.
double window_mean(const struct window *w, size_t from, size_t to);
double window_around(const struct window *w, size_t t, size_t origin); // mean near t, before origin
double window_profile(
	const struct window *w, size_t t); // mean of t, t - season, … of up to 7 seasons
// Last index before origin that is a whole number of periods before target; needs origin >= period.
size_t window_back(size_t target, size_t period, size_t origin);
