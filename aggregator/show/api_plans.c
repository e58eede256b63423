// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/api.h"

#include <errno.h>
#include <string.h>

enum { LISTS_DEFAULT_LIMIT = 50 };

static size_t limit_of(const struct api_call *a)
{
	return query_has(&a->query, PARAM_LIMIT) ? (size_t)a->query.limit : LISTS_DEFAULT_LIMIT;
}

int api_plans(struct api_call *a)
{
	const char *cluster;
	int r = call_cluster(a, &cluster);
	if (r < 0)
		return r;
	size_t left = limit_of(a);
	const struct kept_plan *k;
	items_open(a->j);
	for (size_t i = 0; left > 0 && (k = core_plan(a->core, i)); i++) {
		if (!call_wants_cluster(a, k->cluster))
			continue;
		json_raw(a->j, k->plan, k->plan_len);
		left--;
	}
	items_close(a->j, a->now_ms);
	return 0;
}

int api_plan(struct api_call *a)
{
	const struct kept_plan *k = core_plan_by_id(a->core, a->path_name);
	if (!k) {
		not_found(a->problem, "plan", a->path_name);
		problem_hint(a->problem,
			"the newest %d plans are kept here; older ones are in the audit file",
			SHOW_MAX_PLANS);
		return -EINVAL;
	}
	json_raw(a->j, k->plan, k->plan_len);
	return 0;
}

static size_t put_steps(struct api_call *a, const struct kept_plan *k, size_t left)
{
	bool by_group = query_has(&a->query, PARAM_GROUP);
	size_t begin = 0, put = 0;
	for (size_t i = 0; i < k->n_steps && put < left; i++) {
		if (!by_group || strcmp(k->ends[i].group, a->query.group) == 0) {
			json_raw(a->j, k->steps + begin, k->ends[i].end - begin);
			put++;
		}
		begin = k->ends[i].end;
	}
	return put;
}

int api_decisions(struct api_call *a)
{
	const char *cluster;
	int r = call_cluster(a, &cluster);
	if (r < 0)
		return r;
	size_t left = limit_of(a);
	const struct kept_plan *k;
	items_open(a->j);
	for (size_t i = 0; left > 0 && (k = core_plan(a->core, i)); i++)
		if (call_wants_cluster(a, k->cluster))
			left -= put_steps(a, k, left);
	items_close(a->j, a->now_ms);
	return 0;
}

static int on_entry(void *arg, const struct show_audit_entry *e)
{
	struct json *j = arg;
	json_open(j, '{');
	json_put_i64(j, "seq", (int64_t)e->seq);
	json_put_i64(j, "ts_ms", e->ts_ms);
	json_put_text(j, "kind", e->kind);
	json_put_text(j, "cluster", e->cluster);
	json_put_text(j, "id", e->id);
	json_put_text(j, "text", e->text);
	json_put_text(j, "hash", e->hash);
	json_close(j, '}');
	return 0;
}

int api_audit(struct api_call *a)
{
	struct show_sources *s = &a->core->sources;
	items_open(a->j);
	int r = s->each_audit ? s->each_audit(s->arg, limit_of(a), on_entry, a->j) : 0;
	items_close(a->j, a->now_ms);
	if (r < 0)
		return problem_set(a->problem, 503, "audit-failed",
			"the audit file cannot be read: %s", strerrordesc_np(-r));
	return 0;
}
