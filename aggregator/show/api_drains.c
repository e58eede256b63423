// SPDX-License-Identifier: Apache-2.0
// Drains as the API shows them, and the two things that can be asked for: a drain, and a notice to
// a simulated node.
#include <errno.h>
#include <string.h>

#include "aggregator/act/drains.h"
#include "aggregator/show/api.h"

enum { DRAINS_DEFAULT_LIMIT = 100 };

int api_drains(struct api_call *a)
{
	const char *cluster;
	int r = call_cluster(a, &cluster);
	if (r < 0)
		return r;
	int64_t left = query_has(&a->query, PARAM_LIMIT) ? a->query.limit : DRAINS_DEFAULT_LIMIT;
	items_open(a->j);
	for (const struct drain *d = core_drains(a->core); d && left > 0; d = d->next) {
		if (!call_wants_cluster(a, d->cluster) ||
			(query_has(&a->query, PARAM_NODE) && strcmp(a->query.node, d->node) != 0))
			continue;
		drain_print(d, a->j);
		left--;
	}
	items_close(a->j, a->now_ms);
	return 0;
}

int api_drain(struct api_call *a)
{
	for (const struct drain *d = core_drains(a->core); d; d = d->next) {
		if (strcmp(d->id, a->path_name) == 0) {
			drain_print(d, a->j);
			return 0;
		}
	}
	not_found(a->problem, "drain", a->path_name);
	problem_hint(a->problem, "older drains are in the audit file");
	return -EINVAL;
}

// What a callback of the line has refused, in words.
static int refused(struct api_call *a, int r)
{
	struct problem *p = a->problem;
	switch (r) {
	case -ENOENT: return not_found(p, "node", a->query.node);
	case -EPERM:
		problem_set(p, 403, "not-simulated", "cluster '%.60s' is not simulated",
			a->query.cluster);
		problem_hint(p, "petrel drain empties a real node");
		return -EINVAL;
	case -EAGAIN: return problem_set(p, 503, "not-ready", "not yet: try again in a moment");
	case -ENOTSUP: return problem_set(p, 403, "not-possible", "nothing is drained here");
	default: return problem_set(p, 500, "failed", "that did not work: %s", strerrordesc_np(-r));
	}
}

static int64_t deadline_of(const struct api_call *a)
{
	return query_has(&a->query, PARAM_LEFT) ? a->now_ms + a->query.left_ms : 0;
}

int api_ask_drain(struct api_call *a)
{
	const struct show_sources *s = &a->core->sources;
	const struct show_drain wanted = {
		a->query.cluster, a->query.node, deadline_of(a), a->query.dry_run};
	const struct drain *d = NULL;
	int r = s->drain ? s->drain(s->arg, &wanted, &d) : -ENOTSUP;
	if (r < 0)
		return refused(a, r);
	drain_print(d, a->j);
	return 0;
}

int api_ask_notice(struct api_call *a)
{
	const struct show_sources *s = &a->core->sources;
	const struct show_notice wanted = {a->query.cluster, a->query.node,
		notice_kind_name(a->query.event), deadline_of(a)}; // not given: SPOT_ITN, the first
	char id[33] = "";
	int r = s->notice ? s->notice(s->arg, &wanted, id) : -EPERM;
	if (r < 0)
		return refused(a, r);
	json_open(a->j, '{');
	put_name(a->j, "drain", id);
	json_put_text(a->j, "cluster", a->query.cluster);
	json_put_text(a->j, "node", a->query.node);
	json_put_text(a->j, "event", wanted.kind);
	json_put_i64(a->j, "now_ms", a->now_ms);
	json_close(a->j, '}');
	return 0;
}
