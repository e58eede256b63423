// SPDX-License-Identifier: Apache-2.0
// Weights by what was issued; their rules; the gate.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregator/forecast/forecast.h"
#include "aggregator/forecast/keep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/rng.h"

enum { N = 3, H = 12, MIDDLE = QUANTILE_COUNT / 2 };
static const bool all_ok[ENTRIES_MAX] = {true, true, true};

static struct blend trials(double a, double b, double c, double scored)
{
	struct blend ret = {.n_entries = N, .n_buckets = 3, .bucket_end = {2, 5, H}, .floor = .01};
	const double loss[N] = {a, b, c};
	for (size_t k = 0; k < 3; k++) {
		ret.scored[k] = scored;
		for (size_t e = 0; e < N; e++)
			ret.loss[0][e][k] = ret.loss[1][e][k] = loss[e];
	}
	blend_reweigh(&ret, all_ok);
	return ret;
}

static double truth_of(const void *arg, int64_t at_s)
{
	return *(const double *)arg;
}

// Issues `times` forecasts whose members say off[e] beside the truth, each until it has come true.
static void play(struct ledger *l, const struct blend *b, const double off[N], int times)
{
	const double truth = 100;
	double rows[N][H][QUANTILE_COUNT], served[H][QUANTILE_COUNT];
	for (int i = 0; i < times; i++) {
		for (size_t h = 0; h < H; h++) {
			for (size_t e = 0; e < N; e++)
				member_normal_row(truth + off[e], 5, rows[e][h]);
			member_normal_row(truth, 5, served[h]);
		}
		int64_t at_s = 1000 + (int64_t)i * H;
		ledger_issue(l, b,
			&(struct ledger_said){at_s, H, &rows[0][0][0], H * QUANTILE_COUNT, all_ok,
				(const double(*)[QUANTILE_COUNT])served});
		ledger_score(l, &(struct ledger_truth){truth_of, &truth, at_s + H, 1});
	}
}

static void weights_move_to_the_member_that_was_right_when_issued(void **state)
{
	static struct ledger l;
	struct blend b = trials(1, 1.2, 1.2, 200), before = b; // the trials prefer the first
	const double off[N] = {10, 0, 10};
	memset(&l, 0, sizeof(l));
	assert_true(b.weight[0][0][0] > b.weight[0][1][0]);
	play(&l, &b, off, 1);
	ledger_weigh(&l, &b, all_ok);
	double little = b.weight[0][1][2];
	assert_true(little > before.weight[0][1][2]);
	play(&l, &before, off, 40);
	b = before;
	ledger_weigh(&l, &b, all_ok);
	for (size_t k = 0; k < 3; k++) {
		for (int use = 0; use < BLEND_USES; use++) {
			assert_true(b.weight[use][1][k] > b.weight[use][0][k]);
			assert_true(b.loss[use][1][k] < b.loss[use][0][k]);
		}
	}
	assert_true(b.weight[0][1][2] > little); // the more was issued
}

static void what_is_equally_good_when_issued_leaves_the_weights_to_the_trials(void **state)
{
	static struct ledger l;
	struct blend b = trials(1, 1.3, 1.3, 200), before = b;
	const double off[N] = {3, 3, 3};
	memset(&l, 0, sizeof(l));
	play(&l, &b, off, 10);
	ledger_weigh(&l, &b, all_ok);
	assert_true(b.weight[0][0][0] > b.weight[0][1][0]);
	assert_true(b.weight[0][0][0] < before.weight[0][0][0]);
}

static void a_forecast_is_scored_once_at_every_step_watched(void **state)
{
	static struct ledger l;
	struct blend b = trials(1, 1, 1, 200);
	const double off[N] = {0, 0, 0};
	memset(&l, 0, sizeof(l));
	play(&l, &b, off, 1);
	const double expected[] = {2, 3, 6};
	for (size_t k = 0; k < 3; k++) // a little discounted
		assert_true(fabs((double)l.sums.steps[0][k] - expected[k]) < .1);
	assert_int_equal(l.watch[2].step[0], 5);
	assert_int_equal(l.watch[2].step[5], H - 1);
}

static void nobody_gets_more_than_half_and_the_hopeless_nothing(void **state)
{
	struct blend b = trials(1, 1.95, 5, 1e6);
	assert_true(b.weight[0][2][0] == 0); // over twice the best
	assert_true(fabs(b.weight[0][0][0] - .5) < 1e-9);
	assert_true(fabs(b.weight[0][1][0] - .5) < 1e-9);
	b = trials(1, 3, 5, 1e6); // the only one left
	assert_true(b.weight[0][0][0] > .999);
}

static void few_scores_draw_the_weights_together(void **state)
{
	struct blend few = trials(1, 1.3, 1.6, 1), many = trials(1, 1.3, 1.6, 1e6);
	assert_true(few.weight[0][0][0] < many.weight[0][0][0]);
	assert_true(few.weight[0][0][0] - few.weight[0][2][0] <
		    .3 * (many.weight[0][0][0] - many.weight[0][2][0]));
}

static void the_gate_shuts_late_and_opens_again(void **state)
{
	struct honest_issued i = {0};
	assert_true(honest_gate(&i, true)); // nothing issued: the trials decide
	assert_false(honest_gate(&i, false));
	for (int k = 0; k < 30; k++)
		honest_count(&i, 2, 1);
	assert_false(honest_gate(&i, false)); // too few
	for (int k = 0; k < 100; k++)
		honest_count(&i, 2, 1);
	assert_true(honest_gate(&i, false));
	for (int k = 0; k < 70; k++)
		honest_count(&i, .9, 1);
	assert_true(honest_gate(&i, false)); // about even by now: not yet
	int more = 0;
	for (; more < 1000 && honest_gate(&i, false); more++)
		honest_count(&i, .9, 1);
	assert_true(more > 10 && more < 300);
	assert_false(honest_gate(&i, true)); // what was issued decides
}

// --- the whole forecaster --------------------------------------------------------------------

enum { HOUR = 3600, DAY = 24, LEARN = 20 * DAY, LAST = LEARN + 60 * DAY };
static double y[LAST + 2 * DAY];

static void fresh(struct rng *r, int from, int to)
{
	for (int i = from; i < to; i++)
		y[i] = 100 + 40 * sin(2 * M_PI * (i % DAY) / DAY) + 8 * rng_normal(r);
}

static struct outlook *run(struct forecast_state *s, size_t n)
{
	struct outlook *o;
	struct forecast_input in = {
		.y = y, .n = n, .start_s = 1700006400, .step_s = HOUR, .horizon = 12, .seed = 1};
	if (n > LEARN) { // only so much is remembered
		in.y += n - LEARN;
		in.start_s += (int64_t)(n - LEARN) * HOUR;
		in.n = LEARN;
	}
	assert_int_equal(forecast_run(&in, s, &o), 0);
	return o;
}

// As if the ensemble had been off by that much in what was issued last.
static void spoil(struct forecast_state *s, float by)
{
	for (size_t h = 0; h < s->issued.n; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++)
			s->issued.ensemble[h][i] += by;
}

static void a_worse_ensemble_gives_way_to_the_naive_and_comes_back(void **state)
{
	struct forecast_state *s;
	struct rng r;
	rng_init(&r, 3);
	fresh(&r, 0, LAST);
	assert_int_equal(forecast_state_new(&s), 0);
	size_t n = LEARN, shut_at = 0, open_at = 0;
	for (; n < LAST && !open_at; n += 12) {
		struct outlook *o = run(s, n);
		bool issued = s->issued.start_s == o->start_s; // not while one is under watch
		float apart = 0;
		if (o->gated)
			shut_at = shut_at ? shut_at : n;
		else if (shut_at)
			open_at = n;
		else if (issued)
			spoil(s, 25);
		for (size_t h = 0; h < 12 && issued && o->gated; h++) { // the naive is served
			assert_true((float)o->quantiles[h][4] == s->issued.naive[h][4]);
			apart += fabsf(s->issued.ensemble[h][4] - s->issued.naive[h][4]);
		}
		assert_true(!o->gated || o->naive[0] != '\0');
		assert_true(!issued || !o->gated || apart > 1);
		outlook_free(o);
	}
	assert_true(shut_at >= LEARN + 60 && shut_at <= LEARN + 120);
	assert_true(open_at >= shut_at + 24 && open_at <= shut_at + 20 * DAY);
	forecast_state_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_move_to_the_member_that_was_right_when_issued),
		cmocka_unit_test(what_is_equally_good_when_issued_leaves_the_weights_to_the_trials),
		cmocka_unit_test(a_forecast_is_scored_once_at_every_step_watched),
		cmocka_unit_test(nobody_gets_more_than_half_and_the_hopeless_nothing),
		cmocka_unit_test(few_scores_draw_the_weights_together),
		cmocka_unit_test(the_gate_shuts_late_and_opens_again),
		cmocka_unit_test(a_worse_ensemble_gives_way_to_the_naive_and_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
