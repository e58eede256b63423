// SPDX-License-Identifier: Apache-2.0
// Order statistics: what a member turns its own errors into.
#pragma once

#include <stddef.h>

// Reorders v so that v[k] is its k-th smallest, nothing before it larger, nothing after it smaller.
double order_select(double *v, size_t n, size_t k);
double order_median(double *v, size_t n); // reorders v; NAN if n is 0
void order_sort(double *v, size_t n);
// Sorts only so far that order_quantile() gives what it would of the sorted v for these levels
// (ascending, at most ORDER_LEVELS_MAX): a third of the time of a whole sort.
enum { ORDER_LEVELS_MAX = 16 };
void order_sort_for(double *v, size_t n, const double *levels, size_t n_levels);
// Quantile of ascending v by straight lines between (i + 0.5) / n; NAN if n is 0. Beyond the outer
// points it continues along the normal scores of the tail, since an interval that stops at the
// worst error seen is too narrow by construction.
double order_quantile(const double *v, size_t n, double level);
