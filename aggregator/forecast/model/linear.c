// SPDX-License-Identifier: Apache-2.0
// Linear member: direct multi-step ridge regression, one equation per horizon, in closed form.
//
// NLinear and DLinear (Zeng et al., arXiv 2205.13504) map a window of past values, taken relative
// to the last one, straight to each future value; here the window is folded (window.h).
//
// Horizons are cut into buckets that widen with h; one bucket has one set of coefficients, learnt
// from all its horizons and a margin on each side. The ridge pulls not towards zero but towards the
// best simple rule (last value, same time yesterday, mean of past days, same time last week), which
// the same Gram matrices choose, and its strength is the one that predicts left-out blocks of time
// best. Two rounds of reweighting turn least squares into (nearly) least absolute errors: the
// median is what is served, and one incident should not bend it. The intervals come from the errors
// on the left-out blocks (bands.h).
#include "aggregator/forecast/model/member.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/bands.h"
#include "aggregator/forecast/model/linalg.h"
#include "aggregator/forecast/model/order.h"
#include "aggregator/forecast/model/window.h"

enum {
	FOLDS = 5,
	MIN_SAMPLES = 20,
	MAX_ROWS = 1800, // per bucket; more adds time, hardly accuracy
	MAX_BUCKETS = 64,
	ROBUST_ROUNDS = 2,
};

struct bucket {
	size_t from, to; // horizons [from, to)
	double beta[WINDOW_COLUMNS];
	struct bands bands;
};

struct linear {
	const struct member_input *in;
	struct window win;
	size_t bucket_count;
	struct bucket *buckets;
};

// Scratch of one bucket's fit.
struct fit {
	double *x;     // [rows][p], target in column `columns`
	double *w;     // [rows]
	double *error; // [rows], on rows left out of the fit
	double *terms; // [rows][SPREAD_TERMS]
	size_t rows, fold_start[FOLDS + 1];
	double fold[FOLDS][WINDOW_COLUMNS * WINDOW_COLUMNS];
	double total[WINDOW_COLUMNS * WINDOW_COLUMNS];
	double rest[WINDOW_COLUMNS * WINDOW_COLUMNS];
	double work[WINDOW_COLUMNS * WINDOW_COLUMNS];
};

// Rows of horizons [from - margin, to + margin) from evenly spread origins, ordered by origin.
static void collect(const struct linear *m, const struct bucket *b, struct fit *f)
{
	size_t width = b->to - b->from, margin = width / 2;
	size_t from = b->from > margin ? b->from - margin : 0, to = b->to + margin;
	if (to > m->in->max_horizon)
		to = m->in->max_horizon;
	size_t origins =
		m->win.fit_end > m->win.first + from ? m->win.fit_end - from - m->win.first : 0;
	size_t pairs = origins * (to - from), step = (pairs + MAX_ROWS - 1) / MAX_ROWS;
	f->rows = 0;
	for (size_t i = 0; i < pairs; i += step ? step : 1) {
		// The step walks through (origin, horizon) pairs with the horizon fastest.
		size_t origin = m->win.first + i / (to - from),
		       target = origin + from + i % (to - from);
		if (target >= m->win.fit_end || !isfinite(m->in->y[target]))
			continue;
		double *row = f->x + f->rows * m->win.at.p;
		window_row(&m->win, origin, target, row);
		row[m->win.at.columns] = m->in->y[target] - m->win.z[origin - 1];
		double *u = f->terms + f->rows * SPREAD_TERMS;
		spread_terms(&m->win.spread, origin, target, 0, u);
		u[SPREAD_TERMS - 1] = m->in->y[target];
		f->w[f->rows++] = 1;
	}
	for (int k = 0; k <= FOLDS; k++)
		f->fold_start[k] = f->rows * (size_t)k / FOLDS;
}

static void accumulate(const struct linear *m, struct fit *f)
{
	size_t p = m->win.at.p;
	memset(f->total, 0, sizeof(f->total));
	for (int k = 0; k < FOLDS; k++) {
		size_t from = f->fold_start[k], rows = f->fold_start[k + 1] - from;
		memset(f->fold[k], 0, p * p * sizeof(double));
		gram_add(f->fold[k], p, f->x + from * p, rows, f->w + from);
		for (size_t i = 0; i < p * p; i++)
			f->total[i] += f->fold[k][i];
	}
}

// Sum of squared errors of beta on the rows behind Gram matrix g.
static double squared_error(const struct linear *m, const double *g, const double *beta)
{
	size_t p = m->win.at.p, c = m->win.at.columns;
	double s = g[c * p + c];
	for (size_t i = 0; i < c; i++) {
		s -= 2 * beta[i] * g[c * p + i];
		s += beta[i] * beta[i] * g[i * p + i];
		s += 2 * beta[i] * dot(g + i * p, beta, i);
	}
	return s > 0 ? s : 0;
}

// The simple rule that explains the rows best, as coefficients.
static void choose_anchor(const struct linear *m, const double *g, double *ret)
{
	const int columns[] = {-1, m->win.at.same_time, m->win.at.profile, m->win.at.weekly};
	double best = INFINITY, beta[WINDOW_COLUMNS];
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		if (i > 0 && columns[i] < 0)
			continue;
		memset(beta, 0, sizeof(beta));
		if (columns[i] >= 0)
			beta[columns[i]] = 1;
		double s = squared_error(m, g, beta);
		if (s < best) {
			best = s;
			memcpy(ret, beta, sizeof(beta));
		}
	}
}

// What the ridge pulls towards, and how hard.
struct pull {
	double anchor[WINDOW_COLUMNS];
	double strength;
};

// Minimises the squared error + strength * sum of g_ii (b_i - anchor_i)^2.
static int solve(
	const struct linear *m, const double *g, double *work, const struct pull *pull, double *ret)
{
	const double *anchor = pull->anchor;
	size_t p = m->win.at.p, c = m->win.at.columns;
	double penalty[WINDOW_COLUMNS] = {0};
	for (size_t i = 0; i < c; i++) {
		penalty[i] = pull->strength * g[i * p + i];
		ret[i] = g[c * p + i];
		for (size_t j = 0; j < c; j++)
			ret[i] -= (j <= i ? g[i * p + j] : g[j * p + i]) * anchor[j];
	}
	int rc = ridge_solve(&(struct gram){g, p, c}, penalty, work, ret);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < c; i++)
		ret[i] += anchor[i];
	return 0;
}

static const double *without(const struct linear *m, struct fit *f, int fold)
{
	for (size_t i = 0; i < m->win.at.p * m->win.at.p; i++)
		f->rest[i] = f->total[i] - f->fold[fold][i];
	return f->rest;
}

static void choose_strength(const struct linear *m, struct fit *f, struct pull *pull)
{
	static const double strengths[] = {0.001, 0.01, 0.1, 1};
	double best = INFINITY, beta[WINDOW_COLUMNS];
	struct pull trial = *pull;
	pull->strength = 1;
	for (size_t i = 0; i < sizeof(strengths) / sizeof(strengths[0]); i++) {
		double s = 0;
		trial.strength = strengths[i];
		for (int k = 0; k < FOLDS; k++) {
			const double *g = without(m, f, k);
			if (solve(m, g, f->work, &trial, beta) < 0)
				s = INFINITY;
			else
				s += squared_error(m, f->fold[k], beta);
		}
		if (s < best) {
			best = s;
			pull->strength = strengths[i];
		}
	}
}

static int left_out_errors(const struct linear *m, struct fit *f, const struct pull *pull)
{
	double beta[WINDOW_COLUMNS];
	size_t p = m->win.at.p, c = m->win.at.columns;
	for (int k = 0; k < FOLDS; k++) {
		int rc = solve(m, without(m, f, k), f->work, pull, beta);
		if (rc < 0)
			return rc;
		for (size_t r = f->fold_start[k]; r < f->fold_start[k + 1]; r++)
			f->error[r] = f->x[r * p + c] - dot(f->x + r * p, beta, c);
	}
	return 0;
}

// Weights that make squares count like absolute values beyond half the typical error.
static void reweight(struct fit *f)
{
	for (size_t r = 0; r < f->rows; r++)
		f->w[r] = fabs(f->error[r]);
	double knee = 0.5 * order_median(f->w, f->rows);
	for (size_t r = 0; r < f->rows; r++) {
		double e = fabs(f->error[r]);
		f->w[r] = e > knee && knee > 0 ? knee / e : 1;
	}
}

static int fit_bands(const struct linear *m, struct bucket *b, struct fit *f)
{
	// The level term wants the forecast, which is the truth less the error.
	for (size_t r = 0; r < f->rows; r++) {
		double *u = f->terms + r * SPREAD_TERMS;
		u[SPREAD_TERMS - 1] = fabs(u[SPREAD_TERMS - 1] - f->error[r]);
	}
	return bands_fit(&b->bands, f->error, f->terms, f->rows);
}

static int fit_bucket(const struct linear *m, struct bucket *b, struct fit *f)
{
	struct pull pull;
	collect(m, b, f);
	if (f->rows < MIN_SAMPLES)
		return -ENODATA;
	for (int round = 0; round <= ROBUST_ROUNDS; round++) {
		accumulate(m, f);
		if (round < 2) {
			choose_anchor(m, f->total, pull.anchor);
			choose_strength(m, f, &pull);
		}
		int rc = left_out_errors(m, f, &pull);
		if (rc < 0)
			return rc;
		reweight(f);
	}
	int rc = solve(m, f->total, f->work, &pull, b->beta);
	return rc < 0 ? rc : fit_bands(m, b, f);
}

static void cut_buckets(struct linear *m)
{
	size_t at = 0;
	m->bucket_count = 0;
	while (at < m->in->max_horizon && m->bucket_count < MAX_BUCKETS) {
		struct bucket *b = &m->buckets[m->bucket_count++];
		size_t width = 1 + at / 6;
		b->from = at;
		at = b->to = at + width < m->in->max_horizon ? at + width : m->in->max_horizon;
	}
	m->buckets[m->bucket_count - 1].to = m->in->max_horizon;
}

static int fit_all(struct linear *m)
{
	struct fit *f = calloc(1, sizeof(*f));
	int rc = f ? 0 : -ENOMEM;
	if (rc == 0) {
		f->x = malloc(MAX_ROWS * m->win.at.p * sizeof(double));
		f->w = malloc(MAX_ROWS * sizeof(double));
		f->error = malloc(MAX_ROWS * sizeof(double));
		f->terms = malloc(MAX_ROWS * SPREAD_TERMS * sizeof(double));
		if (!f->x || !f->w || !f->error || !f->terms)
			rc = -ENOMEM;
	}
	// A bucket too far ahead for the history takes over the last one that could be fitted.
	for (size_t i = 0; rc == 0 && i < m->bucket_count; i++) {
		rc = fit_bucket(m, &m->buckets[i], f);
		if (rc == -ENODATA && i > 0) {
			struct bucket *b = &m->buckets[i];
			memcpy(b->beta, b[-1].beta, sizeof(b->beta));
			b->bands = b[-1].bands;
			rc = 0;
		}
	}
	if (f) {
		free(f->x);
		free(f->w);
		free(f->error);
		free(f->terms);
	}
	free(f);
	return rc;
}

static void linear_destroy(void *model)
{
	struct linear *m = model;
	if (!m)
		return;
	window_done(&m->win);
	free(m->buckets);
	free(m);
}

static int linear_create(void **ret_model, const struct member_input *in, size_t fit_end)
{
	struct linear *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->in = in;
	m->buckets = calloc(MAX_BUCKETS, sizeof(*m->buckets));
	int rc = m->buckets ? window_init(&m->win, in, fit_end) : -ENOMEM;
	if (rc == 0) {
		cut_buckets(m);
		rc = fit_all(m);
	}
	if (rc < 0) {
		linear_destroy(m);
		return rc;
	}
	*ret_model = m;
	return 0;
}

static int linear_forecast(void *model, size_t origin, size_t horizon, double *ret)
{
	struct linear *m = model;
	double x[WINDOW_COLUMNS], terms[SPREAD_TERMS];
	if (origin < m->win.first || origin > m->in->n || horizon > m->in->max_horizon)
		return -EDOM;
	const struct bucket *b = m->buckets;
	for (size_t h = 0; h < horizon; h++) {
		if (h >= b->to)
			b++;
		window_row(&m->win, origin, origin + h, x);
		double point = m->win.z[origin - 1] + dot(x, b->beta, m->win.at.columns);
		if (!isfinite(point))
			return -EDOM;
		spread_terms(&m->win.spread, origin, origin + h, point, terms);
		bands_row(&b->bands, terms, point, ret + h * QUANTILE_COUNT);
	}
	return 0;
}

const struct member_ops member_linear = {
	.name = "linear",
	.create = linear_create,
	.forecast = linear_forecast,
	.destroy = linear_destroy,
};
