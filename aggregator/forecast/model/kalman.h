// SPDX-License-Identifier: Apache-2.0
// Kalman filter of an ARIMA(p <= 3, d <= 2, q <= 3) process, missing values included.
//
// The state is Harvey's: the ARMA part (max(p, q + 1) numbers, started from its stationary
// distribution) followed by the last d levels, which are known exactly once d consecutive values
// have been seen. Until then values are swallowed and count for nothing, so without gaps the
// likelihood is that of the differenced series. When the covariance stands still (a missing value
// wakes it again) a step costs some 20 multiplications. No allocation. Variances are relative to
// the innovation variance.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { ARMA_MAX = 3, KALMAN_STATES = ARMA_MAX + 1 + 2 };

struct arma {
	size_t p, d, q;
	double phi[ARMA_MAX], theta[ARMA_MAX]; // y[t] = phi y[t-1] + … + e[t] + theta e[t-1] + …
};

struct kalman {
	struct arma model;
	size_t r, m; // ARMA states, all states
	double z[KALMAN_STATES];
	double a[KALMAN_STATES]; // prediction for the next value
	double cov[KALMAN_STATES][KALMAN_STATES];
	double gain[KALMAN_STATES];
	double f; // variance of the prediction of the last value, relative
	bool steady;
	size_t seen; // consecutive values seen before the start, up to d
};

int kalman_start(struct kalman *k, const struct arma *model); // -EDOM if not stationary
// Takes the next value (NAN = missing) and returns its one-step error, NAN when there is none.
double kalman_step(struct kalman *k, double y);
// Expected next values.
void kalman_forecast(const struct kalman *k, size_t horizon, double *ret);

struct likelihood {
	double squares; // sum of error^2 / f
	double log_det; // sum of log f
	size_t n;       // values that counted
};

int kalman_likelihood(const struct arma *model, const double *y, size_t n, struct likelihood *ret);
// The same for a series without gaps at a fraction of the cost; a gap cuts the series into
// stretches that are taken as independent. What searches over parameters use.
int kalman_likelihood_stretches(
	const struct arma *model, const double *y, size_t n, struct likelihood *ret);
// One-step errors divided by their standard deviation, NAN where there is none: what generalised
// least squares needs of the series and of every regressor. Gaps (of `known`, NAN = missing) count
// as above.
void kalman_whiten(
	const struct kalman *start, const double *known, const double *x, size_t n, double *ret);
// Log-likelihood at its best innovation variance, squares / n.
double likelihood_log(const struct likelihood *l);
