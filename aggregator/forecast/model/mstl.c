// SPDX-License-Identifier: Apache-2.0
// MSTL members: robust decomposition into seasons, then ARMA or damped exponential smoothing on
// what is left (trend and remainder together, as Bandara, Hyndman and Bergmeir do).
//
// The decomposition is made once, at fit_end, and its last cycles are repeated; from a later origin
// only the state of the remainder's model moves on. The intervals are empirical: errors of the same
// rule at past origins, where "the season as it was last time" stands in for the season of the
// target, since the decomposition itself has seen the target; they are widened for what that still
// hides.
#include "aggregator/forecast/model/member.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/arma.h"
#include "aggregator/forecast/model/bands.h"
#include "aggregator/forecast/model/ets.h"
#include "aggregator/forecast/model/order.h"
#include "aggregator/forecast/model/season.h"
#include "aggregator/forecast/model/simplex.h"
#include "aggregator/forecast/model/stl.h"

enum {
	FIT_POINTS = 1440, // the remainder's model learns from the last ones
	BACK_ORIGINS = 100,
	ERRORS = 1500, // per bucket of horizons
	ROBUST_PASSES = 2,
	EFFECTIVE_CYCLES = 7, // that a loess window of 11 to 15 really averages
};

struct tail { // model of what is left and its state before the next value
	bool arma;
	struct arma_fit fit;
	struct kalman filter;
	struct ets_params ets;
	struct ets_state state;
};

struct mstl_model {
	const struct member_input *in;
	size_t fit_end, seasons;
	size_t period[MAX_PERIODS];
	double *z;        // gaps filled, n
	double *seasonal; // [seasons][fit_end]
	double *rest;     // y less season, missing as NAN, n
	double *points;   // [max_horizon]
	struct tail start, at_fit_end;
	double leverage; // a target's own weight in the season it is compared with
	struct spread spread;
	struct fan fan;
};

// Season of `target` as known at `known` (<= fit_end): the last cycle before it.
static double season_at(const struct mstl_model *m, size_t target, size_t known)
{
	double s = 0;
	for (size_t i = 0; i < m->seasons; i++) {
		const double *of = m->seasonal + i * m->fit_end;
		size_t p = m->period[i];
		s += of[target < known ? target : target - ((target - known) / p + 1) * p];
	}
	return s;
}

static void tail_step(struct tail *t, double y)
{
	if (t->arma)
		kalman_step(&t->filter, isfinite(y) ? y - t->fit.mean : NAN);
	else
		ets_update(&t->ets, &t->state, y);
}

static void tail_points(const struct tail *t, size_t horizon, double *ret)
{
	if (t->arma) {
		kalman_forecast(&t->filter, horizon, ret);
		for (size_t h = 0; h < horizon; h++)
			ret[h] += t->fit.mean;
		return;
	}
	double slope = t->state.slope, level = t->state.level;
	for (size_t h = 0; h < horizon; h++) {
		slope *= t->ets.phi;
		level += t->ets.trend ? slope : 0;
		ret[h] = level;
	}
}

struct smoothing {
	const double *y;
	size_t n;
};

static void smoothing_params(const double *x, struct ets_params *p)
{
	// alpha and beta / alpha through the logistic; phi within R's 0.8 to 0.98
	double alpha = 1 / (1 + exp(-x[0]));
	*p = (struct ets_params){.alpha = alpha,
		.beta = alpha / (1 + exp(-x[1])),
		.phi = 0.8 + 0.18 / (1 + exp(-x[2])),
		.trend = true,
		.damped = true};
}

static double smoothing_error(const double *x, void *arg)
{
	struct smoothing *s = arg;
	struct ets_params p;
	struct ets_state state;
	smoothing_params(x, &p);
	if (!ets_start(&p, s->y, s->n, &state))
		return INFINITY;
	return log(fmax(ets_filter(&p, &state, s->y, s->n, NULL).squares, 1e-300));
}

static int fit_smoothing(const double *y, size_t n, struct tail *t)
{
	double x[3] = {0, -3, 2};
	struct smoothing s = {y, n};
	struct simplex o = {smoothing_error, &s, 3, 1, 1e-6, 150};
	if (!isfinite(simplex_minimise(&o, x)))
		return -EDOM;
	smoothing_params(x, &t->ets);
	return 0;
}

static int fit_tail(struct mstl_model *m, bool arma)
{
	struct tail *t = &m->start;
	size_t from = m->fit_end > FIT_POINTS ? m->fit_end - FIT_POINTS : 0;
	const double *y = m->rest + from;
	size_t n = m->fit_end - from;
	t->arma = arma;
	if (!arma) {
		int rc = fit_smoothing(y, n, t);
		return rc < 0 ? rc : ets_start(&t->ets, m->rest, m->fit_end, &t->state) ? 0 : -EDOM;
	}
	const struct member_input *in = m->in;
	int rc = in->n_saved == ARMA_SAVED ? arma_restore(in->saved, y, n, &t->fit) : -EINVAL;
	if (rc == -EINVAL)
		rc = arma_fit_auto(y, n, 1, &t->fit);
	return rc < 0 ? rc : kalman_start(&t->filter, &t->fit.model);
}

// Robust variance; scratch holds n.
static double variance_of(const double *v, size_t n, double *scratch)
{
	memcpy(scratch, v, n * sizeof(double));
	double centre = order_median(scratch, n);
	for (size_t i = 0; i < n; i++)
		scratch[i] = fabs(v[i] - centre);
	double sd = 1.4826 * order_median(scratch, n);
	return sd * sd;
}

static void smooth(double *v, size_t n, size_t half, double *scratch)
{
	double sum = 0;
	size_t from = 0, to = 0;
	for (size_t t = 0; t < n; t++) {
		size_t first = t > half ? t - half : 0, last = t + half + 1 < n ? t + half + 1 : n;
		for (; to < last; to++)
			sum += v[to];
		for (; from < first; from++)
			sum -= v[from];
		scratch[t] = sum / (double)(to - from);
	}
	memcpy(v, scratch, n * sizeof(double));
}

// Seasons from few cycles are mostly noise on fine grids. Neighbouring phases are averaged (daily:
// 5 minutes' worth on a 1-minute grid; longer seasons: half an hour), and each season is shrunk as
// James and Stein would: c cycles of pure noise of variance r leave a season of variance r / (c -
// 1), so the part of its variance that this does not explain is kept.
static void temper(struct mstl_model *m, double *rest, double *scratch)
{
	size_t n = m->fit_end;
	for (size_t i = 0; i < m->seasons; i++) {
		size_t half = m->period[0] / (i > 0 ? 48 : 300);
		if (half > 0)
			smooth(m->seasonal + i * n, n, half, scratch);
		for (size_t t = 0; t < n; t++)
			rest[t] -= m->seasonal[i * n + t];
	}
	double noise = variance_of(rest, n, scratch);
	m->leverage = 0;
	for (size_t i = 0; i < m->seasons; i++) {
		double *of = m->seasonal + i * n, variance = variance_of(of, n, scratch);
		double cycles = fmin((double)n / (double)m->period[i], EFFECTIVE_CYCLES);
		double keep = variance > 0 ? fmax(0, 1 - noise / ((cycles - 1) * variance)) : 0;
		for (size_t t = 0; t < n; t++)
			of[t] *= keep;
		m->leverage += keep / cycles;
	}
}

static int decompose(struct mstl_model *m)
{
	struct stl_options season[MAX_PERIODS];
	double *trend = malloc(2 * m->fit_end * sizeof(double)), *scratch = trend + m->fit_end;
	if (!trend)
		return -ENOMEM;
	for (size_t i = 0; i < m->seasons; i++) {
		season[i] = stl_defaults(m->period[i], 7 + 4 * (i + 1), true);
		season[i].outer = ROBUST_PASSES;
	}
	struct mstl_options o = {season, m->seasons, m->seasons > 1 ? 2 : 1};
	int rc = mstl(m->z, m->fit_end, &o, m->seasonal, trend);
	if (rc == 0) {
		for (size_t t = 0; t < m->fit_end; t++)
			trend[t] = m->z[t] - trend[t];
		temper(m, trend, scratch);
	}
	free(trend);
	for (size_t t = 0; rc == 0 && t < m->in->n; t++)
		m->rest[t] =
			isfinite(m->in->y[t]) ? m->in->y[t] - season_at(m, t, m->fit_end) : NAN;
	return rc;
}

// Points for origin; the tail's state is the one before origin.
static void put_points(const struct mstl_model *m, const struct tail *t, size_t origin,
	size_t horizon, double *ret)
{
	size_t known = origin < m->fit_end ? origin : m->fit_end;
	tail_points(t, horizon, ret);
	for (size_t h = 0; h < horizon; h++)
		ret[h] += season_at(m, origin + h, known);
}

// Rolls the tail through the history once, asking it for points on the way.
static int learn_bands(struct mstl_model *m)
{
	size_t longest = m->seasons ? m->period[m->seasons - 1] : 0;
	size_t first = longest + 1 > m->fit_end / 4 ? longest + 1 : m->fit_end / 4;
	size_t stride = (m->fit_end - first) / BACK_ORIGINS + 1;
	struct tail t = m->start;
	int rc = fan_init(&m->fan, &m->spread, m->in->y, m->in->max_horizon, ERRORS);
	for (size_t origin = 0; rc == 0 && origin < m->fit_end; origin++) {
		if (origin >= first && (origin - first) % stride == 0) {
			put_points(m, &t, origin, m->in->max_horizon, m->points);
			fan_add(&m->fan, origin, m->fit_end, m->points);
		}
		tail_step(&t, m->rest[origin]);
	}
	m->at_fit_end = t;
	return rc < 0 ? rc : fan_fit(&m->fan, 1 / (1 - fmin(m->leverage, 0.5)));
}

static void mstl_destroy(void *model)
{
	struct mstl_model *m = model;
	if (!m)
		return;
	free(m->z);
	free(m->seasonal);
	free(m->rest);
	free(m->points);
	spread_done(&m->spread);
	fan_done(&m->fan);
	free(m);
}

static int allocate(struct mstl_model *m)
{
	size_t n = m->in->n;
	m->z = malloc((n + 1) * sizeof(double));
	m->rest = malloc((n + 1) * sizeof(double));
	m->seasonal = malloc((m->seasons * m->fit_end + 1) * sizeof(double));
	m->points = malloc(m->in->max_horizon * sizeof(double));
	return m->z && m->rest && m->seasonal && m->points ? 0 : -ENOMEM;
}

static int create(void **ret_model, const struct member_input *in, size_t fit_end, bool arma)
{
	struct mstl_model *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->in = in;
	m->fit_end = fit_end;
	for (size_t i = 0; i < in->n_periods && i < MAX_PERIODS; i++)
		if (in->periods[i] >= 2 && 2 * in->periods[i] <= fit_end)
			m->period[m->seasons++] = in->periods[i];
	int rc = allocate(m);
	if (rc == 0 && season_fill(in->y, in->n, m->seasons ? m->period[0] : 0, m->z) < 12)
		rc = -ENODATA;
	if (rc == 0)
		rc = spread_init(&m->spread, m->z, in->n, m->seasons ? m->period[0] : 0, in->scale);
	if (rc == 0)
		rc = decompose(m);
	if (rc == 0)
		rc = fit_tail(m, arma);
	if (rc == 0)
		rc = learn_bands(m);
	if (rc < 0) {
		mstl_destroy(m);
		return rc;
	}
	*ret_model = m;
	return 0;
}

static int create_arma(void **ret_model, const struct member_input *in, size_t fit_end)
{
	return create(ret_model, in, fit_end, true);
}

static int create_ets(void **ret_model, const struct member_input *in, size_t fit_end)
{
	return create(ret_model, in, fit_end, false);
}

static int mstl_forecast(void *model, size_t origin, size_t horizon, double *ret)
{
	struct mstl_model *m = model;
	if (origin < 1 || origin > m->in->n || horizon > m->in->max_horizon)
		return -EDOM;
	bool later = origin >= m->fit_end;
	struct tail t = later ? m->at_fit_end : m->start;
	for (size_t i = later ? m->fit_end : 0; i < origin; i++)
		tail_step(&t, m->rest[i]);
	put_points(m, &t, later ? origin : m->fit_end, horizon, m->points);
	for (size_t h = 0; !later && h < horizon; h++)
		m->points[h] += season_at(m, origin + h, m->fit_end) -
				season_at(m, m->fit_end + h, m->fit_end);
	for (size_t h = 0; h < horizon; h++)
		if (!isfinite(m->points[h]))
			return -EDOM;
	fan_rows(&m->fan, origin, m->points, horizon, ret);
	return 0;
}

static size_t save_arma(const void *model, double ret[MEMBER_SAVED_MAX])
{
	const struct mstl_model *m = model;
	return arma_save(&m->start.fit, ret);
}

const struct member_ops member_mstl_arima = {
	.name = "mstl-arima",
	.create = create_arma,
	.forecast = mstl_forecast,
	.destroy = mstl_destroy,
	.save = save_arma,
};

const struct member_ops member_mstl_ets = {
	.name = "mstl-ets",
	.create = create_ets,
	.forecast = mstl_forecast,
	.destroy = mstl_destroy,
};
