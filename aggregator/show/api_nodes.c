// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/api.h"

#include <math.h>
#include <string.h>

static const char *duty_name(enum duty_mode d)
{
	static const char *const names[] = {"off", "cycle", "armed", "full"};
	return (unsigned)d < 4 ? names[d] : "unknown";
}

static const char *hook_state_name(enum hook_state s)
{
	static const char *const names[] = {"off", "attached", "fallback", "refused"};
	return (unsigned)s < 4 ? names[s] : "unknown";
}

static void put_identity(struct json *j, const struct fleet_node *n)
{
	json_put_text(j, "cluster", n->cluster);
	json_put_text(j, "node", n->name);
	put_name(j, "group", n->group);
	json_put_text(j, "capacity", capacity_type_name(n->capacity));
	json_put_text(j, "state", node_state_name(n->state));
	json_put_bool(j, "simulated", n->simulated);
	put_name(j, "instance_id", n->instance_id);
	put_name(j, "instance_type", n->instance_type);
	put_name(j, "zone_id", n->zone_id);
	put_name(j, "version", n->version);
	json_put_i64(j, "pods", n->pods);
}

// Names of the signal sources that do not work in full.
static void put_degraded(struct json *j, const struct fleet_node *n)
{
	json_key(j, "hooks_degraded");
	json_open(j, '[');
	for (size_t i = 0; i < n->n_hooks; i++)
		if (n->hooks[i].state == HOOK_REFUSED || n->hooks[i].state == HOOK_FALLBACK)
			json_text(j, n->hooks[i].name);
	json_close(j, ']');
}

static void put_self(struct json *j, const struct fleet_node *n)
{
	json_key(j, "duty");
	json_open(j, '{');
	json_put_text(j, "mode", duty_name(n->duty));
	json_put_i64(j, "on_ms", n->duty_on_ms);
	json_close(j, '}');
	json_key(j, "self");
	json_open(j, '{');
	if (n->has_agent && n->window_ms)
		put_number(
			j, "cpu_permille", (double)n->self_cpu_ns / ((double)n->window_ms * 1000));
	else
		put_known(j, "cpu_permille", -1);
	put_known(j, "rss_bytes", n->has_agent ? (int64_t)n->self_rss_bytes : -1);
	put_known(j, "lost_events", n->has_agent ? (int64_t)n->self_lost_events : -1);
	json_close(j, '}');
}

// The members of a node's item, inside an object that the caller opened.
static void put_node(struct api_call *a, const struct fleet_node *n)
{
	struct json *j = a->j;
	struct node_view v;
	node_view_get(
		a->core->sources.store, n, node_memory_find(a->core->nodes, n->key), a->now_ms, &v);
	put_identity(j, n);
	put_known(j, "age_ms", v.age_ms);
	if (n->has_agent)
		json_put_i64(j, "clock_offset_ms", n->clock_offset_ms);
	else
		put_known(j, "clock_offset_ms", -1);
	put_known(j, "capacity_millicores", v.capacity_millicores);
	put_known(j, "usage_millicores", v.usage_millicores);
	put_known(j, "requested_millicores", v.requested_millicores);
	put_known(j, "cpu_permille", v.cpu_permille);
	put_known(j, "demand_high_permille", v.demand_high_permille);
	put_known(j, "mem_permille", v.mem_permille);
	put_known(j, "psi_cpu_permille", v.psi_cpu_permille);
	put_known(j, "psi_io_permille", v.psi_io_permille);
	put_known(j, "psi_mem_permille", v.psi_mem_permille);
	put_known(j, "runq_p99_ns", v.runq_p99_ns);
	put_known(j, "block_p99_ns", v.block_p99_ns);
	put_number(j, "retransmits_per_s", v.retransmits_per_s);
	json_put_bool(j, "saturated", v.saturated);
	put_degraded(j, n);
	put_self(j, n);
}

int api_nodes(struct api_call *a)
{
	const char *cluster;
	int r = call_cluster(a, &cluster);
	if (r < 0)
		return r;
	bool by_group = query_has(&a->query, PARAM_GROUP);
	items_open(a->j);
	for (struct fleet_node *n = fleet_nodes(a->core->sources.fleet); n; n = n->hh.next) {
		if (!call_wants_cluster(a, n->cluster) ||
			(by_group && strcmp(n->group, a->query.group) != 0))
			continue;
		json_open(a->j, '{');
		put_node(a, n);
		json_close(a->j, '}');
	}
	items_close(a->j, a->now_ms);
	return 0;
}

static void put_values(struct json *j, const struct store_entity *e)
{
	int64_t wall_ms;
	uint32_t window_ms;
	const struct scope *v = e ? store_latest(e, &wall_ms, &window_ms) : NULL;
	json_key(j, "values");
	json_open(j, '{');
	for (int m = 0; v && window_ms && m < METRIC_COUNT; m++) {
		if (!scope_has(v, (enum metric)m))
			continue;
		double value = (double)v->values[m];
		bool rate = metric_kind((enum metric)m) == DELTA;
		put_number(j, metric_name((enum metric)m), rate ? value * 1000 / window_ms : value);
	}
	json_close(j, '}');
}

static void put_hooks(struct json *j, const struct fleet_node *n)
{
	json_key(j, "hooks");
	json_open(j, '[');
	for (size_t i = 0; i < n->n_hooks; i++) {
		const struct hook_status *h = &n->hooks[i];
		json_open(j, '{');
		json_put_text(j, "name", h->name);
		json_put_text(j, "state", hook_state_name(h->state));
		json_put_text(j, "error", h->error ? strerrorname_np(-h->error) : NULL);
		put_name(j, "detail", h->detail);
		json_close(j, '}');
	}
	json_close(j, ']');
}

enum { HISTS_WINDOW_MS = 60000 };

// One histogram over the last minute; false if it has no counts.
static bool get_hist(struct api_call *a, const struct store_entity *e, int h, struct hist *ret)
{
	struct store_hists r;
	memset(ret, 0, sizeof(*ret));
	if (store_hist_range(a->core->sources.store, e, (enum hist_id)h,
		    (struct store_times){a->now_ms - HISTS_WINDOW_MS, a->now_ms + 1000, 1000},
		    &r) < 0)
		return false;
	for (size_t i = 0; i < r.n; i++)
		hist_merge(ret, &r.bins[i]);
	store_hists_done(&r);
	return hist_count(ret) > 0;
}

static void put_hists(struct api_call *a, const struct store_entity *e)
{
	struct json *j = a->j;
	json_put_i64(j, "hists_window_ms", HISTS_WINDOW_MS);
	json_key(j, "hists");
	json_open(j, '{');
	for (int h = 0; e && h < HIST_COUNT; h++) {
		struct hist sum;
		if (!get_hist(a, e, h, &sum))
			continue;
		json_key(j, hist_name((enum hist_id)h));
		json_open(j, '{');
		json_put_i64(j, "p50", (int64_t)hist_quantile((enum hist_id)h, &sum, 500));
		json_put_i64(j, "p90", (int64_t)hist_quantile((enum hist_id)h, &sum, 900));
		json_put_i64(j, "p99", (int64_t)hist_quantile((enum hist_id)h, &sum, 990));
		json_put_i64(j, "count", (int64_t)hist_count(&sum));
		json_close(j, '}');
	}
	json_close(j, '}');
}

int api_node(struct api_call *a)
{
	struct show_sources *s = &a->core->sources;
	const struct fleet_node *n = fleet_find_node(s->fleet, a->path_cluster, a->path_name);
	if (!n) {
		char both[160];
		snprintf(both, sizeof(both), "%.60s/%.90s", a->path_cluster, a->path_name);
		not_found(a->problem, "node", both);
		problem_hint(a->problem, "GET /api/v1/nodes lists them");
		return -EINVAL;
	}
	const struct store_entity *e = store_find(s->store, n->cluster, ENTITY_NODE, n->name);
	json_open(a->j, '{');
	put_node(a, n);
	json_put_i64(a->j, "first_seen_ms", n->first_seen_ms);
	put_values(a->j, e);
	put_hooks(a->j, n);
	put_hists(a, e);
	json_put_i64(a->j, "now_ms", a->now_ms);
	json_close(a->j, '}');
	return 0;
}

void node_say(const struct fleet_node *n, const struct node_view *v, struct node_said *ret)
{
	*ret = (struct node_said){
		.state = n->state,
		.saturated = v->saturated,
		.cpu_permille = (int32_t)v->cpu_permille,
		.demand_high_permille = (int32_t)v->demand_high_permille,
		.psi_io_permille = (int32_t)v->psi_io_permille,
		.runq_p99_us = v->runq_p99_ns < 0 ? -1 : v->runq_p99_ns / 1000,
	};
}

static void element_known(struct json *j, int64_t value)
{
	if (value < 0)
		json_null(j);
	else
		json_i64(j, value);
}

void compact_node(struct json *j, const struct fleet_node *n, const struct node_said *said)
{
	json_open(j, '[');
	json_text(j, n->cluster);
	json_text(j, n->name);
	json_text(j, node_state_name(said->state));
	element_known(j, said->cpu_permille);
	element_known(j, said->demand_high_permille);
	element_known(j, said->psi_io_permille);
	element_known(j, said->runq_p99_us);
	json_bool(j, said->saturated);
	json_close(j, ']');
}
