// SPDX-License-Identifier: Apache-2.0
// The models of ets.h as members: "ets" picks among ANN, AAN and AAdN by AICc, "ets_seasonal" among
// ANA, AAA and AAdA.
//
// Parameters are searched by a simplex over logits, which keep them in the usual region (beta <=
// alpha, gamma <= 1 - alpha, .8 <= phi <= .98); initial states come from a heuristic, as their
// effect is gone after some tens of values. The band: closed-form variance, and the shape of the
// residuals' own quantiles as far as the sum of errors has not yet become normal. Rolling to a
// later origin continues from the last one, so a back-test over ascending origins costs one pass.
#include "aggregator/forecast/model/ets.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/member.h"
#include "aggregator/forecast/model/past.h"
#include "aggregator/forecast/model/simplex.h"

enum {
	FIT_MAX = 2016, // values used for the search: three parameters need no more
	FIT_MIN = 8,
	EVALUATIONS = 160, // of the filter per model
	PARAMS = 4,
};

struct ets {
	const struct member_input *in;
	struct ets_params p;
	struct ets_state start; // before y[first]
	size_t first;
	struct ets_state state; // before y[at]
	size_t at;
	struct past past;
	double *points; // [max_horizon]
};

double ets_expected(const struct ets_params *p, const struct ets_state *s)
{
	return s->level + p->phi * s->slope + (p->period > 1 ? s->season[s->at] : 0);
}

double ets_update(const struct ets_params *p, struct ets_state *s, double y)
{
	double drift = p->phi * s->slope, e = y - ets_expected(p, s);
	double known = isnan(e) ? 0 : e;
	s->level += drift + p->alpha * known;
	s->slope = drift + p->beta * known;
	if (p->period > 1) {
		s->season[s->at] += p->gamma * known;
		s->at = s->at + 1 == p->period ? 0 : s->at + 1;
	}
	return e;
}

static struct ets_fit summed(double squares, size_t n)
{
	return (struct ets_fit){(double)n * log(fmax(squares, 1e-300)), squares, n};
}

// The hot loop of the search: states in registers.
static struct ets_fit filter_level(
	const struct ets_params *p, struct ets_state *s, const double *y, size_t n)
{
	double level = s->level, slope = s->slope, squares = 0;
	const double alpha = p->alpha, beta = p->beta, phi = p->phi;
	size_t known = 0;
	for (size_t i = 0; i < n; i++) {
		slope *= phi;
		level += slope;
		double e = y[i] - level;
		if (isnan(e))
			continue;
		level += alpha * e;
		slope += beta * e;
		squares += e * e;
		known++;
	}
	s->level = level;
	s->slope = slope;
	return summed(squares, known);
}

struct ets_fit ets_filter(const struct ets_params *p, struct ets_state *s, const double *y,
	size_t n, double *ret_errors)
{
	if (!ret_errors && p->period <= 1)
		return filter_level(p, s, y, n);
	double squares = 0;
	size_t known = 0;
	for (size_t i = 0; i < n; i++) {
		double e = ets_update(p, s, y[i]);
		if (ret_errors)
			ret_errors[i] = e;
		if (isnan(e))
			continue;
		squares += e * e;
		known++;
	}
	return summed(squares, known);
}

// Line through (i, y[i]) by least squares, i from 1; false with fewer than two known values.
static bool line_through(const double *y, size_t n, double *ret_at0, double *ret_slope)
{
	double k = 0, x = 0, xx = 0, sum = 0, xy = 0;
	for (size_t i = 0; i < n; i++) {
		if (isnan(y[i]))
			continue;
		double t = (double)(i + 1);
		k++;
		x += t;
		xx += t * t;
		sum += y[i];
		xy += t * y[i];
	}
	if (k < 2)
		return false;
	double det = k * xx - x * x;
	*ret_slope = det > 0 ? (k * xy - x * sum) / det : 0;
	*ret_at0 = (sum - *ret_slope * x) / k;
	return true;
}

static bool start_season(const struct ets_params *p, const double *y, size_t n, struct ets_state *s)
{
	size_t m = p->period, cycles = n / m < 4 ? n / m : 4;
	double at0, slope, mean = 0;
	if (cycles < 2 || !line_through(y, cycles * m, &at0, &slope))
		return false;
	for (size_t j = 0; j < m; j++) {
		double sum = 0, k = 0;
		for (size_t c = 0; c < cycles; c++) {
			double v = y[c * m + j] - at0 - slope * (double)(c * m + j + 1);
			if (!isnan(v)) {
				sum += v;
				k++;
			}
		}
		if (k == 0)
			return false;
		s->season[j] = sum / k;
		mean += sum / k / (double)m;
	}
	for (size_t j = 0; j < m; j++)
		s->season[j] -= mean;
	return true;
}

bool ets_start(const struct ets_params *p, const double *y, size_t n, struct ets_state *ret)
{
	struct ets_state s = {0};
	double adjusted[2 * ETS_PERIOD_MAX + 10];
	size_t m = p->period > 1 ? p->period : 1, k = 2 * m > 10 ? 2 * m : 10;
	if (m > ETS_PERIOD_MAX || (m > 1 && !start_season(p, y, n, &s)))
		return false;
	if (k > n)
		k = n;
	for (size_t i = 0; i < k; i++)
		adjusted[i] = y[i] - (m > 1 ? s.season[i % m] : 0);
	double at0, slope;
	if (!line_through(adjusted, k, &at0, &slope))
		return false;
	s.level = p->trend ? at0 : at0 + slope * (double)(k + 1) / 2;
	s.slope = p->trend ? slope : 0;
	*ret = s;
	return true;
}

// With a season there is no short formula for the roots: run the recursion on zeros and see whether
// what it starts with grows.
static bool fades(const struct ets_params *p)
{
	struct ets_state s = {.level = 1, .slope = p->trend ? .1 : 0};
	for (size_t j = 0; j < p->period; j++)
		s.season[j] = j % 2 ? 1 : -.5;
	for (size_t i = 0; i < 40 * p->period; i++)
		if (fabs(ets_update(p, &s, 0)) > 1e3)
			return false;
	return true;
}

bool ets_admissible(const struct ets_params *p)
{
	double phi = p->trend && p->damped ? p->phi : 1;
	if (p->period > 1)
		return p->gamma >= fmax(1 - 1 / phi - p->alpha, 0) &&
		       p->gamma <= 1 + 1 / phi - p->alpha && fades(p);
	if (p->alpha < 1 - 1 / phi || p->alpha > 1 + 1 / phi)
		return false;
	return !p->trend ||
	       (p->beta >= p->alpha * (phi - 1) && p->beta <= (1 + phi) * (2 - p->alpha));
}

void ets_error_weights(const struct ets_params *p, size_t horizon, double *ret)
{
	double damp = p->phi, reach = 0; // phi + phi^2 + … + phi^j
	for (size_t j = 0; j < horizon; j++) {
		ret[j] = 1;
		if (j == 0)
			continue;
		reach += damp;
		damp *= p->phi;
		ret[j] = p->alpha + p->beta * reach +
			 (p->period > 1 && j % p->period == 0 ? p->gamma : 0);
	}
}

// --- the members

struct search {
	struct ets_params p;
	const double *y;
	size_t n;
	struct ets_state start;
};

static double logistic(double x)
{
	return 1 / (1 + exp(-x));
}

// R's bounds: parameters in [1e-4, .9999], phi in [.8, .98].
static void from_logits(const double *x, struct ets_params *p)
{
	size_t k = 0;
	p->alpha = 1e-4 + .9998 * logistic(x[k++]);
	p->beta = p->trend ? p->alpha * (1e-4 + .9998 * logistic(x[k++])) : 0;
	p->gamma = p->period > 1 ? (1 - p->alpha) * (1e-4 + .9998 * logistic(x[k++])) : 0;
	p->phi = p->damped ? .8 + .18 * logistic(x[k++]) : 1;
}

static double search_value(const double *x, void *arg)
{
	struct search *s = arg;
	from_logits(x, &s->p);
	struct ets_state state = s->start;
	return ets_filter(&s->p, &state, s->y, s->n, NULL).likelihood;
}

static size_t count_params(const struct ets_params *p)
{
	return 1 + p->trend + (p->period > 1) + p->damped;
}

// Searches one form; returns its AICc, INFINITY if it does not fit.
static double search_form(struct search *s)
{
	if (!ets_start(&s->p, s->y, s->n, &s->start))
		return INFINITY;
	size_t n = count_params(&s->p);
	double x[PARAMS] = {0};
	x[0] = 0;
	if (n > 1)
		x[1] = -2; // slopes and seasons move more slowly than levels
	struct simplex search = {.value = search_value,
		.arg = s,
		.n = n,
		.step = 1,
		.tolerance = 1e-6,
		.evaluations = EVALUATIONS};
	double best = simplex_minimise(&search, x);
	from_logits(x, &s->p);
	if (!isfinite(best) || !ets_admissible(&s->p))
		return INFINITY;
	// states count as parameters too, and sigma
	double k = (double)(n + 2 + s->p.trend + (s->p.period > 1 ? s->p.period - 1 : 0));
	double left = (double)s->n - k - 1;
	return left > 0 ? best + 2 * k + 2 * k * (k + 1) / left : INFINITY;
}

static void destroy(void *model)
{
	struct ets *m = model;
	if (!m)
		return;
	past_done(&m->past);
	free(m->points);
	free(m);
}

static size_t save(const void *model, double ret[MEMBER_SAVED_MAX])
{
	const struct ets *m = model;
	const double all[] = {m->p.alpha, m->p.beta, m->p.gamma, m->p.phi, (double)m->p.period,
		m->p.trend, m->p.damped};
	memcpy(ret, all, sizeof(all));
	return sizeof(all) / sizeof(*all);
}

static bool in_unit(double x)
{
	return x >= 0 && x <= 1;
}

static bool load(const struct member_input *in, size_t period, struct ets_params *ret)
{
	const double *v = in->saved;
	if (!v || in->n_saved != 7 || v[4] != (double)period)
		return false;
	if (!in_unit(v[0]) || !in_unit(v[1]) || !in_unit(v[2]) || !in_unit(v[3]))
		return false;
	struct ets_params p = {.alpha = v[0],
		.beta = v[1],
		.gamma = v[2],
		.phi = v[3],
		.period = period,
		.trend = v[5] != 0,
		.damped = v[6] != 0};
	if (!ets_admissible(&p))
		return false;
	*ret = p;
	return true;
}

static int choose(struct ets *m, size_t period, const double *y, size_t n)
{
	struct search kept = {.p.period = period, .y = y, .n = n};
	if (load(m->in, period, &kept.p) && ets_start(&kept.p, y, n, &kept.start)) {
		m->p = kept.p;
		m->start = kept.start;
		return 0;
	}
	double least = INFINITY;
	for (int form = 0; form < 3; form++) {
		struct search s = {.p = {.period = period, .trend = form > 0, .damped = form == 2},
			.y = y,
			.n = n};
		double aicc = search_form(&s);
		if (aicc < least) {
			least = aicc;
			m->p = s.p;
			m->start = s.start;
		}
	}
	return least < INFINITY ? 0 : -EDOM;
}

static int roll_to(struct ets *m, size_t origin)
{
	if (origin < m->first)
		return -EDOM;
	if (origin < m->at) {
		m->state = m->start;
		m->at = m->first;
	}
	ets_filter(&m->p, &m->state, m->in->y + m->at, origin - m->at, NULL);
	m->at = origin;
	return isfinite(m->state.level) ? 0 : -EDOM;
}

static int points(void *model, size_t origin, size_t horizon, double *ret)
{
	struct ets *m = model;
	int r = roll_to(m, origin);
	if (r < 0)
		return r;
	struct ets_state s = m->state;
	for (size_t h = 0; h < horizon; h++) {
		ret[h] = ets_expected(&m->p, &s);
		ets_update(&m->p, &s, NAN);
	}
	return 0;
}

static int fit(struct ets *m, size_t fit_end, size_t period)
{
	m->first = fit_end > FIT_MAX ? fit_end - FIT_MAX : 0;
	if (period > 1) // the states start at phase 0
		m->first -= m->first % period;
	size_t n = fit_end - m->first;
	int r = past_init(&m->past, m->in, fit_end);
	if (r == 0)
		r = choose(m, period, m->in->y + m->first, n);
	if (r < 0)
		return r;
	m->state = m->start;
	m->at = m->first;
	m->points = malloc(m->in->max_horizon * sizeof(*m->points));
	if (!m->points)
		return -ENOMEM;
	// the first errors show the start, not the model
	size_t skip = period > 1 ? 2 * period : 10;
	return past_learn(&m->past, points, m, m->first + (n > 4 * skip ? skip : n / 4), fit_end);
}

static int create(void **ret_model, const struct member_input *in, size_t fit_end, size_t period)
{
	if (fit_end < FIT_MIN || fit_end < 2 * period + 2)
		return -ENODATA;
	struct ets *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->in = in;
	int r = fit(m, fit_end, period);
	if (r < 0) {
		destroy(m);
		return r;
	}
	*ret_model = m;
	return 0;
}

static int create_level(void **ret_model, const struct member_input *in, size_t fit_end)
{
	return create(ret_model, in, fit_end, 0);
}

static int create_seasonal(void **ret_model, const struct member_input *in, size_t fit_end)
{
	for (size_t i = 0; i < in->n_periods; i++)
		if (in->periods[i] > 1 && in->periods[i] <= ETS_PERIOD_MAX)
			return create(ret_model, in, fit_end, in->periods[i]);
	return -ENODATA;
}

static int forecast(void *model, size_t origin, size_t horizon, double *ret)
{
	struct ets *m = model;
	int r = points(m, origin, horizon, m->points);
	for (size_t h = 0; r == 0 && h < horizon; h++)
		past_row(&m->past, origin, h, m->points[h], ret + h * QUANTILE_COUNT);
	return r;
}

const struct member_ops member_ets = {"ets", create_level, forecast, destroy, save};
const struct member_ops member_ets_seasonal = {
	"ets_seasonal", create_seasonal, forecast, destroy, save};
