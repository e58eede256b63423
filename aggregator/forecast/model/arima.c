// SPDX-License-Identifier: Apache-2.0
// ARIMA member: regression on Fourier terms of the seasons (and on known regressors) with ARIMA
// errors, a dynamic harmonic regression (Hyndman and Athanasopoulos, Forecasting, section 10.5).
//
// A seasonal state of 168 or 1,440 is out of reach for a Kalman filter, and a few harmonics carry
// most daily and weekly shapes. The steps: least squares for a first remainder; orders and
// parameters of its ARIMA (arma.h); then generalised least squares, i.e. least squares on what the
// ARIMA leaves of the series and of every column; harmonics that do not pay for themselves by AIC
// are dropped. Intervals are those of past origins (bands.h).
#include "aggregator/forecast/model/member.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/arma.h"
#include "aggregator/forecast/model/bands.h"
#include "aggregator/forecast/model/linalg.h"
#include "aggregator/forecast/model/order.h"
#include "aggregator/forecast/model/season.h"

enum {
	DAILY_HARMONICS = 8,
	WEEKLY_HARMONICS = 6,
	MAX_REGRESSORS = 7,
	MAX_COLUMNS = 40, // constant, sine and cosine of every harmonic, regressors, target
	FIT_POINTS = 1440,
	BACK_ORIGINS = 100,
	ERRORS = 1500,
	MIN_KNOWN = 16,
	ROBUST_ROUNDS = 2,
};

static const double huber = 1.5; // standard deviations

struct harmonic {
	size_t times, period; // this many turns per period
	const double *wave;   // cosine, then sine, of one period
	size_t column;
};

struct arima {
	const struct member_input *in;
	size_t fit_end, season;
	size_t harmonics, columns, p; // p: stride, columns and target rounded up
	struct harmonic harmonic[DAILY_HARMONICS + WEEKLY_HARMONICS];
	double beta[MAX_COLUMNS];
	double *waves[2]; // cosine and sine of the short and the long season
	double *rest;     // y less the regression, n
	double *points;   // [max_horizon]
	struct arma_fit fit;
	struct kalman start, at_fit_end;
	double *z;
	struct spread spread;
	struct fan fan;
};

static double *waves_of(size_t period)
{
	double *w = malloc(2 * period * sizeof(*w));
	for (size_t i = 0; w && i < period; i++) {
		w[i] = cos(2 * M_PI * (double)i / (double)period);
		w[period + i] = sin(2 * M_PI * (double)i / (double)period);
	}
	return w;
}

static void add_harmonics(struct arima *m, size_t period, size_t most, size_t skip)
{
	// Multiples of `skip` are harmonics of the shorter season already; the highest is below
	// half a cycle per step.
	for (size_t k = 1; k <= most && 2 * k < period; k++) {
		if (skip && k % skip == 0)
			continue;
		m->harmonic[m->harmonics++] =
			(struct harmonic){k, period, m->waves[period > m->season], m->columns};
		m->columns += 2;
	}
}

static int lay_out(struct arima *m)
{
	size_t week;
	season_pick(m->in, m->fit_end, &m->season, &week);
	m->columns = 1;
	m->waves[0] = m->season ? waves_of(m->season) : NULL;
	m->waves[1] = week > m->season ? waves_of(week) : NULL;
	if ((m->season && !m->waves[0]) || (week > m->season && !m->waves[1]))
		return -ENOMEM;
	if (m->season)
		add_harmonics(m, m->season, DAILY_HARMONICS, 0);
	if (week > m->season)
		add_harmonics(
			m, week, WEEKLY_HARMONICS, week % m->season == 0 ? week / m->season : 0);
	if (m->in->regressors)
		m->columns +=
			m->in->n_regressors < MAX_REGRESSORS ? m->in->n_regressors : MAX_REGRESSORS;
	m->p = (m->columns + 1 + GRAM_LANES - 1) / GRAM_LANES * GRAM_LANES;
	return 0;
}

static void put_row(const struct arima *m, size_t t, double *x)
{
	size_t k = 1;
	x[0] = m->in->scale;
	for (size_t i = 0; i < m->harmonics; i++, k += 2) {
		const struct harmonic *h = &m->harmonic[i];
		size_t at = t % h->period * h->times % h->period;
		x[k] = m->in->scale * h->wave[at];
		x[k + 1] = m->in->scale * h->wave[h->period + at];
	}
	for (size_t i = 0; k < m->columns; i++, k++)
		x[k] = m->in->regressors[t * m->in->n_regressors + i];
	for (; k < m->p; k++)
		x[k] = 0;
}

static double regression(const struct arima *m, size_t t)
{
	double x[MAX_COLUMNS];
	put_row(m, t, x);
	return dot(x, m->beta, m->columns);
}

// beta from a Gram matrix with the target in the last column; columns outside `keep` are left out.
static int solve(struct arima *m, const double *g, const bool *keep)
{
	double small[MAX_COLUMNS * MAX_COLUMNS] = {0}, work[MAX_COLUMNS * MAX_COLUMNS];
	double penalty[MAX_COLUMNS], b[MAX_COLUMNS];
	size_t index[MAX_COLUMNS], n = 0;
	for (size_t i = 0; i < m->columns; i++)
		if (keep[i])
			index[n++] = i;
	for (size_t i = 0; i < n; i++) {
		b[i] = g[m->columns * m->p + index[i]];
		for (size_t j = 0; j <= i; j++)
			small[i * MAX_COLUMNS + j] = g[index[i] * m->p + index[j]];
		penalty[i] = 1e-6 * small[i * (MAX_COLUMNS + 1)];
	}
	int rc = ridge_solve(&(struct gram){small, MAX_COLUMNS, n}, penalty, work, b);
	if (rc < 0)
		return rc;
	memset(m->beta, 0, sizeof(m->beta));
	for (size_t i = 0; i < n; i++)
		m->beta[index[i]] = b[i];
	return 0;
}

// Sum of squares that leaving out harmonic i would add, about: the columns are nearly orthogonal.
static double worth(const struct arima *m, const double *g, size_t column)
{
	double s = 0;
	for (size_t k = column; k < column + 2; k++)
		s += m->beta[k] * m->beta[k] * g[k * m->p + k];
	return s;
}

static double residual_squares(const struct arima *m, const double *g)
{
	size_t c = m->columns;
	double s = g[c * m->p + c];
	for (size_t i = 0; i < c; i++)
		s -= m->beta[i] * g[c * m->p + i];
	return s > 0 ? s : 0;
}

// Huber's weights from the present residuals; w and scratch hold rows each.
static void reweight(
	const struct arima *m, const double *x, size_t rows, double *w, double *scratch)
{
	for (size_t r = 0; r < rows; r++) {
		const double *row = x + r * m->p;
		w[r] = scratch[r] = fabs(row[m->columns] - dot(row, m->beta, m->columns));
	}
	double knee = huber * 1.4826 * order_median(scratch, rows);
	for (size_t r = 0; r < rows; r++)
		w[r] = w[r] > knee && knee > 0 ? knee / w[r] : 1;
}

static void drop_harmonics(const struct arima *m, const double *g, size_t rows, bool *keep)
{
	double variance = residual_squares(m, g) / (double)rows;
	for (size_t i = 0; i < m->harmonics; i++) {
		size_t k = m->harmonic[i].column;
		keep[k] = keep[k + 1] = worth(m, g, k) > 4 * variance; // two parameters' AIC
	}
}

// Regression on the rows of x (target in the last column): least squares, or robust and pruned.
static int regress(struct arima *m, const double *x, size_t rows, bool final)
{
	double *g = malloc((m->p * m->p + 2 * rows) * sizeof(double)), *w = g + m->p * m->p;
	bool keep[MAX_COLUMNS];
	int rc = g ? 0 : -ENOMEM;
	memset(keep, true, sizeof(keep));
	for (int round = 0; rc == 0 && round <= (final ? ROBUST_ROUNDS : 0); round++) {
		memset(g, 0, m->p * m->p * sizeof(double));
		gram_add(g, m->p, x, rows, round > 0 ? w : NULL);
		rc = solve(m, g, keep);
		if (final)
			reweight(m, x, rows, w, w + rows);
	}
	if (rc == 0 && final) {
		drop_harmonics(m, g, rows, keep);
		rc = solve(m, g, keep);
	}
	free(g);
	return rc;
}

static void put_rest(struct arima *m, size_t end)
{
	for (size_t t = 0; t < end; t++)
		m->rest[t] = isfinite(m->in->y[t]) ? m->in->y[t] - regression(m, t) : NAN;
}

// The errors' ARIMA: from saved numbers, else searched first and only refined the second time.
static int fit_errors(struct arima *m, bool again)
{
	size_t from = m->fit_end > FIT_POINTS ? m->fit_end - FIT_POINTS : 0, n = m->fit_end - from;
	const struct member_input *in = m->in;
	const double *rest = m->rest + from;
	int rc = in->n_saved == ARMA_SAVED ? arma_restore(in->saved, rest, n, &m->fit) : -EINVAL;
	if (rc == -EINVAL)
		rc = again ? arma_refit(rest, n, &m->fit) : arma_fit_auto(rest, n, 1, &m->fit);
	return rc < 0 ? rc : kalman_start(&m->start, &m->fit.model);
}

// Rows of x for all known y; returns how many.
static size_t plain_rows(const struct arima *m, double *x)
{
	size_t rows = 0;
	for (size_t t = 0; t < m->fit_end; t++) {
		if (!isfinite(m->in->y[t]))
			continue;
		put_row(m, t, x + rows * m->p);
		x[rows++ * m->p + m->columns] = m->in->y[t];
	}
	return rows;
}

// The same after the errors' ARIMA has been filtered out of every column.
static int white_rows(const struct arima *m, double *x, size_t *ret_rows)
{
	size_t n = m->fit_end, rows = 0;
	double *column = malloc(2 * n * sizeof(double)), *white = column + n, row[MAX_COLUMNS];
	if (!column)
		return -ENOMEM;
	for (size_t t = 0; t < n; t++) {
		put_row(m, t, row);
		row[m->columns] = isfinite(m->in->y[t]) ? m->in->y[t] : 0;
		memcpy(x + t * m->p, row, m->p * sizeof(double));
	}
	for (size_t c = 0; c <= m->columns; c++) {
		for (size_t t = 0; t < n; t++)
			column[t] = x[t * m->p + c];
		kalman_whiten(&m->start, m->in->y, column, n, white);
		for (size_t t = 0; t < n; t++)
			x[t * m->p + c] = white[t];
	}
	for (size_t t = 0; t < n; t++)
		if (isfinite(white[t]))
			memmove(x + rows++ * m->p, x + t * m->p, m->p * sizeof(double));
	free(column);
	*ret_rows = rows;
	return 0;
}

static int fit(struct arima *m)
{
	double *x = calloc(m->fit_end * m->p + 1, sizeof(double));
	if (!x)
		return -ENOMEM;
	size_t rows = plain_rows(m, x);
	int rc = rows < MIN_KNOWN ? -ENODATA : regress(m, x, rows, false);
	if (rc == 0) {
		put_rest(m, m->fit_end);
		rc = fit_errors(m, false);
	}
	if (rc == 0)
		rc = white_rows(m, x, &rows);
	if (rc == 0)
		rc = rows < MIN_KNOWN ? -ENODATA : regress(m, x, rows, true);
	free(x);
	if (rc < 0)
		return rc;
	put_rest(m, m->in->n);
	return fit_errors(m, true);
}

static double to_filter(const struct arima *m, size_t t)
{
	return m->rest[t] - m->fit.mean; // NAN stays NAN
}

static void put_points(
	const struct arima *m, const struct kalman *k, size_t origin, size_t horizon, double *ret)
{
	kalman_forecast(k, horizon, ret);
	for (size_t h = 0; h < horizon; h++)
		ret[h] += m->fit.mean + regression(m, origin + h);
}

static int learn_bands(struct arima *m)
{
	size_t first = m->fit_end / 4 > 8 ? m->fit_end / 4 : 8;
	size_t stride = m->fit_end > first ? (m->fit_end - first) / BACK_ORIGINS + 1 : 1;
	struct kalman k = m->start;
	int rc = fan_init(&m->fan, &m->spread, m->in->y, m->in->max_horizon, ERRORS);
	for (size_t origin = 0; rc == 0 && origin < m->fit_end; origin++) {
		if (origin >= first && (origin - first) % stride == 0) {
			put_points(m, &k, origin, m->in->max_horizon, m->points);
			fan_add(&m->fan, origin, m->fit_end, m->points);
		}
		kalman_step(&k, to_filter(m, origin));
	}
	m->at_fit_end = k;
	double used = (double)(m->columns + m->fit.model.p + m->fit.model.q) / (double)m->fit_end;
	return rc < 0 ? rc : fan_fit(&m->fan, 1 / (1 - fmin(0.5, used)));
}

static void arima_destroy(void *model)
{
	struct arima *m = model;
	if (!m)
		return;
	free(m->waves[0]);
	free(m->waves[1]);
	free(m->z);
	free(m->rest);
	free(m->points);
	spread_done(&m->spread);
	fan_done(&m->fan);
	free(m);
}

static int arima_create(void **ret_model, const struct member_input *in, size_t fit_end)
{
	struct arima *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->in = in;
	m->fit_end = fit_end;
	m->z = malloc((in->n + 1) * sizeof(double));
	m->rest = malloc((in->n + 1) * sizeof(double));
	m->points = malloc(in->max_horizon * sizeof(double));
	int rc = m->z && m->rest && m->points ? lay_out(m) : -ENOMEM;
	if (rc == 0) {
		season_fill(in->y, in->n, m->season, m->z);
		rc = spread_init(&m->spread, m->z, in->n, m->season, in->scale);
	}
	if (rc == 0)
		rc = fit(m);
	if (rc == 0)
		rc = learn_bands(m);
	if (rc < 0) {
		arima_destroy(m);
		return rc;
	}
	*ret_model = m;
	return 0;
}

static int arima_forecast(void *model, size_t origin, size_t horizon, double *ret)
{
	struct arima *m = model;
	if (origin < 1 || origin > m->in->n || horizon > m->in->max_horizon)
		return -EDOM;
	bool later = origin >= m->fit_end;
	struct kalman k = later ? m->at_fit_end : m->start;
	for (size_t t = later ? m->fit_end : 0; t < origin; t++)
		kalman_step(&k, to_filter(m, t));
	put_points(m, &k, origin, horizon, m->points);
	for (size_t h = 0; h < horizon; h++)
		if (!isfinite(m->points[h]))
			return -EDOM;
	fan_rows(&m->fan, origin, m->points, horizon, ret);
	return 0;
}

static size_t arima_save(const void *model, double ret[MEMBER_SAVED_MAX])
{
	const struct arima *m = model;
	return arma_save(&m->fit, ret);
}

const struct member_ops member_arima = {
	.name = "arima",
	.create = arima_create,
	.forecast = arima_forecast,
	.destroy = arima_destroy,
	.save = arima_save,
};
