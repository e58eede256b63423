// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/fleet/watch.h"
#include "aggregator/kube/server_clock.h"
#include "proto/base/clock.h"
#include "proto/base/events.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

enum { RIGHTS_EVERY_MS = 600000 };

struct cluster {
	struct cluster_doors doors;
	struct kube_client *client;
	struct leader *leader;
	struct kube_rights *rights;
	int64_t rights_asked_ms; // 0: not yet
	bool synced;
	struct fleet_watch watch;
	struct server_clock clock;
	char name[64], identity[160];
	void (*on_stopped)(void *arg);
	void *on_stopped_arg;
};

static int64_t wall_ms(void *arg)
{
	return clock_wall_ms();
}

static void on_synced(void *arg, const char *cluster)
{
	struct cluster *c = arg;
	c->synced = true;
	log_event(LOG_INFO, EV_READY, "the cluster's watch is complete",
		LOG_TEXT("cluster", cluster));
	c->doors.on_synced(c->doors.arg, cluster);
}

static void on_node(void *arg, const struct fleet_node *n)
{
	struct cluster *c = arg;
	c->doors.on_node(c->doors.arg, n);
}

static void on_leader(void *arg, bool is_leader)
{
	struct cluster *c = arg;
	log_event(LOG_INFO, EV_READY, is_leader ? "leads: acts" : "does not lead: watches",
		LOG_TEXT("cluster", c->name), LOG_TEXT("holder", leader_holder(c->leader)));
}

// The API server's clock is AWS's, as the deadlines are; ours may be anything.
static void on_date(void *arg, int64_t date_ms, int64_t took_ms)
{
	struct cluster *c = arg;
	const struct server_date d = {.date_ms = date_ms,
		.sent_ms = (int64_t)(clock_mono_ns() / 1000000) - took_ms,
		.took_ms = took_ms,
		.machine_ms = clock_machine_ms()};
	bool changed = server_clock_hear(&c->clock, &d);
	clock_hold(c->clock.off_ms);
	if (changed)
		log_event(c->clock.wrong ? LOG_ERROR : LOG_INFO, EV_CLOCK,
			c->clock.wrong
				? "this machine's clock is wrong: the API server's time is used"
				: "this machine's clock is right again",
			LOG_TEXT("cluster", c->name), LOG_NUM("ahead_ms", c->clock.ahead_ms));
}

int64_t cluster_clock_ahead_ms(const struct cluster *c)
{
	return c->clock.wrong ? c->clock.ahead_ms : 0;
}

static bool may_change(void *arg)
{
	return cluster_leads(arg);
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static int open_client(
	struct cluster *c, uv_loop_t *loop, const struct aggregator_config *config, struct why *why)
{
	struct kube_client_options o = {.cluster = c->name,
		.kubeconfig = or_null(config->kube_config),
		.host = getenv("KUBERNETES_SERVICE_HOST"),
		.port = getenv("KUBERNETES_SERVICE_PORT"),
		.identity = c->identity,
		.wall_ms = clock_wall_ms,
		.mono_ns = clock_mono_ns,
		.on_date = on_date,
		.on_date_arg = c};
	rng_init_random(&o.rng);
	return kube_client_new(&c->client, loop, &o, why);
}

static int open_leader(struct cluster *c, const struct aggregator_config *config)
{
	struct leader_options o = {.namespace_ = config->kube_namespace,
		.name = config->kube_lease,
		.identity = c->identity,
		.on_change = on_leader,
		.arg = c};
	if (config->kube_fast_lease) {
		o.lease_ms = LEADER_FAST_LEASE_MS;
		o.renew_ms = LEADER_FAST_RENEW_MS;
		o.retry_ms = LEADER_FAST_RETRY_MS;
	}
	int r = leader_start(&c->leader, c->client, &o);
	if (r == 0)
		kube_client_gate(c->client, may_change, c);
	return r;
}

int cluster_watch(struct cluster *c)
{
	const struct kube kube = cluster_kube(c);
	c->watch = (struct fleet_watch){.fleet = c->doors.fleet,
		.clock = wall_ms,
		.on_synced = on_synced,
		.on_node = on_node,
		.arg = c};
	text_copy(c->watch.cluster, sizeof(c->watch.cluster), c->name);
	const struct kube_sink sink = fleet_watch_sink(&c->watch);
	return kube.ops->watch(kube.self, &sink);
}

struct kube cluster_kube(struct cluster *c)
{
	return kube_client_kube(c->client);
}

int cluster_start(struct cluster **ret, uv_loop_t *loop, const struct cluster_doors *doors,
	const struct aggregator_config *config, struct why *why)
{
	struct cluster *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->doors = *doors;
	text_copy(c->name, sizeof(c->name), config->clusters.items[0]);
	snprintf(c->identity, sizeof(c->identity), "%s-%d-%lld", config->name, (int)getpid(),
		(long long)
			clock_wall_ms()); // new after a restart: what was sent before is not ours
	int r = open_client(c, loop, config, why);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret = c; // also if this fails: cluster_stop() closes the client
	r = kube_rights_new(&c->rights, c->client, config->kube_namespace, config->kube_lease);
	return r < 0 ? r : open_leader(c, config);
}

static void on_client_stopped(void *arg)
{
	struct cluster *c = arg;
	void (*on_stopped)(void *) = c->on_stopped;
	void *stopped_arg = c->on_stopped_arg;
	kube_rights_free(c->rights);
	free(c);
	on_stopped(stopped_arg);
}

static void on_leader_stopped(void *arg)
{
	struct cluster *c = arg;
	c->leader = NULL;
	kube_client_stop(c->client, on_client_stopped, c);
}

void cluster_stop(struct cluster *c, void (*on_stopped)(void *arg), void *arg)
{
	c->on_stopped = on_stopped;
	c->on_stopped_arg = arg;
	if (c->leader)
		leader_stop(c->leader, on_leader_stopped, c);
	else
		kube_client_stop(c->client, on_client_stopped, c);
}

void cluster_stats(const struct cluster *c, struct kube_client_stats *ret)
{
	kube_client_stats(c->client, ret);
}

void cluster_rights(const struct cluster *c, struct kube_rights_stats *ret)
{
	kube_rights_stats(c->rights, ret);
}

void cluster_tick(struct cluster *c, int64_t now_ms)
{
	bool due = !c->rights_asked_ms || now_ms - c->rights_asked_ms >= RIGHTS_EVERY_MS ||
		   now_ms < c->rights_asked_ms;
	if (!c->synced || !due)
		return;
	c->rights_asked_ms = now_ms;
	kube_rights_ask(c->rights);
}

bool cluster_leads(const struct cluster *c)
{
	return c->leader && leader_is(c->leader, clock_mono_ns());
}

const char *cluster_leader(const struct cluster *c)
{
	return c->leader ? leader_holder(c->leader) : "";
}
