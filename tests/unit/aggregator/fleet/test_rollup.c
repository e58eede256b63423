// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "aggregator/fleet/rollup.h"
#include "proto/base/text.h"

static const int64_t t0 = 1790000000000;

struct rig {
	struct fleet *fleet;
	struct store *store;
	struct rollup *rollup;
};

static struct rig start(void)
{
	const struct fleet_options fleet = {.max_clusters = 2,
		.max_groups = 8,
		.max_nodes = 8,
		.max_pods = 8,
		.silent_after_ms = 15000};
	const struct store_options store = {.max_entities = 64, .live_seconds = 600};
	struct rig r;
	struct why why;
	assert_int_equal(fleet_new(&r.fleet, &fleet), 0);
	assert_int_equal(store_new(&r.store, &store, &why), 0);
	assert_int_equal(rollup_new(&r.rollup, r.fleet, r.store), 0);
	store_tick(r.store, t0);
	return r;
}

static void stop(struct rig *r)
{
	rollup_free(r->rollup);
	store_free(r->store);
	fleet_free(r->fleet);
}

static void put(struct rig *r, enum entity_kind kind, const char *name, int64_t usage_ns,
	uint32_t window_ms)
{
	struct store_entity *e;
	struct scope values = {0};
	scope_set(&values, METRIC_CPU_USAGE, usage_ns);
	scope_set(&values, METRIC_DEMAND_LOW, usage_ns / window_ms / 1000);
	scope_set(&values, METRIC_FS_USED, 900);
	values.hists_present = 1u << HIST_RUNQ_LATENCY;
	values.hists[HIST_RUNQ_LATENCY].buckets[3] = window_ms / 100;
	assert_int_equal(store_entity(r->store, "prod", kind, name, &e), 0);
	assert_int_equal(store_put(r->store, e, t0, window_ms, &values), 0);
}

static void add_node(struct rig *r, const char *name, const char *group)
{
	struct fleet_node *n;
	assert_int_equal(fleet_node(r->fleet, "prod", name, &n), 0);
	text_copy(n->group, sizeof(n->group), group);
}

static const struct scope *sum_of(struct rig *r, enum entity_kind kind, const char *name)
{
	struct store_entity *e = store_find(r->store, "prod", kind, name);
	return e ? store_latest(e, NULL, NULL) : NULL;
}

static void nodes_are_added_up_in_the_common_window(void **state)
{
	struct rig r = start();
	add_node(&r, "a", "web");
	add_node(&r, "b", "web");
	add_node(&r, "c", "other");
	put(&r, ENTITY_NODE, "a", 1000000000, 1000);  // a second of one core within a second
	put(&r, ENTITY_NODE, "b", 5000000000, 10000); // half a core within ten
	rollup_tick(r.rollup, t0, 10000);
	const struct scope *sum = sum_of(&r, ENTITY_GROUP, "web");
	assert_non_null(sum);
	assert_true(sum->values[METRIC_CPU_USAGE] == 15000000000);
	assert_int_equal(sum->values[METRIC_DEMAND_LOW], 1500); // a gauge is not scaled
	assert_int_equal(sum->values[METRIC_NODES], 2);
	assert_int_equal(sum->hists[HIST_RUNQ_LATENCY].buckets[3], 100 + 100);
	assert_false(scope_has(sum, METRIC_FS_USED));   // a fullest disk is no sum
	assert_null(sum_of(&r, ENTITY_GROUP, "other")); // nothing was measured there
	stop(&r);
}

static void a_node_that_is_silent_is_left_out(void **state)
{
	struct rig r = start();
	add_node(&r, "a", "web");
	add_node(&r, "b", "web");
	put(&r, ENTITY_NODE, "a", 1000000000, 1000);
	store_tick(r.store, t0 + 21000);
	rollup_tick(r.rollup, t0 + 21000, 10000); // more than two windows later
	assert_null(sum_of(&r, ENTITY_GROUP, "web"));
	stop(&r);
}

static void pods_make_their_workload(void **state)
{
	struct rig r = start();
	const char *const uids[] = {"p1", "p2", "p3"};
	for (int i = 0; i < 3; i++) {
		struct fleet_pod *p;
		assert_int_equal(fleet_pod(r.fleet, "prod", uids[i], &p), 0);
		text_copy(p->workload, sizeof(p->workload), i < 2 ? "api" : "");
		put(&r, ENTITY_POD, uids[i], 2000000000, 10000);
	}
	rollup_tick(r.rollup, t0, 10000);
	const struct scope *sum = sum_of(&r, ENTITY_WORKLOAD, "api");
	assert_non_null(sum);
	assert_true(sum->values[METRIC_CPU_USAGE] == 4000000000);
	assert_int_equal(sum->values[METRIC_PODS], 2);
	stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_are_added_up_in_the_common_window),
		cmocka_unit_test(a_node_that_is_silent_is_left_out),
		cmocka_unit_test(pods_make_their_workload),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
