// SPDX-License-Identifier: Apache-2.0
// The member "theta": the daily season is taken out when the autocorrelation at its lag is
// significant at 90 % (as the M competitions did), by the classical decomposition: multiplicative
// where all values are positive, else additive. Season and states are renewed at every origin from
// the values before it; only alpha, theta and the decision on the season come from the fit.
#include "aggregator/forecast/model/theta.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/member.h"
#include "aggregator/forecast/model/past.h"
#include "aggregator/forecast/model/simplex.h"

enum {
	WINDOW = 2016, // values the states are rolled over; what is older has faded
	FIT_MIN = 12,
	EVALUATIONS = 160,
};

enum season_kind { SEASON_NONE, SEASON_ADD, SEASON_MULTIPLY };

struct theta {
	const struct member_input *in;
	struct theta_params p;
	size_t period;
	enum season_kind kind;
	struct past past;
	double *points;           // [max_horizon]
	double *index;            // [period], by phase from y[0]
	double *scratch;          // [n + 1]
	struct theta_state state; // before y[at], of the block
	size_t block, first, at;
};

void theta_start(const struct theta_params *p, double first, struct theta_state *ret)
{
	*ret = (struct theta_state){.level = p->alpha * first + (1 - p->alpha) * p->level,
		.mean = first,
		.a = first,
		.power = 1 - p->alpha,
		.n = 1};
}

double theta_expected(const struct theta_params *p, const struct theta_state *s)
{
	double next = s->power * (1 - p->alpha);
	return s->level + (1 - 1 / p->theta) * (s->a * s->power + s->b * (1 - next) / p->alpha);
}

double theta_update(const struct theta_params *p, struct theta_state *s, double y)
{
	double expected = theta_expected(p, s), n = (double)s->n;
	double value = isnan(y) ? expected : y;
	double mean = (n * s->mean + value) / (n + 1);
	s->level = p->alpha * value + (1 - p->alpha) * s->level;
	s->b = ((n - 1) * s->b + 6 * (value - s->mean) / (n + 1)) / (n + 2);
	s->a = mean - s->b * (n + 2) / 2;
	s->mean = mean;
	s->power *= 1 - p->alpha;
	s->n++;
	return value - expected;
}

double theta_cost(const struct theta_params *p, const double *y, size_t n, struct theta_state *ret)
{
	struct theta_state s;
	double squares = 0, size = fabs(y[0]);
	theta_start(p, y[0], &s);
	for (size_t i = 1; i < n; i++) {
		double e = theta_update(p, &s, y[i]);
		size += fabs(isnan(y[i]) ? s.mean : y[i]);
		if (i >= 3)
			squares += e * e;
	}
	if (ret)
		*ret = s;
	return squares / fmax(size / (double)n, 1e-10);
}

// --- season

static double autocorrelation(const double *z, size_t n, size_t lag, double mean, double variance)
{
	double r = 0;
	for (size_t i = lag; i < n; i++)
		r += (z[i] - mean) * (z[i - lag] - mean);
	return r / variance;
}

// The sum over all shorter lags is estimated from about 32 of them: the bound needs no more.
static bool season_is_significant(const double *z, size_t n, size_t lag)
{
	double mean = 0, variance = 0, sum = 0, lags = 0;
	for (size_t i = 0; i < n; i++)
		mean += z[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		variance += (z[i] - mean) * (z[i] - mean);
	if (!(variance > 0))
		return false;
	for (size_t j = 1; j < lag; j += 1 + lag / 32) {
		double r = autocorrelation(z, n, j, mean, variance);
		sum += r * r;
		lags++;
	}
	sum *= (double)(lag - 1) / fmax(lags, 1);
	double r = autocorrelation(z, n, lag, mean, variance);
	return fabs(r) > 1.645 * sqrt((1 + 2 * sum) / (double)n);
}

// Centred moving average at t over one period, half weights at both ends of an even one; sums[i] is
// the sum of the first i values.
static double centred_mean(const double *sums, size_t m, size_t t)
{
	size_t half = m / 2;
	double inner = sums[t + half + m % 2] - sums[t - half];
	if (m % 2)
		return inner / (double)m;
	double outer = sums[t + half + 1] - sums[t - half + 1];
	return (inner + outer) / 2 / (double)m;
}

// Mean of value / trend (or value - trend) by phase of z[0..n), centred on 1 (or 0). False when a
// phase is missing or a factor is too near to zero to divide by.
static bool learn_index(const struct theta *m, const double *z, size_t n, double *ret)
{
	size_t p = m->period, half = p / 2;
	double *sums = m->scratch, mean = 0;
	bool multiply = m->kind == SEASON_MULTIPLY;
	sums[0] = 0;
	for (size_t i = 0; i < n; i++)
		sums[i + 1] = sums[i] + z[i];
	for (size_t j = 0; j < p; j++) {
		double sum = 0, k = 0;
		for (size_t t = j < half ? j + p : j; t + half < n; t += p) {
			double trend = centred_mean(sums, p, t);
			sum += multiply ? z[t] / trend : z[t] - trend;
			k++;
		}
		if (k == 0 || !isfinite(sum))
			return false;
		ret[j] = sum / k;
		mean += ret[j] / (double)p;
	}
	for (size_t j = 0; j < p; j++) {
		ret[j] = multiply ? ret[j] / mean : ret[j] - mean;
		if (multiply && !(ret[j] > .01))
			return false;
	}
	return true;
}

static double adjust(const struct theta *m, double y, size_t t)
{
	if (m->kind == SEASON_NONE)
		return y;
	double index = m->index[t % m->period];
	return m->kind == SEASON_MULTIPLY ? y / index : y - index;
}

// Origins of one block share season and start of the states, so that the states can walk on from
// one origin to the next. What an origin gets depends on nothing but the values before it.
static size_t block_of(const struct theta *m, size_t origin)
{
	size_t length = m->period >= 4 ? (m->period + 3) / 4 : 16;
	return origin < 2 * m->period + length ? origin : origin - origin % length;
}

// Renews the season from the values before the block of this origin.
static void open_block(struct theta *m, size_t origin)
{
	size_t block = block_of(m, origin);
	m->block = block;
	if (m->kind != SEASON_NONE)
		learn_index(m, m->past.z, block, m->index);
	m->first = block > WINDOW ? block - WINDOW : 0;
	m->at = m->first;
}

static void walk_to(struct theta *m, size_t origin)
{
	if (m->block != block_of(m, origin) || m->at > origin)
		open_block(m, origin);
	for (; m->at < origin; m->at++) {
		double y = adjust(m, m->in->y[m->at], m->at);
		if (m->at > m->first)
			theta_update(&m->p, &m->state, y);
		else
			theta_start(&m->p, isnan(y) ? adjust(m, m->past.z[m->at], m->at) : y,
				&m->state);
	}
}

// --- the member

struct search {
	struct theta_params p;
	const double *y;
	size_t n;
};

static void from_free(const double *x, const double *y, struct theta_params *p)
{
	p->alpha = .1 + .89 / (1 + exp(-x[0]));
	p->theta = 1 + exp(fmin(x[1], 23)); // up to 1e10, as others have it
	p->level = y[0] * x[2];
}

static double search_value(const double *x, void *arg)
{
	struct search *s = arg;
	from_free(x, s->y, &s->p);
	return theta_cost(&s->p, s->y, s->n, NULL);
}

static void destroy(void *model)
{
	struct theta *m = model;
	if (!m)
		return;
	past_done(&m->past);
	free(m->points);
	free(m->index);
	free(m->scratch);
	free(m);
}

static int allocate(struct theta *m, size_t n)
{
	m->points = malloc(m->in->max_horizon * sizeof(double));
	m->index = malloc((m->period + 1) * sizeof(double));
	m->scratch = malloc((n + 1) * sizeof(double));
	return m->points && m->index && m->scratch ? 0 : -ENOMEM;
}

static void choose_season(struct theta *m, size_t fit_end)
{
	m->kind = SEASON_NONE;
	if (m->period < 4 || fit_end < 2 * m->period)
		return;
	const double *z = m->past.z;
	if (!season_is_significant(z, fit_end, m->period))
		return;
	double least = INFINITY;
	for (size_t i = 0; i < fit_end; i++)
		least = fmin(least, z[i]);
	m->kind = least > 0 ? SEASON_MULTIPLY : SEASON_ADD;
	if (learn_index(m, z, fit_end, m->index))
		return;
	m->kind = m->kind == SEASON_MULTIPLY ? SEASON_ADD : SEASON_NONE;
	if (m->kind == SEASON_ADD && !learn_index(m, z, fit_end, m->index))
		m->kind = SEASON_NONE;
}

static size_t save(const void *model, double ret[MEMBER_SAVED_MAX])
{
	const struct theta *m = model;
	ret[0] = m->p.alpha;
	ret[1] = m->p.theta;
	ret[2] = m->p.level;
	return 3;
}

static bool load(const struct member_input *in, struct theta_params *ret)
{
	const double *v = in->saved;
	if (!v || in->n_saved != 3 || !(v[0] >= .1 && v[0] <= .99 && v[1] >= 1) || !isfinite(v[2]))
		return false;
	*ret = (struct theta_params){v[0], v[1], v[2]};
	return true;
}

// Searches on the newest window before fit_end.
static int search_params(struct theta *m, size_t fit_end)
{
	size_t first = fit_end > WINDOW ? fit_end - WINDOW : 0, n = fit_end - first;
	double *adjusted = malloc(n * sizeof(*adjusted)), x[] = {0, 0, .5};
	if (!adjusted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		adjusted[i] = adjust(m, m->in->y[first + i], first + i);
	adjusted[0] = adjust(m, m->past.z[first], first);
	struct search s = {.y = adjusted, .n = n};
	struct simplex simplex = {.value = search_value,
		.arg = &s,
		.n = 3,
		.step = .5,
		.tolerance = 1e-5,
		.evaluations = EVALUATIONS};
	bool found = isfinite(simplex_minimise(&simplex, x));
	from_free(x, adjusted, &m->p);
	free(adjusted);
	return found ? 0 : -EDOM;
}

static int fit(struct theta *m, size_t fit_end)
{
	choose_season(m, fit_end);
	m->block = SIZE_MAX;
	return load(m->in, &m->p) ? 0 : search_params(m, fit_end);
}

static int points(void *model, size_t origin, size_t horizon, double *ret)
{
	struct theta *m = model;
	if (origin < 2 * m->period || origin < FIT_MIN)
		return -EDOM;
	walk_to(m, origin);
	struct theta_state s = m->state;
	for (size_t h = 0; h < horizon; h++) {
		double mean = theta_expected(&m->p, &s);
		theta_update(&m->p, &s, NAN);
		double index = m->kind == SEASON_NONE ? 0 : m->index[(origin + h) % m->period];
		ret[h] = m->kind == SEASON_MULTIPLY ? mean * index : mean + index;
		if (!isfinite(ret[h]))
			return -EDOM;
	}
	return 0;
}

static int create(void **ret_model, const struct member_input *in, size_t fit_end)
{
	if (fit_end < FIT_MIN)
		return -ENODATA;
	struct theta *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->in = in;
	m->period = in->n_periods ? in->periods[0] : 0;
	size_t first = fit_end / 3 > 2 * m->period ? fit_end / 3 : 2 * m->period;
	int r = past_init(&m->past, in, fit_end);
	if (r == 0)
		r = allocate(m, in->n);
	if (r == 0)
		r = fit(m, fit_end);
	if (r == 0)
		r = past_learn(&m->past, points, m, first, fit_end);
	if (r < 0) {
		destroy(m);
		return r;
	}
	*ret_model = m;
	return 0;
}

static int forecast(void *model, size_t origin, size_t horizon, double *ret)
{
	struct theta *m = model;
	int r = points(m, origin, horizon, m->points);
	for (size_t h = 0; r == 0 && h < horizon; h++)
		past_row(&m->past, origin, h, m->points[h], ret + h * QUANTILE_COUNT);
	return r;
}

const struct member_ops member_theta = {"theta", create, forecast, destroy, save};
