// SPDX-License-Identifier: Apache-2.0
// Exponential smoothing as a state space model with additive errors: ANN, AAN, AAdN, ANA, AAA, AAdA
// (Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing, 2008).
//
// Why only additive errors: load has zeros, and the front end has taken the logarithm where spread
// grows with level. The filter is exposed because tests compare it with other implementations; the
// ensemble uses the members only. A missing value leaves the states to their own motion.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { ETS_PERIOD_MAX = 24 }; // a longer season has more initial states than data: decompose first

struct ets_params {
	double alpha, beta, gamma, phi; // beta 0 and phi 1 without trend, gamma 0 without season
	size_t period;                  // 0 or 1 = no season
	bool trend, damped;
};

struct ets_state {
	double level, slope;
	double season[ETS_PERIOD_MAX]; // season[at] is due next, then at+1, …, wrapping
	size_t at;
};

struct ets_fit {
	double likelihood; // n * log(sum of squared errors), as R's ets() has it: smaller is better
	double squares;
	size_t n; // known values
};

double ets_expected(const struct ets_params *p, const struct ets_state *s); // one step ahead
// Takes one value (NAN = missing) in and returns the one-step error, NAN if missing.
double ets_update(const struct ets_params *p, struct ets_state *s, double y);
// Rolls s over y[0..n); errors (n numbers) may be NULL.
struct ets_fit ets_filter(const struct ets_params *p, struct ets_state *s, const double *y,
	size_t n, double *ret_errors);
// Start from the first cycles: means per phase of the detrended values, then a line through the
// first max(10, 2 * period) seasonally adjusted ones. False if too few are known.
bool ets_start(const struct ets_params *p, const double *y, size_t n, struct ets_state *ret);
// Whether past errors fade (spectral radius of the discount matrix <= 1), same book, section 10.
bool ets_admissible(const struct ets_params *p);
// Weights of past errors in the error h steps ahead: ret[0] = 1, ret[j] = c_j, j < horizon.
void ets_error_weights(const struct ets_params *p, size_t horizon, double *ret);
