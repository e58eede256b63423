// SPDX-License-Identifier: Apache-2.0
// A node to decide about, for the tests of decide_notice().
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/decide/notice.h"

enum { MAX_PODS = 40 };
static const int64_t now = 1700000000000;

struct scene {
	struct drain_view v;
	struct drain_view_pod pods[MAX_PODS];
	struct drain_view_budget budgets[8];
	char names[MAX_PODS][16], uids[MAX_PODS][16];
	struct drain_notice n;
	struct drain_policy policy;
	struct drain_plan plan;
};

static inline struct scene *a_scene(void)
{
	struct scene *s = calloc(1, sizeof(*s));
	s->v = (struct drain_view){.cluster = "prod",
		.node = "n1",
		.uid = "u1",
		.instance_id = "i-1",
		.group = "web",
		.zone = "a",
		.spot = true,
		.scaling_group = "asg-web",
		.hook = "",
		.group_desired = 3,
		.group_max = 10,
		.zones = {{"a", 0}, {"b", 0}, {"c", 0}},
		.n_zones = 3,
		.fallback_group = "",
		.fallback_zone = "",
		.pods = s->pods,
		.budgets = s->budgets};
	s->n = (struct drain_notice){
		.kind = DRAIN_SPOT_ITN, .observed_ms = now, .deadline_ms = now + 120000};
	drain_policy_default(&s->policy);
	drain_plan_init(&s->plan);
	return s;
}

static inline void drop(struct scene *s)
{
	drain_plan_done(&s->plan);
	free(s);
}

static inline struct drain_view_pod *add(struct scene *s, uint32_t grace_s)
{
	size_t i = s->v.n_pods++;
	snprintf(s->names[i], sizeof(s->names[i]), "pod-%02zu", i);
	snprintf(s->uids[i], sizeof(s->uids[i]), "uid-%zu", i);
	s->pods[i] = (struct drain_view_pod){.namespace_ = "shop",
		.name = s->names[i],
		.uid = s->uids[i],
		.workload = "web",
		.ready = true,
		.grace_s = grace_s};
	return &s->pods[i];
}

static inline uint32_t add_budget(struct scene *s, const char *name, int32_t allowed)
{
	s->budgets[s->v.n_budgets] = (struct drain_view_budget){.namespace_ = "shop",
		.name = name,
		.allowed = allowed,
		.healthy = 3,
		.desired = 2,
		.observed = true};
	return (uint32_t)s->v.n_budgets++;
}

static inline void guard_by(struct drain_view_pod *p, uint32_t budget)
{
	p->n_budgets = 1;
	p->budget = budget;
}

static inline void decide_it(struct scene *s)
{
	assert_int_equal(decide_notice(&s->v, &s->n, &s->policy, now, &s->plan), 0);
}

static inline struct drain_step *step(struct scene *s, enum drain_step_kind k, size_t nth)
{
	for (size_t i = 0; i < s->plan.n_steps; i++)
		if (s->plan.steps[i].kind == k && nth-- == 0)
			return &s->plan.steps[i];
	return NULL;
}

static inline size_t count(struct scene *s, enum drain_step_kind k)
{
	size_t n = 0;
	while (step(s, k, n))
		n++;
	return n;
}

static inline bool has(const struct drain_step *s, enum drain_reason r)
{
	for (size_t i = 0; i < s->n_reasons; i++)
		if (s->reasons[i] == r)
			return true;
	return false;
}

static inline bool plan_has(const struct scene *s, enum drain_reason r)
{
	for (size_t i = 0; i < s->plan.n_reasons; i++)
		if (s->plan.reasons[i] == r)
			return true;
	return false;
}

static inline const char *evicted(struct scene *s, size_t nth)
{
	struct drain_step *e = step(s, DRAIN_STEP_EVICT, nth);
	return e ? s->pods[e->pod].name : "";
}
