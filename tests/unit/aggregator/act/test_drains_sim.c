// SPDX-License-Identifier: Apache-2.0
// Drains from the notice to the end against the simulated cluster: fleet, decide_notice, act and
// the simulator's kube and cloud, on a virtual clock.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/drains.h"
#include "aggregator/act/dry.h"
#include "aggregator/fleet/watch.h"
#include "aggregator/sim/sim.h"
#include "proto/base/json.h"

static const int64_t start_ms = 1794787200000;

struct rig {
	struct fleet *fleet;
	struct fleet_watch watch;
	struct sim *sim;
	struct drains *drains;
	struct dry *dry;
	int64_t now_ms;
	bool leads;
	int audit_r;
	unsigned appends, intents, outcomes, tellings;
	char last_reason[40];
};

static int on_audit(void *arg, const struct drain_entry *e, size_t n)
{
	struct rig *r = arg;
	if (r->audit_r)
		return r->audit_r;
	r->appends++;
	for (size_t i = 0; i < n; i++) {
		r->intents += strcmp(e[i].kind, "intent") == 0;
		r->outcomes += strcmp(e[i].kind, "outcome") == 0;
	}
	return 0;
}

static bool may_act(void *arg, const char *cluster)
{
	return ((struct rig *)arg)->leads;
}

static int64_t clock_of(void *arg)
{
	return ((struct rig *)arg)->now_ms;
}

static void on_telling(void *arg, const struct drain_telling *t)
{
	struct rig *r = arg;
	r->tellings++;
	snprintf(r->last_reason, sizeof(r->last_reason), "%s", t->reason);
}

static void on_sample(void *arg, const struct sample *s)
{
}

static void on_notice(void *arg, const struct notice *n)
{
	struct rig *r = arg;
	if (r->drains)
		drains_notice(r->drains, n, r->now_ms, NULL);
}

static void describe(struct rig *r)
{
	const struct cloud_calls calls = fleet_watch_groups(&r->watch);
	struct cloud c = sim_cloud(r->sim);
	c.ops->describe_groups(c.self, &calls);
}

static void new_drains(struct rig *r, bool dry)
{
	struct drains_options o = {.fleet = r->fleet,
		.max_drains = 100,
		.owner = "test",
		.wall_ms = clock_of,
		.may_act = may_act,
		.audit = on_audit,
		.on_telling = on_telling,
		.arg = r};
	struct kube k = sim_kube(r->sim);
	struct cloud c = sim_cloud(r->sim);
	drain_policy_default(&o.policy);
	assert_int_equal(drains_new(&r->drains, &o), 0);
	if (dry) {
		assert_int_equal(dry_new(&r->dry, &k, &c), 0);
		k = dry_kube(r->dry);
		c = dry_cloud(r->dry);
	}
	assert_int_equal(drains_cluster(r->drains, &k, &c, dry), 0);
}

static struct rig *rig_new(bool dry)
{
	struct rig *r = calloc(1, sizeof(*r));
	const struct fleet_options f = {.max_clusters = 2,
		.max_groups = 8,
		.max_nodes = 100,
		.max_pods = 2000,
		.silent_after_ms = 15000};
	const struct sim_options s = {.cluster = "demo",
		.seed = 3,
		.on_sample = on_sample,
		.on_notice = on_notice,
		.arg = r};
	r->now_ms = start_ms;
	r->leads = true;
	assert_int_equal(fleet_new(&r->fleet, &f), 0);
	assert_int_equal(sim_new(&r->sim, &s), 0);
	r->watch = (struct fleet_watch){.fleet = r->fleet,
		.cluster = "demo",
		.simulated = true,
		.clock = clock_of,
		.arg = r};
	const struct kube_sink sink = fleet_watch_sink(&r->watch);
	struct kube k = sim_kube(r->sim);
	sim_tick(r->sim, r->now_ms, false);
	assert_int_equal(k.ops->watch(k.self, &sink), 0);
	describe(r);
	new_drains(r, dry);
	drains_synced(r->drains, "demo", r->now_ms);
	return r;
}

static void rig_free(struct rig *r)
{
	drains_free(r->drains);
	dry_free(r->dry);
	sim_free(r->sim);
	fleet_free(r->fleet);
	free(r);
}

// A second, in four ticks of the drains.
static void run(struct rig *r, int seconds)
{
	for (int i = 0; i < seconds * 4; i++) {
		r->now_ms += 250;
		if (i % 4 == 3)
			sim_tick(r->sim, r->now_ms, false);
		drains_flush(r->drains, r->now_ms);
		if (r->dry)
			dry_turn(r->dry);
		sim_turn(r->sim);
		drains_tick(r->drains, r->now_ms);
		drains_flush(r->drains, r->now_ms);
		if (i % 120 == 0)
			describe(r);
	}
}

static void show(const struct drain *d)
{
	struct json j;
	autobuf b;
	buf_init(&b, 1 << 20);
	json_init(&j, &b);
	drain_print(d, &j);
	printf("%s\n", b.data);
}

static void a_noticed_node_is_marked_emptied_replaced_and_given_back(void **state)
{
	struct rig *r = rig_new(false);
	assert_int_equal(sim_interrupt(r->sim, "demo-spot-3", 0), 0);
	const struct drain *d = drains_of_node(r->drains, "demo", "demo-spot-3");
	assert_non_null(d);
	assert_int_equal(d->kind, DRAIN_SPOT_ITN);
	assert_int_equal(d->deadline_ms, r->now_ms + SIM_NOTICE_MS);
	assert_int_equal(d->n_pods, SIM_PODS_PER_NODE);
	run(r, 1);
	assert_true(d->times.tainted_ms - d->times.seen_ms <= 500);
	assert_true(fleet_find_node(r->fleet, "demo", "demo-spot-3")->unschedulable);
	assert_true(fleet_find_node(r->fleet, "demo", "demo-spot-3")->interruption_taint);
	run(r, 130);
	if (d->phase != DRAIN_DONE)
		show(d);
	assert_int_equal(d->phase, DRAIN_DONE);
	assert_int_equal(d->n_left, 0);
	assert_true(d->times.first_eviction_ms >= d->times.tainted_ms);
	assert_true(d->times.drained_ms > 0 && d->times.drained_ms < d->deadline_ms);
	assert_int_equal(d->replacement.state, DRAIN_REPLACEMENT_READY);
	assert_int_equal(fleet_find_node(r->fleet, "demo", "demo-spot-3")->state, NODE_GONE);
	assert_int_equal(r->intents, r->outcomes);
	fleet_tick(r->fleet, r->now_ms);
	describe(r);
	assert_int_equal(fleet_find_group(r->fleet, "demo", "demo-spot")->desired, 8);
	assert_int_equal(fleet_find_group(r->fleet, "demo", "demo-spot")->nodes, 8);
	rig_free(r);
}

static void in_observe_mode_the_same_drain_says_what_it_would_do_and_does_nothing(void **state)
{
	struct rig *r = rig_new(true);
	assert_int_equal(sim_interrupt(r->sim, "demo-spot-3", 0), 0);
	const struct drain *d = drains_of_node(r->drains, "demo", "demo-spot-3");
	run(r, 20);
	assert_true(d->dry_run);
	assert_int_equal(d->phase, DRAIN_DONE);
	assert_int_equal(d->n_pods, SIM_PODS_PER_NODE);
	for (size_t i = 0; i < d->n_pods; i++) {
		assert_int_equal(d->pods[i].state, DRAIN_POD_LEFT);
		assert_non_null(strstr(d->pods[i].why, "would be"));
	}
	assert_false(fleet_find_node(r->fleet, "demo", "demo-spot-3")->unschedulable);
	assert_int_equal(fleet_find_group(r->fleet, "demo", "demo-spot")->desired, 8);
	assert_true(r->intents > 0);
	assert_int_equal(r->intents, r->outcomes);
	rig_free(r);
}

static void without_capacity_in_a_zone_the_next_is_taken(void **state)
{
	struct rig *r = rig_new(false);
	const struct fleet_node *n = fleet_find_node(r->fleet, "demo", "demo-spot-3");
	for (const char *const *z = (const char *const[]){"sim-1a", "sim-1b", "sim-1c", NULL}; *z;
		z++)
		if (strcmp(n->zone, *z) != 0)
			sim_no_capacity(r->sim, *z, r->now_ms + 600000);
	assert_int_equal(sim_interrupt(r->sim, "demo-spot-3", 0), 0);
	const struct drain *d = drains_of_node(r->drains, "demo", "demo-spot-3");
	run(r, 110);
	assert_string_equal(d->replacement.zone, n->zone); // its own, the last that is asked
	assert_int_equal(d->replacement.state, DRAIN_REPLACEMENT_READY);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_noticed_node_is_marked_emptied_replaced_and_given_back),
		cmocka_unit_test(
			in_observe_mode_the_same_drain_says_what_it_would_do_and_does_nothing),
		cmocka_unit_test(without_capacity_in_a_zone_the_next_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
