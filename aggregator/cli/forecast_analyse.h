// SPDX-License-Identifier: Apache-2.0
// What is in a series: seasons, trend, spread, outliers, gaps, steps, saturation.
//
// For people who ask why a forecast looks as it does; the forecaster itself does not read it. Every
// finding has a number. A season counts as found when its mean profile explains more than it does
// in 99 copies of the series in which each cycle is rotated by chance: that keeps autocorrelation
// and breaks the season. Day and week are tried first, then the highest peak of the autocorrelation
// of what they leave. Pure; allocates for the call only. Looks at the newest ANALYSE_MAX values.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANALYSE_MAX = 10080, SEASONS_MAX = 3 };

struct season_found {
	size_t period;   // steps
	double strength; // share of the variance left by shorter seasons that it explains, 0..1
	double p;        // chance of that without a season
};

struct analysis {
	size_t first;          // index of the first value looked at
	size_t n, known;       // looked at, and not missing
	size_t gaps, gap_most; // runs of missing values, longest
	double least, median, most;
	double zero_share;
	struct season_found seasons[SEASONS_MAX];
	size_t n_seasons;
	double trend_strength; // 0..1, after seasons
	double trend_per_day;  // in the series' unit
	double memory;         // lag-1 autocorrelation of what seasons and trend leave
	double burst;          // 99 % quantile / median of the known values, NAN if the median is 0
	double exponent;       // spread ~ level^exponent; NAN if it cannot be told
	size_t outliers;       // beyond 6 robust standard deviations of the remainder
	size_t outlier_at;     // index of the largest
	double step;           // largest lasting change of level, 0 = none found
	size_t step_at;
	double top_share;  // share of values at the highest one: a ceiling
	bool saturated;    // it stays there for several steps again and again
	const char *class; // "constant", "mostly zero", "seasonal", …
};

// most: a known upper bound, 0 = unknown. -ENOMEM.
int analyse(const double *y, size_t n, int64_t step_s, double most, struct analysis *ret);
