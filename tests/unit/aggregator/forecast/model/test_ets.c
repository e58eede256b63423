// SPDX-License-Identifier: Apache-2.0
// ETS and Theta against statsforecast's filters (golden_ets.py): states, errors, what is minimised.
#include "tests/unit/aggregator/forecast/model/golden.h"

#include <math.h>

#include "aggregator/forecast/model/ets.h"
#include "aggregator/forecast/model/theta.h"

static void near(const char *what, size_t i, double ours, double golden)
{
	if (!(fabs(ours - golden) <= 1e-8 * fmax(1, fabs(golden))))
		fail_msg("%s %zu: %.12g, golden %.12g", what, i, ours, golden);
}

static void part(FILE *f, const char *name, const char *suffix, struct golden *ret)
{
	char line[64];
	snprintf(line, sizeof(line), "%s.%s", name, suffix);
	golden_take(f, line, ret);
}

// Checks one number a step of ours against the golden line.
static void check_series(FILE *f, const char *name, const char *suffix, const double *ours)
{
	struct golden g;
	part(f, name, suffix, &g);
	for (size_t i = 0; i < g.n; i++)
		near(g.name, i, ours[i], g.value[i]);
	golden_done(&g);
}

static void check_ets(FILE *f, const struct golden *y, const char *name)
{
	struct golden g;
	golden_take(f, name, &g);
	const double *v = g.value;
	struct ets_params p = {.alpha = v[0],
		.beta = v[1],
		.gamma = v[2],
		.phi = v[3],
		.period = (size_t)v[4],
		.trend = v[5] > 0,
		.damped = v[3] < 1};
	struct ets_state s = {.level = v[6], .slope = v[7]}, fast;
	for (size_t i = 0; i < p.period; i++)
		s.season[i] = v[8 + i];
	fast = s;
	double errors[128], levels[128], slopes[128], season[ETS_PERIOD_MAX] = {0};
	assert_true(y->n <= 128);
	struct ets_fit fit = ets_filter(&p, &fast, y->value, y->n, NULL);
	for (size_t i = 0; i < y->n; i++) {
		errors[i] = ets_update(&p, &s, y->value[i]);
		levels[i] = s.level;
		slopes[i] = s.slope;
	}
	for (size_t i = 0; i < p.period; i++)
		season[i] = s.season[(s.at + i) % p.period];
	check_series(f, name, "errors", errors);
	check_series(f, name, "levels", levels);
	if (p.trend)
		check_series(f, name, "slopes", slopes);
	check_series(f, name, "season", season);
	check_series(f, name, "likelihood", &fit.likelihood);
	near(name, y->n, fast.level, s.level); // the search's filter and the single step are one
	near(name, y->n, fast.slope, s.slope);
	golden_done(&g);
}

static void ets_states_and_likelihood_are_statsforecasts(void **state)
{
	(void)state;
	static const char *const names[] = {"ANN", "AAN", "AAdN", "ANA", "AAA", "AAdA"};
	struct golden y;
	FILE *f = golden_open("ets.csv");
	golden_take(f, "y", &y);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		check_ets(f, &y, names[i]);
	golden_done(&y);
	fclose(f);
}

static void check_theta(FILE *f, const struct golden *y, const char *name)
{
	struct golden g;
	golden_take(f, name, &g);
	struct theta_params p = {.alpha = g.value[0], .theta = g.value[1], .level = g.value[2]};
	struct theta_state s;
	double errors[128], column[4][128];
	for (size_t i = 0; i < y->n; i++) {
		if (i == 0) {
			theta_start(&p, y->value[0], &s);
			errors[0] = 0; // starts from it
		} else {
			errors[i] = theta_update(&p, &s, y->value[i]);
		}
		column[0][i] = s.level;
		column[1][i] = s.mean;
		column[2][i] = s.a;
		column[3][i] = s.b;
	}
	check_series(f, name, "errors", errors);
	check_series(f, name, "levels", column[0]);
	check_series(f, name, "means", column[1]);
	check_series(f, name, "a", column[2]);
	check_series(f, name, "b", column[3]);
	near(name, 0, theta_cost(&p, y->value, y->n, NULL), g.value[3]);
	golden_done(&g);
}

static void theta_states_and_cost_are_statsforecasts(void **state)
{
	(void)state;
	static const char *const names[] = {"slow", "fast", "steep"};
	struct golden y;
	FILE *f = golden_open("theta.csv");
	golden_take(f, "y", &y);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		check_theta(f, &y, names[i]);
	golden_done(&y);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ets_states_and_likelihood_are_statsforecasts),
		cmocka_unit_test(theta_states_and_cost_are_statsforecasts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
