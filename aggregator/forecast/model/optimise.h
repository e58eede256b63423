// SPDX-License-Identifier: Apache-2.0
// Minimum of a smooth function of a few variables: BFGS with numeric gradients and backtracking.
//
// Deterministic; allocates nothing. The value may be INFINITY where x is not allowed (never at the
// start); NAN counts as that. The function should be scaled so that changes of 1e-7 do not matter.
#pragma once

#include <stddef.h>

enum { BFGS_MAX = 8 };

struct bfgs {
	double (*value)(const double *x, void *arg);
	void *arg;
	size_t n; // <= BFGS_MAX
	unsigned iterations;
	double tolerance; // stops when an iteration gains less
};

double bfgs_minimise(const struct bfgs *o, double *x); // x: start in, best out; returns its value
