// SPDX-License-Identifier: Apache-2.0
// The columns of Prophet's model on a regular grid: trend, 25 changes of slope over the first 80 %
// of the known values, Fourier terms (yearly 10 from two years on, weekly 3 from two weeks on,
// daily 4 from two days on), regressors. Defaults and scaling are those of the published program,
// so that its optimum is ours.
#pragma once

#include "aggregator/forecast/model/member.h"
#include "aggregator/forecast/model/prophet_map.h"

enum { DESIGN_SEASONS = 3, DESIGN_REGRESSORS = 8 };

struct prophet_design {
	const struct member_input *in;
	size_t fit_end, first; // first known value
	double y_scale;        // largest |y|
	double t_scale;        // steps from the first to the last known value
	size_t slopes, features, p;
	double change[MAP_SLOPES]; // in scaled time
	size_t n_seasons, n_regressors;
	double period_days[DESIGN_SEASONS];
	size_t order[DESIGN_SEASONS];
	double mean[DESIGN_REGRESSORS], spread[DESIGN_REGRESSORS];
	double sigmas[MAP_COLUMNS];
};

// -ENODATA with under 3 known values.
int prophet_design(struct prophet_design *d, const struct member_input *in, size_t fit_end);
double prophet_time(const struct prophet_design *d, size_t t); // scaled
// Row for time t (also past the end of the series): 2 + slopes + features numbers, zeros up to p.
void prophet_row(const struct prophet_design *d, size_t t, double *ret);
// Gram matrix [p * p] of the known values, scaled y last. Returns the number of rows.
size_t prophet_gram(const struct prophet_design *d, double *ret);
