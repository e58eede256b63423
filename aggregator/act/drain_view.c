// SPDX-License-Identifier: Apache-2.0
// What decide_notice() wants to know about a node, read off the fleet.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/drains_inner.h"
#include "proto/base/text.h"

static const int64_t hour_ms = 3600000;

static size_t count_pods(const struct drains *ds, const struct drain *d)
{
	size_t n = 0;
	for (const struct fleet_pod *p = fleet_pods_on(ds->o.fleet, d->cluster, d->node); p;
		p = p->next_on_node)
		n += p->watched;
	return n;
}

// A Deployment's replicas are its own; what the watch has not told is not taken for the only one.
static bool is_lone(struct drains *ds, const struct fleet_pod *p)
{
	const struct fleet_thing which = {p->cluster, p->namespace_, p->workload};
	const struct fleet_workload *w = fleet_find_workload(ds->o.fleet, &which, p->controller);
	return w && w->replicas == 1;
}

// Index of a budget in the view, which it joins when it is not there yet.
static uint32_t see_budget(struct drain_seen *s, const struct fleet_budget *b)
{
	for (uint32_t i = 0; i < s->view.n_budgets; i++)
		if (s->budgets[i].name == b->name)
			return i;
	s->budgets[s->view.n_budgets] = (struct drain_view_budget){.namespace_ = b->namespace_,
		.name = b->name,
		.allowed = b->allowed,
		.healthy = b->healthy,
		.desired = b->desired,
		.observed = b->observed,
		.always_allow = b->always_allow};
	return (uint32_t)s->view.n_budgets++;
}

static void see_pod(struct drains *ds, struct drain_seen *s, const struct fleet_pod *p)
{
	const struct fleet_budget *budgets[2];
	struct drain_view_pod *v = &s->pods[s->view.n_pods++];
	*v = (struct drain_view_pod){.namespace_ = p->namespace_,
		.name = p->name,
		.uid = p->uid,
		.workload = p->workload,
		.daemonset = p->controller == KUBE_BY_DAEMONSET,
		.mirror = p->controller == KUBE_BY_NODE,
		.finished = p->phase == KUBE_SUCCEEDED || p->phase == KUBE_FAILED,
		.ready = p->ready,
		.pending = p->phase == KUBE_PENDING,
		.critical = p->critical,
		.volumes = p->volumes,
		.priority = p->priority,
		.grace_s = p->grace_s,
		.deleting_ms = p->deleting_ms,
		.lone = is_lone(ds, p)};
	v->n_budgets = (uint32_t)fleet_budgets_of(ds->o.fleet, p, budgets, 2);
	if (v->n_budgets)
		v->budget = see_budget(s, budgets[0]);
}

static void see_pods(struct drains *ds, const struct drain *d, struct drain_seen *s)
{
	for (const struct fleet_pod *p = fleet_pods_on(ds->o.fleet, d->cluster, d->node); p;
		p = p->next_on_node)
		if (p->watched)
			see_pod(ds, s, p);
	s->view.pods = s->pods;
	s->view.budgets = s->budgets;
}

static void see_node(struct drain_view *v, const struct drain *d, const struct fleet_node *n)
{
	v->cluster = d->cluster;
	v->node = d->node;
	v->uid = d->node_uid;
	v->instance_id = d->instance;
	v->group = d->group;
	v->zone = d->zone;
	v->marked = d->inner->marked;
	v->cordoned_by_us = d->inner->cordoned;
	if (!n)
		return;
	v->karpenter = n->owner == KUBE_OWNER_KARPENTER;
	v->autoscaler_deletes = n->owner == KUBE_OWNER_CLUSTER_AUTOSCALER;
	v->deleting = n->deleting;
	v->managed = n->managed;
	v->spot = n->capacity == CAPACITY_SPOT;
	v->unschedulable = n->unschedulable;
	v->volumes = n->volumes;
}

static void see_zones(const struct drains *ds, const struct fleet_group *g, struct drain_view *v)
{
	for (size_t i = 0; i < g->n_zones && i < 8; i++) {
		struct drain_view_zone *z = &v->zones[v->n_zones++];
		text_copy(z->name, sizeof(z->name), g->zones[i]);
		z->failed_ms = drains_zone_failed_ms(ds, g->scaling_group, g->zones[i]);
	}
}

// Another group of the cluster that has on-demand capacity and room.
static void see_fallback(
	const struct drains *ds, const struct fleet_group *own, struct drain_view *v)
{
	for (const struct fleet_group *g = fleet_groups(ds->o.fleet); g; g = g->hh.next) {
		if (g == own || g->capacity != CAPACITY_ON_DEMAND || !g->scaling_group[0] ||
			g->n_zones == 0 || strcmp(g->cluster, v->cluster) != 0 ||
			g->desired >= g->max)
			continue;
		v->fallback_group = g->scaling_group;
		v->fallback_zone = g->zones[0];
		v->fallback_desired = g->desired;
		v->fallback_max = g->max;
		return;
	}
}

static uint32_t replaced_this_hour(const struct drains *ds, const struct drain *d)
{
	uint32_t n = 0;
	for (const struct drain *o = ds->list; o; o = o->next)
		n += o != d && o->kind == DRAIN_REBALANCE_RECOMMENDATION &&
		     !o->inner->stands_back && o->started_ms > ds->now_ms - hour_ms &&
		     strcmp(o->group, d->group) == 0 && strcmp(o->cluster, d->cluster) == 0;
	return n;
}

static void see_group(struct drains *ds, const struct drain *d, struct drain_view *v)
{
	const struct fleet_group *g = fleet_find_group(ds->o.fleet, d->cluster, d->group);
	v->scaling_group = v->hook = v->fallback_group = v->fallback_zone = "";
	v->group_replaces = d->kinds & 1u << DRAIN_ASG_LIFECYCLE;
	v->replacement_asked = d->replacement.state != DRAIN_REPLACEMENT_NONE;
	v->replacement_ready = d->replacement.state == DRAIN_REPLACEMENT_READY;
	v->replacement_failed = d->replacement.state == DRAIN_REPLACEMENT_FAILED;
	if (d->kind == DRAIN_REBALANCE_RECOMMENDATION)
		v->replaced_this_hour = replaced_this_hour(ds, d);
	if (!d->inner->cluster || !d->inner->cluster->cloud.ops)
		return;
	v->hook = d->inner->hook;
	if (!g)
		return;
	v->scaling_group = g->scaling_group;
	if (!v->hook[0])
		v->hook = g->terminate_hook;
	v->group_desired = g->desired;
	v->group_max = g->max;
	see_zones(ds, g, v);
	see_fallback(ds, g, v);
}

int drain_see(struct drains *ds, const struct drain *d, struct drain_seen *ret)
{
	struct drain_seen s = {0};
	size_t n = count_pods(ds, d);
	s.pods = calloc(n + 1, sizeof(*s.pods));
	s.budgets = calloc(n + 1, sizeof(*s.budgets));
	if (!s.pods || !s.budgets) {
		drain_seen_done(&s);
		return -ENOMEM;
	}
	see_node(&s.view, d, fleet_find_node(ds->o.fleet, d->cluster, d->node));
	see_group(ds, d, &s.view);
	see_pods(ds, d, &s);
	*ret = s;
	return 0;
}

void drain_seen_done(struct drain_seen *s)
{
	free(s->pods);
	free(s->budgets);
	*s = (struct drain_seen){0};
}
