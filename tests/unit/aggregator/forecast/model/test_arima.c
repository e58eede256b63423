// SPDX-License-Identifier: Apache-2.0
#include "golden.h"
#include "member_check.h"

#include "aggregator/forecast/model/arma.h"

struct fixture {
	FILE *file;
	double *whole, *gaps;
	size_t n;
};

static struct fixture open_golden(void)
{
	struct fixture x = {.file = golden_open("arima.csv")};
	struct golden y, at;
	golden_take(x.file, "y", &y);
	golden_take(x.file, "gaps_at", &at);
	x.n = y.n;
	x.whole = y.value;
	x.gaps = malloc(y.n * sizeof(double));
	assert_non_null(x.gaps);
	memcpy(x.gaps, y.value, y.n * sizeof(double));
	for (size_t i = 0; i < at.n; i++)
		x.gaps[(size_t)at.value[i]] = NAN;
	golden_done(&at);
	return x;
}

static void close_golden(struct fixture *x)
{
	free(x->whole);
	free(x->gaps);
	fclose(x->file);
}

// One golden case: log-likelihood, six forecasts and their standard errors.
static void check_case(const struct fixture *x, const struct golden *g)
{
	unsigned p, d, q, gaps;
	assert_int_equal(sscanf(g->name, "%u %u %u %u", &p, &d, &q, &gaps), 4);
	struct arma m = {.p = p, .d = d, .q = q};
	memcpy(m.phi, g->value, p * sizeof(double));
	memcpy(m.theta, g->value + p, q * sizeof(double));
	double variance = g->value[p + q], expected = g->value[p + q + 1];
	const double *y = gaps ? x->gaps : x->whole;
	struct likelihood l;
	assert_int_equal(kalman_likelihood(&m, y, x->n, &l), 0);
	double log_likelihood =
		-0.5 * ((double)l.n * log(2 * M_PI * variance) + l.log_det + l.squares / variance);
	if (!(fabs(log_likelihood - expected) < 1e-6))
		fail_msg("%s: %.10g, golden %.10g", g->name, log_likelihood, expected);
	struct kalman k;
	double mean[6], spread[6];
	assert_int_equal(kalman_start(&k, &m), 0);
	for (size_t t = 0; t < x->n; t++)
		kalman_step(&k, y[t]);
	kalman_forecast(&k, 6, mean);
	arma_error_variance(&m, 6, spread);
	struct golden means, sds;
	golden_take(x->file, "mean", &means);
	golden_take(x->file, "sd", &sds);
	for (size_t h = 0; h < 6; h++) {
		assert_true(fabs(mean[h] - means.value[h]) < 1e-6 * fmax(1, fabs(mean[h])));
		assert_true(fabs(sqrt(variance * spread[h]) - sds.value[h]) < 1e-6 * sds.value[h]);
	}
	golden_done(&means);
	golden_done(&sds);
}

// The best likelihood that statsmodels finds for given orders; it was told that there is no mean.
static void check_best(const struct fixture *x, const struct golden *g)
{
	struct arma orders = {0};
	struct arma_fit fit = {0};
	struct likelihood l;
	double w[512];
	assert_int_equal(sscanf(g->name, "best %zu %zu %zu", &orders.p, &orders.d, &orders.q), 3);
	assert_int_equal(arma_fit_orders(x->whole, x->n, &orders, NULL, &fit), 0);
	assert_true((fit.mean == 0) == (orders.d > 0));
	for (size_t t = 0; t < x->n; t++)
		w[t] = x->whole[t] - fit.mean;
	assert_int_equal(kalman_likelihood(&fit.model, w, x->n, &l), 0);
	assert_true(likelihood_log(&l) > g->value[0] - 1e-6);
}

static void check_kpss(const struct fixture *x, const struct golden *g)
{
	double v[512], sum = 0;
	const size_t lags[] = {0, 2, 5};
	for (size_t t = 0; t < x->n; t++) {
		sum += x->whole[t];
		v[t] = strcmp(g->name, "kpss walk") == 0 ? sum : x->whole[t];
		if (strcmp(g->name, "kpss step") == 0 && t > 60)
			v[t] += 5;
	}
	for (int i = 0; i < 3; i++)
		assert_true(fabs(kpss_level(v, x->n, lags[i]) - g->value[i]) < 1e-9);
}

static void likelihoods_and_forecasts_equal_statsmodels_to_1e_6(void **state)
{
	struct fixture x = open_golden();
	struct golden g;
	int cases = 0, maxima = 0, statistics = 0;
	while (golden_next(x.file, &g)) {
		if (strncmp(g.name, "best ", 5) == 0) {
			check_best(&x, &g);
			maxima++;
		} else if (strncmp(g.name, "kpss ", 5) == 0) {
			check_kpss(&x, &g);
			statistics++;
		} else {
			check_case(&x, &g);
			cases++;
		}
		golden_done(&g);
	}
	assert_int_equal(cases, 10);
	assert_int_equal(maxima, 3);
	assert_int_equal(statistics, 3);
	close_golden(&x);
}

static void a_series_in_stretches_has_the_same_likelihood_while_it_is_whole(void **state)
{
	struct fixture x = open_golden();
	struct arma m = {.p = 2, .d = 1, .q = 3, .phi = {1.1, -0.3}, .theta = {0.3, 0.3, 0.1}};
	for (m.d = 0; m.d <= 2; m.d++) {
		struct likelihood a, b;
		assert_int_equal(kalman_likelihood(&m, x.whole, x.n, &a), 0);
		assert_int_equal(kalman_likelihood_stretches(&m, x.whole, x.n, &b), 0);
		assert_int_equal(a.n, b.n);
		assert_true(fabs(a.squares - b.squares) < 1e-8 * a.squares);
		assert_true(fabs(a.log_det - b.log_det) < 1e-8);
		assert_int_equal(kalman_likelihood_stretches(&m, x.gaps, x.n, &b), 0);
		assert_true(b.n < a.n);
	}
	close_golden(&x);
}

static void free_numbers_always_give_a_stationary_process(void **state)
{
	struct rng r;
	rng_init(&r, 1);
	for (int round = 0; round < 200; round++) {
		double x[3], y = 0, past[3] = {1, 1, 1};
		struct arma m = {.p = 3};
		for (int i = 0; i < 3; i++)
			x[i] = 0.6 * rng_normal(&r);
		arma_from_free(x, 3, m.phi);
		for (int t = 0; t < 20000; t++) {
			y = m.phi[0] * past[0] + m.phi[1] * past[1] + m.phi[2] * past[2];
			past[2] = past[1];
			past[1] = past[0];
			past[0] = y;
		}
		assert_true(fabs(y) < 1);
	}
}

static void the_search_finds_the_process_that_made_the_series(void **state)
{
	enum { N = 1500 };
	struct rng r;
	rng_init(&r, 42);
	double y[N], level = 0, before = 0;
	struct arma_fit fit;
	for (size_t t = 0; t < N; t++) {
		double e = rng_normal(&r);
		level = 0.8 * level + e;
		y[t] = 50 + level;
	}
	assert_int_equal(arma_fit_auto(y, N, 1, &fit), 0);
	assert_int_equal(fit.model.d, 0);
	assert_true(fit.model.p >= 1 && fabs(fit.variance - 1) < 0.1);
	assert_true(fabs(fit.mean - 50) < 0.5);
	level = 0;
	for (size_t t = 0; t < N; t++) {
		double e = rng_normal(&r);
		level += e - 0.6 * before;
		before = e;
		y[t] = level;
	}
	assert_int_equal(arma_fit_auto(y, N, 1, &fit), 0);
	assert_int_equal(fit.model.d, 1);
	assert_true(fabs(fit.variance - 1) < 0.1);
}

static void a_gap_makes_the_next_forecast_less_sure_and_nothing_else(void **state)
{
	struct arma m = {.p = 1, .phi = {0.9}};
	struct kalman k;
	assert_int_equal(kalman_start(&k, &m), 0);
	for (int t = 0; t < 50; t++)
		kalman_step(&k, sin(t));
	assert_true(k.steady && fabs(k.f - 1) < 1e-9);
	assert_true(isnan(kalman_step(&k, NAN)));
	kalman_step(&k, 0.5);
	assert_true(fabs(k.f - 1.81) < 1e-9);
	struct arma wild = {.p = 1, .phi = {1.0}};
	assert_int_equal(kalman_start(&k, &wild), -EDOM);
}

static void the_arima_member_never_looks_past_the_origin(void **state)
{
	check_no_look_ahead(&member_arima);
}

static void the_arima_member_survives_hostile_series(void **state)
{
	check_hostile(&member_arima);
}

static void the_arima_member_gives_the_same_answer_twice(void **state)
{
	check_repeatable(&member_arima);
}

static void the_arima_member_beats_yesterday_and_its_band_holds(void **state)
{
	double coverage, ratio = check_skill(&member_arima, &coverage);
	assert_true(ratio < 0.75);
	assert_true(coverage > 0.68 && coverage < 0.92);
}

static void a_season_far_over_24_is_followed_by_its_harmonics(void **state)
{
	enum { N = 2000, H = 100 };
	static double y[N];
	struct rng r;
	rng_init(&r, 8);
	for (size_t t = 0; t < N; t++)
		y[t] = 50 + 30 * sin(2 * M_PI * (double)t / 500) + rng_normal(&r);
	struct member_input in = check_input(y, N, H);
	in.periods[0] = 500;
	in.n_periods = 1;
	double *q = check_forecast(&member_arima, &in, N, N);
	for (size_t h = 0; h < H; h++)
		assert_true(fabs(q[h * QUANTILE_COUNT + 4] -
				    (50 + 30 * sin(2 * M_PI * (double)(N + h) / 500))) < 3);
	free(q);
}

static void a_regressor_explains_what_no_season_does(void **state)
{
	enum { N = 400, H = 24 };
	double *y = check_series(N, 12), x[N + H];
	struct rng r;
	rng_init(&r, 4);
	for (size_t t = 0; t < N + H; t++)
		x[t] = rng_below(&r, 6) == 0;
	for (size_t t = 0; t < N; t++)
		y[t] += 100 * x[t];
	struct member_input in = check_input(y, N, H);
	in.regressors = x;
	in.n_regressors = 1;
	double *q = check_forecast(&member_arima, &in, N, N);
	for (size_t h = 0; h < H; h++)
		assert_true((q[h * QUANTILE_COUNT + 4] > 155) == (x[N + h] > 0));
	free(q);
	free(y);
}

static void saved_parameters_of_arima_make_the_same_forecast(void **state)
{
	check_saved(&member_arima);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(likelihoods_and_forecasts_equal_statsmodels_to_1e_6),
		cmocka_unit_test(a_series_in_stretches_has_the_same_likelihood_while_it_is_whole),
		cmocka_unit_test(free_numbers_always_give_a_stationary_process),
		cmocka_unit_test(the_search_finds_the_process_that_made_the_series),
		cmocka_unit_test(a_gap_makes_the_next_forecast_less_sure_and_nothing_else),
		cmocka_unit_test(the_arima_member_never_looks_past_the_origin),
		cmocka_unit_test(the_arima_member_survives_hostile_series),
		cmocka_unit_test(the_arima_member_gives_the_same_answer_twice),
		cmocka_unit_test(the_arima_member_beats_yesterday_and_its_band_holds),
		cmocka_unit_test(a_season_far_over_24_is_followed_by_its_harmonics),
		cmocka_unit_test(a_regressor_explains_what_no_season_does),
		cmocka_unit_test(saved_parameters_of_arima_make_the_same_forecast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
