// SPDX-License-Identifier: Apache-2.0
// What the three files of decide_notice() share: the plan in the making.
#pragma once

#include "aggregator/decide/notice.h"

struct making {
	const struct drain_view *view;
	const struct drain_notice *notice;
	const struct drain_policy *policy;
	struct drain_plan *plan;
	int64_t begin_ms; // now, or when a scheduled drain begins
	int64_t end_ms;   // what has to be done is done by then; never before begin_ms
	bool forced;
	bool replaces; // a replacement is asked for, or was
};

void plan_reason(struct drain_plan *p, enum drain_reason r);
void step_reason(struct drain_step *s, enum drain_reason r);
// A new step at the end of the plan; NULL when there is no room or memory (the plan then says so).
struct drain_step *plan_step(struct drain_plan *p, enum drain_step_kind kind, int64_t at_ms);

void make_replacement(struct making *m); // notice_replace.c
void make_evictions(struct making *m);   // notice_pods.c
