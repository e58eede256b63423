// SPDX-License-Identifier: Apache-2.0
// Nelder and Mead's simplex for a few parameters (at most SIMPLEX_MAX) of a function without
// derivatives.
//
// Deterministic; allocates nothing. The function must return a number for every point; INFINITY
// means "not allowed", NAN counts as that.
#pragma once

#include <stddef.h>

enum { SIMPLEX_MAX = 8 };

struct simplex {
	double (*value)(const double *x, void *arg);
	void *arg;
	size_t n;
	double step;      // size of the first simplex
	double tolerance; // stops when the values of the simplex differ by less, relatively
	int evaluations;  // most calls of value()
};

// x: start in, best point out. Returns its value.
double simplex_minimise(const struct simplex *s, double *x);
