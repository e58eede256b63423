// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/prophet_map.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/linalg.h"

enum { SIGMA_ROUNDS = 60, SEARCH_STEPS = 400 };

static const double trend_precision = 1.0 / 25;

static double squares(const struct map_problem *o, const double *b)
{
	size_t c = 2 + o->slopes + o->features;
	double s = o->gram[c * o->p + c];
	for (size_t i = 0; i < c; i++) {
		const double *row = o->gram + i * o->p;
		s += b[i] * (b[i] * row[i] + 2 * dot(row, b, i) - 2 * o->gram[c * o->p + i]);
	}
	// Below rounding of the sums nothing is known.
	return fmax(s, 1e-14 * o->gram[c * o->p + c]);
}

double prophet_objective(const struct map_problem *o, const double *b, double sigma)
{
	double lp = -0.5 * trend_precision * (b[0] * b[0] + b[1] * b[1]) - 2 * sigma * sigma;
	for (size_t j = 0; j < o->slopes; j++)
		lp -= fabs(b[2 + j]) / o->tau;
	for (size_t i = 0; i < o->features; i++) {
		double r = b[2 + o->slopes + i] / o->sigmas[i];
		lp -= 0.5 * r * r;
	}
	return lp - (double)o->rows * log(sigma) - 0.5 * squares(o, b) / (sigma * sigma);
}

// 1/2 d' q d - c' d + level |d|_1 over d[n]; q is full, stride MAP_SLOPES.
struct lasso {
	size_t n;
	double level;
	double q[MAP_SLOPES * MAP_SLOPES], c[MAP_SLOPES];
};

static double gradient_at(const struct lasso *l, const double *d, size_t i)
{
	return dot(l->q + i * MAP_SLOPES, d, l->n) - l->c[i];
}

static double lasso_value(const struct lasso *l, const double *d)
{
	double s = 0;
	for (size_t i = 0; i < l->n; i++)
		s += d[i] * (0.5 * (gradient_at(l, d, i) - l->c[i])) + l->level * fabs(d[i]);
	return s;
}

// The minimum over the active coordinates if their signs stay as they are.
static bool solve_signed(const struct lasso *l, const double *sign, double *ret)
{
	double g[MAP_SLOPES * MAP_SLOPES], work[MAP_SLOPES * MAP_SLOPES], b[MAP_SLOPES];
	size_t index[MAP_SLOPES], n = 0;
	for (size_t i = 0; i < l->n; i++)
		if (sign[i] != 0)
			index[n++] = i;
	for (size_t i = 0; i < n; i++) {
		b[i] = l->c[index[i]] - l->level * sign[index[i]];
		for (size_t j = 0; j <= i; j++)
			g[i * MAP_SLOPES + j] = l->q[index[i] * MAP_SLOPES + index[j]];
	}
	if (ridge_solve(&(struct gram){g, MAP_SLOPES, n}, NULL, work, b) < 0)
		return false;
	memset(ret, 0, l->n * sizeof(double));
	for (size_t i = 0; i < n; i++)
		ret[index[i]] = b[i];
	return true;
}

// From d towards target, stops at the best of the points where a coordinate crosses zero; false if
// nothing was gained.
static bool walk(const struct lasso *l, double *d, const double *target)
{
	double best[MAP_SLOPES], at[MAP_SLOPES], before = lasso_value(l, d), value = before;
	for (size_t k = 0; k <= l->n; k++) {
		double share = 1;
		if (k < l->n) {
			if (!(d[k] * target[k] < 0))
				continue;
			share = d[k] / (d[k] - target[k]);
		}
		for (size_t i = 0; i < l->n; i++)
			at[i] = i == k ? 0 : d[i] + share * (target[i] - d[i]);
		double v = lasso_value(l, at);
		if (v < value) {
			value = v;
			memcpy(best, at, sizeof(best));
		}
	}
	if (!(value < before))
		return false;
	memcpy(d, best, l->n * sizeof(double));
	return true;
}

// The coordinate at zero that wants to leave it most; n if none does.
static size_t most_wanted(const struct lasso *l, const double *d)
{
	size_t found = l->n;
	double most = l->level * (1 + 1e-9);
	for (size_t i = 0; i < l->n; i++) {
		double g = d[i] == 0 ? fabs(gradient_at(l, d, i)) : 0;
		if (g > most) {
			most = g;
			found = i;
		}
	}
	return found;
}

static void feature_sign_search(const struct lasso *l, double *d)
{
	double sign[MAP_SLOPES], target[MAP_SLOPES];
	for (int step = 0; step < SEARCH_STEPS; step++) {
		for (size_t i = 0; i < l->n; i++)
			sign[i] = (d[i] > 0) - (d[i] < 0);
		if (solve_signed(l, sign, target) && walk(l, d, target))
			continue;
		// Nothing to gain with these signs: let one more coordinate in.
		size_t add = most_wanted(l, d);
		if (add == l->n)
			return;
		sign[add] = gradient_at(l, d, add) > 0 ? -1 : 1;
		if (!solve_signed(l, sign, target) || !walk(l, d, target))
			return;
	}
}

// Everything but the slopes, eliminated: order of `rest` is k, m, beta.
struct reduced {
	size_t n; // rest
	double factor[MAP_COLUMNS * MAP_COLUMNS];
	double solved[MAP_SLOPES + 1][MAP_COLUMNS]; // A_rr^-1 [A_rd, b_r]
	struct lasso lasso;
};

static size_t rest_column(const struct map_problem *o, size_t i)
{
	return i < 2 ? i : i + o->slopes;
}

static double gram_at(const struct map_problem *o, size_t i, size_t j)
{
	return i >= j ? o->gram[i * o->p + j] : o->gram[j * o->p + i];
}

static int reduce(const struct map_problem *o, double variance, struct reduced *r)
{
	size_t target = 2 + o->slopes + o->features;
	r->n = 2 + o->features;
	for (size_t i = 0; i < r->n; i++) {
		double precision =
			i < 2 ? trend_precision : 1 / (o->sigmas[i - 2] * o->sigmas[i - 2]);
		for (size_t j = 0; j <= i; j++)
			r->factor[i * r->n + j] = gram_at(o, rest_column(o, i), rest_column(o, j));
		r->factor[i * r->n + i] += variance * precision;
	}
	int rc = cholesky(r->factor, r->n, r->n);
	if (rc < 0)
		return rc;
	for (size_t j = 0; j <= o->slopes; j++) {
		size_t column = j < o->slopes ? 2 + j : target;
		for (size_t i = 0; i < r->n; i++)
			r->solved[j][i] = gram_at(o, rest_column(o, i), column);
		cholesky_solve(r->factor, r->n, r->n, r->solved[j]);
	}
	struct lasso *l = &r->lasso;
	l->n = o->slopes;
	l->level = variance / o->tau;
	for (size_t j = 0; j < o->slopes; j++) {
		double cross[MAP_COLUMNS];
		for (size_t i = 0; i < r->n; i++)
			cross[i] = gram_at(o, rest_column(o, i), 2 + j);
		l->c[j] = gram_at(o, 2 + j, target) - dot(cross, r->solved[o->slopes], r->n);
		for (size_t i = 0; i < o->slopes; i++)
			l->q[j * MAP_SLOPES + i] =
				gram_at(o, 2 + j, 2 + i) - dot(cross, r->solved[i], r->n);
	}
	return 0;
}

static void put_back(
	const struct map_problem *o, const struct reduced *r, const double *delta, double *b)
{
	memcpy(b + 2, delta, o->slopes * sizeof(double));
	for (size_t i = 0; i < r->n; i++) {
		double v = r->solved[o->slopes][i];
		for (size_t j = 0; j < o->slopes; j++)
			v -= delta[j] * r->solved[j][i];
		b[rest_column(o, i)] = v;
	}
}

// Best sigma for given squares: the root of n / s - SSE / s^3 + 4 s = 0.
static double best_variance(double n, double sse)
{
	return 2 * sse / (n + sqrt(n * n + 16 * sse));
}

int prophet_map(const struct map_problem *o, struct map_fit *ret)
{
	struct reduced *r = malloc(sizeof(*r));
	double delta[MAP_SLOPES] = {0}, n = (double)o->rows;
	size_t target = 2 + o->slopes + o->features;
	double variance = best_variance(n, fmax(gram_at(o, target, target), 1e-12)) / 4;
	int rc = r ? 0 : -ENOMEM;
	memset(ret, 0, sizeof(*ret));
	for (int round = 0; rc == 0 && round < SIGMA_ROUNDS; round++) {
		rc = reduce(o, variance, r);
		if (rc < 0)
			break;
		feature_sign_search(&r->lasso, delta);
		put_back(o, r, delta, ret->b);
		double next = best_variance(n, fmax(squares(o, ret->b), 1e-12));
		bool still = fabs(next - variance) < 1e-9 * variance;
		variance = next;
		if (still)
			break;
	}
	free(r);
	ret->sigma = sqrt(variance);
	ret->objective = rc == 0 ? prophet_objective(o, ret->b, ret->sigma) : -INFINITY;
	return rc < 0 ? rc : isfinite(ret->objective) ? 0 : -EDOM;
}
