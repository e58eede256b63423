// SPDX-License-Identifier: Apache-2.0
// Seasonal-trend decomposition by loess (STL), and its repetition for several seasons (MSTL).
//
// Written from the paper (Cleveland, Cleveland, McRae, Terpenning, J. Official Statistics 6, 1990)
// and agrees to 1e-8 with its published program as shipped in R and statsmodels, jumps and robust
// weights included; the multi-season loop is that of Bandara, Hyndman, Bergmeir (arXiv 2107.13462).
// Pure; y must be finite (fill gaps before). Cost: about n / jump loess fits of `window` points per
// pass.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct stl_options {
	size_t period;
	size_t seasonal, trend, low_pass; // loess windows, odd; 0 = the paper's choice
	int seasonal_degree, trend_degree, low_pass_degree; // 0 or 1
	size_t seasonal_jump, trend_jump,
		low_pass_jump; // evaluate every jump-th point, join by lines
	unsigned inner, outer; // outer 0 = not robust
};

// R's choices for a period and seasonal window (0 = 11): degrees 0, 1, 1, jumps a tenth of the
// window.
struct stl_options stl_defaults(size_t period, size_t seasonal, bool robust);

// Where the components go, n each; weights receives the robustness weights and may be NULL. The
// remainder is y - seasonal - trend.
struct stl_parts {
	double *seasonal, *trend, *weights;
};

// -EINVAL if period < 2 or n < 2 * period; -ENOMEM.
int stl(const double *y, size_t n, const struct stl_options *o, const struct stl_parts *ret);

// Several seasons, shortest first; each is taken out of what the others left, `rounds` times (1 is
// enough for one season). seasonal receives seasons * n values, season by season.
struct mstl_options {
	const struct stl_options *season;
	size_t seasons;
	unsigned rounds;
};

int mstl(const double *y, size_t n, const struct mstl_options *o, double *seasonal, double *trend);
