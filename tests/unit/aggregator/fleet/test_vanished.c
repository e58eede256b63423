// SPDX-License-Identifier: Apache-2.0
// Silent nodes and a cloud that answers what it is told to.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/fleet/vanished.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/text.h"

enum { START_MS = 1000000, MAX_ASKED = 8 };

struct rig {
	struct fleet *fleet;
	struct vanished *v;
	struct cloud cloud;
	bool no_cloud;
	int64_t now_ms;
	struct cloud_reply asked[MAX_ASKED];
	char instances[MAX_ASKED][32];
	size_t n_asked;
	struct notice notices[4];
	size_t n_notices;
};

static struct rig *rig; // of the running test; the clock has no argument

static int64_t wall_ms(void)
{
	return rig->now_ms;
}

static void instance_state(void *self, const char *instance_id, const struct cloud_reply *reply)
{
	assert_true(rig->n_asked < MAX_ASKED);
	text_copy(rig->instances[rig->n_asked], 32, instance_id);
	rig->asked[rig->n_asked++] = *reply;
}

static const struct cloud *cloud_of(void *arg, const char *cluster)
{
	assert_string_equal(cluster, "prod");
	return rig->no_cloud ? NULL : &rig->cloud;
}

static void on_notice(void *arg, const struct notice *n)
{
	assert_true(rig->n_notices < 4);
	rig->notices[rig->n_notices++] = *n;
}

static struct fleet_node *add_node(const char *name)
{
	struct fleet_node *n;
	assert_int_equal(fleet_node(rig->fleet, "prod", name, &n), 0);
	n->watched = n->ready = true;
	n->created_ms = 1;
	n->lease_ms = START_MS;
	snprintf(n->instance_id, sizeof(n->instance_id), "i-%s", name);
	return n;
}

static int start(void **state)
{
	static const struct cloud_ops ops = {.name = "test", .instance_state = instance_state};
	static struct rig fresh;
	fresh = (struct rig){.now_ms = START_MS, .cloud = {.ops = &ops}};
	rig = &fresh;
	const struct fleet_options fleet = {.max_clusters = 2,
		.max_groups = 8,
		.max_nodes = 64,
		.max_pods = 8,
		.silent_after_ms = 15000};
	assert_int_equal(fleet_new(&rig->fleet, &fleet), 0);
	const struct vanished_options o = {.fleet = rig->fleet,
		.max_in_flight = 3,
		.wall_ms = wall_ms,
		.cloud_of = cloud_of,
		.on_notice = on_notice};
	return vanished_new(&rig->v, &o);
}

static int stop(void **state)
{
	vanished_free(rig->v);
	fleet_free(rig->fleet);
	return 0;
}

static void tick_at(int64_t after_ms)
{
	rig->now_ms = START_MS + after_ms;
	vanished_tick(rig->v, rig->now_ms);
}

static void answer(size_t i, int r, const char *state)
{
	struct why why = {0};
	rig->asked[i].on_done(rig->asked[i].arg, r, &why, state);
}

static void a_silent_node_that_fails_the_checks_is_a_notice_without_an_end(void **state)
{
	add_node("a");
	tick_at(21000);
	answer(0, 0, "impaired");
	assert_int_equal(rig->n_notices, 1);
	assert_int_equal(rig->notices[0].kind, NOTICE_STATE_CHANGE);
	assert_int_equal(rig->notices[0].action, NOTICE_OTHER);
	assert_int_equal(rig->notices[0].deadline_ms, 0);
}

static void a_node_that_is_heard_is_not_looked_up(void **state)
{
	struct fleet_node *n = add_node("a");
	tick_at(19000);
	n->has_agent = true;
	n->last_sample_ms = START_MS + 25000; // the lease is silent, the agent is not
	tick_at(30000);
	assert_int_equal(rig->n_asked, 0);
}

static void an_instance_that_is_gone_is_a_notice_once(void **state)
{
	add_node("a");
	tick_at(21000);
	assert_int_equal(rig->n_asked, 1);
	assert_string_equal(rig->instances[0], "i-a");
	answer(0, 0, "terminated");
	assert_int_equal(rig->n_notices, 1);
	assert_int_equal(rig->notices[0].kind, NOTICE_STATE_CHANGE);
	assert_string_equal(rig->notices[0].node, "a");
	assert_string_equal(rig->notices[0].source, "watch");
	assert_int_equal(rig->notices[0].deadline_ms, START_MS + 21000);
	tick_at(60000);
	assert_int_equal(rig->n_asked, 1);
}

static void an_instance_that_the_cloud_does_not_know_is_gone(void **state)
{
	add_node("a");
	tick_at(21000);
	answer(0, -ENOENT, "");
	assert_int_equal(rig->n_notices, 1);
}

static void a_running_instance_is_asked_again_later(void **state)
{
	add_node("a");
	tick_at(21000);
	tick_at(22000);
	assert_int_equal(rig->n_asked, 1);
	answer(0, 0, "running");
	tick_at(25000);
	assert_int_equal(rig->n_asked, 1);
	tick_at(31000);
	assert_int_equal(rig->n_asked, 2);
	answer(1, 0, "shutting-down");
	assert_int_equal(rig->n_notices, 1);
	assert_int_equal(rig->notices[0].deadline_ms, 0);
}

static void without_an_answer_nothing_is_concluded(void **state)
{
	struct vanished_stats stats;
	add_node("a");
	tick_at(21000);
	answer(0, -ETIMEDOUT, "");
	assert_int_equal(rig->n_notices, 0);
	vanished_stats(rig->v, &stats);
	assert_int_equal(stats.unanswered, 1);
	rig->no_cloud = true;
	tick_at(60000);
	assert_int_equal(rig->n_asked, 1);
}

static void a_node_heard_again_before_the_answer_is_left_alone(void **state)
{
	struct fleet_node *n = add_node("a");
	tick_at(21000);
	n->lease_ms = START_MS + 22000;
	tick_at(22000);
	answer(0, 0, "terminated"); // what the cloud says of an instance whose kubelet speaks
	assert_int_equal(rig->n_notices, 0);
}

static void a_whole_zone_is_asked_a_few_at_a_time(void **state)
{
	char name[8];
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		add_node(name);
	}
	tick_at(21000);
	assert_int_equal(rig->n_asked, 3);
	answer(0, 0, "running");
	tick_at(22000);
	assert_int_equal(rig->n_asked, 4);
	answer(1, -ECANCELED, "");
	answer(2, -ECANCELED, "");
	answer(3, -ECANCELED, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_silent_node_that_fails_the_checks_is_a_notice_without_an_end),
		TEST(a_node_that_is_heard_is_not_looked_up),
		TEST(an_instance_that_is_gone_is_a_notice_once),
		TEST(an_instance_that_the_cloud_does_not_know_is_gone),
		TEST(a_running_instance_is_asked_again_later),
		TEST(without_an_answer_nothing_is_concluded),
		TEST(a_node_heard_again_before_the_answer_is_left_alone),
		TEST(a_whole_zone_is_asked_a_few_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
