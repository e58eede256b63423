// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PODS_DEFAULT_LIMIT = 500 };

struct busy_pod {
	const struct fleet_pod *pod;
	int64_t cpu_millicores; // -1: no sample within the live window
};

static const struct scope *latest(struct store *s, const struct fleet_pod *p, uint32_t *window_ms)
{
	const struct store_entity *e = store_find(s, p->cluster, ENTITY_POD, p->uid);
	const struct scope *v = e ? store_latest(e, NULL, window_ms) : NULL;
	return v && *window_ms ? v : NULL;
}

static void put_scope(struct json *j, const struct scope *scope, uint32_t window_ms)
{
	struct node_view v = node_view_unknown;
	int64_t throttled = -1, mem = -1;
	if (scope) {
		node_view_scope(scope, window_ms, &v);
		int64_t periods = scope_get(scope, METRIC_CPU_PERIODS, -1);
		throttled = scope_get(scope, METRIC_CPU_THROTTLED_PERIODS, -1);
		if (throttled >= 0 && periods > 0)
			throttled = throttled * 1000 / periods;
		mem = scope_get(scope, METRIC_MEM_USED, -1);
	}
	put_known(j, "cpu_millicores", v.usage_millicores);
	put_known(j, "demand_low_millicores", v.demand_low_millicores);
	put_known(j, "demand_high_millicores", v.demand_high_millicores);
	json_put_bool(j, "saturated", v.saturated);
	put_known(j, "throttled_permille", throttled);
	put_known(j, "mem_bytes", mem);
	put_known(j, "runq_p99_ns", v.runq_p99_ns);
	put_known(j, "psi_cpu_permille", v.psi_cpu_permille);
}

static void put_pod(struct json *j, struct store *s, const struct fleet_pod *p)
{
	uint32_t window_ms = 0;
	bool unit = strncmp(p->uid, "unit-", 5) == 0; // fleet_unit_uid()
	json_open(j, '{');
	json_put_text(j, "cluster", p->cluster);
	json_put_text(j, "node", p->node);
	json_put_text(j, "uid", p->uid);
	put_name(j, "namespace", p->namespace_);
	put_name(j, "name", p->name);
	put_name(j, "workload", p->workload);
	json_put_text(j, "kind", unit ? "unit" : "pod");
	const struct scope *scope = latest(s, p, &window_ms);
	put_scope(j, scope, window_ms);
	put_known(j, "request_millicores", p->request_millicores > 0 ? p->request_millicores : -1);
	json_close(j, '}');
}

static int by_cpu(const void *a, const void *b)
{
	const struct busy_pod *x = a, *y = b;
	if (x->cpu_millicores != y->cpu_millicores)
		return x->cpu_millicores < y->cpu_millicores ? 1 : -1;
	return strcmp(x->pod->uid, y->pod->uid);
}

static bool wanted(const struct api_call *a, const struct fleet_pod *p)
{
	return call_wants_cluster(a, p->cluster) &&
	       (!query_has(&a->query, PARAM_NODE) || strcmp(p->node, a->query.node) == 0);
}

static int64_t cpu_of(struct store *s, const struct fleet_pod *p)
{
	uint32_t window_ms = 0;
	const struct scope *v = latest(s, p, &window_ms);
	int64_t ns = v ? scope_get(v, METRIC_CPU_USAGE, -1) : -1;
	return ns >= 0 ? ns / ((int64_t)window_ms * 1000) : -1;
}

int api_pods(struct api_call *a)
{
	struct show_sources *s = &a->core->sources;
	const char *cluster;
	int r = call_cluster(a, &cluster);
	if (r < 0)
		return r;
	size_t n = 0, most = HASH_COUNT(fleet_pods(s->fleet));
	struct busy_pod *all = calloc(most + 1, sizeof(*all));
	if (!all)
		return problem_set(a->problem, 503, "out-of-memory", "out of memory");
	for (struct fleet_pod *p = fleet_pods(s->fleet); p; p = p->hh.next)
		if (wanted(a, p))
			all[n++] = (struct busy_pod){p, cpu_of(s->store, p)};
	qsort(all, n, sizeof(*all), by_cpu);
	size_t limit =
		query_has(&a->query, PARAM_LIMIT) ? (size_t)a->query.limit : PODS_DEFAULT_LIMIT;
	json_open(a->j, '{');
	json_put_i64(a->j, "total", (int64_t)n);
	json_key(a->j, "items");
	json_open(a->j, '[');
	for (size_t i = 0; i < n && i < limit; i++)
		put_pod(a->j, s->store, all[i].pod);
	free(all);
	items_close(a->j, a->now_ms);
	return 0;
}
