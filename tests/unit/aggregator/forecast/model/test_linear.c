// SPDX-License-Identifier: Apache-2.0
#include "member_check.h"

#include "aggregator/forecast/model/bands.h"
#include "aggregator/forecast/model/linalg.h"
#include "aggregator/forecast/model/order.h"
#include "aggregator/forecast/model/season.h"

static void the_linear_member_never_looks_past_the_origin(void **state)
{
	check_no_look_ahead(&member_linear);
}

static void the_linear_member_survives_hostile_series(void **state)
{
	check_hostile(&member_linear);
}

static void the_linear_member_gives_the_same_answer_twice(void **state)
{
	check_repeatable(&member_linear);
}

static void the_linear_member_beats_yesterday_and_its_band_holds(void **state)
{
	double coverage, ratio = check_skill(&member_linear, &coverage);
	assert_true(ratio < 0.75);
	assert_true(coverage > 0.68 && coverage < 0.92);
}

static void a_season_without_noise_is_continued_exactly(void **state)
{
	enum { N = 240, H = 24 };
	double y[N];
	for (size_t t = 0; t < N; t++)
		y[t] = (double)(t % 24 * (t % 24));
	struct member_input in = check_input(y, N, H);
	double *q = check_forecast(&member_linear, &in, N, N);
	for (size_t h = 0; h < H; h++)
		assert_true(fabs(q[h * QUANTILE_COUNT + 4] - (double)(h * h)) < 1e-6);
	free(q);
}

static void a_known_regressor_is_learnt(void **state)
{
	enum { N = 400, H = 12 };
	double *y = check_series(N, 9), x[N + H];
	struct rng r;
	rng_init(&r, 4);
	for (size_t t = 0; t < N + H; t++)
		x[t] = rng_below(&r, 5) == 0;
	for (size_t t = 0; t < N; t++)
		y[t] += 200 * x[t];
	struct member_input in = check_input(y, N, H);
	in.regressors = x;
	in.n_regressors = 1;
	double *q = check_forecast(&member_linear, &in, N, N);
	for (size_t h = 0; h < H; h++)
		assert_true((q[h * QUANTILE_COUNT + 4] > 220) == (x[N + h] > 0));
	free(q);
	free(y);
}

static void gram_and_ridge_agree_with_plain_sums(void **state)
{
	enum { P = 8, N = 13 };
	struct rng r;
	rng_init(&r, 1);
	double x[N * P], w[N], g[P * P] = {0}, work[P * P], b[P], rhs[P], penalty[P];
	for (int i = 0; i < N * P; i++)
		x[i] = rng_normal(&r);
	for (int i = 0; i < N; i++)
		w[i] = rng_unit(&r);
	gram_add(g, P, x, N, w);
	for (size_t i = 0; i < P; i++)
		for (size_t j = 0; j <= i; j++) {
			double s = 0;
			for (size_t k = 0; k < N; k++)
				s += w[k] * x[k * P + i] * x[k * P + j];
			assert_true(fabs(g[i * P + j] - s) < 1e-12);
		}
	for (size_t i = 0; i < P; i++) {
		b[i] = rhs[i] = rng_normal(&r);
		penalty[i] = 0.5;
	}
	assert_int_equal(ridge_solve(&(struct gram){g, P, P}, penalty, work, b), 0);
	for (size_t i = 0; i < P; i++) {
		double s = penalty[i] * b[i];
		for (size_t j = 0; j < P; j++)
			s += (j <= i ? g[i * P + j] : g[j * P + i]) * b[j];
		assert_true(fabs(s - rhs[i]) < 1e-9);
	}
	assert_true(fabs(dot(x, x + 20, 11) - dot(x + 20, x, 11)) < 1e-12);
}

static void a_matrix_that_is_not_positive_is_refused(void **state)
{
	double a[4] = {1, 0, 2, 1}, zero[4] = {0}, work[4], b[2] = {1, 1};
	assert_int_equal(cholesky(a, 2, 2), -EDOM);
	assert_int_equal(
		ridge_solve(&(struct gram){zero, 2, 2}, NULL, work, b), 0); // jitter of a typical 1
}

static void select_and_median_agree_with_sorting(void **state)
{
	struct rng r;
	rng_init(&r, 2);
	for (int round = 0; round < 300; round++) {
		double a[40], b[40];
		size_t n = 1 + rng_below(&r, 40);
		for (size_t i = 0; i < n; i++)
			a[i] = b[i] = (double)rng_below(&r, round % 2 ? 5 : 1000);
		order_sort(b, n);
		size_t k = rng_below(&r, n);
		assert_true(order_select(a, n, k) == b[k]);
		assert_true(
			order_median(a, n) == (n % 2 ? b[n / 2] : 0.5 * (b[n / 2 - 1] + b[n / 2])));
	}
}

static void sorting_for_some_levels_gives_their_quantiles(void **state)
{
	struct rng r;
	rng_init(&r, 3);
	static double a[1000], b[1000];
	for (int round = 0; round < 300; round++) {
		size_t n = 1 + rng_below(&r, round % 3 ? 1000 : 60);
		for (size_t i = 0; i < n; i++)
			a[i] = b[i] = round % 4 == 1 ? (double)i // already in order
						     : (double)rng_below(&r, round % 2 ? 9 : 99999);
		order_sort(a, n);
		order_sort_for(b, n, quantile_levels, QUANTILE_COUNT);
		for (int i = 0; i < QUANTILE_COUNT; i++)
			assert_true(order_quantile(a, n, quantile_levels[i]) ==
				    order_quantile(b, n, quantile_levels[i]));
	}
}

static void quantiles_of_few_errors_reach_past_the_worst_one(void **state)
{
	double v[9] = {-4, -3, -2, -1, 0, 1, 2, 3, 4};
	assert_true(order_quantile(v, 9, 0.5) == 0);
	assert_true(order_quantile(v, 9, 0.99) > 4);
	assert_true(order_quantile(v, 9, 0.01) < -4);
	assert_true(isnan(order_quantile(v, 0, 0.5)));
}

static void gaps_are_filled_from_the_past_alone(void **state)
{
	double y[60], z[60], again[60];
	for (size_t t = 0; t < 60; t++)
		y[t] = (double)(t % 24) + (t >= 24 ? 10 : 0);
	y[0] = y[40] = y[41] = NAN;
	assert_int_equal(season_fill(y, 60, 24, z), 57);
	assert_true(z[0] == y[1]);
	assert_true(z[40] > 20 && z[40] < 27); // 16 yesterday, and today is 10 higher
	y[45] = 1e9;
	season_fill(y, 60, 24, again);
	assert_memory_equal(z, again, 45 * sizeof(double));
	for (size_t t = 0; t < 60; t++)
		y[t] = NAN;
	assert_int_equal(season_fill(y, 60, 24, z), 0);
	assert_true(z[59] == 0);
}

static void bands_widen_where_the_series_moves(void **state)
{
	enum { N = 400 };
	struct rng r;
	rng_init(&r, 3);
	double z[N], error[N], terms[N * SPREAD_TERMS], row[QUANTILE_COUNT], wild[QUANTILE_COUNT];
	for (size_t t = 0; t < N; t++)
		z[t] = (t / 40 % 2 ? 10 : 1) * rng_normal(&r);
	struct spread s;
	assert_int_equal(spread_init(&s, z, N, 0, 1), 0);
	for (size_t t = 20; t < N; t++) {
		spread_terms(&s, t, t, 0, terms + (t - 20) * SPREAD_TERMS);
		error[t - 20] = z[t];
	}
	struct bands b;
	assert_int_equal(bands_fit(&b, error, terms, 0), -ENODATA);
	assert_int_equal(bands_fit(&b, error, terms, N - 20), 0);
	spread_terms(&s, 40, 40, 0, terms);
	bands_row(&b, terms, 0, row);
	spread_terms(&s, 80, 80, 0, terms);
	bands_row(&b, terms, 0, wild);
	assert_true(wild[6] - wild[2] > 2 * (row[6] - row[2]));
	spread_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_linear_member_never_looks_past_the_origin),
		cmocka_unit_test(the_linear_member_survives_hostile_series),
		cmocka_unit_test(the_linear_member_gives_the_same_answer_twice),
		cmocka_unit_test(the_linear_member_beats_yesterday_and_its_band_holds),
		cmocka_unit_test(a_season_without_noise_is_continued_exactly),
		cmocka_unit_test(a_known_regressor_is_learnt),
		cmocka_unit_test(gram_and_ridge_agree_with_plain_sums),
		cmocka_unit_test(a_matrix_that_is_not_positive_is_refused),
		cmocka_unit_test(select_and_median_agree_with_sorting),
		cmocka_unit_test(sorting_for_some_levels_gives_their_quantiles),
		cmocka_unit_test(quantiles_of_few_errors_reach_past_the_worst_one),
		cmocka_unit_test(gaps_are_filled_from_the_past_alone),
		cmocka_unit_test(bands_widen_where_the_series_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
