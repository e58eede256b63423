// SPDX-License-Identifier: Apache-2.0
#include "aggregator/fleet/fleet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/fleet/internal.h"
#include "proto/base/hash.h"
#include "proto/base/text.h"

static const int64_t forget_after_ms = 3600 * 1000; // a silent node stays on the page for an hour

const char *node_state_name(enum node_state s)
{
	static const char *const names[] = {"ready", "not-ready", "silent", "draining", "gone"};
	return (unsigned)s < 5 ? names[s] : "unknown";
}

const char *petrel_mode_name(enum petrel_mode m)
{
	static const char *const names[] = {"observe", "recommend", "act"};
	return (unsigned)m < 3 ? names[m] : "unknown";
}

static void free_node(struct fleet_node *n)
{
	free(n->drain);
	free(n);
}

static void free_pod(struct fleet_pod *p)
{
	free(p->labels);
	free(p);
}

int fleet_new(struct fleet **ret, const struct fleet_options *o)
{
	struct fleet *f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->options = *o;
	*ret = f;
	return 0;
}

void fleet_free(struct fleet *f)
{
	if (!f)
		return;
	FREE_TABLE(f->clusters, free);
	FREE_TABLE(f->groups, free);
	FREE_TABLE(f->nodes, free_node);
	FREE_TABLE(f->pods, free_pod);
	FREE_TABLE(f->hosts, free);
	fleet_free_guests(f);
	free(f);
}

// Room for one more, and names that may be shown: the two things every table asks before it grows.
static int may_add(struct fleet *f, size_t have, size_t max, const char *cluster, const char *name)
{
	bool named = text_is_name(cluster, strlen(cluster), 63) &&
		     text_is_name(name, strlen(name), NAME_MAX_BYTES - 1);
	if (named && have < max)
		return 0;
	f->refused++;
	return named ? -ENOSPC : -EINVAL;
}

static void make_key(char *ret, size_t size, const char *cluster, const char *name)
{
	snprintf(ret, size, "%s/%s", cluster, name);
}

struct fleet_cluster *fleet_find_cluster(struct fleet *f, const char *name)
{
	struct fleet_cluster *c;
	HASH_FIND_STR(f->clusters, name, c);
	return c;
}

int fleet_cluster(struct fleet *f, const char *name, struct fleet_cluster **ret)
{
	struct fleet_cluster *c = fleet_find_cluster(f, name);
	if (!c) {
		int r = may_add(f, HASH_COUNT(f->clusters), f->options.max_clusters, name, "-");
		if (r < 0)
			return r;
		c = calloc(1, sizeof(*c));
		if (!c)
			return -ENOMEM;
		text_copy(c->name, sizeof(c->name), name);
		HASH_ADD_STR(f->clusters, name, c);
	}
	*ret = c;
	return 0;
}

struct fleet_group *fleet_find_group(struct fleet *f, const char *cluster, const char *name)
{
	char key[sizeof(((struct fleet_group *)0)->key)];
	make_key(key, sizeof(key), cluster, name);
	struct fleet_group *g;
	HASH_FIND_STR(f->groups, key, g);
	return g;
}

int fleet_group(struct fleet *f, const char *cluster, const char *name, struct fleet_group **ret)
{
	struct fleet_group *g = fleet_find_group(f, cluster, name);
	if (!g) {
		int r = may_add(f, HASH_COUNT(f->groups), f->options.max_groups, cluster, name);
		if (r < 0)
			return r;
		g = calloc(1, sizeof(*g));
		if (!g)
			return -ENOMEM;
		make_key(g->key, sizeof(g->key), cluster, name);
		text_copy(g->cluster, sizeof(g->cluster), cluster);
		text_copy(g->name, sizeof(g->name), name);
		HASH_ADD_STR(f->groups, key, g);
	}
	*ret = g;
	return 0;
}

struct fleet_node *fleet_find_node(struct fleet *f, const char *cluster, const char *name)
{
	char key[sizeof(((struct fleet_node *)0)->key)];
	make_key(key, sizeof(key), cluster, name);
	struct fleet_node *n;
	HASH_FIND_STR(f->nodes, key, n);
	return n;
}

int fleet_node(struct fleet *f, const char *cluster, const char *name, struct fleet_node **ret)
{
	struct fleet_node *n = fleet_find_node(f, cluster, name);
	if (!n) {
		int r = may_add(f, HASH_COUNT(f->nodes), f->options.max_nodes, cluster, name);
		if (r < 0)
			return r;
		n = calloc(1, sizeof(*n));
		if (!n)
			return -ENOMEM;
		make_key(n->key, sizeof(n->key), cluster, name);
		text_copy(n->cluster, sizeof(n->cluster), cluster);
		text_copy(n->name, sizeof(n->name), name);
		HASH_ADD_STR(f->nodes, key, n);
	}
	*ret = n;
	return 0;
}

void fleet_unit_uid(const char *node, const char *unit, char ret[40])
{
	char both[NAME_MAX_BYTES + CGROUP_MAX_BYTES + 2];
	uint8_t digest[32];
	int len = snprintf(both, sizeof(both), "%s/%s", node, unit);
	hash_sha256(both, (size_t)len, digest);
	memcpy(ret, "unit-", 5);
	text_to_hex(digest, 16, ret + 5);
}

struct fleet_pod *fleet_find_pod(struct fleet *f, const char *cluster, const char *uid)
{
	char key[sizeof(((struct fleet_pod *)0)->key)];
	make_key(key, sizeof(key), cluster, uid);
	struct fleet_pod *p;
	HASH_FIND_STR(f->pods, key, p);
	return p;
}

int fleet_pod(struct fleet *f, const char *cluster, const char *uid, struct fleet_pod **ret)
{
	struct fleet_pod *p = fleet_find_pod(f, cluster, uid);
	if (!p) {
		int r = may_add(f, HASH_COUNT(f->pods), f->options.max_pods, cluster, uid);
		if (r < 0)
			return r;
		p = calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		make_key(p->key, sizeof(p->key), cluster, uid);
		text_copy(p->cluster, sizeof(p->cluster), cluster);
		text_copy(p->uid, sizeof(p->uid), uid);
		HASH_ADD_STR(f->pods, key, p);
	}
	*ret = p;
	return 0;
}

static void leave_host(struct fleet *f, struct fleet_pod *p)
{
	struct fleet_host *h = p->host;
	if (!h)
		return;
	DL_DELETE2(h->pods, p, prev_on_node, next_on_node);
	h->change = ++f->changes;
	p->host = NULL;
	if (h->pods)
		return;
	HASH_DEL(f->hosts, h);
	free(h);
}

static struct fleet_host *find_host(const struct fleet *f, const char *cluster, const char *node)
{
	char key[sizeof(((struct fleet_host *)0)->key)];
	struct fleet_host *h;
	make_key(key, sizeof(key), cluster, node);
	HASH_FIND_STR(f->hosts, key, h);
	return h;
}

int fleet_pod_place(struct fleet *f, struct fleet_pod *p, const char *node)
{
	if (p->host && strcmp(p->node, node) == 0)
		return 0;
	leave_host(f, p);
	text_copy(p->node, sizeof(p->node), node);
	if (!node[0])
		return 0;
	struct fleet_host *h = find_host(f, p->cluster, node);
	if (!h) {
		h = calloc(1, sizeof(*h));
		if (!h)
			return -ENOMEM;
		make_key(h->key, sizeof(h->key), p->cluster, node);
		HASH_ADD_STR(f->hosts, key, h);
	}
	DL_APPEND2(h->pods, p, prev_on_node, next_on_node);
	p->host = h;
	h->change = ++f->changes;
	return 0;
}

void fleet_pod_changed(struct fleet *f, struct fleet_pod *p)
{
	if (p->host)
		p->host->change = ++f->changes;
}

uint64_t fleet_pods_change(const struct fleet *f, const char *cluster, const char *node)
{
	struct fleet_host *h = find_host(f, cluster, node);
	return h ? h->change : 0;
}

struct fleet_pod *fleet_pods_on(const struct fleet *f, const char *cluster, const char *node)
{
	struct fleet_host *h = find_host(f, cluster, node);
	return h ? h->pods : NULL;
}

void fleet_remove_pod(struct fleet *f, struct fleet_pod *p)
{
	leave_host(f, p);
	HASH_DEL(f->pods, p);
	free_pod(p);
}

void fleet_remove_node(struct fleet *f, struct fleet_node *n)
{
	HASH_DEL(f->nodes, n);
	free_node(n);
}

struct fleet_cluster *fleet_clusters(struct fleet *f)
{
	return f->clusters;
}

struct fleet_group *fleet_groups(struct fleet *f)
{
	return f->groups;
}

struct fleet_node *fleet_nodes(struct fleet *f)
{
	return f->nodes;
}

struct fleet_pod *fleet_pods(struct fleet *f)
{
	return f->pods;
}

struct fleet_budget *fleet_budgets(struct fleet *f)
{
	return f->budgets;
}

// What an agent does not know it does not take away from what the watch has told.
static void copy_known(char *ret, size_t size, const char *text, const char *otherwise)
{
	if (text[0] || !ret[0])
		text_copy(ret, size, text[0] ? text : otherwise);
}

static void copy_identity(struct fleet_node *n, const struct sample *s)
{
	copy_known(n->group, sizeof(n->group), s->group, "ungrouped");
	copy_known(n->instance_id, sizeof(n->instance_id), s->instance_id, "");
	copy_known(n->instance_type, sizeof(n->instance_type), s->instance_type, "");
	copy_known(n->zone_id, sizeof(n->zone_id), s->zone_id, "");
	text_copy(n->version, sizeof(n->version), s->version);
	n->simulated = s->simulated;
	n->has_agent = true;
}

static void copy_health(struct fleet_node *n, const struct sample *s)
{
	n->duty = s->duty;
	n->duty_on_ms = s->duty_on_ms;
	n->window_ms = s->window_ms;
	n->self_cpu_ns = s->self_cpu_ns;
	n->self_rss_bytes = s->self_rss_bytes;
	n->self_lost_events = s->self_lost_events;
	n->n_hooks = s->n_hooks;
	memcpy(n->hooks, s->hooks, s->n_hooks * sizeof(s->hooks[0]));
}

// A pod by its UID; on a plain machine a systemd unit, known by "node/unit" with the slashes of
// neither.
static int see_cgroup(
	struct fleet *f, const struct sample *s, const struct cgroup_sample *c, int64_t now_ms)
{
	struct fleet_pod *p;
	char unit_uid[40];
	const char *uid = c->pod_uid;
	if (c->kind == CGROUP_UNIT) {
		fleet_unit_uid(s->node, c->name, unit_uid);
		uid = unit_uid;
	} else if (c->kind != CGROUP_POD) {
		return 0;
	}
	int r = fleet_pod(f, s->cluster, uid, &p);
	if (r < 0)
		return r;
	p->last_seen_ms = now_ms;
	if (p->watched)
		return 0;
	r = fleet_pod_place(f, p, s->node);
	if (r < 0)
		return r;
	if (c->kind == CGROUP_UNIT) {
		text_copy(p->name, sizeof(p->name), c->name);
		text_copy(p->workload, sizeof(p->workload), c->name);
	}
	return 0;
}

int fleet_on_sample(struct fleet *f, const struct sample *s, int64_t now_ms)
{
	struct fleet_cluster *cluster;
	struct fleet_group *group;
	struct fleet_node *n;
	int r = fleet_cluster(f, s->cluster, &cluster);
	if (r == 0)
		r = fleet_node(f, s->cluster, s->node, &n);
	if (r < 0)
		return r;
	copy_identity(n, s);
	copy_health(n, s);
	r = fleet_group(f, s->cluster, n->group, &group);
	if (r < 0)
		return r;
	if (s->simulated)
		cluster->simulated = true;
	if (!n->first_seen_ms)
		n->first_seen_ms = now_ms;
	n->last_sample_ms = now_ms;
	if (n->state == NODE_SILENT || (n->state == NODE_GONE && !n->watched))
		n->state = NODE_READY;
	n->allocatable_millicores =
		scope_get(&s->node_scope, METRIC_CPU_CAPACITY, n->allocatable_millicores);
	n->allocatable_mem_bytes =
		scope_get(&s->node_scope, METRIC_MEM_TOTAL, n->allocatable_mem_bytes);
	for (size_t i = 0; i < s->n_cgroups; i++)
		see_cgroup(f, s, &s->cgroups[i], now_ms); // a refused one is counted
	return 0;
}

static void tick_nodes(struct fleet *f, int64_t now_ms)
{
	struct fleet_node *n, *next;
	HASH_ITER (hh, f->nodes, n, next) {
		int64_t silent_ms = now_ms - n->last_sample_ms;
		n->pods = 0;
		if (n->has_agent && n->state == NODE_READY &&
			silent_ms > f->options.silent_after_ms)
			n->state = NODE_SILENT;
		if ((n->state == NODE_GONE || n->state == NODE_SILENT) &&
			silent_ms > forget_after_ms)
			fleet_remove_node(f, n);
	}
}

static void tick_pods(struct fleet *f, int64_t now_ms)
{
	struct fleet_pod *p, *next;
	HASH_ITER (hh, f->pods, p, next) {
		struct fleet_node *n = fleet_find_node(f, p->cluster, p->node);
		// ten missed container windows: the cgroup is gone
		if (!p->watched && (!n || now_ms - p->last_seen_ms > 100000)) {
			fleet_remove_pod(f, p);
			continue;
		}
		if (n)
			n->pods++;
	}
}

static void count_groups(struct fleet *f)
{
	for (struct fleet_cluster *c = f->clusters; c; c = c->hh.next)
		c->expected_agents = 0;
	for (struct fleet_group *g = f->groups; g; g = g->hh.next)
		g->nodes = g->nodes_ready = g->pods = 0;
	for (struct fleet_node *n = f->nodes; n; n = n->hh.next) {
		if (n->state == NODE_GONE)
			continue;
		struct fleet_cluster *c = fleet_find_cluster(f, n->cluster);
		struct fleet_group *g = fleet_find_group(f, n->cluster, n->group);
		if (c)
			c->expected_agents++;
		if (!g)
			continue;
		g->nodes++;
		g->nodes_ready += n->state == NODE_READY;
		g->pods += n->pods;
		if (n->state == NODE_READY && n->allocatable_millicores) {
			g->node_millicores = n->allocatable_millicores;
			g->node_mem_bytes = n->allocatable_mem_bytes;
			text_copy(g->instance_type, sizeof(g->instance_type), n->instance_type);
		}
	}
}

void fleet_tick(struct fleet *f, int64_t now_ms)
{
	tick_nodes(f, now_ms);
	tick_pods(f, now_ms);
	count_groups(f);
}

void fleet_stats(
	const struct fleet *f, const char *cluster, int64_t now_ms, struct fleet_stats *ret)
{
	struct fleet_stats s = {.refused = f->refused, .oldest_sample_age_ms = -1};
	for (struct fleet_cluster *c = f->clusters; c; c = c->hh.next)
		s.clusters += !cluster || strcmp(c->name, cluster) == 0;
	for (struct fleet_group *g = f->groups; g; g = g->hh.next)
		s.groups += !cluster || strcmp(g->cluster, cluster) == 0;
	for (struct fleet_pod *p = f->pods; p; p = p->hh.next)
		s.pods += !cluster || strcmp(p->cluster, cluster) == 0;
	for (struct fleet_node *n = f->nodes; n; n = n->hh.next) {
		if ((cluster && strcmp(n->cluster, cluster) != 0) || n->state == NODE_GONE)
			continue;
		s.nodes++;
		s.expected++;
		if (!n->has_agent || n->state == NODE_SILENT)
			continue;
		s.reporting++;
		if (now_ms - n->last_sample_ms > s.oldest_sample_age_ms)
			s.oldest_sample_age_ms = now_ms - n->last_sample_ms;
	}
	*ret = s;
}
