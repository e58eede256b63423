// SPDX-License-Identifier: Apache-2.0
// Prophet member: the published model's optimum (prophet_map.h), an ARMA on its residuals, its
// trend simulation.
//
// Prophet knows nothing of the last hour: at short horizons its residual is the forecast. An
// ARMA(<=3,
// <=3) on the residuals adds that and fades by itself. The interval is that of past origins
// (bands.h), widened by what these cannot show: the trend was fitted with their future in view, so
// the spread of future changes of slope is simulated as Prophet does it (as many as in the history,
// of the mean size) and added in squares, quantile by quantile.
#include "aggregator/forecast/model/member.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/arma.h"
#include "aggregator/forecast/model/bands.h"
#include "aggregator/forecast/model/linalg.h"
#include "aggregator/forecast/model/order.h"
#include "aggregator/forecast/model/prophet_design.h"
#include "aggregator/forecast/model/season.h"
#include "proto/base/rng.h"

enum {
	RESIDUAL_POINTS = 1000, // the ARMA learns from the last ones
	BACK_ORIGINS = 100,
	ERRORS = 1500,
	PATHS = 200, // of the trend simulation
	MAX_CHANGES = 64,
};

static const double tau = 0.05; // Prophet's prior of slope changes

struct prophet {
	const struct member_input *in;
	size_t fit_end;
	struct prophet_design design;
	struct map_fit map;
	double *mean; // of the model for [0, n + max_horizon), unit of y
	double *z, *points;
	struct arma_fit residual;
	struct kalman start, at_fit_end;
	double trend[FAN_BUCKETS][QUANTILE_COUNT]; // simulated spread at each bucket's end
	struct spread spread;
	struct fan fan;
};

static int fit_map(struct prophet *m)
{
	struct prophet_design *d = &m->design;
	double *gram = malloc(d->p * d->p * sizeof(double)), row[MAP_COLUMNS];
	if (!gram)
		return -ENOMEM;
	size_t rows = prophet_gram(d, gram);
	struct map_problem o = {gram, d->p, rows, d->slopes, d->features, tau, d->sigmas};
	int rc = prophet_map(&o, &m->map);
	free(gram);
	for (size_t t = 0; rc == 0 && t < m->in->n + m->in->max_horizon; t++) {
		prophet_row(d, t, row);
		m->mean[t] = d->y_scale * dot(row, m->map.b, 2 + d->slopes + d->features);
	}
	return rc;
}

static double residual_at(const struct prophet *m, size_t t) // NAN where y is missing
{
	return isfinite(m->in->y[t]) ? m->in->y[t] - m->mean[t] - m->residual.mean : NAN;
}

static int fit_residual(struct prophet *m)
{
	size_t from = m->fit_end > RESIDUAL_POINTS ? m->fit_end - RESIDUAL_POINTS : 0;
	size_t n = m->fit_end - from;
	double *rest = malloc((n + 1) * sizeof(double));
	if (!rest)
		return -ENOMEM;
	for (size_t t = 0; t < n; t++)
		rest[t] = residual_at(m, from + t);
	const struct member_input *in = m->in;
	int rc = in->n_saved == ARMA_SAVED ? arma_restore(in->saved, rest, n, &m->residual)
					   : -EINVAL;
	if (rc == -EINVAL)
		rc = arma_fit_auto(rest, n, 0, &m->residual);
	// Without an ARMA (too few values) the residuals are white.
	if (rc < 0)
		memset(&m->residual, 0, sizeof(m->residual));
	free(rest);
	return kalman_start(&m->start, &m->residual.model);
}

static int poisson(struct rng *r, double mean)
{
	double limit = exp(-mean), product = rng_unit(r);
	int k = 0;
	for (; product > limit && k < MAX_CHANGES; k++)
		product *= rng_unit(r);
	return k;
}

// How far the trend may have bent away at each bucket's end.
static int simulate_trend(struct prophet *m)
{
	const struct prophet_design *d = &m->design;
	double ahead = (double)m->in->max_horizon / d->t_scale, size = 0;
	double *dev = calloc(FAN_BUCKETS * PATHS, sizeof(double));
	struct rng r;
	if (!dev)
		return -ENOMEM;
	rng_init(&r, m->in->seed);
	for (size_t j = 0; j < d->slopes; j++)
		size += fabs(m->map.b[2 + j]) / (double)d->slopes;
	for (size_t path = 0; path < PATHS; path++) {
		int changes = poisson(&r, (double)d->slopes * ahead);
		for (int c = 0; c < changes; c++) {
			double at = ahead * rng_unit(&r), u = rng_unit(&r) - 0.5;
			double slope = -size * copysign(1, u) * log1p(-2 * fabs(u));
			for (size_t i = 0; i < m->fan.count; i++) {
				double t = (double)m->fan.bucket[i].to / d->t_scale;
				dev[i * PATHS + path] += t > at ? slope * (t - at) : 0;
			}
		}
	}
	for (size_t i = 0; i < m->fan.count; i++) {
		order_sort(dev + i * PATHS, PATHS);
		for (int q = 0; q < QUANTILE_COUNT; q++)
			m->trend[i][q] = d->y_scale *
					 order_quantile(dev + i * PATHS, PATHS, quantile_levels[q]);
	}
	free(dev);
	return 0;
}

static void put_points(
	const struct prophet *m, const struct kalman *k, size_t origin, size_t horizon, double *ret)
{
	kalman_forecast(k, horizon, ret);
	for (size_t h = 0; h < horizon; h++)
		ret[h] += m->residual.mean + m->mean[origin + h];
}

// How much the errors of the fit understate those to come: parameters against the number of
// independent residuals, which autocorrelation makes far fewer than there are values (long-run
// variance against variance).
static double inflation(const struct prophet *m)
{
	const struct arma *a = &m->residual.model;
	double phi = 1, theta = 1, used = (double)(2 + m->design.features);
	for (size_t i = 0; i < a->p; i++)
		phi -= a->phi[i];
	for (size_t i = 0; i < a->q; i++)
		theta += a->theta[i];
	for (size_t j = 0; j < m->design.slopes; j++)
		used += m->map.b[2 + j] != 0;
	double ratio = m->start.cov[0][0] * phi * phi / fmax(theta * theta, 1e-12);
	double independent = (double)m->fit_end * fmin(1, ratio);
	return 1 / (1 - fmin(0.4, used / independent));
}

// That concerns what the regression explains: at short horizons, where the ARMA knows most of the
// residual, little of it.
static int inflate_errors(struct prophet *m)
{
	double most = inflation(m) - 1, *variance = malloc(m->in->max_horizon * sizeof(double));
	if (!variance)
		return -ENOMEM;
	arma_error_variance(&m->residual.model, m->in->max_horizon, variance);
	for (size_t i = 0; i < m->fan.count; i++) {
		struct fan_bucket *b = &m->fan.bucket[i];
		double share = fmin(1, variance[b->from] / m->start.cov[0][0]);
		for (size_t r = 0; r < b->n; r++)
			b->error[r] *= 1 + most * share;
	}
	free(variance);
	return 0;
}

static int learn_bands(struct prophet *m)
{
	size_t first = m->fit_end / 4, stride = (m->fit_end - first) / BACK_ORIGINS + 1;
	struct kalman k = m->start;
	int rc = fan_init(&m->fan, &m->spread, m->in->y, m->in->max_horizon, ERRORS);
	for (size_t origin = 0; rc == 0 && origin < m->fit_end; origin++) {
		if (origin >= first && (origin - first) % stride == 0) {
			put_points(m, &k, origin, m->in->max_horizon, m->points);
			fan_add(&m->fan, origin, m->fit_end, m->points);
		}
		kalman_step(&k, residual_at(m, origin));
	}
	m->at_fit_end = k;
	if (rc == 0)
		rc = inflate_errors(m);
	return rc < 0 ? rc : fan_fit(&m->fan, 1);
}

static void prophet_destroy(void *model)
{
	struct prophet *m = model;
	if (!m)
		return;
	free(m->mean);
	free(m->z);
	free(m->points);
	spread_done(&m->spread);
	fan_done(&m->fan);
	free(m);
}

static int prophet_create(void **ret_model, const struct member_input *in, size_t fit_end)
{
	struct prophet *m = calloc(1, sizeof(*m));
	size_t season, week;
	if (!m)
		return -ENOMEM;
	m->in = in;
	m->fit_end = fit_end;
	season_pick(in, fit_end, &season, &week);
	m->mean = malloc((in->n + in->max_horizon) * sizeof(double));
	m->z = malloc((in->n + 1) * sizeof(double));
	m->points = malloc(in->max_horizon * sizeof(double));
	int rc = m->mean && m->z && m->points ? 0 : -ENOMEM;
	if (rc == 0)
		rc = prophet_design(&m->design, in, fit_end);
	if (rc == 0) {
		season_fill(in->y, in->n, season, m->z);
		rc = spread_init(&m->spread, m->z, in->n, season, in->scale);
	}
	if (rc == 0)
		rc = fit_map(m);
	if (rc == 0)
		rc = fit_residual(m);
	if (rc == 0)
		rc = learn_bands(m);
	if (rc == 0)
		rc = simulate_trend(m);
	if (rc < 0) {
		prophet_destroy(m);
		return rc;
	}
	*ret_model = m;
	return 0;
}

static void widen(const struct prophet *m, double point, size_t bucket, double *row)
{
	for (int q = 0; q < QUANTILE_COUNT; q++) {
		double d = row[q] - point, t = m->trend[bucket][q];
		// Only outwards: below the median the trend's lower quantiles, above it the upper.
		row[q] = point + copysign(sqrt(d * d + (d * t > 0 ? t * t : 0)), d);
	}
}

static int prophet_forecast(void *model, size_t origin, size_t horizon, double *ret)
{
	struct prophet *m = model;
	if (origin < 1 || origin > m->in->n || horizon > m->in->max_horizon)
		return -EDOM;
	bool later = origin >= m->fit_end;
	struct kalman k = later ? m->at_fit_end : m->start;
	for (size_t t = later ? m->fit_end : 0; t < origin; t++)
		kalman_step(&k, residual_at(m, t));
	put_points(m, &k, origin, horizon, m->points);
	fan_rows(&m->fan, origin, m->points, horizon, ret);
	size_t bucket = 0;
	for (size_t h = 0; h < horizon; h++) {
		if (!isfinite(m->points[h]))
			return -EDOM;
		bucket += h >= m->fan.bucket[bucket].to;
		widen(m, m->points[h], bucket, ret + h * QUANTILE_COUNT);
	}
	return 0;
}

static size_t prophet_save(const void *model, double ret[MEMBER_SAVED_MAX])
{
	const struct prophet *m = model;
	return arma_save(&m->residual, ret);
}

const struct member_ops member_prophet = {
	.name = "prophet",
	.create = prophet_create,
	.forecast = prophet_forecast,
	.destroy = prophet_destroy,
	.save = prophet_save,
};
