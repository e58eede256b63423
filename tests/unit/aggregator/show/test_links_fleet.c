// SPDX-License-Identifier: Apache-2.0
// A small cluster, broken in one way after the other: each is said by name.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/act/drains.h"
#include "aggregator/fleet/fleet.h"
#include "aggregator/kube/rights.h"
#include "aggregator/show/links.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/text.h"

static struct kube_client_stats kube = {.synced = true};
static struct kube_rights_stats rights;
static struct drains_stats drains;
static struct fleet *fleet;
static struct link_sources s;

static struct fleet_node *node(const char *name)
{
	struct fleet_node *n;
	assert_int_equal(fleet_node(fleet, "prod", name, &n), 0);
	n->watched = n->ready = n->has_agent = true;
	n->state = NODE_READY;
	text_copy(n->group, sizeof(n->group), "web");
	return n;
}

static struct fleet_group *group(void)
{
	struct fleet_group *g;
	assert_int_equal(fleet_group(fleet, "prod", "web", &g), 0);
	return g;
}

static int healthy(void **state)
{
	const struct fleet_options o = {.max_clusters = 2,
		.max_groups = 8,
		.max_nodes = 16,
		.max_pods = 16,
		.silent_after_ms = 15000};
	rights = (struct kube_rights_stats){.rounds = 1, .asked = 19};
	drains = (struct drains_stats){0};
	if (fleet_new(&fleet, &o) < 0)
		return -1;
	struct fleet_group *g = group();
	g->nodes = 2;
	g->max = 10;
	g->desired = 2;
	text_copy(g->scaling_group, sizeof(g->scaling_group), "asg-web");
	text_copy(g->terminate_hook, sizeof(g->terminate_hook), "drain");
	node("n1");
	node("n2");
	s = (struct link_sources){.cluster = "prod",
		.kube = &kube,
		.leader = "petrel-0",
		.aws_identity = "arn",
		.fleet = fleet,
		.drains = &drains,
		.rights = &rights};
	return 0;
}

static int end(void **state)
{
	fleet_free(fleet);
	return 0;
}

static const struct show_link *find(const char *name)
{
	static struct show_link links[SHOW_MAX_LINKS];
	size_t n = links_print(&s, links);
	for (size_t i = 0; i < n; i++)
		if (strcmp(links[i].name, name) == 0)
			return &links[i];
	return NULL;
}

static void expect(
	const char *name, enum show_link_state state, const char *words, const char *advice)
{
	const struct show_link *l = find(name);
	if (!l)
		fail_msg("no link \"%s\"", name);
	assert_int_equal(l->state, state);
	if (!strstr(l->text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, l->text);
	if (!strstr(l->advice, advice))
		fail_msg("\"%s\" is not in \"%s\"", advice, l->advice);
}

static void all_is_well(void **state)
{
	expect("rights", SHOW_LINK_OK, "all 19 rights", "");
	expect("nodes", SHOW_LINK_OK, "every one of 2 nodes", "");
	expect("groups", SHOW_LINK_OK, "is known", "");
	assert_null(find("refused"));
	assert_null(find("lifecycle"));
	assert_null(find("budgets"));
	assert_null(find("others"));
	assert_null(find("checks"));
}

static void a_missing_right_is_named_with_what_it_costs_and_where_it_stands(void **state)
{
	rights.missing = 2;
	text_copy(rights.first, sizeof(rights.first), "patch nodes");
	text_copy(rights.without, sizeof(rights.without), "no node can be cordoned or tainted");
	text_copy(rights.where, sizeof(rights.where), "ClusterRole petrel-aggregator");
	text_copy(rights.all, sizeof(rights.all), "patch nodes, create pods/eviction");
	expect("rights", SHOW_LINK_BROKEN, "may not patch nodes: no node can be cordoned",
		"20-rbac.yaml (ClusterRole petrel-aggregator)");
	expect("rights", SHOW_LINK_BROKEN, "", "create pods/eviction");
	rights.rounds = 0; // not asked yet: nothing is claimed
	assert_null(find("rights"));
}

static void a_refused_call_names_the_right_of_aws(void **state)
{
	drains.refused_call = "launch";
	text_copy(drains.refused_why, sizeof(drains.refused_why), "AccessDenied");
	expect("refused", SHOW_LINK_BROKEN, "launch was refused: AccessDenied",
		"autoscaling:LaunchInstances");
	drains.refused_call = "complete";
	expect("refused", SHOW_LINK_BROKEN, "complete", "autoscaling:CompleteLifecycleAction");
	drains.refused_call = "mark";
	expect("refused", SHOW_LINK_BROKEN, "mark", "20-rbac.yaml");
	s.checks_denied = true;
	expect("checks", SHOW_LINK_WARN, "status checks", "ec2:DescribeInstanceStatus");
}

static void nodes_without_an_agent_are_named(void **state)
{
	node("n2")->has_agent = false;
	expect("nodes", SHOW_LINK_WARN, "1 of 2 nodes have no agent: n2", "DaemonSet");
	node("n2")->has_agent = true;
	node("n1")->state = NODE_SILENT;
	expect("nodes", SHOW_LINK_WARN, "do not report: n1", "certificates");
}

static void groups_that_cannot_be_replaced_are_named(void **state)
{
	group()->desired = 10;
	expect("groups", SHOW_LINK_WARN, "at their maximum", "raise the maximum");
	group()->terminate_hook[0] = 0;
	expect("lifecycle", SHOW_LINK_OFF, "no lifecycle hook at termination: web", "");
	group()->scaling_group[0] = 0;
	expect("groups", SHOW_LINK_WARN, "is not known: web", "aws.region");
}

static void a_budget_that_never_gives_way_is_named(void **state)
{
	struct fleet_budget *b;
	const struct fleet_thing which = {"prod", "shop", "pdb"};
	assert_int_equal(fleet_budget(fleet, &which, &b), 0);
	b->observed = true;
	b->expected = 3;
	b->desired = 2;
	assert_null(find("budgets"));
	b->desired = 3;
	expect("budgets", SHOW_LINK_WARN, "never allow an eviction: shop/pdb", "maxUnavailable");
}

static void others_who_drain_are_told(void **state)
{
	struct fleet_pod *p;
	assert_int_equal(fleet_pod(fleet, "prod", "uid-1", &p), 0);
	p->watched = true;
	text_copy(p->workload, sizeof(p->workload), "aws-node-termination-handler");
	expect("others", SHOW_LINK_WARN, "drains too", "remove it");
	text_copy(p->workload, sizeof(p->workload), "karpenter");
	expect("others", SHOW_LINK_OK, "Karpenter", "drain.take_karpenter");
	text_copy(p->workload, sizeof(p->workload), "web");
	assert_null(find("others"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, healthy, end)
		TEST(all_is_well),
		TEST(a_missing_right_is_named_with_what_it_costs_and_where_it_stands),
		TEST(a_refused_call_names_the_right_of_aws),
		TEST(nodes_without_an_agent_are_named),
		TEST(groups_that_cannot_be_replaced_are_named),
		TEST(a_budget_that_never_gives_way_is_named),
		TEST(others_who_drain_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
