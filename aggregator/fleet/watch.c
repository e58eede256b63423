// SPDX-License-Identifier: Apache-2.0
#include "aggregator/fleet/watch.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/text.h"

// Keeps a copy of text in *ret, NULL for "". Out of memory: what was there stays.
static void keep_text(char **ret, const char *text)
{
	if (*ret && text && strcmp(*ret, text) == 0)
		return;
	char *copy = text && text[0] ? strdup(text) : NULL;
	if (text && text[0] && !copy)
		return;
	free(*ret);
	*ret = copy;
}

static enum node_state state_of(const struct fleet_node *n, const struct kube_node *k)
{
	if (!k->ready)
		return NODE_NOT_READY;
	if (n->state == NODE_SILENT && n->has_agent)
		return NODE_SILENT; // until its agent speaks again
	return k->interruption_taint ? NODE_DRAINING : NODE_READY;
}

static void copy_node(struct fleet_node *n, const struct kube_node *k)
{
	text_copy(n->group, sizeof(n->group), k->group[0] ? k->group : "ungrouped");
	text_copy(n->instance_id, sizeof(n->instance_id), k->instance_id);
	text_copy(n->instance_type, sizeof(n->instance_type), k->instance_type);
	text_copy(n->zone_id, sizeof(n->zone_id), k->zone_id);
	text_copy(n->zone, sizeof(n->zone), k->zone);
	text_copy(n->uid, sizeof(n->uid), k->uid);
	n->capacity = k->capacity;
	n->owner = k->owner;
	n->managed = k->managed;
	n->ready = k->ready;
	n->unschedulable = k->unschedulable;
	n->deleting = k->deleting;
	n->interruption_taint = k->interruption_taint;
	n->out_of_service = k->out_of_service;
	n->created_ms = k->created_ms;
	n->ready_changed_ms = k->ready_changed_ms;
	n->lease_ms = k->lease_ms;
	n->allocatable_millicores = k->allocatable_millicores;
	n->allocatable_mem_bytes = k->allocatable_mem_bytes;
	n->state = state_of(n, k);
	keep_text(&n->drain, k->drain);
}

static void on_node(void *arg, const struct kube_node *k)
{
	struct fleet_watch *w = arg;
	struct fleet_node *n;
	struct fleet_group *g;
	if (fleet_node(w->fleet, w->cluster, k->name, &n) < 0)
		return;
	int64_t now_ms = w->clock(w->arg);
	if (!n->first_seen_ms)
		n->first_seen_ms = now_ms;
	if (!n->has_agent || n->simulated)
		n->last_sample_ms = now_ms; // not forgotten while the watch speaks of it
	copy_node(n, k);
	n->watched = true;
	n->simulated = w->simulated;
	fleet_group(w->fleet, w->cluster, n->group, &g); // a refused one is counted
	if (w->on_node)
		w->on_node(w->arg, n);
}

static void on_node_gone(void *arg, const char *name)
{
	struct fleet_watch *w = arg;
	struct fleet_node *n = fleet_find_node(w->fleet, w->cluster, name);
	if (!n)
		return;
	n->state = NODE_GONE;
	n->last_sample_ms = w->clock(w->arg);
	if (w->on_node)
		w->on_node(w->arg, n);
}

static void on_pod(void *arg, const struct kube_pod *k)
{
	struct fleet_watch *w = arg;
	struct fleet_pod *p;
	if (fleet_pod(w->fleet, w->cluster, k->uid, &p) < 0)
		return;
	text_copy(p->namespace_, sizeof(p->namespace_), k->namespace_);
	text_copy(p->name, sizeof(p->name), k->name);
	text_copy(p->workload, sizeof(p->workload), k->workload);
	fleet_pod_place(w->fleet, p, k->node); // out of memory: it comes again
	p->controller = k->controller;
	p->phase = k->phase;
	p->ready = k->ready;
	p->critical = k->critical;
	p->volumes = k->volumes;
	p->priority = k->priority;
	p->grace_s = k->grace_s;
	p->deleting_ms = k->deleting_ms;
	p->request_millicores = k->request_millicores;
	p->request_mem_bytes = k->request_mem_bytes;
	p->last_seen_ms = w->clock(w->arg);
	p->watched = true;
	keep_text(&p->labels, k->labels);
	fleet_pod_changed(w->fleet, p);
}

static void on_pod_gone(void *arg, const char *uid)
{
	struct fleet_watch *w = arg;
	struct fleet_pod *p = fleet_find_pod(w->fleet, w->cluster, uid);
	if (p)
		fleet_remove_pod(w->fleet, p);
}

static void on_budget(void *arg, const struct kube_budget *k)
{
	struct fleet_watch *w = arg;
	struct fleet_budget *b;
	const struct fleet_thing which = {w->cluster, k->namespace_, k->name};
	if (fleet_budget(w->fleet, &which, &b) < 0)
		return;
	b->allowed = k->allowed;
	b->healthy = k->healthy;
	b->desired = k->desired;
	b->expected = k->expected;
	b->observed = k->observed;
	b->always_allow = k->always_allow;
	// an empty selector selects everything, so "" is kept as it is
	char *selector = strdup(k->selector ? k->selector : "");
	if (!selector)
		return;
	free(b->selector);
	b->selector = selector;
}

static void on_budget_gone(void *arg, const char *namespace_, const char *name)
{
	struct fleet_watch *w = arg;
	const struct fleet_thing which = {w->cluster, namespace_, name};
	struct fleet_budget *b = fleet_find_budget(w->fleet, &which);
	if (b)
		fleet_remove_budget(w->fleet, b);
}

static void on_workload(void *arg, const struct kube_workload *k)
{
	struct fleet_watch *w = arg;
	struct fleet_workload *f;
	const struct fleet_thing which = {w->cluster, k->namespace_, k->name};
	if (fleet_workload(w->fleet, &which, k->kind, &f) < 0)
		return;
	f->replicas = k->replicas;
	f->ready = k->ready;
}

static void on_workload_gone(
	void *arg, enum kube_controller kind, const char *namespace_, const char *name)
{
	struct fleet_watch *w = arg;
	const struct fleet_thing which = {w->cluster, namespace_, name};
	struct fleet_workload *f = fleet_find_workload(w->fleet, &which, kind);
	if (f)
		fleet_remove_workload(w->fleet, f);
}

static void on_volumes(void *arg, const char *node, uint32_t attached)
{
	struct fleet_watch *w = arg;
	struct fleet_node *n = fleet_find_node(w->fleet, w->cluster, node);
	if (n)
		n->volumes = attached;
}

static void on_synced(void *arg)
{
	struct fleet_watch *w = arg;
	w->synced = true;
	if (w->on_synced)
		w->on_synced(w->arg, w->cluster);
}

struct kube_sink fleet_watch_sink(struct fleet_watch *w)
{
	return (struct kube_sink){.on_node = on_node,
		.on_node_gone = on_node_gone,
		.on_pod = on_pod,
		.on_pod_gone = on_pod_gone,
		.on_budget = on_budget,
		.on_budget_gone = on_budget_gone,
		.on_workload = on_workload,
		.on_workload_gone = on_workload_gone,
		.on_volumes = on_volumes,
		.on_synced = on_synced,
		.arg = w};
}

static void on_group(void *arg, const struct cloud_group *c)
{
	struct fleet_watch *w = arg;
	struct fleet_group *g;
	if (fleet_group(w->fleet, w->cluster, c->name, &g) < 0)
		return;
	g->capacity = c->capacity;
	g->managed = c->managed;
	g->min = c->min;
	g->max = c->max;
	g->desired = c->desired;
	g->node_usd_micro_hour = c->node_usd_micro_hour;
	text_copy(g->instance_type, sizeof(g->instance_type), c->instance_type);
	text_copy(g->scaling_group, sizeof(g->scaling_group), c->scaling_group);
	text_copy(g->terminate_hook, sizeof(g->terminate_hook), c->terminate_hook);
	memcpy(g->zones, c->zones, sizeof(g->zones));
	g->n_zones = c->n_zones;
}

static void on_described(void *arg, int r, const struct why *why)
{
}

struct cloud_calls fleet_watch_groups(struct fleet_watch *w)
{
	return (struct cloud_calls){on_group, on_described, w};
}
