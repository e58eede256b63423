// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/api.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { HIST_MAX_BINS = 2000 }; // each has HIST_BUCKETS numbers

// "ns", "millicores"…, from the end of the name; "1" for a count.
static const char *unit_of(const char *name)
{
	static const char *const units[] = {"ns", "us", "ms", "bytes", "millicores", "permille"};
	const char *end = strrchr(name, '_');
	for (size_t i = 0; end && i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end + 1, units[i]) == 0)
			return units[i];
	return "1";
}

void put_metric(struct json *j, enum metric m)
{
	char unit[24];
	bool rate = metric_kind(m) == DELTA;
	snprintf(unit, sizeof(unit), "%s%s", unit_of(metric_name(m)), rate ? "/s" : "");
	json_put_text(j, "metric", metric_name(m));
	json_put_text(j, "unit", unit);
	json_put_text(j, "kind_of_value", rate ? "rate" : "gauge");
}

static int find(struct api_call *a, struct store_entity **ret)
{
	*ret = store_find(a->core->sources.store, a->query.cluster, a->query.kind, a->query.name);
	if (*ret)
		return 0;
	problem_set(a->problem, 404, "not-found", "there is no history of %s '%.80s' in '%.60s'",
		entity_kind_name(a->query.kind), a->query.name, a->query.cluster);
	return -EINVAL;
}

static int store_problem(struct api_call *a, int error)
{
	if (error == -E2BIG || error == -EINVAL)
		return problem_set(a->problem, 400, "bad-argument", "the store refuses the range");
	return problem_set(a->problem, 503, "store-failed", "the store cannot be read: %s",
		strerrordesc_np(-error));
}

static void put_subject(struct api_call *a)
{
	json_put_text(a->j, "cluster", a->query.cluster);
	json_put_text(a->j, "kind", entity_kind_name(a->query.kind));
	json_put_text(a->j, "name", a->query.name);
}

static void put_array(struct json *j, const char *key, const double *values, size_t n)
{
	json_key(j, key);
	json_open(j, '[');
	for (size_t i = 0; i < n; i++)
		element_number(j, values[i]);
	json_close(j, ']');
}

int api_series(struct api_call *a)
{
	struct query *q = &a->query;
	struct store_entity *e;
	int r = query_range(q, a->now_ms, QUERY_MAX_BINS, a->problem);
	if (r == 0)
		r = find(a, &e);
	if (r < 0)
		return r;
	struct store_series s;
	r = store_range(a->core->sources.store, e, q->metric,
		(struct store_times){q->from_ms, q->to_ms, q->step_ms}, &s);
	if (r < 0)
		return store_problem(a, r);
	json_open(a->j, '{');
	put_subject(a);
	put_metric(a->j, q->metric);
	json_put_i64(a->j, "from_ms", s.from_ms);
	json_put_i64(a->j, "step_ms", s.step_ms);
	put_array(a->j, "mean", s.mean, s.n);
	put_array(a->j, "max", s.max, s.n);
	json_put_i64(a->j, "now_ms", a->now_ms);
	json_close(a->j, '}');
	store_series_done(&s);
	return 0;
}

static void put_bin(struct json *j, const struct hist *h)
{
	if (hist_count(h) == 0) {
		json_null(j);
		return;
	}
	json_open(j, '[');
	for (int b = 0; b < HIST_BUCKETS; b++)
		json_i64(j, h->buckets[b]);
	json_close(j, ']');
}

static void put_bounds(struct json *j, enum hist_id h)
{
	json_key(j, "bounds");
	json_open(j, '[');
	for (unsigned b = 0; b < HIST_BUCKETS; b++)
		json_i64(j, (int64_t)(UINT64_C(2) << (b + hist_shift(h))));
	json_close(j, ']');
}

int api_hist(struct api_call *a)
{
	struct query *q = &a->query;
	struct store_entity *e;
	int r = query_range(q, a->now_ms, HIST_MAX_BINS, a->problem);
	if (r == 0)
		r = find(a, &e);
	if (r < 0)
		return r;
	struct store_hists s;
	r = store_hist_range(a->core->sources.store, e, q->hist,
		(struct store_times){q->from_ms, q->to_ms, q->step_ms}, &s);
	if (r < 0)
		return store_problem(a, r);
	json_open(a->j, '{');
	put_subject(a);
	json_put_text(a->j, "hist", hist_name(q->hist));
	json_put_text(a->j, "unit", unit_of(hist_name(q->hist)));
	json_put_i64(a->j, "from_ms", s.from_ms);
	json_put_i64(a->j, "step_ms", s.step_ms);
	put_bounds(a->j, q->hist);
	json_key(a->j, "bins");
	json_open(a->j, '[');
	for (size_t i = 0; i < s.n; i++)
		put_bin(a->j, &s.bins[i]);
	json_close(a->j, ']');
	json_put_i64(a->j, "now_ms", a->now_ms);
	json_close(a->j, '}');
	store_hists_done(&s);
	return 0;
}
