// SPDX-License-Identifier: Apache-2.0
// The network compiled plainly into this test, beside the library's, of which the machine chose a
// version when the program was loaded.
#include "aggregator/forecast/model/linalg.h"
#undef MULTIVERSIONED
#define MULTIVERSIONED
#define net_init        plain_init
#define net_read        plain_read
#define net_quantiles   plain_quantiles
#define net_learn_pair  plain_learn_pair
#define net_learn_steps plain_learn_steps
#define adam_step       plain_adam_step
#include "aggregator/forecast/model/lstm_net.c"
#undef net_read
#undef net_quantiles
#undef net_learn_pair
#undef net_learn_steps

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

void net_read(const struct net *n, struct net_state *s);
void net_quantiles(const struct net *n, const struct net_state *s, const struct net_pair *p,
	real ret[NET_QUANTILES]);
real net_learn_pair(const struct net *n, const struct net_state *s, const struct net_pair *p,
	const real truth_and_weight[2], struct net_gradient *g);
void net_learn_steps(const struct net *n, const struct net_state *s, struct net_gradient *g);

static void make_input(struct net_state *a, struct net_state *b, struct net_pair *p, struct rng *r)
{
	for (int k = 0; k < NET_STEPS; k++)
		for (int i = 0; i < NET_IN; i++)
			a->in[k][i] = b->in[k][i] = (real)rng_normal(r);
	for (int i = 0; i < NET_PAIR; i++)
		p->known[i] = (real)rng_normal(r);
	for (int i = 0; i < NET_ANCHORS; i++) {
		p->anchor[i] = i ? (real)rng_normal(r) : 0;
		p->has[i] = true;
	}
	for (int i = 0; i < NET_SPREADS; i++)
		p->spread[i] = (real)rng_unit(r);
}

static void assert_close(const real *a, const real *b, size_t n, real tolerance)
{
	for (size_t i = 0; i < n; i++)
		assert_true(fabs(a[i] - b[i]) <= tolerance);
}

static void the_version_chosen_for_this_machine_agrees_with_the_plain_one(void **state)
{
	struct net *n = calloc(1, sizeof(*n));
	struct net_state *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	struct net_gradient *ga = calloc(1, sizeof(*ga)), *gb = calloc(1, sizeof(*gb));
	struct net_pair p = {0};
	struct rng r;
	real qa[NET_QUANTILES], qb[NET_QUANTILES];
	const real goal[2] = {1, 2};
	assert_true(n && a && b && ga && gb);
	rng_init(&r, 4);
	plain_init(n, &r);
	make_input(a, b, &p, &r);
	net_read(n, a);
	plain_read(n, b);
	net_quantiles(n, a, &p, qa);
	plain_quantiles(n, b, &p, qb);
	assert_close(qa, qb, NET_QUANTILES, (real)1e-5);
	real la = net_learn_pair(n, a, &p, goal, ga), lb = plain_learn_pair(n, b, &p, goal, gb);
	net_learn_steps(n, a, ga);
	plain_learn_steps(n, b, gb);
	assert_true(la > 0 && fabs(la - lb) <= 1e-5 * lb);
	real size = 0;
	for (size_t i = 0; i < NET_PARAMS; i++)
		size = size > fabs(gb->of.all[i]) ? size : fabs(gb->of.all[i]);
	assert_true(size > 0);
	assert_close(ga->of.all, gb->of.all, NET_PARAMS, (real)1e-5 * size);
	print_message("quantiles %s, gradients %s to the bit\n",
		memcmp(qa, qb, sizeof(qa)) ? "differ" : "equal",
		memcmp(ga, gb, sizeof(*ga)) ? "differ" : "equal");
	free(n);
	free(a);
	free(b);
	free(ga);
	free(gb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_version_chosen_for_this_machine_agrees_with_the_plain_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
