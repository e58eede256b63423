// SPDX-License-Identifier: Apache-2.0
// Drains over a cluster of scripted answers: a call stays open until the test answers it.
#pragma once

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
#include "aggregator/fleet/watch.h"
#include "proto/base/text.h"

enum { RIG_MAX_CALLS = 256, RIG_MAX_DRAINS = 8, RIG_MAX_LINES = 2048 };
static const int64_t start_ms = 1794787200000;

struct rig_call {
	char kind[16], what[64]; // "mark" "unmark" "evict" "delete" "tell" and the cloud's
	uint32_t grace_s;
	enum kube_cordon cordon;
	char taint[64];
	struct kube_reply kube;
	struct cloud_reply cloud;
	char drain[1024]; // annotation of a mark
};

struct rig {
	struct fleet *fleet;
	struct fleet_watch watch;
	struct kube_sink sink;
	struct drains *drains;
	int64_t now_ms;
	bool leads, cordoned, tainted;
	char annotation[1024];
	int audit_r;
	unsigned appends, tellings, accepted, unannounced;
	char told[40];
	struct rig_call calls[RIG_MAX_CALLS];
	size_t n_calls;
	char *lines[RIG_MAX_LINES][2]; // the journal: kind and body
	size_t n_lines;
	bool with_cloud;
};

// --- the audit file ---------------------------------------------------------------------------

static inline int rig_audit(void *arg, const struct drain_entry *e, size_t n)
{
	struct rig *r = arg;
	if (r->audit_r)
		return r->audit_r;
	r->appends++;
	for (size_t i = 0; i < n && r->n_lines < RIG_MAX_LINES; i++, r->n_lines++) {
		r->lines[r->n_lines][0] = strdup(e[i].kind);
		r->lines[r->n_lines][1] = strdup(e[i].json);
	}
	return 0;
}

static inline bool rig_announced(const struct rig *r, const char *call, const char *what)
{
	char want[32];
	snprintf(want, sizeof(want), "\"call\":\"%s\"", call);
	for (size_t i = r->n_lines; i-- > 0;)
		if (strcmp(r->lines[i][0], "intent") == 0 && strstr(r->lines[i][1], want) &&
			strstr(r->lines[i][1], what))
			return true;
	return r->audit_r != 0;
}

// --- the cluster ------------------------------------------------------------------------------

static inline struct rig_call *rig_open(struct rig *r, const char *kind, const char *what)
{
	assert_true(r->n_calls < RIG_MAX_CALLS);
	struct rig_call *c = &r->calls[r->n_calls++];
	memset(c, 0, sizeof(*c));
	snprintf(c->kind, sizeof(c->kind), "%s", kind);
	snprintf(c->what, sizeof(c->what), "%s", what);
	if (strcmp(kind, "tell") != 0 && !rig_announced(r, kind, what))
		r->unannounced++;
	return c;
}

static inline int rig_watch(void *self, const struct kube_sink *sink)
{
	return 0;
}

static inline void rig_change(void *self, const char *node, const struct kube_node_change *c,
	const struct kube_reply *reply)
{
	const char *drain = c->annotations[0].value;
	const char *kind = drain ? "mark" : c->cordon == KUBE_CORDON_KEEP ? "close" : "unmark";
	if (!drain && rig_announced(self, "unmark", node))
		kind = "unmark";
	if (c->request)
		kind = "ask";
	if (c->taint_key && strstr(c->taint_key, "out-of-service"))
		kind = "out-of-service";
	struct rig_call *o = rig_open(self, kind, node);
	snprintf(o->taint, sizeof(o->taint), "%s", c->taint_key ? c->taint_key : "");
	o->cordon = c->cordon;
	o->kube = *reply;
	snprintf(o->drain, sizeof(o->drain), "%s", drain ? drain : "");
}

static inline void rig_evict(void *self, const struct kube_pod_ref *pod, uint32_t grace_s,
	bool dry_run, const struct kube_reply *reply)
{
	struct rig_call *o = rig_open(self, "evict", pod->name);
	assert_true(grace_s > 0);
	o->grace_s = grace_s;
	o->kube = *reply;
}

static inline void rig_delete(void *self, const struct kube_pod_ref *pod, uint32_t grace_s,
	const struct kube_reply *reply)
{
	struct rig_call *o = rig_open(self, "delete", pod->name);
	assert_true(grace_s > 0);
	o->grace_s = grace_s;
	o->kube = *reply;
}

static inline void rig_tell(void *self, const struct kube_event *e, const struct kube_reply *reply)
{
	rig_open(self, "tell", e->reason)->kube = *reply;
}

static inline void rig_launch(
	void *self, const struct cloud_launch *l, const struct cloud_reply *reply)
{
	rig_open(self, "launch", l->zone)->cloud = *reply;
}

static inline void rig_desired(
	void *self, const char *scaling_group, uint32_t desired, const struct cloud_reply *reply)
{
	struct rig_call *o = rig_open(self, "desired", scaling_group);
	o->grace_s = desired;
	o->cloud = *reply;
}

static inline void rig_terminate(void *self, const char *instance_id, bool decrement_desired,
	const struct cloud_reply *reply)
{
	assert_true(decrement_desired);
	rig_open(self, "terminate", "")->cloud = *reply;
}

static inline void rig_hook(struct rig *r, const char *kind, const struct cloud_hook *h,
	const struct cloud_reply *reply)
{
	struct rig_call *o = rig_open(r, kind, "");
	o->cloud = *reply;
	snprintf(o->what, sizeof(o->what), "%s/%s/%s", h->scaling_group, h->hook, h->token);
}

static inline void rig_beat(void *self, const struct cloud_hook *h, const struct cloud_reply *reply)
{
	rig_hook(self, "heartbeat", h, reply);
}

static inline void rig_complete(
	void *self, const struct cloud_hook *h, const struct cloud_reply *reply)
{
	rig_hook(self, "complete", h, reply);
}

static inline struct rig_call *rig_ask(struct rig *r, const char *kind)
{
	unsigned unannounced = r->unannounced; // what only asks needs no intent
	struct rig_call *o = rig_open(r, kind, "");
	r->unannounced = unannounced;
	return o;
}

static inline void rig_state(void *self, const char *instance_id, const struct cloud_reply *reply)
{
	rig_ask(self, "state")->cloud = *reply;
}

static inline void rig_balancers(
	void *self, const char *instance_id, const struct cloud_reply *reply)
{
	rig_ask(self, "balancers")->cloud = *reply;
}

// --- answers ----------------------------------------------------------------------------------

static inline struct rig_call *rig_call(struct rig *r, const char *kind)
{
	for (size_t i = 0; i < r->n_calls; i++)
		if (strcmp(r->calls[i].kind, kind) == 0)
			return &r->calls[i];
	return NULL;
}

static inline size_t rig_count(struct rig *r, const char *kind)
{
	size_t n = 0;
	for (size_t i = 0; i < r->n_calls; i++)
		n += strcmp(r->calls[i].kind, kind) == 0;
	return n;
}

static inline void rig_node(struct rig *r, const char *name)
{
	struct kube_node k = {.capacity = CAPACITY_SPOT,
		.ready = true,
		.unschedulable = r->cordoned,
		.interruption_taint = r->tainted,
		.drain = strcmp(name, "n1") == 0 ? r->annotation : "",
		.created_ms = strcmp(name, "n1") == 0 ? start_ms - 1 : r->now_ms};
	text_copy(k.name, sizeof(k.name), name);
	snprintf(k.uid, sizeof(k.uid), "uid-%.30s", name);
	snprintf(k.instance_id, sizeof(k.instance_id), "i-%.20s", name);
	text_copy(k.group, sizeof(k.group), "web");
	text_copy(k.zone, sizeof(k.zone), "a");
	r->sink.on_node(r->sink.arg, &k);
}

static inline void rig_take_effect(struct rig *r, const struct rig_call *c)
{
	bool mark = strcmp(c->kind, "mark") == 0, ask = strcmp(c->kind, "ask") == 0;
	if (strcmp(c->kind, "evict") == 0 || strcmp(c->kind, "delete") == 0)
		r->accepted++;
	if (!mark && !ask && strcmp(c->kind, "unmark") != 0 && strcmp(c->kind, "close") != 0)
		return;
	if (c->cordon != KUBE_CORDON_KEEP)
		r->cordoned = c->cordon == KUBE_CORDON_SET;
	r->tainted = ask ? r->tainted : mark;
	snprintf(r->annotation, sizeof(r->annotation), "%s", c->drain);
	rig_node(r, c->what);
}

static inline void rig_answer_with(
	struct rig *r, const char *kind, int code, int64_t retry_ms, const char *text)
{
	struct rig_call *open = rig_call(r, kind), c;
	struct why why;
	assert_non_null(open);
	c = *open;
	memmove(open, open + 1, (size_t)(r->calls + r->n_calls - (open + 1)) * sizeof(*open));
	r->n_calls--;
	enum why_class class = code == -EBUSY || code == -EAGAIN     ? WHY_THROTTLED
			       : code == -EACCES || code == -ENOTSUP ? WHY_DENIED
								     : WHY_RETRY;
	why_set(&why, code, class, "%s", code ? strerror(-code) : "");
	if (code == 0)
		rig_take_effect(r, &c);
	if (c.cloud.on_done)
		c.cloud.on_done(c.cloud.arg, code, &why, text);
	else
		c.kube.on_done(c.kube.arg, code, &why, retry_ms);
}

static inline void rig_answer(struct rig *r, const char *kind, int code)
{
	rig_answer_with(r, kind, code, 0, "");
}

static inline void rig_answer_after(struct rig *r, const char *kind, int code, int64_t retry_ms)
{
	rig_answer_with(r, kind, code, retry_ms, "");
}

static inline void rig_answer_all(struct rig *r, int code)
{
	for (size_t n = r->n_calls; n > 0; n--)
		rig_answer(r, r->calls[0].kind, code);
}

// --- the world --------------------------------------------------------------------------------

static inline struct fleet_pod *rig_pod(struct rig *r, const char *name, uint32_t grace_s)
{
	char labels[80];
	struct kube_pod k = {.controller = KUBE_BY_DEPLOYMENT,
		.phase = KUBE_RUNNING,
		.ready = true,
		.grace_s = grace_s,
		.labels = labels};
	snprintf(labels, sizeof(labels), "app=%s\n", name);
	text_copy(k.namespace_, sizeof(k.namespace_), "shop");
	text_copy(k.name, sizeof(k.name), name);
	text_copy(k.workload, sizeof(k.workload), name);
	snprintf(k.uid, sizeof(k.uid), "uid-%.30s", name);
	text_copy(k.node, sizeof(k.node), "n1");
	r->sink.on_pod(r->sink.arg, &k);
	return fleet_find_pod(r->fleet, "prod", k.uid);
}

static inline void rig_terminating(struct rig *r, const char *name)
{
	char uid[40];
	snprintf(uid, sizeof(uid), "uid-%.30s", name);
	struct fleet_pod *p = fleet_find_pod(r->fleet, "prod", uid);
	p->deleting_ms = r->now_ms + 10000;
	fleet_pod_changed(r->fleet, p);
}

static inline void rig_pod_gone(struct rig *r, const char *name)
{
	char uid[40];
	snprintf(uid, sizeof(uid), "uid-%.30s", name);
	r->sink.on_pod_gone(r->sink.arg, uid);
}

static inline void rig_node_gone(struct rig *r, const char *name)
{
	r->sink.on_node_gone(r->sink.arg, name);
}

static inline void rig_budget(struct rig *r, const char *label, int32_t allowed)
{
	char selector[80];
	struct kube_budget b = {.selector = selector,
		.allowed = allowed,
		.healthy = 1,
		.desired = 1,
		.observed = true};
	const char *equal = strchr(label, '=');
	snprintf(selector, sizeof(selector), "= %.*s %s\n", (int)(equal - label), label, equal + 1);
	text_copy(b.namespace_, sizeof(b.namespace_), "shop");
	text_copy(b.name, sizeof(b.name), "pdb");
	r->sink.on_budget(r->sink.arg, &b);
}

static inline void rig_group(struct rig *r, uint32_t desired)
{
	struct cloud_group g = {
		.capacity = CAPACITY_SPOT, .min = 1, .max = 20, .desired = desired, .n_zones = 3};
	text_copy(g.name, sizeof(g.name), "web");
	text_copy(g.scaling_group, sizeof(g.scaling_group), "asg-web");
	for (int z = 0; z < 3; z++)
		snprintf(g.zones[z], sizeof(g.zones[z]), "%c", 'a' + z);
	const struct cloud_calls calls = fleet_watch_groups(&r->watch);
	calls.on_group(calls.arg, &g);
}

static inline struct notice rig_news_of(
	struct rig *r, const char *node, enum notice_kind kind, int64_t left_ms)
{
	struct notice n = {.kind = kind,
		.observed_ms = r->now_ms,
		.deadline_ms = left_ms ? r->now_ms + left_ms : 0};
	text_copy(n.cluster, sizeof(n.cluster), "prod");
	text_copy(n.node, sizeof(n.node), node);
	snprintf(n.instance_id, sizeof(n.instance_id), "i-%.20s", node);
	text_copy(n.source, sizeof(n.source), "imds");
	notice_make_id(n.instance_id, n.kind, "", n.id);
	return n;
}

static inline struct notice rig_news(struct rig *r, enum notice_kind kind, int64_t left_ms)
{
	return rig_news_of(r, "n1", kind, left_ms);
}

static inline const struct drain *rig_notice(struct rig *r, enum notice_kind kind, int64_t left_ms)
{
	const struct notice n = rig_news(r, kind, left_ms);
	const struct drain *d = NULL;
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, &d), 0);
	return d;
}

static inline void rig_withdraw(struct rig *r, enum notice_kind kind)
{
	struct notice n = rig_news(r, kind, 0);
	n.withdrawn = true;
	assert_int_equal(drains_notice(r->drains, &n, r->now_ms, NULL), 0);
}

static inline void rig_flush(struct rig *r)
{
	drains_flush(r->drains, r->now_ms);
}

static inline void rig_run(struct rig *r, int64_t ms)
{
	for (; ms > 0; ms -= 250) {
		r->now_ms += 250;
		drains_tick(r->drains, r->now_ms);
		drains_flush(r->drains, r->now_ms);
	}
}

static inline bool rig_may_act(void *arg, const char *cluster)
{
	return ((struct rig *)arg)->leads;
}

static inline int64_t rig_clock(void *arg)
{
	return ((struct rig *)arg)->now_ms;
}

static inline void rig_telling(void *arg, const struct drain_telling *t)
{
	struct rig *r = arg;
	r->tellings++;
	snprintf(r->told, sizeof(r->told), "%s", t->reason);
}

static inline void rig_drains(struct rig *r)
{
	static const struct kube_ops kube_ops = {.name = "rig",
		.watch = rig_watch,
		.change_node = rig_change,
		.evict_pod = rig_evict,
		.delete_pod = rig_delete,
		.tell = rig_tell};
	static const struct cloud_ops cloud_ops = {.name = "rig",
		.launch = rig_launch,
		.set_desired = rig_desired,
		.terminate = rig_terminate,
		.lifecycle_heartbeat = rig_beat,
		.lifecycle_complete = rig_complete,
		.instance_state = rig_state,
		.load_balancers = rig_balancers};
	struct drains_options o = {.fleet = r->fleet,
		.max_drains = RIG_MAX_DRAINS,
		.owner = "rig",
		.wall_ms = rig_clock,
		.may_act = rig_may_act,
		.audit = rig_audit,
		.on_telling = rig_telling,
		.arg = r};
	struct kube kube = {.ops = &kube_ops, .self = r, .cluster = "prod"};
	struct cloud cloud = {
		.ops = r->with_cloud ? &cloud_ops : NULL, .self = r, .cluster = "prod"};
	drain_policy_default(&o.policy);
	assert_int_equal(drains_new(&r->drains, &o), 0);
	assert_int_equal(drains_cluster(r->drains, &kube, &cloud, false), 0);
}

static inline struct rig *rig_make(bool with_cloud)
{
	struct rig *r = calloc(1, sizeof(*r));
	const struct fleet_options f = {.max_clusters = 2,
		.max_groups = 8,
		.max_nodes = 100,
		.max_pods = 2000,
		.silent_after_ms = 15000};
	r->now_ms = start_ms;
	r->leads = true;
	r->with_cloud = with_cloud;
	assert_int_equal(fleet_new(&r->fleet, &f), 0);
	r->watch = (struct fleet_watch){
		.fleet = r->fleet, .cluster = "prod", .clock = rig_clock, .arg = r};
	r->sink = fleet_watch_sink(&r->watch);
	rig_node(r, "n1");
	if (with_cloud)
		rig_group(r, 3);
	rig_drains(r);
	drains_synced(r->drains, "prod", r->now_ms);
	return r;
}

static inline struct rig *rig_new(void)
{
	return rig_make(false);
}

// The process dies: calls that were under way are lost with it; the cluster and the journal stay.
static inline void rig_restart(struct rig *r)
{
	struct rig_call open[RIG_MAX_CALLS];
	size_t n = r->n_calls, lines = r->n_lines;
	memcpy(open, r->calls, n * sizeof(*open));
	r->n_calls = 0;
	r->audit_r = -EIO; // nothing is written any more
	drains_free(r->drains);
	r->audit_r = 0;
	for (size_t i = 0; i < n; i++)
		if (open[i].cloud.on_done)
			open[i].cloud.on_done(open[i].cloud.arg, -ECANCELED, NULL, "");
		else
			open[i].kube.on_done(open[i].kube.arg, -ECANCELED, NULL, 0);
	rig_drains(r);
	while (lines-- > 0)
		drains_recall(r->drains, r->lines[lines][0], "", r->lines[lines][1]);
	drains_synced(r->drains, "prod", r->now_ms);
}

static inline void rig_free(struct rig *r)
{
	drains_free(r->drains);
	for (size_t i = 0; i < r->n_calls; i++)
		if (r->calls[i].cloud.on_done)
			r->calls[i].cloud.on_done(r->calls[i].cloud.arg, -ECANCELED, NULL, "");
		else
			r->calls[i].kube.on_done(r->calls[i].kube.arg, -ECANCELED, NULL, 0);
	for (size_t i = 0; i < r->n_lines; i++) {
		free(r->lines[i][0]);
		free(r->lines[i][1]);
	}
	fleet_free(r->fleet);
	free(r);
}
