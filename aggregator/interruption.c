// SPDX-License-Identifier: Apache-2.0
#include "aggregator/interruption.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/dry.h"
#include "aggregator/act/webhook.h"
#include "aggregator/aws_door.h"
#include "aggregator/cluster.h"
#include "aggregator/demo.h"
#include "aggregator/show/links.h"
#include "proto/base/clock.h"
#include "proto/base/events.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

enum { TICK_MS = 250, MAX_CLUSTERS = 64, RECALL_LINES = 20000 };
enum { WEBHOOKS_PENDING = 8192 }; // a thousand nodes at once, each with its news

struct interruption {
	uv_timer_t timer;
	uv_check_t turn;
	int closing; // handles that are still to close
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
	struct interruption_doors doors;
	const struct aggregator_config *config;
	struct drains *drains;
	struct demo *demo;
	struct cluster *cluster; // the real one; NULL: none
	struct webhook *webhook; // NULL: none
	struct aws_door *aws;    // NULL: none
	struct dry *dry[MAX_CLUSTERS];
	size_t n_dry;
	struct audit_entry *entries; // of one append
	size_t cap_entries;
};

// --- what the drains ask for ----------------------------------------------------------------

static int append(void *arg, const struct drain_entry *entries, size_t n)
{
	struct interruption *i = arg;
	struct why why;
	if (n > i->cap_entries) {
		struct audit_entry *grown = realloc(i->entries, n * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		i->entries = grown;
		i->cap_entries = n;
	}
	for (size_t k = 0; k < n; k++)
		i->entries[k] = (struct audit_entry){.kind = entries[k].kind,
			.cluster = entries[k].cluster,
			.id = entries[k].id,
			.json = entries[k].json};
	return audit_append_all(i->doors.audit, i->entries, n, &why);
}

static bool may_act(void *arg, const char *cluster)
{
	struct interruption *i = arg; // the simulated cluster has one replica: this one
	return strcmp(cluster, DEMO_CLUSTER) == 0 || (i->cluster && cluster_leads(i->cluster));
}

static int64_t wall_ms(void *arg)
{
	return clock_wall_ms();
}

static void on_change(void *arg, const struct drain *d, int64_t now_ms)
{
	struct interruption *i = arg;
	if (i->doors.on_drain)
		i->doors.on_drain(i->doors.arg, d, now_ms);
}

static void on_telling(void *arg, const struct drain_telling *t)
{
	log_event(t->warning ? LOG_WARN : LOG_INFO, EV_DRAIN, t->note,
		LOG_TEXT("reason", t->reason), LOG_TEXT("cluster", t->drain->cluster),
		LOG_TEXT("node", t->drain->node), LOG_TEXT("drain", t->drain->id));
	const struct interruption *i = arg;
	const struct webhook_message m = {.event = t->reason,
		.cluster = t->drain->cluster,
		.node = t->drain->node,
		.kind = drain_kind_name(t->drain->kind),
		.phase = drain_phase_name(t->drain->phase),
		.drain = t->drain->id,
		.text = t->note,
		.at_ms = clock_wall_ms(),
		.deadline_ms = t->drain->deadline_ms};
	if (i->webhook && webhook_send(i->webhook, &m) < 0)
		log_event(LOG_WARN, EV_WEBHOOK, "too many webhooks wait: one is dropped");
}

// --- opening ----------------------------------------------------------------------------------

static int recall(void *arg, const struct audit_entry *e)
{
	struct interruption *i = arg;
	drains_recall(i->drains, e->kind, e->id, e->json);
	return 0;
}

static struct drain_policy policy_of(const struct aggregator_config *c)
{
	struct drain_policy p;
	drain_policy_default(&p);
	p.delete_blocked_forced = c->drain_delete_blocked;
	p.delete_blocked_voluntary = c->drain_delete_voluntary;
	p.evict_daemonsets = c->drain_daemonsets;
	p.take_karpenter = c->drain_take_karpenter;
	p.take_autoscaler = c->drain_take_autoscaler;
	p.replace = c->drain_replace;
	p.patience_ms = (int64_t)c->drain_patience_ms;
	p.scheduled_window_ms = (int64_t)c->drain_scheduled_window_ms;
	p.rebalance_per_hour = (uint32_t)c->drain_rebalance_per_hour;
	return p;
}

static int open_drains(struct interruption *i)
{
	const struct drains_options o = {.fleet = i->doors.fleet,
		.policy = policy_of(i->config),
		.max_drains = i->config->max_drains,
		.owner = i->config->name,
		.wall_ms = wall_ms,
		.may_act = may_act,
		.audit = append,
		.on_telling = on_telling,
		.on_change = on_change,
		.arg = i};
	int r = drains_new(&i->drains, &o);
	return r < 0 ? r : audit_tail(i->doors.audit, RECALL_LINES, recall, i);
}

static void on_tick(uv_timer_t *timer)
{
	struct interruption *i = timer->data;
	int64_t now_ms = clock_wall_ms();
	drains_tick(i->drains, now_ms);
	if (i->cluster)
		cluster_tick(i->cluster, now_ms);
	if (i->aws)
		aws_door_tick(i->aws, now_ms);
}

// After whatever this turn of the loop has brought: intents to the disk, then the calls.
static void on_turn(uv_check_t *check)
{
	struct interruption *i = check->data;
	int64_t now_ms = clock_wall_ms();
	drains_flush(i->drains, now_ms);
	for (size_t k = 0; k < i->n_dry; k++)
		dry_turn(i->dry[k]);
	if (i->demo)
		demo_turn(i->demo);
	drains_flush(i->drains, now_ms);
	if (i->aws)
		aws_door_turn(i->aws, i->cluster && cluster_leads(i->cluster),
			audit_ok(i->doors.audit)); // what it took is on the disk
}

static int open_webhook(struct interruption *i, uv_loop_t *loop, struct why *why)
{
	const struct aggregator_config *c = i->config;
	const struct webhook_options o = {.url = c->webhook_url,
		.template_ = c->webhook_template[0] ? c->webhook_template : NULL,
		.secret = c->webhook_secret[0] ? c->webhook_secret : NULL,
		.ca_file = c->webhook_ca[0] ? c->webhook_ca : NULL,
		.max_pending = WEBHOOKS_PENDING,
		.seed = (uint64_t)clock_wall_ms(),
		.wall_ms = clock_wall_ms};
	return c->webhook_url[0] ? webhook_new(&i->webhook, loop, &o, why) : 0;
}

int interruption_start(struct interruption **ret, uv_loop_t *loop,
	const struct interruption_doors *doors, const struct aggregator_config *config,
	struct why *why)
{
	struct interruption *i = calloc(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	i->doors = *doors;
	i->config = config;
	int r = open_drains(i);
	if (r == 0)
		r = open_webhook(i, loop, why);
	if (r < 0) {
		drains_free(i->drains);
		free(i);
		return r;
	}
	uv_timer_init(loop, &i->timer);
	uv_check_init(loop, &i->turn);
	i->timer.data = i->turn.data = i;
	uv_check_start(&i->turn, on_turn); // neither can fail: their callbacks are given
	uv_timer_start(&i->timer, on_tick, TICK_MS, TICK_MS);
	*ret = i;
	return 0;
}

static void free_rest(void *arg)
{
	struct interruption *i = arg;
	void (*on_stopped)(void *) = i->on_stopped;
	void *stopped_arg = i->on_stopped_arg;
	free(i->entries);
	free(i);
	on_stopped(stopped_arg);
}

static void stop_cluster(void *arg)
{
	struct interruption *i = arg;
	i->aws = NULL;
	if (i->cluster)
		cluster_stop(i->cluster, free_rest, i);
	else
		free_rest(i);
}

static void on_part_closed(void *arg)
{
	struct interruption *i = arg;
	if (--i->closing > 0)
		return;
	drains_free(i->drains); // what the cluster still answers goes into nothing
	i->drains = NULL;
	for (size_t k = 0; k < i->n_dry; k++)
		dry_free(i->dry[k]);
	if (i->aws)
		aws_door_stop(i->aws, stop_cluster, i);
	else
		stop_cluster(i);
}

static void on_closed(uv_handle_t *handle)
{
	on_part_closed(handle->data);
}

void interruption_stop(struct interruption *i, void (*on_stopped)(void *arg), void *arg)
{
	i->on_stopped = on_stopped;
	i->on_stopped_arg = arg;
	i->closing = 2 + (i->webhook != NULL);
	if (i->webhook)
		webhook_stop(i->webhook, on_part_closed, i);
	i->webhook = NULL;
	uv_close((uv_handle_t *)&i->timer, on_closed);
	uv_close((uv_handle_t *)&i->turn, on_closed);
}

// How a cluster is acted upon: by its own drivers, or by those that only say what they would do.
static int add_cluster(
	struct interruption *i, const struct kube *kube, const struct cloud *cloud, bool acts)
{
	if (acts)
		return drains_cluster(i->drains, kube, cloud, false);
	if (i->n_dry == MAX_CLUSTERS)
		return -ENOSPC;
	int r = dry_new(&i->dry[i->n_dry], kube, cloud);
	if (r < 0)
		return r;
	struct dry *dry = i->dry[i->n_dry++];
	const struct kube dry_k = dry_kube(dry);
	const struct cloud dry_c = dry_cloud(dry);
	return drains_cluster(i->drains, &dry_k, cloud->ops ? &dry_c : cloud, true);
}

static void on_synced(void *arg, const char *cluster)
{
	struct interruption *i = arg;
	if (i->drains)
		drains_synced(i->drains, cluster, clock_wall_ms());
}

static void on_node(void *arg, const struct fleet_node *n)
{
	struct interruption *i = arg;
	if (i->drains)
		interruption_node(i, n);
}

// The queue knows only the instance: the node's name is the watch's, never a DNS name.
static void name_node(const struct interruption *i, struct notice *n)
{
	for (const struct fleet_node *f = fleet_nodes(i->doors.fleet); f && !n->node[0];
		f = f->hh.next)
		if (f->state != NODE_GONE && strcmp(f->instance_id, n->instance_id) == 0 &&
			strcmp(f->cluster, n->cluster) == 0)
			text_copy(n->node, sizeof(n->node), f->name);
}

// A notice of the queue, or of an instance that has vanished.
static int on_cloud_notice(void *arg, const struct notice *n, const struct drain_hook *hook)
{
	struct interruption *i = arg;
	struct notice named = *n;
	if (!i->drains)
		return -EAGAIN;
	name_node(i, &named);
	int r = i->doors.on_notice(i->doors.arg, &named, clock_wall_ms());
	if (r == 0 && hook)
		drains_hook(i->drains, &named, hook);
	return r;
}

static int open_aws(struct interruption *i, uv_loop_t *loop, struct cloud *ret, struct why *why)
{
	const struct aws_door_doors doors = {
		.fleet = i->doors.fleet, .on_notice = on_cloud_notice, .arg = i};
	int r = aws_door_start(&i->aws, loop, &doors, i->config, why);
	if (r == 0)
		*ret = aws_door_cloud(i->aws);
	return r;
}

int interruption_watch(struct interruption *i, uv_loop_t *loop, struct why *why)
{
	const struct cluster_doors doors = {
		.fleet = i->doors.fleet, .on_synced = on_synced, .on_node = on_node, .arg = i};
	int r = cluster_start(&i->cluster, loop, &doors, i->config, why);
	if (r < 0)
		return r;
	const struct kube kube = cluster_kube(i->cluster);
	struct cloud cloud = {.ops = NULL};
	if (i->config->aws)
		r = open_aws(i, loop, &cloud, why);
	if (r < 0)
		return r;
	r = add_cluster(i, &kube, &cloud, i->config->mode == MODE_ACT);
	return r < 0 ? r : cluster_watch(i->cluster);
}

int interruption_demo(struct interruption *i, struct demo *demo)
{
	const struct kube kube = demo_kube(demo);
	const struct cloud cloud = demo_cloud(demo);
	int r = add_cluster(i, &kube, &cloud, i->config->demo_mode == MODE_ACT);
	if (r == 0) {
		i->demo = demo;
		drains_synced(i->drains, DEMO_CLUSTER, clock_wall_ms());
	}
	return r;
}

// --- what reaches the drains --------------------------------------------------------------------

int interruption_notice(struct interruption *i, const struct notice *n, int64_t now_ms)
{
	log_event(LOG_WARN, EV_NOTICE, "an interruption notice has arrived",
		LOG_TEXT("cluster", n->cluster), LOG_TEXT("node", n->node),
		LOG_TEXT("instance", n->instance_id), LOG_TEXT("kind", notice_kind_name(n->kind)),
		LOG_TEXT("source", n->source),
		LOG_NUM("left_ms", n->deadline_ms ? n->deadline_ms - now_ms : -1));
	int r = drains_notice(i->drains, n, now_ms, NULL);
	if ((r == -ENOENT || r == -EAGAIN) && strcmp(n->source, "queue") == 0)
		return r; // most likely another cluster's, or not to be told yet: counted there
	if (r < 0 && r != -ENOENT)
		log_event(LOG_ERROR, EV_DRAIN, "a notice could not be taken",
			LOG_TEXT("node", n->node), LOG_TEXT("error", strerror(-r)));
	else if (r == -ENOENT)
		log_event(LOG_WARN, EV_DRAIN, "a notice for a node that is not known yet, waiting",
			LOG_TEXT("cluster", n->cluster), LOG_TEXT("node", n->node),
			LOG_TEXT("instance", n->instance_id));
	return r;
}

void interruption_node(struct interruption *i, const struct fleet_node *n)
{
	drains_on_node(i->drains, n, clock_wall_ms());
}

struct drains *interruption_drains(struct interruption *i)
{
	return i->drains;
}

const char *interruption_leader(const struct interruption *i)
{
	return i->cluster ? cluster_leader(i->cluster) : i->config->name;
}

size_t interruption_links(const struct interruption *i, struct show_link ret[SHOW_MAX_LINKS])
{
	struct kube_client_stats kube;
	struct webhook_stats webhook;
	struct drains_stats drains;
	struct kube_rights_stats rights;
	drains_stats(i->drains, &drains);
	struct link_sources s = {.fleet = i->doors.fleet,
		.drains = &drains,
		.cluster = i->config->clusters.n ? i->config->clusters.items[0] : "",
		.leader = interruption_leader(i),
		.acts = i->config->mode == MODE_ACT,
		.audit_broken = !audit_ok(i->doors.audit),
		.audit_lost = audit_lost(i->doors.audit),
		.now_ms = clock_wall_ms()};
	if (i->cluster) {
		s.clock_ahead_ms = cluster_clock_ahead_ms(i->cluster);
		cluster_stats(i->cluster, &kube);
		s.kube = &kube;
		cluster_rights(i->cluster, &rights);
		s.rights = &rights;
		s.leads = cluster_leads(i->cluster);
	}
	if (i->aws)
		aws_door_links(i->aws, &s);
	if (i->webhook) {
		webhook_stats(i->webhook, &webhook);
		s.webhook = &webhook;
	}
	return links_print(&s, ret);
}
