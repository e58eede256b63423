// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/optimise.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static double value_of(const struct bfgs *o, const double *x)
{
	double f = o->value(x, o->arg);
	return isnan(f) ? INFINITY : f;
}

static void gradient(const struct bfgs *o, const double *x, double *ret)
{
	// Central differences: forward ones are not accurate enough near the minimum to end in the
	// right place to 1e-6.
	double y[BFGS_MAX];
	memcpy(y, x, o->n * sizeof(*x));
	for (size_t i = 0; i < o->n; i++) {
		double step = 1e-5 * fmax(1, fabs(x[i]));
		y[i] = x[i] + step;
		double up = value_of(o, y);
		y[i] = x[i] - step;
		double down = value_of(o, y);
		y[i] = x[i];
		ret[i] = isfinite(up) && isfinite(down) ? (up - down) / (2 * step) : 0;
	}
}

// One backtracking search along direction d; moves x and *f, returns false if nothing was gained.
static bool line_search(const struct bfgs *o, double *x, double *f, const double *d, double slope)
{
	double y[BFGS_MAX];
	for (double t = 1; t > 1e-6; t *= 0.4) {
		for (size_t i = 0; i < o->n; i++)
			y[i] = x[i] + t * d[i];
		double at = value_of(o, y);
		if (at <= *f + 1e-4 * t * slope) {
			memcpy(x, y, o->n * sizeof(*x));
			*f = at;
			return true;
		}
	}
	return false;
}

// h (inverse Hessian) learns from a step s that changed the gradient by y.
static void update(double h[BFGS_MAX][BFGS_MAX], const double *s, const double *y, size_t n)
{
	double sy = 0, hy[BFGS_MAX], yhy = 0;
	for (size_t i = 0; i < n; i++) {
		sy += s[i] * y[i];
		hy[i] = 0;
		for (size_t j = 0; j < n; j++)
			hy[i] += h[i][j] * y[j];
	}
	for (size_t i = 0; i < n; i++)
		yhy += y[i] * hy[i];
	if (!(sy > 1e-14))
		return;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			h[i][j] += (1 + yhy / sy) * s[i] * s[j] / sy -
				   (hy[i] * s[j] + s[i] * hy[j]) / sy;
}

static double direction(
	double h[BFGS_MAX][BFGS_MAX], const double *g, double *d, size_t n, bool reset)
{
	double slope = 0;
	for (size_t i = 0; i < n; i++) {
		d[i] = 0;
		for (size_t j = 0; j < n; j++) {
			if (reset)
				h[i][j] = i == j;
			d[i] -= h[i][j] * g[j];
		}
		slope += d[i] * g[i];
	}
	return slope;
}

double bfgs_minimise(const struct bfgs *o, double *x)
{
	double h[BFGS_MAX][BFGS_MAX], g[BFGS_MAX], next[BFGS_MAX], d[BFGS_MAX], s[BFGS_MAX],
		y[BFGS_MAX];
	size_t n = o->n;
	assert(n <= BFGS_MAX);
	double f = value_of(o, x);
	bool reset = true;
	if (n == 0)
		return f;
	gradient(o, x, g);
	for (unsigned k = 0; k < o->iterations; k++) {
		double slope = direction(h, g, d, n, reset), before = f;
		memcpy(s, x, n * sizeof(*s));
		if (!(slope < 0) || !line_search(o, x, &f, d, slope)) {
			if (reset)
				break;
			reset = true; // the curvature may be stale: once more downhill
			continue;
		}
		gradient(o, x, next);
		for (size_t i = 0; i < n; i++) {
			s[i] = x[i] - s[i];
			y[i] = next[i] - g[i];
			g[i] = next[i];
		}
		update(h, s, y, n);
		reset = false;
		if (before - f < o->tolerance)
			break;
	}
	return f;
}
