// SPDX-License-Identifier: Apache-2.0
// What the aggregator sees in the cluster itself that makes it do less than it could, or do it
// twice: rights that are missing, calls that were refused, nodes without an agent, groups whose
// nodes cannot be replaced or have no hook, budgets that never give way, and others who drain.
#include <stdio.h>
#include <string.h>

#include "aggregator/act/drains.h"
#include "aggregator/fleet/fleet.h"
#include "aggregator/kube/rights.h"
#include "aggregator/show/links_list.h"
#include "proto/base/text.h"

enum { NAMED = 3 };

struct names { // "a, b, c and 12 more"
	char text[120];
	size_t n;
};

static void name(struct names *l, const char *text)
{
	size_t len = strlen(l->text);
	if (l->n++ < NAMED)
		snprintf(l->text + len, sizeof(l->text) - len, "%s%.34s", len ? ", " : "", text);
}

static const char *said(struct names *l)
{
	size_t len = strlen(l->text);
	if (l->n > NAMED)
		snprintf(l->text + len, sizeof(l->text) - len, " and %zu more", l->n - NAMED);
	return l->text;
}

// --- rights -----------------------------------------------------------------------------------

static void add_rights(struct link_list *l, const struct kube_rights_stats *r)
{
	char advice[192];
	if (!r || r->rounds == 0)
		return;
	if (r->missing == 0) {
		link_add(l, "rights", SHOW_LINK_OK, "the ServiceAccount has all %zu rights",
			r->asked);
		return;
	}
	struct show_link *link = link_add(l, "rights", SHOW_LINK_BROKEN,
		"the ServiceAccount may not %s: %s", r->first, r->without);
	snprintf(advice, sizeof(advice), "apply deploy/manifests/20-rbac.yaml (%.52s)%s%.70s",
		r->where, r->missing > 1 ? "; all that is missing: " : "",
		r->missing > 1 ? r->all : "");
	link_advise(link, advice);
}

static void add_refused(struct link_list *l, const struct drains_stats *d)
{
	static const struct {
		const char *call, *advice;
	} advices[] = {
		{"launch", "allow autoscaling:LaunchInstances; without it the desired size is set"},
		{"desired", "allow autoscaling:SetDesiredCapacity: nothing is replaced without it"},
		{"terminate", "allow autoscaling:TerminateInstanceInAutoScalingGroup: drained "
			      "instances are not given back without it"},
		{"complete", "allow autoscaling:CompleteLifecycleAction: hooks run into their "
			     "time-out without it"},
		{"heartbeat", "allow autoscaling:RecordLifecycleActionHeartbeat: a hook may end "
			      "before the drain without it"},
		{"balancers", "allow elasticloadbalancing:Describe*: load balancers are not waited "
			      "for without it"},
		{"state", "allow ec2:DescribeInstances"},
	};
	const char *advice =
		"compare the ServiceAccount's rights with deploy/manifests/20-rbac.yaml";
	if (!d || !d->refused_call)
		return;
	for (size_t i = 0; i < sizeof(advices) / sizeof(*advices); i++)
		if (strcmp(advices[i].call, d->refused_call) == 0)
			advice = advices[i].advice;
	link_advise(
		link_add(l, "refused", SHOW_LINK_BROKEN, "the last call to %s was refused: %.140s",
			d->refused_call, d->refused_why),
		advice);
}

// --- nodes and groups -------------------------------------------------------------------------

static bool is_real(const struct link_sources *s, const struct fleet_node *n)
{
	return n->watched && !n->simulated && n->state != NODE_GONE &&
	       strcmp(n->cluster, s->cluster) == 0;
}

static void add_agents(struct link_list *l, const struct link_sources *s)
{
	struct names without = {0}, silent = {0};
	size_t nodes = 0;
	for (const struct fleet_node *n = fleet_nodes(s->fleet); n; n = n->hh.next) {
		if (!is_real(s, n))
			continue;
		nodes++;
		if (!n->has_agent)
			name(&without, n->name);
		else if (n->state == NODE_SILENT)
			name(&silent, n->name);
	}
	if (without.n)
		link_advise(
			link_add(l, "nodes", SHOW_LINK_WARN, "%zu of %zu nodes have no agent: %s",
				without.n, nodes, said(&without)),
			"is the DaemonSet petrel-agent scheduled there? Without it a node's notice "
			"comes by the queue alone");
	else if (silent.n)
		link_advise(link_add(l, "nodes", SHOW_LINK_WARN, "agents that do not report: %s",
				    said(&silent)),
			"read the agent's log there; certificates, clock and the way to ports 7450 "
			"and 7451 are what usually fails");
	else if (nodes)
		link_add(l, "nodes", SHOW_LINK_OK, "every one of %zu nodes has its agent", nodes);
}

static void add_groups(struct link_list *l, const struct link_sources *s)
{
	struct names unknown = {0}, hookless = {0}, full = {0};
	for (struct fleet_group *g = fleet_groups(s->fleet); g; g = g->hh.next) {
		if (strcmp(g->cluster, s->cluster) != 0 || g->nodes == 0)
			continue;
		if (!g->scaling_group[0])
			name(&unknown, g->name);
		else if (!g->terminate_hook[0])
			name(&hookless, g->name);
		if (g->scaling_group[0] && g->max && g->desired >= g->max)
			name(&full, g->name);
	}
	if (unknown.n)
		link_advise(link_add(l, "groups", SHOW_LINK_WARN,
				    "the Auto Scaling group of these is not known: %s; their nodes "
				    "are drained, not replaced",
				    said(&unknown)),
			"are aws.region and the name in clusters right? The role needs "
			"eks:DescribeNodegroup and autoscaling:DescribeAutoScalingGroups");
	else if (full.n)
		link_advise(link_add(l, "groups", SHOW_LINK_WARN,
				    "at their maximum, so that nothing can be replaced: %s",
				    said(&full)),
			"raise the maximum of the Auto Scaling group by at least one");
	else
		link_add(l, "groups", SHOW_LINK_OK, "every node group's scaling group is known");
	if (hookless.n)
		link_add(l, "lifecycle", SHOW_LINK_OFF,
			"no lifecycle hook at termination: %s; what these scale in by themselves "
			"is not drained first",
			said(&hookless));
}

// --- budgets and others -----------------------------------------------------------------------

// It wants as many as there are: no eviction will ever be let through, however long one waits.
static bool never_gives_way(const struct fleet_budget *b)
{
	return b->observed && b->expected > 0 && b->desired >= b->expected;
}

static void add_budgets(struct link_list *l, const struct link_sources *s)
{
	struct names never = {0};
	char text[64 + NAME_MAX_BYTES];
	for (const struct fleet_budget *b = fleet_budgets(s->fleet); b; b = b->hh.next) {
		if (strcmp(b->cluster, s->cluster) != 0 || !never_gives_way(b))
			continue;
		snprintf(text, sizeof(text), "%s/%s", b->namespace_, b->name);
		name(&never, text);
	}
	if (never.n)
		link_advise(link_add(l, "budgets", SHOW_LINK_WARN,
				    "these disruption budgets never allow an eviction: %s",
				    said(&never)),
			"leave room for one: more replicas, or maxUnavailable: 1. Until then an "
			"interruption deletes their pods at the end, and a voluntary drain waits "
			"in vain");
}

static void add_others(struct link_list *l, const struct link_sources *s)
{
	static const struct {
		const char *part, *what, *advice;
	} others[] = {
		{"node-termination-handler", "aws-node-termination-handler drains too",
			"remove it, or switch it off for these nodes: both evict and both cordon; "
			"it also un-cordons what it did not cordon"},
		{"karpenter", "Karpenter runs here: its own nodes are left to it",
			"only if Petrel should drain them: drain.take_karpenter"},
		{"cluster-autoscaler",
			"Cluster Autoscaler runs here: nodes that it deletes are "
			"left to it",
			"only if Petrel should drain them: drain.take_cluster_autoscaler"},
	};
	bool seen[3] = {false};
	for (const struct fleet_pod *p = fleet_pods(s->fleet); p; p = p->hh.next)
		for (size_t i = 0; i < 3 && p->watched; i++)
			seen[i] |= strstr(p->workload, others[i].part) &&
				   strcmp(p->cluster, s->cluster) == 0;
	for (size_t i = 0; i < 3; i++)
		if (seen[i])
			link_advise(link_add(l, "others", i == 0 ? SHOW_LINK_WARN : SHOW_LINK_OK,
					    "%s", others[i].what),
				others[i].advice);
}

void links_add_fleet(struct link_list *l, const struct link_sources *s)
{
	add_rights(l, s->rights);
	add_refused(l, s->drains);
	if (s->checks_denied)
		link_advise(link_add(l, "checks", SHOW_LINK_WARN,
				    "EC2's status checks may not be read: an instance whose host "
				    "has failed is seen when it is gone"),
			"allow ec2:DescribeInstanceStatus");
	if (!s->fleet || !s->kube)
		return;
	add_agents(l, s);
	if (s->aws_identity)
		add_groups(l, s);
	add_budgets(l, s);
	add_others(l, s);
}
