// SPDX-License-Identifier: Apache-2.0
// How good a forecast was, once the truth is known: the figures of the forecast benchmark
// (tests/bench/forecast), so that one series can be judged as the whole benchmark is.
//
// Errors are divided by the series' mean absolute difference between days, so figures of different
// series compare: MASE is the error of the median in that unit, WQL the pinball loss summed over
// .05 .1 .5 .9 .95 .99. Steps whose truth is missing do not count. Sums are kept, so a score of
// many forecasts is their mean. Pure; no allocation except in the naive forecasts.
#pragma once

#include <stddef.h>

#include "aggregator/forecast/model/member.h"

enum score_band { BAND_50, BAND_80, BAND_90, BAND_95, BAND_98, SCORE_BANDS };
extern const double score_bands[SCORE_BANDS]; // nominal shares

struct truth {
	const double *y; // what came, [horizon]; NAN = missing
	size_t horizon;
	double scale; // score_scale() of the history
	double level; // mean size of the history
};

struct score {
	size_t forecasts;                                // with at least one known truth
	double mase, wql, msis, pinball[QUANTILE_COUNT]; // sums over forecasts
	double steps, below[QUANTILE_COUNT], inside[SCORE_BANDS];
	double miss, waste, demand; // when provisioning to q90
	size_t crossed;             // forecasts whose quantiles were out of order
};

// Mean absolute difference between values one season apart; at least 1 % of the level, > 0.
double score_scale(const double *y, size_t n, size_t season);
double score_level(const double *y, size_t n); // mean size of the known values
// rows: [horizon][QUANTILE_COUNT], ascending.
void score_add(struct score *s, const struct truth *t, const double (*rows)[QUANTILE_COUNT]);
// Means over the forecasts, shares over the steps; the counts stay. All NAN without a forecast.
struct score score_mean(const struct score *s);
// Loss against another's, of means: (a + .01) / (b + .01), so that two tiny losses count as equal.
double score_ratio(double loss, double other);

// Repeats the last season; the band is that of a random walk between seasons (as R's snaive).
// -ENOMEM.
int naive_seasonal(
	const double *y, size_t n, size_t season, size_t horizon, double (*ret)[QUANTILE_COUNT]);
