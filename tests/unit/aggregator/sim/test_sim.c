// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "aggregator/sim/load.h"
#include "aggregator/sim/sim.h"

// 2026-11-16 was a Monday, and the recorded two weeks begin there.
static const int64_t monday_ms = 1794787200000;

struct seen {
	unsigned samples, nodes, gone, pods, pods_gone, synced, spot_3;
	int64_t usage_ns;
	uint64_t digest;
	struct sample last;
};

static void on_sample(void *arg, const struct sample *s)
{
	struct seen *seen = arg;
	seen->samples++;
	seen->usage_ns += s->node_scope.values[METRIC_CPU_USAGE];
	seen->digest = seen->digest * 31 + (uint64_t)s->node_scope.values[METRIC_CPU_USAGE];
	seen->last = *s;
	seen->spot_3 += strcmp(s->node, "demo-spot-3") == 0;
}

static void on_node(void *arg, const struct kube_node *n)
{
	((struct seen *)arg)->nodes++;
}

static void on_node_gone(void *arg, const char *name)
{
	((struct seen *)arg)->gone++;
}

static void on_pod(void *arg, const struct kube_pod *p)
{
	((struct seen *)arg)->pods++;
}

static void on_pod_gone(void *arg, const char *uid)
{
	((struct seen *)arg)->pods_gone++;
}

static void on_synced(void *arg)
{
	((struct seen *)arg)->synced++;
}

static struct sim *start(struct seen *seen)
{
	struct sim *s;
	const struct sim_options o = {
		.cluster = "demo", .seed = 7, .on_sample = on_sample, .arg = seen};
	const struct kube_sink sink = {.on_node = on_node,
		.on_node_gone = on_node_gone,
		.on_pod = on_pod,
		.on_pod_gone = on_pod_gone,
		.on_synced = on_synced,
		.arg = seen};
	memset(seen, 0, sizeof(*seen));
	assert_int_equal(sim_new(&s, &o), 0);
	struct kube kube = sim_kube(s);
	assert_int_equal(kube.ops->watch(kube.self, &sink), 0);
	return s;
}

static void a_watch_tells_everything_and_then_says_so(void **state)
{
	struct seen seen;
	struct sim *s = start(&seen);
	assert_int_equal(seen.nodes, 24);
	assert_int_equal(seen.pods, 24 * SIM_PODS_PER_NODE);
	assert_int_equal(seen.synced, 1);
	sim_free(s);
}

static void every_node_sends_one_sample_per_tick_labelled_as_simulated(void **state)
{
	struct seen seen;
	struct sim *s = start(&seen);
	sim_tick(s, monday_ms, true);
	assert_int_equal(seen.samples, 24);
	assert_true(seen.last.simulated);
	assert_string_equal(seen.last.cluster, "demo");
	assert_int_equal(seen.last.n_cgroups, SIM_PODS_PER_NODE);
	sim_tick(s, monday_ms, true); // time stands still: nothing
	assert_int_equal(seen.samples, 24);
	sim_tick(s, monday_ms + 1000, false);
	assert_int_equal(seen.last.n_cgroups, 0);
	sim_free(s);
}

static void usage_never_exceeds_capacity_and_pods_add_up_to_their_node(void **state)
{
	struct seen seen;
	struct sim *s = start(&seen);
	for (int minute = 0; minute < 24 * 60; minute++) {
		sim_tick(s, monday_ms + minute * 60000ll, true);
		const struct scope *node = &seen.last.node_scope;
		int64_t capacity_ns =
			node->values[METRIC_CPU_CAPACITY] * 1000 * seen.last.window_ms;
		assert_true(node->values[METRIC_CPU_USAGE] <= capacity_ns);
		int64_t sum = 0;
		for (size_t p = 0; p < seen.last.n_cgroups; p++)
			sum += seen.last.cgroups[p].scope.values[METRIC_CPU_USAGE];
		if (seen.last.n_cgroups == 0)
			continue; // a node that has just joined
		assert_in_range(sum, node->values[METRIC_CPU_USAGE] * 99 / 100,
			node->values[METRIC_CPU_USAGE] + 10);
	}
	sim_free(s);
}

static void spot_nodes_leave_and_are_replaced(void **state)
{
	struct seen seen;
	struct sim *s = start(&seen);
	for (int minute = 0; minute < 7 * 24 * 60; minute++)
		sim_tick(s, monday_ms + minute * 60000ll, false);
	assert_in_range(seen.gone, 30, 300); // 12 spot nodes x 168 h x 0.05
	assert_true(seen.pods_gone >= seen.gone * SIM_PODS_PER_NODE / 2);
	assert_in_range(seen.nodes - 24, seen.gone - 12, seen.gone);
	sim_free(s);
}

static void a_name_is_there_again_after_its_node_was_replaced(void **state)
{
	struct seen seen;
	struct sim *s = start(&seen);
	for (int minute = 0; minute < 15 * 24 * 60; minute++)
		sim_tick(s, monday_ms + minute * 60000ll, false);
	assert_true(seen.gone > 60);
	assert_true(seen.spot_3 > 14 * 24 * 60); // nearly always
	sim_free(s);
}

static void the_same_seed_and_ticks_give_the_same_fleet(void **state)
{
	struct seen a, b;
	struct sim *first = start(&a), *second = start(&b);
	for (int minute = 0; minute < 600; minute++) {
		sim_tick(first, monday_ms + minute * 60000ll, false);
		sim_tick(second, monday_ms + minute * 60000ll, false);
	}
	assert_true(a.digest == b.digest);
	assert_true(a.digest != 0);
	sim_free(first);
	sim_free(second);
}

static void load_repeats_after_two_weeks_and_is_smooth_between_rows(void **state)
{
	static struct load l;
	assert_int_equal(load_embedded(&l), 0);
	for (unsigned c = 0; c < LOAD_COLUMNS; c++) {
		assert_true(
			load_at(&l, c, monday_ms) == load_at(&l, c, monday_ms + 14 * 86400000ll));
		assert_true(load_at(&l, c, monday_ms) == l.permille[0][c] / 1000.0);
		double middle = load_at(&l, c, monday_ms + 150000);
		assert_true(middle == (l.permille[0][c] + l.permille[1][c]) / 2000.0);
	}
}

static void a_broken_load_file_is_refused(void **state)
{
	static struct load l;
	static const char *const broken[] = {"", "a,b,c", "a,b,c\n1,2\n", "a,b,c\n1,2,3\n",
		"a,b,c\n1,2,1001\n", "a,b,c\n-1,2,3\n"};
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_int_equal(
			load_parse(broken[i], broken[i] + strlen(broken[i]), &l), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_watch_tells_everything_and_then_says_so),
		cmocka_unit_test(every_node_sends_one_sample_per_tick_labelled_as_simulated),
		cmocka_unit_test(usage_never_exceeds_capacity_and_pods_add_up_to_their_node),
		cmocka_unit_test(spot_nodes_leave_and_are_replaced),
		cmocka_unit_test(a_name_is_there_again_after_its_node_was_replaced),
		cmocka_unit_test(the_same_seed_and_ticks_give_the_same_fleet),
		cmocka_unit_test(load_repeats_after_two_weeks_and_is_smooth_between_rows),
		cmocka_unit_test(a_broken_load_file_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
