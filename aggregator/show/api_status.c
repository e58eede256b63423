// SPDX-License-Identifier: Apache-2.0
#include "aggregator/decide/decide.h"
#include "aggregator/show/api.h"

#include <string.h>

static int64_t coverage_permille(const struct fleet_stats *s)
{
	return s->expected ? (int64_t)(s->reporting * 1000 / s->expected) : -1;
}

static void get_policy(const struct show_core *c, struct policy *ret)
{
	if (c->sources.policy)
		*ret = *c->sources.policy;
	else
		policy_default(ret);
}

const char *unsafe_guard(const struct show_core *c, const char *cluster, int64_t now_ms)
{
	const struct show_status *status = c->sources.status;
	struct policy policy;
	struct fleet_stats s;
	get_policy(c, &policy);
	fleet_stats(c->sources.fleet, cluster, now_ms, &s);
	if (status->paused)
		return "pause";
	if (!status->audit_ok)
		return "audit";
	if (coverage_permille(&s) < (int64_t)policy.coverage_scale_in_permille)
		return "coverage";
	if (s.oldest_sample_age_ms > policy.freshness_ms)
		return "freshness";
	for (const struct cluster_plan *n = c->newest; n; n = n->hh.next)
		if (n->guard[0] && (!cluster || strcmp(cluster, n->cluster) == 0))
			return n->guard;
	return NULL;
}

static void put_agents(struct json *j, const struct fleet_stats *s)
{
	json_key(j, "agents");
	json_open(j, '{');
	json_put_i64(j, "expected", (int64_t)s->expected);
	json_put_i64(j, "reporting", (int64_t)s->reporting);
	json_close(j, '}');
}

static void put_store(struct show_core *c, struct json *j)
{
	struct store_stats s;
	store_stats(c->sources.store, &s);
	json_key(j, "store");
	json_open(j, '{');
	json_put_bool(j, "storing", s.storing);
	json_put_text(j, "error", s.error ? strerrordesc_np(-s.error) : NULL);
	json_put_i64(j, "file_bytes", s.file_bytes);
	json_put_i64(j, "dropped_bins", (int64_t)s.dropped_bins);
	json_close(j, '}');
}

static void put_links(const struct show_core *c, struct json *j)
{
	static const char *const states[] = {"off", "ok", "broken", "warn"};
	struct show_link links[SHOW_MAX_LINKS];
	size_t n = c->sources.links ? c->sources.links(c->sources.arg, links) : 0;
	json_key(j, "links");
	json_open(j, '[');
	for (size_t i = 0; i < n; i++) {
		json_open(j, '{');
		json_put_text(j, "name", links[i].name);
		put_name(j, "cluster", links[i].cluster);
		json_put_text(j, "state", states[links[i].state]);
		json_put_text(j, "text", links[i].text);
		json_put_text(j, "advice", links[i].advice);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void put_cluster(
	struct show_core *c, struct json *j, const struct fleet_cluster *cluster, int64_t now_ms)
{
	struct fleet_stats s;
	fleet_stats(c->sources.fleet, cluster->name, now_ms, &s);
	json_open(j, '{');
	json_put_text(j, "cluster", cluster->name);
	put_name(j, "region", cluster->region);
	put_name(j, "account", cluster->account);
	json_put_bool(j, "simulated", cluster->simulated);
	json_put_text(j, "mode", petrel_mode_name(cluster->mode));
	json_put_i64(j, "nodes", (int64_t)s.nodes);
	json_put_i64(j, "groups", (int64_t)s.groups);
	json_put_i64(j, "pods", (int64_t)s.pods);
	put_agents(j, &s);
	json_put_i64(j, "oldest_sample_ms", s.oldest_sample_age_ms);
	json_close(j, '}');
}

void put_status(struct show_core *c, struct json *j, const char *cluster, int64_t now_ms)
{
	const struct show_status *status = c->sources.status;
	const char *guard = unsafe_guard(c, cluster, now_ms);
	struct fleet_stats s;
	fleet_stats(c->sources.fleet, cluster, now_ms, &s);
	json_open(j, '{');
	json_put_text(j, "version", c->options.version);
	json_put_text(j, "mode", petrel_mode_name(status->mode));
	put_name(j, "leader", status->leader);
	json_put_i64(j, "uptime_ms", now_ms > status->started_ms ? now_ms - status->started_ms : 0);
	put_agents(j, &s);
	put_known(j, "coverage_permille", coverage_permille(&s));
	json_put_i64(j, "oldest_sample_ms", s.oldest_sample_age_ms);
	json_put_bool(j, "safe_to_scale", guard == NULL);
	json_put_text(j, "guard", guard);
	json_put_bool(j, "paused", status->paused);
	json_put_bool(j, "ready", status->ready);
	put_store(c, j);
	put_links(c, j);
	json_key(j, "clusters");
	json_open(j, '[');
	for (struct fleet_cluster *f = fleet_clusters(c->sources.fleet); f; f = f->hh.next)
		if (!cluster || strcmp(cluster, f->name) == 0)
			put_cluster(c, j, f, now_ms);
	json_close(j, ']');
	json_put_i64(j, "now_ms", now_ms);
	json_close(j, '}');
}

int api_status(struct api_call *a)
{
	const char *cluster;
	int r = call_cluster(a, &cluster);
	if (r == 0)
		put_status(a->core, a->j, cluster, a->now_ms);
	return r;
}

int api_clusters(struct api_call *a)
{
	items_open(a->j);
	for (struct fleet_cluster *f = fleet_clusters(a->core->sources.fleet); f; f = f->hh.next)
		put_cluster(a->core, a->j, f, a->now_ms);
	items_close(a->j, a->now_ms);
	return 0;
}
