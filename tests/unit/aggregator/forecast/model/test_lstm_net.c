// SPDX-License-Identifier: Apache-2.0
// The network in double precision, compiled into this test: finite differences need the digits.
#define NET_REAL double
#include "aggregator/forecast/model/lstm_net.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PAIRS = 3 };

struct example {
	struct net net;
	struct net_state state;
	struct net_pair pair[PAIRS];
	double truth[PAIRS];
};

static struct example *example_new(uint64_t seed)
{
	struct example *x = calloc(1, sizeof(*x));
	struct rng r;
	assert_non_null(x);
	rng_init(&r, seed);
	net_init(&x->net, &r);
	for (size_t i = 0; i < NET_PARAMS; i++)
		x->net.all[i] += 0.1 * rng_normal(&r);
	for (int k = 0; k < NET_STEPS; k++)
		for (int i = 0; i < NET_IN; i++)
			x->state.in[k][i] = rng_normal(&r);
	for (int j = 0; j < PAIRS; j++) {
		struct net_pair *p = &x->pair[j];
		for (int i = 0; i < NET_PAIR; i++)
			p->known[i] = rng_normal(&r);
		for (int i = 0; i < NET_ANCHORS; i++) {
			p->anchor[i] = i ? rng_normal(&r) : 0;
			p->has[i] = i == 0 || (i + j) % 3 != 0;
		}
		for (int i = 0; i < NET_SPREADS; i++)
			p->spread[i] = rng_unit(&r);
		x->truth[j] = 2 * rng_normal(&r);
	}
	return x;
}

static double loss_of(struct example *x, struct net_gradient *g)
{
	double loss = 0;
	net_read(&x->net, &x->state);
	for (int j = 0; j < PAIRS; j++) {
		const double target[2] = {x->truth[j], 0.5 + j};
		loss += net_learn_pair(&x->net, &x->state, &x->pair[j], target, g);
	}
	net_learn_steps(&x->net, &x->state, g);
	return loss;
}

static void every_gradient_equals_its_finite_difference(void **state)
{
	struct example *x = example_new(5);
	struct net_gradient *g = calloc(1, sizeof(*g)), *scrap = calloc(1, sizeof(*g));
	assert_non_null(g);
	assert_non_null(scrap);
	loss_of(x, g);
	// Every 7th parameter: all layers, in seconds.
	double worst = 0, size = 0;
	for (size_t i = 0; i < NET_PARAMS; i += 7) {
		const double step = 1e-6, at = x->net.all[i];
		x->net.all[i] = at + step;
		double up = loss_of(x, scrap);
		x->net.all[i] = at - step;
		double down = loss_of(x, scrap);
		x->net.all[i] = at;
		double numeric = (up - down) / (2 * step), difference = numeric - g->of.all[i];
		worst = fmax(worst, fabs(difference));
		size = fmax(size, fabs(numeric));
	}
	// tanh is an approximation and its slope is the exact one's: 1e-3 of the largest.
	assert_true(size > 0.01);
	assert_true(worst < 1e-3 * size);
	free(g);
	free(scrap);
	free(x);
}

static void quantiles_never_cross_whatever_the_weights(void **state)
{
	for (uint64_t seed = 1; seed < 30; seed++) {
		struct example *x = example_new(seed);
		double q[NET_QUANTILES];
		for (size_t i = 0; i < NET_PARAMS; i++)
			x->net.all[i] *= 20;
		net_read(&x->net, &x->state);
		net_quantiles(&x->net, &x->state, &x->pair[0], q);
		for (int i = 0; i < NET_QUANTILES; i++) {
			assert_true(isfinite(q[i]));
			assert_true(i == 0 || q[i] >= q[i - 1]);
		}
		free(x);
	}
}

static void a_missing_anchor_has_no_say(void **state)
{
	struct example *x = example_new(3);
	double before[NET_QUANTILES], after[NET_QUANTILES];
	memset(x->pair[0].has, 0, sizeof(x->pair[0].has));
	x->pair[0].has[0] = true;
	net_read(&x->net, &x->state);
	net_quantiles(&x->net, &x->state, &x->pair[0], before);
	for (int i = 1; i < NET_ANCHORS; i++)
		x->pair[0].anchor[i] = 1e9;
	net_quantiles(&x->net, &x->state, &x->pair[0], after);
	assert_memory_equal(before, after, sizeof(before));
	free(x);
}

static void adam_learns_one_example_by_heart(void **state)
{
	struct example *x = example_new(9);
	struct net_gradient *g = calloc(1, sizeof(*g));
	struct adam *a = calloc(1, sizeof(*a));
	assert_non_null(g);
	assert_non_null(a);
	double first = 0, last = 0;
	for (int i = 0; i < 200; i++) {
		last = loss_of(x, g);
		first = i == 0 ? last : first;
		adam_step(a, &x->net, g, PAIRS, 0.01);
	}
	assert_true(last < 0.2 * first);
	free(a);
	free(g);
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_gradient_equals_its_finite_difference),
		cmocka_unit_test(quantiles_never_cross_whatever_the_weights),
		cmocka_unit_test(a_missing_anchor_has_no_say),
		cmocka_unit_test(adam_learns_one_example_by_heart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
