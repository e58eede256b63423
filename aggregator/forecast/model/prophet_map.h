// SPDX-License-Identifier: Apache-2.0
// Maximum a posteriori of Prophet's model (Taylor and Letham, The American Statistician 72, 2018),
// with additive seasons and linear trend:
//
//   y = k t + m + sum_j delta_j (t - s_j)+ + X beta + noise,   k, m ~ N(0, 5), delta ~ Laplace(0,
//   tau), beta ~ N(0, sigma_i), noise ~ N(0, sigma), sigma ~ N(0, 0.5) > 0
//
// The published program hands this to a general optimiser. But for a given sigma it is a quadratic
// with an L1 penalty on at most 25 slopes: everything else is eliminated by a Cholesky factor, the
// slopes are found exactly by feature-sign search (Lee et al., NIPS 2006), and sigma has a closed
// form given the rest. The data enter only through a Gram matrix. Microseconds, whatever the
// length.
#pragma once

#include <stddef.h>

enum { MAP_SLOPES = 25, MAP_COLUMNS = 72 }; // columns: t, 1, slopes, features, target, padding

struct map_problem {
	const double *gram; // lower triangle, stride p: columns in the order of the formula, then y
	size_t p;
	size_t rows, slopes, features;
	double tau;
	const double *sigmas; // [features]
};

struct map_fit {
	double b[MAP_COLUMNS]; // k, m, delta, beta
	double sigma;
	double objective; // log posterior as Stan's lp__, constants dropped: larger is better
};

int prophet_map(const struct map_problem *o, struct map_fit *ret); // -EDOM
double prophet_objective(const struct map_problem *o, const double *b, double sigma);
