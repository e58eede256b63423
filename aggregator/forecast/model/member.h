// SPDX-License-Identifier: Apache-2.0
// What every forecasting model ("member" of the ensemble) looks like from outside.
//
// A member learns its parameters once from y[0..fit_end) and can then forecast from any origin: it
// rolls its state over y[0..origin) with the parameters kept. That is what makes back-tests over
// many origins cost milliseconds: one fit, many origins. A member never looks at y[origin..]; the
// ensemble's tests hold every member to that. Each member is one file with one `const struct
// member_ops`. Pure: no I/O, no clock, no globals; randomness from in->seed. Memory: members
// allocate in create() and free in destroy(); a forecast allocates nothing that outlives it.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { QUANTILE_COUNT = 9, MAX_PERIODS = 3, MEMBER_SAVED_MAX = 96 };
extern const double quantile_levels[QUANTILE_COUNT]; // .01 .05 .1 .25 .5 .75 .9 .95 .99
extern const double quantile_scores[QUANTILE_COUNT]; // of the standard normal distribution

struct lstm_weights;

struct member_input {
	const double *y; // regular grid; NAN = missing; cleaned by the front end (outliers clipped,
			 // transformed scale)
	size_t n;
	int64_t start_s; // epoch seconds of y[0] (start of its bin)
	int64_t step_s;
	size_t periods[MAX_PERIODS]; // candidate seasons in steps, ascending (24, 168), only those
				     // with >= 2 cycles in y
	size_t n_periods;
	const double *regressors; // known for the past and the future: [n +
				  // max_horizon][n_regressors], row-major; NULL if none
	size_t n_regressors;
	size_t max_horizon;
	double scale; // a positive typical size of y's daily-season differences, for tolerances
	uint64_t seed;
	// What save() gave for an earlier fit of the same series, or NULL: create() then takes
	// these parameters as they are, without a search, and only rolls its states. Numbers that
	// do not fit are ignored (a search is made), never trusted: they come from a file.
	const double *saved;
	size_t n_saved;
	const struct lstm_weights *lstm; // of the cluster; NULL = those compiled in (lstm.h)
};

struct member_ops {
	const char *name; // short, stable: "ets", "theta", "arima"
	// in is borrowed until destroy(). -ENODATA if y[0..fit_end) is too short or empty for this
	// model, -ENOMEM, -EDOM if the fit failed numerically: the ensemble goes on without it.
	int (*create)(void **ret_model, const struct member_input *in, size_t fit_end);
	// Quantiles for y[origin .. origin+horizon), row-major [horizon][QUANTILE_COUNT], each row
	// ascending and finite. origin >= 1; horizon <= in->max_horizon. -EDOM if it cannot.
	int (*forecast)(void *model, size_t origin, size_t horizon, double *ret);
	void (*destroy)(void *model); // NULL is fine
	// The fitted parameters (orders included) as at most MEMBER_SAVED_MAX finite numbers;
	// returns how many. NULL: this member has nothing worth keeping and always fits.
	size_t (*save)(const void *model, double ret[MEMBER_SAVED_MAX]);
};

// Row of quantiles of a normal distribution; sd >= 0.
void member_normal_row(double mean, double sd, double ret[QUANTILE_COUNT]);

extern const struct member_ops member_last, member_daily, member_weekly, member_ratio; // naive.c
extern const struct member_ops member_ets, member_ets_seasonal;                        // ets.c
extern const struct member_ops member_theta;                                           // theta.c
extern const struct member_ops member_mstl_ets, member_mstl_arima;                     // mstl.c
extern const struct member_ops member_arima;   // arima.c: Fourier regressors
extern const struct member_ops member_prophet; // prophet.c
extern const struct member_ops member_linear;  // linear.c: NLinear by ridge
extern const struct member_ops member_lstm;    // lstm.c
