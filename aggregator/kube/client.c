// SPDX-License-Identifier: Apache-2.0
// The client's life: configuration, transports, the pump that sends what the budget lets go.
#include "aggregator/kube/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "aggregator/kube/client_impl.h"
#include "aggregator/kube/watch.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

enum { SPARE_CONNECTIONS = 8 }; // for the leader lane, which takes no slot

const char *kube_verb_name(enum kube_verb v)
{
	static const char *const names[] = {
		"list", "watch", "get", "patch", "evict", "delete", "event", "lease", "review"};
	return v < KUBE_VERB_COUNT ? names[v] : "?";
}

const char *kube_result_name(enum kube_result r)
{
	static const char *const names[] = {
		"ok", "refused", "denied", "throttled", "failed", "lost"};
	return r < KUBE_RESULT_COUNT ? names[r] : "?";
}

void kube_micro_time(int64_t wall_ms, char ret[KUBE_MICRO_TIME])
{
	char text[25]; // with milliseconds and Z
	clock_format_ms(wall_ms, text);
	snprintf(ret, KUBE_MICRO_TIME, "%.23s000Z", text);
}

// ---- transports

static void client_freed(struct kube_client *c);

static void on_transport_stopped(void *arg)
{
	struct transport *t = arg;
	if (--t->stopping > 0)
		return;
	struct kube_client *c = t->client;
	LL_DELETE(c->transports, t);
	free(t);
	client_freed(c);
}

static void transport_stop(struct transport *t)
{
	t->retired = true;
	if (t->stopping)
		return;
	t->stopping = 1 + (t->calls != NULL) + (t->watches != NULL);
	if (t->calls)
		http_client_stop(t->calls, on_transport_stopped, t);
	if (t->watches)
		http_client_stop(t->watches, on_transport_stopped, t);
	t->calls = t->watches = NULL;
	on_transport_stopped(t);
}

static int transport_new(struct kube_client *c)
{
	struct transport *t = calloc(1, sizeof(*t));
	struct kube_config_tls tls;
	if (!t)
		return -ENOMEM;
	kube_config_tls(c->config, &tls);
	struct http_client_options o = {.ca_file = tls.ca_file,
		.cert_file = tls.cert_file,
		.key_file = tls.key_file,
		.proxy = tls.proxy,
		.max_connections = c->budget.o.slots + SPARE_CONNECTIONS};
	t->client = c;
	LL_PREPEND(c->transports, t);
	int r = http_client_new(&t->calls, c->loop, &o);
	if (r == 0) {
		o.max_connections = 2 * MIRROR_KIND_COUNT;
		r = http_client_new(&t->watches, c->loop, &o);
	}
	if (r < 0)
		transport_stop(t);
	return r;
}

// HTTP/1.1 with kept connections: a request that timed out takes only its own connection with it,
// and a watch that is cut is cut for good (a stream of HTTP/2 would come back on the same dead
// connection).
struct transport *kube_client_transport(struct kube_client *c)
{
	struct transport *now = c->transports;
	bool usable = now && !now->retired;
	if (usable && !kube_config_tls_changed(c->config, c->o.mono_ns()))
		return now;
	if (transport_new(c) < 0)
		return usable ? now : NULL;
	if (usable)
		now->retired = true; // ends when its last call has ended
	return c->transports;
}

static void sweep_transports(struct kube_client *c)
{
	struct transport *t, *next;
	LL_FOREACH_SAFE(c->transports, t, next)
	{
		if (t->retired && t->users == 0)
			transport_stop(t);
	}
}

// ---- the pump

static void on_timer(uv_timer_t *timer)
{
	struct kube_client *c = timer->data;
	kube_request_end_refused(c);
	if (c->stopping)
		return;
	sweep_transports(c);
	kube_client_pump(c);
}

void kube_client_pump_soon(struct kube_client *c)
{
	if (!c->stopping)
		uv_timer_start(&c->timer, on_timer, 0, 0);
}

void kube_client_pump(struct kube_client *c)
{
	struct budget_item *item;
	uint64_t wait_ns;
	if (c->stopping)
		return;
	while ((item = budget_pop(&c->budget, c->o.mono_ns(), &wait_ns)))
		kube_request_send(c, item);
	if (c->refused)
		kube_client_pump_soon(c);
	else if (wait_ns != UINT64_MAX)
		uv_timer_start(&c->timer, on_timer, wait_ns / 1000000 + 1, 0);
}

// ---- watching

static bool wants(const struct kube_sink *s, enum mirror_kind kind)
{
	switch (kind) {
	case MIRROR_PODS: return s->on_pod;
	case MIRROR_REPLICASETS: return s->on_pod || s->on_workload;
	case MIRROR_DEPLOYMENTS:
	case MIRROR_STATEFULSETS: return s->on_workload;
	case MIRROR_BUDGETS: return s->on_budget;
	case MIRROR_VOLUMES: return s->on_volumes;
	case MIRROR_LEASES: return s->on_node;
	default: return true;
	}
}

int kube_client_watch(void *self, const struct kube_sink *sink)
{
	struct kube_client *c = self;
	if (c->mirror || c->stopping)
		return -EALREADY;
	int r = mirror_new(&c->mirror, sink);
	c->sink = *sink;
	for (int kind = 0; kind < MIRROR_KIND_COUNT && r == 0; kind++) {
		if (!wants(sink, (enum mirror_kind)kind))
			continue;
		r = kube_watch_start(&c->watches[kind], c, (enum mirror_kind)kind);
		c->watches_open += r == 0;
	}
	return r;
}

void kube_client_heard(struct kube_client *c)
{
	for (int kind = 0; kind < MIRROR_KIND_COUNT; kind++) {
		if (c->watches[kind] && !kube_watch_ready(c->watches[kind]))
			return;
	}
	if (c->synced)
		return;
	c->synced = true;
	if (c->sink.on_synced)
		c->sink.on_synced(c->sink.arg);
}

// ---- its life

static bool options_ok(const struct kube_client_options *o)
{
	return o->cluster && o->wall_ms && o->mono_ns;
}

static int read_config(struct kube_client *c, const struct kube_client_options *o, struct why *why)
{
	if (o->kubeconfig)
		return kube_config_file(&c->config, o->kubeconfig, o->context, why);
	const struct kube_config_account a = {o->account_folder, o->host, o->port};
	return kube_config_account(&c->config, &a, why);
}

int kube_client_new(struct kube_client **ret, uv_loop_t *loop, const struct kube_client_options *o,
	struct why *why)
{
	if (!options_ok(o))
		return why_set(why, -EINVAL, WHY_BUG, "cluster and clocks must be given");
	struct kube_client *c = calloc(1, sizeof(*c));
	if (!c)
		return why_set(why, -ENOMEM, WHY_RETRY, "no memory");
	c->o = *o;
	c->loop = loop;
	text_copy(c->cluster, sizeof(c->cluster), o->cluster);
	text_copy(
		c->identity, sizeof(c->identity), o->identity ? o->identity : "petrel-aggregator");
	int r = read_config(c, o, why);
	if (r < 0) {
		free(c);
		return r;
	}
	budget_init(&c->budget, &o->budget, o->mono_ns());
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	if (!kube_client_transport(c)) {
		kube_client_stop(c, NULL, NULL);
		return why_set(why, -ENOMEM, WHY_RETRY, "no memory");
	}
	*ret = c;
	return 0;
}

struct kube kube_client_kube(struct kube_client *c)
{
	struct kube k = {.ops = &kube_client_ops, .self = c};
	text_copy(k.cluster, sizeof(k.cluster), c->cluster);
	return k;
}

void kube_client_gate(struct kube_client *c, bool (*may_change)(void *arg), void *arg)
{
	c->may_change = may_change;
	c->may_change_arg = arg;
}

static void client_freed(struct kube_client *c)
{
	if (!c->stopping || !c->timer_closed || c->transports || c->watches_open)
		return;
	if (c->on_stopped)
		c->on_stopped(c->on_stopped_arg);
	mirror_free(c->mirror);
	kube_config_free(c->config);
	free(c);
}

void kube_client_watch_closed(struct kube_client *c)
{
	c->watches_open--;
	client_freed(c);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct kube_client *c = handle->data;
	c->timer_closed = true;
	client_freed(c);
}

void kube_client_stop(struct kube_client *c, void (*on_stopped)(void *arg), void *arg)
{
	struct transport *t, *next;
	c->on_stopped = on_stopped;
	c->on_stopped_arg = arg;
	c->stopping = true;
	for (int kind = 0; kind < MIRROR_KIND_COUNT; kind++) {
		if (c->watches[kind])
			kube_watch_stop(c->watches[kind]);
	}
	kube_request_end_waiting(c);
	LL_FOREACH_SAFE(c->transports, t, next)
	{
		transport_stop(t);
	}
	kube_request_end_waiting(c);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

void kube_client_stats(const struct kube_client *c, struct kube_client_stats *ret)
{
	*ret = c->stats;
	ret->synced = c->synced;
	ret->under_way = c->budget.under_way;
	ret->pauses = c->budget.pauses;
	ret->refused_objects = c->mirror ? mirror_refused(c->mirror) : 0;
	memcpy(ret->waiting, c->budget.waiting, sizeof(ret->waiting));
	for (int kind = 0; c->mirror && kind < MIRROR_KIND_COUNT; kind++)
		ret->watches[kind].objects = mirror_count(c->mirror, (enum mirror_kind)kind);
}
