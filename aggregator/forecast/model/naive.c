// SPDX-License-Identifier: Apache-2.0
// The naive members: last value, same time yesterday, same time last week, and last week times the
// ratio of the present level to that of a week ago.
//
// Always in the pool and the fallback of everything. The point forecast is a look-up; the band is
// empirical: quantiles of the rule's own errors at sampled earlier origins, per bucket of horizon,
// in units of how wild the series was then (bands.h), centred so that the median is the rule
// itself.
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/member.h"
#include "aggregator/forecast/model/past.h"

enum { DAY_S = 86400, RATIO_MAX_WINDOW = 256 };

enum rule { RULE_LAST, RULE_DAILY, RULE_WEEKLY, RULE_RATIO };

struct naive {
	const struct member_input *in;
	enum rule rule;
	size_t season; // steps
	size_t window; // of the level ratio
	struct past past;
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median_of(const double *y, size_t n)
{
	double v[RATIO_MAX_WINDOW];
	size_t k = 0;
	for (size_t i = 0; i < n; i++)
		if (!isnan(y[i]))
			v[k++] = y[i];
	if (k == 0)
		return NAN;
	qsort(v, k, sizeof(*v), compare_doubles);
	return k % 2 ? v[k / 2] : (v[k / 2 - 1] + v[k / 2]) / 2;
}

// Clipped to 0.5..2: a ratio of two short windows is noisy, and a quiet one must not explode.
static double level_ratio(const struct naive *m, size_t origin)
{
	if (m->rule != RULE_RATIO || origin < m->season + m->window)
		return 1;
	double now = median_of(m->past.z + origin - m->window, m->window);
	double then = median_of(m->past.z + origin - m->season - m->window, m->window);
	if (!(now > 0) || !(then > 0))
		return 1;
	return fmin(2, fmax(.5, now / then));
}

static size_t needed(const struct naive *m)
{
	return m->season + (m->rule == RULE_RATIO ? m->window : 0);
}

static int points(void *model, size_t origin, size_t horizon, double *ret)
{
	const struct naive *m = model;
	if (origin < needed(m))
		return -EDOM;
	double ratio = level_ratio(m, origin);
	for (size_t h = 0; h < horizon; h++)
		ret[h] = ratio * m->past.z[origin - m->season + h % m->season];
	return 0;
}

static size_t season_of(const struct member_input *in, enum rule rule)
{
	int64_t seconds = rule == RULE_LAST ? in->step_s : rule == RULE_DAILY ? DAY_S : 7 * DAY_S;
	int64_t steps = (seconds + in->step_s / 2) / in->step_s;
	return steps < 1 ? 1 : (size_t)steps;
}

static void destroy(void *model)
{
	struct naive *m = model;
	if (!m)
		return;
	past_done(&m->past);
	free(m);
}

static int create(void **ret_model, const struct member_input *in, size_t fit_end, enum rule rule)
{
	struct naive *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->in = in;
	m->rule = rule;
	m->season = season_of(in, rule);
	// an eighth of a day, at least 3 values: the benchmark's naive has the same
	m->window = (size_t)(DAY_S / 8 / in->step_s);
	m->window = m->window < 3 ? 3 : m->window > RATIO_MAX_WINDOW ? RATIO_MAX_WINDOW : m->window;
	int r = fit_end < needed(m) + 1 ? -ENODATA : past_init(&m->past, in, fit_end);
	if (r == 0)
		r = past_learn(&m->past, points, m, needed(m), fit_end);
	if (r < 0) {
		destroy(m);
		return r;
	}
	*ret_model = m;
	return 0;
}

static int forecast(void *model, size_t origin, size_t horizon, double *ret)
{
	const struct naive *m = model;
	if (origin < needed(m))
		return -EDOM;
	double ratio = level_ratio(m, origin);
	for (size_t h = 0; h < horizon; h++)
		past_row(&m->past, origin, h, ratio * m->past.z[origin - m->season + h % m->season],
			ret + h * QUANTILE_COUNT);
	return 0;
}

static int create_last(void **ret_model, const struct member_input *in, size_t fit_end)
{
	return create(ret_model, in, fit_end, RULE_LAST);
}

static int create_daily(void **ret_model, const struct member_input *in, size_t fit_end)
{
	return create(ret_model, in, fit_end, RULE_DAILY);
}

static int create_weekly(void **ret_model, const struct member_input *in, size_t fit_end)
{
	return create(ret_model, in, fit_end, RULE_WEEKLY);
}

static int create_ratio(void **ret_model, const struct member_input *in, size_t fit_end)
{
	return create(ret_model, in, fit_end, RULE_RATIO);
}

const struct member_ops member_last = {"last", create_last, forecast, destroy, NULL};
const struct member_ops member_daily = {"daily", create_daily, forecast, destroy, NULL};
const struct member_ops member_weekly = {"weekly", create_weekly, forecast, destroy, NULL};
const struct member_ops member_ratio = {"ratio", create_ratio, forecast, destroy, NULL};
