// SPDX-License-Identifier: Apache-2.0
#include "golden.h"

#include <errno.h>
#include <math.h>

#include "aggregator/forecast/model/stl.h"

static void assert_near(const double *a, const struct golden *g, double tolerance)
{
	for (size_t i = 0; i < g->n; i++)
		if (!(fabs(a[i] - g->value[i]) < tolerance))
			fail_msg("%s[%zu]: %.12g, golden %.12g", g->name, i, a[i], g->value[i]);
}

// "name period window robust jump jump jump seasonal", as stl.py writes it
static struct stl_options options_of(const char *name)
{
	unsigned period, window, robust, sj, tj, lj;
	assert_int_equal(
		sscanf(name, "%*s %u %u %u %u %u %u", &period, &window, &robust, &sj, &tj, &lj), 6);
	struct stl_options o = stl_defaults(period, window, robust);
	o.seasonal_jump = sj;
	o.trend_jump = tj;
	o.low_pass_jump = lj;
	// statsmodels' own choices: R takes the period itself when it is odd, and 2 and 1 passes
	o.low_pass = period + 1 + period % 2;
	o.inner = robust ? 2 : 5;
	return o;
}

static void components_equal_statsmodels_to_1e_8(void **state)
{
	FILE *f = golden_open("stl.csv");
	struct golden y, g;
	golden_take(f, "y", &y);
	double seasonal[2 * 512], trend[512], weights[512];
	assert_true(y.n > 100 && y.n <= 512);
	int cases = 0;
	for (; golden_next(f, &g) && strcmp(g.name, "mstl12") != 0; cases++) {
		struct stl_options o = options_of(g.name);
		struct stl_parts parts = {seasonal, trend, weights};
		assert_int_equal(stl(y.value, y.n, &o, &parts), 0);
		assert_near(seasonal, &g, 1e-8);
		golden_done(&g);
		golden_take(f, "trend", &g);
		assert_near(trend, &g, 1e-8);
		golden_done(&g);
		golden_take(f, "weights", &g);
		assert_near(weights, &g, 1e-8);
		golden_done(&g);
	}
	assert_int_equal(cases, 5);
	struct stl_options seasons[2] = {stl_defaults(12, 11, false), stl_defaults(24, 15, false)};
	for (int i = 0; i < 2; i++) {
		seasons[i].seasonal_jump = seasons[i].trend_jump = seasons[i].low_pass_jump = 1;
		seasons[i].inner = 5;
	}
	struct mstl_options o = {seasons, 2, 2};
	assert_int_equal(mstl(y.value, y.n, &o, seasonal, trend), 0);
	assert_near(seasonal, &g, 1e-8);
	golden_done(&g);
	golden_take(f, "mstl24", &g);
	assert_near(seasonal + y.n, &g, 1e-8);
	golden_done(&g);
	golden_take(f, "trend", &g);
	assert_near(trend, &g, 1e-8);
	golden_done(&g);
	golden_done(&y);
	fclose(f);
}

static void too_short_a_series_is_refused(void **state)
{
	double y[20] = {0}, s[20], t[20];
	struct stl_options o = stl_defaults(12, 0, true);
	struct stl_parts parts = {s, t, NULL};
	assert_int_equal(stl(y, 20, &o, &parts), -EINVAL);
	o.period = 1;
	assert_int_equal(stl(y, 20, &o, &parts), -EINVAL);
}

static void a_constant_has_no_season(void **state)
{
	double y[60], s[60], t[60];
	for (int i = 0; i < 60; i++)
		y[i] = 7;
	struct stl_options o = stl_defaults(12, 0, true);
	struct stl_parts parts = {s, t, NULL};
	assert_int_equal(stl(y, 60, &o, &parts), 0);
	for (int i = 0; i < 60; i++)
		assert_true(fabs(s[i]) < 1e-9 && fabs(t[i] - 7) < 1e-9);
}

static void one_wild_value_does_not_bend_a_robust_fit(void **state)
{
	double y[120], s[120], t[120], clean[120];
	for (int i = 0; i < 120; i++)
		y[i] = 10 * sin(2 * M_PI * i / 12) + (i % 5) * 0.1;
	struct stl_options o = stl_defaults(12, 0, true);
	struct stl_parts parts = {s, t, NULL};
	assert_int_equal(stl(y, 120, &o, &parts), 0);
	memcpy(clean, s, sizeof(s));
	y[60] += 1000;
	assert_int_equal(stl(y, 120, &o, &parts), 0);
	for (int i = 0; i < 120; i++)
		assert_true(fabs(s[i] - clean[i]) < 0.5);
	o = stl_defaults(12, 0, false);
	assert_int_equal(stl(y, 120, &o, &parts), 0);
	assert_true(fabs(s[60] - clean[60]) > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(components_equal_statsmodels_to_1e_8),
		cmocka_unit_test(too_short_a_series_is_refused),
		cmocka_unit_test(a_constant_has_no_season),
		cmocka_unit_test(one_wild_value_does_not_bend_a_robust_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
