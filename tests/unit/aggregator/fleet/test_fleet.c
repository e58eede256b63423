// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/fleet/fleet.h"
#include "proto/base/text.h"

static const struct fleet_options small = {.max_clusters = 2,
	.max_groups = 2,
	.max_nodes = 2,
	.max_pods = 3,
	.silent_after_ms = 15000};

static struct sample *a_sample(const char *node)
{
	struct sample *s = calloc(1, sizeof(*s));
	s->cgroups = calloc(4, sizeof(*s->cgroups));
	s->max_cgroups = 4;
	text_copy(s->cluster, sizeof(s->cluster), "prod");
	text_copy(s->node, sizeof(s->node), node);
	text_copy(s->group, sizeof(s->group), "web");
	scope_set(&s->node_scope, METRIC_CPU_CAPACITY, 4000);
	return s;
}

static void free_sample(struct sample *s)
{
	free(s->cgroups);
	free(s);
}

static void a_node_appears_with_its_first_sample_and_falls_silent(void **state)
{
	struct fleet *f;
	struct fleet_stats stats;
	assert_int_equal(fleet_new(&f, &small), 0);
	struct sample *s = a_sample("n1");
	assert_int_equal(fleet_on_sample(f, s, 1000), 0);
	fleet_tick(f, 2000);
	fleet_stats(f, "prod", 2000, &stats);
	assert_int_equal(stats.reporting, 1);
	assert_int_equal(stats.oldest_sample_age_ms, 1000);
	assert_int_equal(fleet_find_group(f, "prod", "web")->nodes_ready, 1);
	fleet_tick(f, 17000);
	assert_int_equal(fleet_find_node(f, "prod", "n1")->state, NODE_SILENT);
	fleet_stats(f, NULL, 17000, &stats);
	assert_int_equal(stats.expected, 1);
	assert_int_equal(stats.reporting, 0);
	assert_int_equal(stats.oldest_sample_age_ms, -1);
	assert_int_equal(fleet_on_sample(f, s, 18000), 0);
	assert_int_equal(fleet_find_node(f, "prod", "n1")->state, NODE_READY);
	fleet_tick(f, 18000 + 3601 * 1000);
	fleet_tick(f, 18001 + 3601 * 1000);
	assert_null(fleet_find_node(f, "prod", "n1"));
	free_sample(s);
	fleet_free(f);
}

static void tables_are_bounded_and_names_checked(void **state)
{
	struct fleet *f;
	struct fleet_node *n;
	struct fleet_stats stats;
	fleet_new(&f, &small);
	assert_int_equal(fleet_node(f, "prod", "a", &n), 0);
	assert_int_equal(fleet_node(f, "prod", "b", &n), 0);
	assert_int_equal(fleet_node(f, "prod", "c", &n), -ENOSPC);
	assert_int_equal(fleet_node(f, "prod", "../c", &n), -EINVAL);
	assert_int_equal(fleet_node(f, "a\nb", "c", &n), -EINVAL);
	fleet_stats(f, NULL, 0, &stats);
	assert_int_equal(stats.refused, 3);
	fleet_free(f);
}

static void units_of_two_machines_are_two_pods(void **state)
{
	struct fleet *f;
	fleet_new(&f, &small);
	const char *nodes[] = {"n1", "n2"};
	for (int i = 0; i < 2; i++) {
		struct sample *s = a_sample(nodes[i]);
		s->n_cgroups = 1;
		s->cgroups[0].kind = CGROUP_UNIT;
		text_copy(s->cgroups[0].name, sizeof(s->cgroups[0].name), "nginx.service");
		assert_int_equal(fleet_on_sample(f, s, 1000), 0);
		free_sample(s);
	}
	fleet_tick(f, 1000);
	struct fleet_stats stats;
	fleet_stats(f, "prod", 1000, &stats);
	assert_int_equal(stats.pods, 2);
	assert_int_equal(fleet_find_group(f, "prod", "web")->pods, 2);
	fleet_tick(f, 102000); // not seen for ten container windows
	fleet_stats(f, "prod", 102000, &stats);
	assert_int_equal(stats.pods, 0);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_appears_with_its_first_sample_and_falls_silent),
		cmocka_unit_test(tables_are_bounded_and_names_checked),
		cmocka_unit_test(units_of_two_machines_are_two_pods),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
