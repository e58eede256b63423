// SPDX-License-Identifier: Apache-2.0
// What every member is held to, whatever its model: no look past the origin, quantiles finite and
// ascending on hostile series, the same answer twice. Included by test_*.c of the members.
#pragma once

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregator/forecast/model/member.h"
#include "proto/base/rng.h"

// Hourly series of n points: level, daily and weekly season, autocorrelated noise.
static inline double *check_series(size_t n, uint64_t seed)
{
	struct rng r;
	rng_init(&r, seed);
	double *y = malloc(n * sizeof(*y)), noise = 0;
	assert_non_null(y);
	for (size_t t = 0; t < n; t++) {
		noise = 0.7 * noise + rng_normal(&r);
		y[t] = 100 + 20 * sin(2 * M_PI * (double)t / 24) +
		       8 * cos(2 * M_PI * (double)t / 12) + (t / 24 % 7 >= 5 ? -10 : 0) + 2 * noise;
	}
	return y;
}

static inline struct member_input check_input(const double *y, size_t n, size_t horizon)
{
	return (struct member_input){.y = y,
		.n = n,
		.start_s = 1760918400,
		.step_s = 3600,
		.periods = {24, 168},
		.n_periods = n >= 336  ? 2
			     : n >= 48 ? 1
				       : 0,
		.max_horizon = horizon,
		.scale = 5,
		.seed = 1};
}

static inline void check_rows(const double *q, size_t horizon)
{
	for (size_t h = 0; h < horizon; h++)
		for (int k = 0; k < QUANTILE_COUNT; k++) {
			assert_true(isfinite(q[h * QUANTILE_COUNT + (size_t)k]));
			if (k > 0)
				assert_true(q[h * QUANTILE_COUNT + (size_t)k] >=
					    q[h * QUANTILE_COUNT + (size_t)k - 1]);
		}
}

// Forecasts at origin from a model fitted on the first fit_end; the caller frees.
static inline double *check_forecast(
	const struct member_ops *ops, const struct member_input *in, size_t fit_end, size_t origin)
{
	void *model;
	double *q = calloc(in->max_horizon * QUANTILE_COUNT, sizeof(*q));
	assert_non_null(q);
	assert_int_equal(ops->create(&model, in, fit_end), 0);
	assert_int_equal(ops->forecast(model, origin, in->max_horizon, q), 0);
	ops->destroy(model);
	return q;
}

// The future is replaced by garbage, then by NAN; the forecast must not move by one bit.
static inline void check_no_look_ahead(const struct member_ops *ops)
{
	enum { N = 480, FIT = 400, ORIGIN = 430, HORIZON = 30 };
	double *y = check_series(N, 7);
	y[100] = y[101] = y[250] = y[FIT + 10] = NAN;
	struct member_input in = check_input(y, N, HORIZON);
	double *before = check_forecast(ops, &in, FIT, ORIGIN);
	check_rows(before, HORIZON);
	for (int round = 0; round < 2; round++) {
		for (size_t t = ORIGIN; t < N; t++)
			y[t] = round ? NAN : 1e6 * (double)(t % 5) - 3;
		double *after = check_forecast(ops, &in, FIT, ORIGIN);
		assert_memory_equal(before, after, HORIZON * QUANTILE_COUNT * sizeof(double));
		free(after);
	}
	free(before);
	free(y);
}

static inline void check_one_hostile(const struct member_ops *ops, const double *y, size_t n)
{
	enum { HORIZON = 48 };
	struct member_input in = check_input(y, n, HORIZON);
	double lo = INFINITY, hi = -INFINITY;
	for (size_t t = 0; t < n; t++)
		if (isfinite(y[t])) {
			lo = fmin(lo, y[t]);
			hi = fmax(hi, y[t]);
		}
	in.scale = fmax(1e-12, fmax(0.01 * fabs(hi), 1e-6 * (hi - lo)));
	double q[HORIZON * QUANTILE_COUNT];
	void *model = NULL;
	int rc = ops->create(&model, &in, n);
	if (rc < 0) {
		assert_true(rc == -ENODATA || rc == -EDOM);
		return;
	}
	rc = ops->forecast(model, n, HORIZON, q);
	if (rc == 0)
		check_rows(q, HORIZON);
	else
		assert_int_equal(rc, -EDOM);
	ops->destroy(model);
}

// Constant, zeros, one spike, all missing but two, huge and tiny scale, a step, alternating, and
// short pieces of each.
static inline void check_hostile(const struct member_ops *ops)
{
	enum { N = 400, KINDS = 9 };
	static const size_t lengths[] = {N, 100, 49, 20, 5, 2, 1};
	double *base = check_series(N, 3), *y = malloc(N * sizeof(*y));
	assert_non_null(y);
	for (int kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			size_t n = lengths[i];
			for (size_t t = 0; t < n; t++) {
				const double value[KINDS] = {42, 0, t == n / 2 ? 1e9 : 1,
					t == 0 || t == n - 2 ? 3 : NAN, base[t] * 1e15,
					base[t] * 1e-9, t > n - 4 ? 1e4 : 10, t % 2 ? 1 : 0,
					t > n / 2 ? 0 : base[t]};
				y[t] = value[kind];
			}
			check_one_hostile(ops, y, n);
		}
	free(y);
	free(base);
}

static inline void check_repeatable(const struct member_ops *ops)
{
	enum { N = 400, HORIZON = 24 };
	double *y = check_series(N, 11);
	struct member_input in = check_input(y, N, HORIZON);
	double *a = check_forecast(ops, &in, N, N), *b = check_forecast(ops, &in, N, N);
	assert_memory_equal(a, b, HORIZON * QUANTILE_COUNT * sizeof(double));
	free(a);
	free(b);
	free(y);
}

// Mean absolute error of the median over rolling origins, relative to repeating yesterday, and the
// share of truths within q10..q90: on a series with clean seasons a member must be clearly better.
static inline double check_skill(const struct member_ops *ops, double *ret_coverage)
{
	enum { N = 720, FIT = 480, HORIZON = 24 };
	double *y = check_series(N, 5), q[HORIZON * QUANTILE_COUNT], error = 0, naive = 0,
	       in_band = 0;
	struct member_input in = check_input(y, N, HORIZON);
	void *model;
	size_t count = 0;
	assert_int_equal(ops->create(&model, &in, FIT), 0);
	for (size_t origin = FIT; origin + HORIZON <= N; origin += 7) {
		assert_int_equal(ops->forecast(model, origin, HORIZON, q), 0);
		for (size_t h = 0; h < HORIZON; h++, count++) {
			const double *row = q + h * QUANTILE_COUNT;
			double truth = y[origin + h];
			error += fabs(truth - row[4]);
			naive += fabs(truth - y[origin + h - 24]);
			in_band += truth >= row[2] && truth <= row[6];
		}
	}
	ops->destroy(model);
	free(y);
	*ret_coverage = in_band / (double)count;
	return error / naive;
}

// What save() gave makes the next create() forecast the same; numbers that are no model are
// ignored.
static inline void check_saved(const struct member_ops *ops)
{
	enum { N = 480, HORIZON = 24 };
	double *y = check_series(N, 17), saved[MEMBER_SAVED_MAX], wrong[MEMBER_SAVED_MAX];
	struct member_input in = check_input(y, N, HORIZON);
	double q[HORIZON * QUANTILE_COUNT];
	void *model;
	assert_int_equal(ops->create(&model, &in, N), 0);
	assert_int_equal(ops->forecast(model, N, HORIZON, q), 0);
	in.n_saved = ops->save(model, saved);
	ops->destroy(model);
	assert_true(in.n_saved > 0 && in.n_saved <= MEMBER_SAVED_MAX);
	in.saved = saved;
	double *again = check_forecast(ops, &in, N, N);
	for (size_t i = 0; i < HORIZON * QUANTILE_COUNT; i++)
		assert_true(fabs(again[i] - q[i]) < 0.02 * fabs(q[i]));
	free(again);
	const double bad[] = {NAN, -1, 1e9, 2.5};
	for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
		for (size_t i = 0; i < MEMBER_SAVED_MAX; i++)
			wrong[i] = bad[k];
		in.saved = wrong;
		again = check_forecast(ops, &in, N, N);
		for (size_t i = 0; i < HORIZON * QUANTILE_COUNT; i++)
			assert_true(fabs(again[i] - q[i]) < 0.02 * fabs(q[i]));
		free(again);
	}
	free(y);
}
