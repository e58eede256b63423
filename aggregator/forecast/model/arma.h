// SPDX-License-Identifier: Apache-2.0
// Fits an ARIMA(p <= 3, d <= 2, q <= 3) to a series with gaps: differencing by the KPSS test,
// orders by AICc, parameters by exact likelihood.
//
// Every (p, q) is first ranked by Hannan and Rissanen's regression (Biometrika 69, 1982: lags of
// the series and of the residuals of a long autoregression), which costs one Gram matrix for all
// sixteen; the search then walks from the best one over neighbours, and only these few are fitted
// by likelihood. Parameters are searched as partial autocorrelations through tanh, so that every
// point of the search is stationary and invertible (Monahan, Biometrika 71, 1984).
#pragma once

#include <stddef.h>

#include "aggregator/forecast/model/kalman.h"

struct arma_fit {
	struct arma model;
	double mean;     // of the series if d = 0, of nothing (0) otherwise
	double variance; // of the innovations
	double aicc;
};

// KPSS statistic for a level (Kwiatkowski et al., J. Econometrics 54, 1992), Bartlett weights up to
// `lags`; missing values are skipped. Above 0.463 a level is rejected at 5 %.
double kpss_level(const double *y, size_t n, size_t lags);
// How often y must be differenced: 0, 1, at most `most`.
size_t arma_differences(const double *y, size_t n, size_t most);

// Stationary AR coefficients from any real numbers; MA ones are the same with opposite signs.
void arma_from_free(const double *x, size_t p, double *ret_phi);
// Maximum likelihood for given orders; start (p + q free numbers) NULL = zero.
int arma_fit_orders(const double *y, size_t n, const struct arma *orders, const double *start,
	struct arma_fit *ret);
// Orders too. -ENODATA with under 12 known values, -EDOM if nothing fits.
int arma_fit_auto(const double *y, size_t n, size_t most_differences, struct arma_fit *ret);
// Better parameters for a series that has changed a little: same orders, started from *fit.
int arma_refit(const double *y, size_t n, struct arma_fit *fit);
// Orders and parameters as numbers, and back: mean and variance are measured anew on y. -EINVAL if
// the numbers are not a stationary, invertible model, whatever they are.
enum { ARMA_SAVED = 3 + 2 * ARMA_MAX };
size_t arma_save(const struct arma_fit *fit, double ret[ARMA_SAVED]);
int arma_restore(const double saved[ARMA_SAVED], const double *y, size_t n, struct arma_fit *ret);
// Variance of the error h + 1 steps ahead, h < horizon, in units of the innovation variance.
void arma_error_variance(const struct arma *model, size_t horizon, double *ret);
