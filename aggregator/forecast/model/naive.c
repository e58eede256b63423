// SPDX-License-Identifier: Apache-2.0
// The naive members: last value, same time yesterday, same time last week, and last week times the
// ratio of the present level to that of a week ago.
//
// Always in the pool and the fallback of everything. The point forecast is a look-up; the band is
// empirical: quantiles of the rule's own errors at sampled earlier origins, per bucket of horizon,
// centred so that the median is the rule itself.
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/member.h"

enum {
	BUCKETS = 20,
	ERRORS_MAX = 256, // per bucket: the 1 % quantile then rests on 2-3 errors
	ERRORS_MIN = 12,  // fewer tell nothing about a tail: a normal band instead
	DAY_S = 86400,
	RATIO_MAX_WINDOW = 256,
};

enum rule { RULE_LAST, RULE_DAILY, RULE_WEEKLY, RULE_RATIO };

struct naive {
	const struct member_input *in;
	enum rule rule;
	size_t season; // steps
	size_t window; // of the level ratio
	size_t n_buckets;
	size_t bucket_end[BUCKETS]; // horizons below this belong to the bucket
	double error[BUCKETS][QUANTILE_COUNT];
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

// y at t, or as many seasons earlier as it takes to find a known value, or the last known before t.
static double look_back(const struct naive *m, size_t t)
{
	const double *y = m->in->y;
	for (size_t i = t;; i -= m->season) {
		if (!isnan(y[i]))
			return y[i];
		if (i < m->season)
			break;
	}
	for (size_t i = t; i-- > 0;)
		if (!isnan(y[i]))
			return y[i];
	return NAN;
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
	double now = median_of(m->in->y + origin - m->window, m->window);
	double then = median_of(m->in->y + origin - m->season - m->window, m->window);
	if (!(now > 0) || !(then > 0))
		return 1;
	return fmin(2, fmax(.5, now / then));
}

static double point_at(const struct naive *m, size_t origin, size_t h)
{
	return look_back(m, origin - m->season + h % m->season);
}

static size_t needed(const struct naive *m)
{
	return m->season + (m->rule == RULE_RATIO ? m->window : 0);
}

static void normal_errors(struct naive *m, size_t bucket, const double *errors, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += errors[i] * errors[i];
	member_normal_row(0, n ? sqrt(sum / (double)n) : m->in->scale, m->error[bucket]);
}

static void empirical_errors(struct naive *m, size_t bucket, double *errors, size_t n)
{
	qsort(errors, n, sizeof(*errors), compare_doubles);
	for (int i = 0; i < QUANTILE_COUNT; i++) {
		double at = quantile_levels[i] * (double)(n - 1);
		size_t low = (size_t)at;
		double part = at - (double)low;
		double above = errors[low + 1 < n ? low + 1 : low];
		m->error[bucket][i] = errors[low] + (above - errors[low]) * part;
	}
	double centre = m->error[bucket][QUANTILE_COUNT / 2];
	for (int i = 0; i < QUANTILE_COUNT; i++)
		m->error[bucket][i] -= centre;
}

static void learn_bucket(struct naive *m, size_t bucket, size_t fit_end)
{
	size_t first = bucket ? m->bucket_end[bucket - 1] : 0, end = m->bucket_end[bucket];
	size_t low = needed(m), n = 0;
	double errors[ERRORS_MAX];
	if (fit_end > low + first) {
		size_t span = fit_end - low - first;
		size_t stride = span > ERRORS_MAX ? (span + ERRORS_MAX - 1) / ERRORS_MAX : 1;
		for (size_t i = 0; i < span && n < ERRORS_MAX; i += stride) {
			size_t h = first + (i / stride) % (end - first), origin = low + i;
			if (origin + h >= fit_end)
				h = first;
			double truth = m->in->y[origin + h];
			double error = truth - level_ratio(m, origin) * point_at(m, origin, h);
			if (isfinite(error))
				errors[n++] = error;
		}
	}
	if (n >= ERRORS_MIN)
		empirical_errors(m, bucket, errors, n);
	else if (n > 0 || bucket == 0)
		normal_errors(m, bucket, errors, n);
	else
		memcpy(m->error[bucket], m->error[bucket - 1], sizeof(m->error[bucket]));
}

// Buckets grow by half: the error of a naive rule changes slowly with the horizon.
static void lay_buckets(struct naive *m)
{
	size_t end = 1, max = m->in->max_horizon;
	while (m->n_buckets < BUCKETS) {
		bool last = end >= max || m->n_buckets == BUCKETS - 1;
		m->bucket_end[m->n_buckets++] = last ? max : end;
		if (last)
			break;
		end = end + 1 + end / 2;
	}
}

static size_t season_of(const struct member_input *in, enum rule rule)
{
	int64_t seconds = rule == RULE_LAST ? in->step_s : rule == RULE_DAILY ? DAY_S : 7 * DAY_S;
	int64_t steps = (seconds + in->step_s / 2) / in->step_s;
	return steps < 1 ? 1 : (size_t)steps;
}

static int create(void **ret_model, const struct member_input *in, size_t fit_end, enum rule rule)
{
	size_t season = season_of(in, rule);
	if (season >= fit_end)
		return -ENODATA;
	struct naive *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->in = in;
	m->rule = rule;
	m->season = season;
	// an eighth of a day, at least 3 values: the benchmark's naive has the same
	m->window = (size_t)(DAY_S / 8 / in->step_s);
	m->window = m->window < 3 ? 3 : m->window > RATIO_MAX_WINDOW ? RATIO_MAX_WINDOW : m->window;
	if (fit_end < needed(m) + 1) {
		free(m);
		return -ENODATA;
	}
	lay_buckets(m);
	for (size_t b = 0; b < m->n_buckets; b++)
		learn_bucket(m, b, fit_end);
	*ret_model = m;
	return 0;
}

static int forecast(void *model, size_t origin, size_t horizon, double *ret)
{
	const struct naive *m = model;
	if (origin < m->season)
		return -EDOM;
	double ratio = level_ratio(m, origin);
	for (size_t h = 0, bucket = 0; h < horizon; h++) {
		while (h >= m->bucket_end[bucket] && bucket + 1 < m->n_buckets)
			bucket++;
		double point = ratio * point_at(m, origin, h);
		if (!isfinite(point))
			return -EDOM;
		for (int i = 0; i < QUANTILE_COUNT; i++)
			ret[h * QUANTILE_COUNT + (size_t)i] = point + m->error[bucket][i];
	}
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

const struct member_ops member_last = {"last", create_last, forecast, free, NULL};
const struct member_ops member_daily = {"daily", create_daily, forecast, free, NULL};
const struct member_ops member_weekly = {"weekly", create_weekly, forecast, free, NULL};
const struct member_ops member_ratio = {"ratio", create_ratio, forecast, free, NULL};
