// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/query.h"

#include "proto/base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN = 60 }; // of a foreign text, in messages

int problem_set(struct problem *p, int status, const char *code, const char *format, ...)
{
	p->status = status;
	p->hint[0] = '\0';
	text_copy(p->code, sizeof(p->code), code);
	va_list args;
	va_start(args, format);
	vsnprintf(p->message, sizeof(p->message), format, args);
	va_end(args);
	return -EINVAL;
}

void problem_hint(struct problem *p, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(p->hint, sizeof(p->hint), format, args);
	va_end(args);
}

const char *show_horizon_name(enum show_horizon h)
{
	static const char *const names[] = {"hour", "day", "month"};
	return (unsigned)h < SHOW_HORIZON_COUNT ? names[h] : "unknown";
}

struct argument {
	struct query *q;
	const char *key, *value;
	struct problem *problem;
};

static int refuse(const struct argument *a, const char *wanted)
{
	problem_set(
		a->problem, 400, "bad-argument", "%s=%.*s: %s", a->key, SHOWN, a->value, wanted);
	return -EINVAL;
}

static int take_name(const struct argument *a, char *ret, size_t size)
{
	if (!text_is_name(a->value, strlen(a->value), size - 1))
		return refuse(a, "this is not a name (letters, digits and ._:/@- only)");
	text_copy(ret, size, a->value);
	return 0;
}

static int take_number(const struct argument *a, int64_t least, int64_t most, int64_t *ret)
{
	int64_t value;
	if (text_to_i64(a->value, &value) == 0 && value >= least && value <= most) {
		*ret = value;
		return 0;
	}
	char wanted[96];
	snprintf(wanted, sizeof(wanted), "an integer from %lld to %lld is needed", (long long)least,
		(long long)most);
	return refuse(a, wanted);
}

// One of n names; nearest for the hint.
static int take_choice(const struct argument *a, const char *(*name_at)(int), int n, int *ret)
{
	const char *nearest = NULL;
	unsigned least = UINT32_MAX;
	for (int i = 0; i < n; i++) {
		const char *name = name_at(i);
		if (strcmp(name, a->value) == 0) {
			*ret = i;
			return 0;
		}
		unsigned d = text_distance(name, a->value);
		if (d < least) {
			least = d;
			nearest = name;
		}
	}
	refuse(a, "no such value");
	if (nearest)
		problem_hint(a->problem, "did you mean %s=%s?", a->key, nearest);
	return -EINVAL;
}

static const char *kind_at(int i)
{
	return entity_kind_name((enum entity_kind)i);
}

static const char *metric_at(int i)
{
	return metric_name((enum metric)i);
}

static const char *hist_at(int i)
{
	return hist_name((enum hist_id)i);
}

static const char *horizon_at(int i)
{
	return show_horizon_name((enum show_horizon)i);
}

static int take_cluster(const struct argument *a)
{
	return take_name(a, a->q->cluster, sizeof(a->q->cluster));
}

static int take_group(const struct argument *a)
{
	return take_name(a, a->q->group, sizeof(a->q->group));
}

static int take_node(const struct argument *a)
{
	return take_name(a, a->q->node, sizeof(a->q->node));
}

static int take_entity(const struct argument *a)
{
	return take_name(a, a->q->name, sizeof(a->q->name));
}

static int take_kind(const struct argument *a)
{
	int i, r = take_choice(a, kind_at, ENTITY_KIND_COUNT, &i);
	if (r == 0)
		a->q->kind = (enum entity_kind)i;
	return r;
}

static int take_metric(const struct argument *a)
{
	int i, r = take_choice(a, metric_at, METRIC_COUNT, &i);
	if (r == 0)
		a->q->metric = (enum metric)i;
	return r;
}

static int take_hist(const struct argument *a)
{
	int i, r = take_choice(a, hist_at, HIST_COUNT, &i);
	if (r == 0)
		a->q->hist = (enum hist_id)i;
	return r;
}

static int take_horizon(const struct argument *a)
{
	int i, r = take_choice(a, horizon_at, SHOW_HORIZON_COUNT, &i);
	if (r == 0)
		a->q->horizon = (enum show_horizon)i;
	return r;
}

// Wall times up to the year 2255: far enough, and their arithmetic never overflows.
static const int64_t most_ms = INT64_C(9000000000000);

static int take_from(const struct argument *a)
{
	return take_number(a, 0, most_ms, &a->q->from_ms);
}

static int take_to(const struct argument *a)
{
	return take_number(a, 0, most_ms, &a->q->to_ms);
}

static int take_step(const struct argument *a)
{
	int r = take_number(a, 1000, INT64_C(31) * 86400 * 1000, &a->q->step_ms);
	if (r == 0 && a->q->step_ms % 1000)
		return refuse(a, "a multiple of 1000 ms is needed");
	return r;
}

static int take_limit(const struct argument *a)
{
	return take_number(a, 1, QUERY_MAX_LIMIT, &a->q->limit);
}

static const char *event_at(int i)
{
	return notice_kind_name((enum notice_kind)i);
}

static int take_event(const struct argument *a)
{
	int i, r = take_choice(a, event_at, NOTICE_KIND_COUNT, &i);
	if (r == 0)
		a->q->event = (enum notice_kind)i;
	return r;
}

static int take_left(const struct argument *a)
{
	return take_number(a, 1000, INT64_C(30) * 86400 * 1000, &a->q->left_ms);
}

static int take_dry_run(const struct argument *a)
{
	a->q->dry_run = strcmp(a->value, "true") == 0;
	if (!a->q->dry_run && strcmp(a->value, "false") != 0)
		return refuse(a, "true or false is needed");
	return 0;
}

static const struct {
	const char *key;
	int (*take)(const struct argument *a);
} params[] = {
	[PARAM_CLUSTER] = {"cluster", take_cluster},
	[PARAM_GROUP] = {"group", take_group},
	[PARAM_NODE] = {"node", take_node},
	[PARAM_NAME] = {"name", take_entity},
	[PARAM_KIND] = {"kind", take_kind},
	[PARAM_METRIC] = {"metric", take_metric},
	[PARAM_HIST] = {"hist", take_hist},
	[PARAM_HORIZON] = {"horizon", take_horizon},
	[PARAM_FROM] = {"from", take_from},
	[PARAM_TO] = {"to", take_to},
	[PARAM_STEP] = {"step", take_step},
	[PARAM_LIMIT] = {"limit", take_limit},
	[PARAM_EVENT] = {"event", take_event},
	[PARAM_LEFT] = {"left_ms", take_left},
	[PARAM_DRY_RUN] = {"dry_run", take_dry_run},
};

static int refuse_unknown(uint32_t allowed, const char *key, struct problem *p)
{
	const char *nearest = NULL;
	unsigned least = UINT32_MAX;
	for (int i = 0; i < PARAM_COUNT; i++) {
		unsigned d = text_distance(params[i].key, key);
		if ((allowed >> i & 1) && d < least) {
			least = d;
			nearest = params[i].key;
		}
	}
	problem_set(p, 400, "unknown-argument", "unknown argument '%.*s'", SHOWN, key);
	if (nearest)
		problem_hint(p, "did you mean '%s'?", nearest);
	else
		problem_hint(p, "this path takes no arguments");
	return -EINVAL;
}

int query_add(
	struct query *q, uint32_t allowed, const char *key, const char *value, struct problem *p)
{
	for (int i = 0; i < PARAM_COUNT; i++) {
		if (!(allowed >> i & 1) || strcmp(params[i].key, key) != 0)
			continue;
		if (query_has(q, (enum param)i))
			return problem_set(p, 400, "bad-argument", "'%s' is given twice", key);
		const struct argument a = {q, params[i].key, value, p};
		int r = params[i].take(&a);
		if (r == 0)
			q->present |= 1u << i;
		return r;
	}
	return refuse_unknown(allowed, key, p);
}

int query_need(const struct query *q, uint32_t needed, struct problem *p)
{
	for (int i = 0; i < PARAM_COUNT; i++)
		if ((needed >> i & 1) && !query_has(q, (enum param)i))
			return problem_set(
				p, 400, "missing-argument", "'%s' is needed", params[i].key);
	return 0;
}

int query_range(struct query *q, int64_t now_ms, int64_t max_bins, struct problem *p)
{
	static const int64_t round_ms[] = {1000, 2000, 5000, 10000, 30000, 60000, 300000, 900000,
		3600000, 10800000, 21600000, 86400000};
	if (!query_has(q, PARAM_TO))
		q->to_ms = now_ms;
	if (!query_has(q, PARAM_FROM))
		q->from_ms = q->to_ms > 3600000 ? q->to_ms - 3600000 : 0;
	if (q->from_ms >= q->to_ms)
		return problem_set(p, 400, "bad-argument", "'from' must be before 'to'");
	int64_t span = q->to_ms - q->from_ms;
	if (!query_has(q, PARAM_STEP)) {
		size_t i = 0, last = sizeof(round_ms) / sizeof(round_ms[0]) - 1;
		while (i < last && span / round_ms[i] > 720)
			i++;
		q->step_ms = round_ms[i];
	}
	if (span / q->step_ms >= max_bins) {
		problem_set(p, 400, "too-many-bins", "that range has %lld bins; the most is %lld",
			(long long)(span / q->step_ms), (long long)max_bins);
		problem_hint(p, "give a larger 'step'");
		return -EINVAL;
	}
	return 0;
}
