// SPDX-License-Identifier: Apache-2.0
// Where one more node is asked for: another zone first, the losing zone after, a zone that has
// just failed later; then on-demand capacity; the desired size where launching by name is refused.
#include <string.h>

#include "aggregator/decide/notice_parts.h"
#include "proto/base/text.h"

static bool failed_lately(const struct making *m, const struct drain_view_zone *z)
{
	return z->failed_ms && m->plan->now_ms - z->failed_ms < m->policy->failure_memory_ms;
}

// Lower is asked earlier.
static int rank(const struct making *m, const struct drain_view_zone *z)
{
	bool same = strcmp(z->name, m->view->zone) == 0;
	return (failed_lately(m, z) ? 2 : 0) + (same ? 1 : 0);
}

static void launch(struct making *m, const char *scaling_group, const char *zone,
	const enum drain_reason *reasons, size_t n_reasons)
{
	struct drain_step *s = plan_step(m->plan, DRAIN_STEP_LAUNCH, m->begin_ms);
	if (!s)
		return;
	if (m->replaces)
		s->wait = DRAIN_WAIT_FAILED;
	text_copy(s->zone, sizeof(s->zone), zone);
	text_copy(s->scaling_group, sizeof(s->scaling_group), scaling_group);
	for (size_t i = 0; i < n_reasons; i++)
		step_reason(s, reasons[i]);
	m->replaces = true;
}

static void launch_in_zone(struct making *m, const struct drain_view_zone *z)
{
	bool same = strcmp(z->name, m->view->zone) == 0;
	const enum drain_reason reasons[2] = {
		same ? DRAIN_REASON_SAME_ZONE : DRAIN_REASON_OTHER_ZONE,
		DRAIN_REASON_RECENT_FAILURES};
	launch(m, m->view->scaling_group, z->name, reasons, failed_lately(m, z) ? 2 : 1);
}

static void set_desired(struct making *m)
{
	struct drain_step *s = plan_step(m->plan, DRAIN_STEP_DESIRED, m->begin_ms);
	if (!s)
		return;
	s->wait = m->replaces ? DRAIN_WAIT_REFUSED : DRAIN_WAIT_TIME;
	s->desired = m->view->group_desired + 1;
	text_copy(s->scaling_group, sizeof(s->scaling_group), m->view->scaling_group);
	step_reason(s, DRAIN_REASON_LAUNCH_FAILED);
	m->replaces = true;
}

static bool has_room(const struct making *m)
{
	const struct drain_view *v = m->view;
	if (!v->scaling_group[0])
		plan_reason(m->plan, DRAIN_REASON_NO_SCALING_GROUP);
	else if (v->group_max && v->group_desired >= v->group_max)
		plan_reason(m->plan, DRAIN_REASON_AT_MAXIMUM);
	else
		return true;
	return false;
}

void make_replacement(struct making *m)
{
	const struct drain_view *v = m->view;
	if (v->replacement_asked || v->replacement_ready) {
		m->replaces = true;
		return;
	}
	if (!m->policy->replace || m->plan->kind == DRAIN_OPERATOR)
		return;
	if (m->plan->kind == DRAIN_ASG_LIFECYCLE || v->group_replaces) {
		plan_reason(m->plan, DRAIN_REASON_GROUP_REPLACES);
		return;
	}
	if (has_room(m)) {
		for (int wanted = 0; wanted < 4; wanted++)
			for (size_t i = 0; i < v->n_zones; i++)
				if (rank(m, &v->zones[i]) == wanted)
					launch_in_zone(m, &v->zones[i]);
		set_desired(m);
	}
	const enum drain_reason last = DRAIN_REASON_ON_DEMAND_LAST;
	if (v->fallback_group[0] && (!v->fallback_max || v->fallback_desired < v->fallback_max))
		launch(m, v->fallback_group, v->fallback_zone, &last, 1);
}
