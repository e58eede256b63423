// SPDX-License-Identifier: Apache-2.0
// Dynamic optimised Theta (Fiorucci, Pellegrini, Louzada, Petropoulos and Koehler, 2016): simple
// exponential smoothing whose drift is a line refitted with every value.
//
// The filter is exposed for tests against other implementations. A missing value is replaced by its
// expectation.
#pragma once

#include <stddef.h>

struct theta_params {
	double alpha; // .1 … .99
	double theta; // >= 1; 1 is no drift at all
	double level; // before the first value
};

struct theta_state {
	double level, mean, a, b; // the line through all values so far is a + b * t
	double power;             // (1 - alpha)^n
	size_t n;                 // values taken in
};

void theta_start(const struct theta_params *p, double first, struct theta_state *ret);
double theta_expected(const struct theta_params *p, const struct theta_state *s);
// Takes a value in (NAN = missing), returns the one-step error, 0 if missing.
double theta_update(const struct theta_params *p, struct theta_state *s, double y);
// Sum of squared errors from the fourth value on / mean |y|, over y[0..n); what the search
// minimises.
double theta_cost(const struct theta_params *p, const double *y, size_t n, struct theta_state *ret);
