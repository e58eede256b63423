// SPDX-License-Identifier: Apache-2.0
#include "aggregator/decide/notice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/decide/notice_parts.h"

void drain_policy_default(struct drain_policy *ret)
{
	*ret = (struct drain_policy){
		.delete_blocked_forced = true,
		.replace = true,
		.interruption_ms = 120000,
		.delete_before_ms = 25000,
		.shortest_ms = 10000,
		.margin_ms = 5000,
		.launch_ms = 75000,
		.patience_ms = 300000,
		.scheduled_window_ms = 3600000,
		.operator_ms = 900000,
		.detach_ms = 15000,
		.start_ms = 20000,
		.failure_memory_ms = 180000,
		.load_balancer_ms = 60000,
		.keep_marked_ms = 1800000,
		.rebalance_per_hour = 4,
	};
}

void plan_reason(struct drain_plan *p, enum drain_reason r)
{
	if (p->n_reasons < DRAIN_STEP_REASONS)
		p->reasons[p->n_reasons++] = r;
}

void step_reason(struct drain_step *s, enum drain_reason r)
{
	if (s->n_reasons < DRAIN_STEP_REASONS)
		s->reasons[s->n_reasons++] = r;
}

struct drain_step *plan_step(struct drain_plan *p, enum drain_step_kind kind, int64_t at_ms)
{
	if (p->n_steps == p->cap_steps)
		return NULL; // reserved for every pod and every other step: see reserve()
	struct drain_step *s = &p->steps[p->n_steps++];
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->at_ms = at_ms;
	s->pod = DRAIN_NO_POD;
	return s;
}

static int reserve(struct drain_plan *p, const struct drain_view *v)
{
	size_t pods = v->n_pods < DRAIN_MAX_PODS ? v->n_pods : DRAIN_MAX_PODS;
	size_t steps = pods + DRAIN_MAX_STEPS - DRAIN_MAX_PODS;
	struct drain_step *s = realloc(p->steps, steps * sizeof(*s));
	if (!s)
		return -ENOMEM;
	p->steps = s;
	p->cap_steps = steps;
	struct drain_left *l = realloc(p->left, (pods + 1) * sizeof(*l));
	if (!l)
		return -ENOMEM;
	p->left = l;
	p->cap_left = pods + 1;
	return 0;
}

static enum drain_reason reason_of(enum drain_kind k)
{
	switch (k) {
	case DRAIN_REBALANCE_RECOMMENDATION: return DRAIN_REASON_REBALANCE;
	case DRAIN_SCHEDULED_EVENT:
	case DRAIN_HEALTH: return DRAIN_REASON_SCHEDULED;
	case DRAIN_ASG_LIFECYCLE: return DRAIN_REASON_LIFECYCLE;
	case DRAIN_OPERATOR: return DRAIN_REASON_ASKED;
	default: return DRAIN_REASON_INTERRUPTED;
	}
}

static bool is_scheduled(enum drain_kind k)
{
	return k == DRAIN_SCHEDULED_EVENT || k == DRAIN_HEALTH;
}

// Hibernation begins with its notice, and a clock may be wrong: a few seconds for the pods are
// better than none, and the instance is not given back under them.
static void leave_some_seconds(struct making *m)
{
	int64_t since_ms = m->notice->begun_ms ? m->notice->begun_ms : m->plan->now_ms;
	if (m->forced && m->end_ms <= since_ms)
		m->end_ms = since_ms + m->policy->shortest_ms;
	if (m->end_ms < m->begin_ms)
		m->end_ms = m->begin_ms;
}

// Begin and end of the drain, and the deadline that is shown.
static void set_times(struct making *m)
{
	struct drain_plan *p = m->plan;
	int64_t deadline_ms = m->notice->deadline_ms;
	if (!deadline_ms && m->forced && !is_scheduled(p->kind))
		deadline_ms = m->notice->observed_ms + m->policy->interruption_ms;
	if (m->notice->guessed || (!m->notice->deadline_ms && deadline_ms))
		plan_reason(p, DRAIN_REASON_DEADLINE_GUESSED);
	if (deadline_ms && deadline_ms <= p->now_ms)
		plan_reason(p, DRAIN_REASON_DEADLINE_PAST);
	p->deadline_ms = deadline_ms;
	m->begin_ms = p->now_ms;
	if (is_scheduled(p->kind) && deadline_ms - m->policy->scheduled_window_ms > p->now_ms) {
		m->begin_ms = deadline_ms - m->policy->scheduled_window_ms;
		plan_reason(p, DRAIN_REASON_NOT_YET);
	}
	m->end_ms = deadline_ms ? deadline_ms
				: m->begin_ms + m->policy->patience_ms + m->policy->operator_ms;
	if (p->kind == DRAIN_OPERATOR && !deadline_ms)
		m->end_ms = p->deadline_ms = m->begin_ms + m->policy->operator_ms;
	leave_some_seconds(m);
}

// Whether the node is somebody else's to drain; says whose.
static bool stands_back(struct making *m)
{
	const struct drain_view *v = m->view;
	struct drain_plan *p = m->plan;
	bool asked = p->kind == DRAIN_OPERATOR;
	bool rebalance = p->kind == DRAIN_REBALANCE_RECOMMENDATION;
	if (v->karpenter && !m->policy->take_karpenter && !asked)
		plan_reason(p, DRAIN_REASON_KARPENTER_OWNS);
	else if (v->autoscaler_deletes && !m->policy->take_autoscaler && !asked)
		plan_reason(p, DRAIN_REASON_AUTOSCALER_DELETES);
	else if (v->deleting)
		plan_reason(p, DRAIN_REASON_NODE_DELETING);
	else if (rebalance && v->managed && v->spot && !m->policy->take_managed_rebalance)
		plan_reason(p, DRAIN_REASON_EKS_HANDLES);
	else if (rebalance && !v->marked && v->replaced_this_hour >= m->policy->rebalance_per_hour)
		plan_reason(p, DRAIN_REASON_BUDGET_PER_HOUR);
	else
		return false;
	p->stands_back = true;
	return true;
}

static void make_unmark(struct making *m, int64_t at_ms, enum drain_reason why)
{
	struct drain_step *s = plan_step(m->plan, DRAIN_STEP_UNMARK, at_ms);
	if (!s)
		return;
	step_reason(s, why);
	if (m->view->marked && !m->view->cordoned_by_us)
		step_reason(s, DRAIN_REASON_ALREADY_CORDONED);
}

static void make_mark(struct making *m)
{
	struct drain_step *s = plan_step(m->plan, DRAIN_STEP_MARK, m->begin_ms);
	if (!s)
		return;
	step_reason(s, reason_of(m->plan->kind));
	if (m->view->unschedulable && !m->view->cordoned_by_us)
		step_reason(s, DRAIN_REASON_ALREADY_CORDONED);
}

static struct drain_step *make_end(struct making *m, enum drain_step_kind kind, int64_t at_ms)
{
	struct drain_step *s = plan_step(m->plan, kind, at_ms > m->begin_ms ? at_ms : m->begin_ms);
	if (s)
		s->wait = DRAIN_WAIT_DRAINED;
	return s;
}

static void make_endings(struct making *m)
{
	const struct drain_view *v = m->view;
	bool gives_back = m->replaces && m->plan->kind != DRAIN_ASG_LIFECYCLE &&
			  m->plan->kind != DRAIN_OPERATOR;
	if (v->instance_id[0])
		make_end(m, DRAIN_STEP_WAIT_LB, m->end_ms - m->policy->margin_ms);
	if (gives_back && v->instance_id[0])
		make_end(m, DRAIN_STEP_TERMINATE, m->end_ms);
	if (v->hook[0] && v->instance_id[0] && (gives_back || m->plan->kind == DRAIN_ASG_LIFECYCLE))
		make_end(m, DRAIN_STEP_FINISH, m->end_ms);
	if (v->volumes && m->forced && v->instance_id[0]) {
		struct drain_step *s = make_end(m, DRAIN_STEP_OUT_OF_SERVICE, m->end_ms);
		if (s)
			s->wait = DRAIN_WAIT_GONE;
	}
}

// A recommendation without a replacement: the node keeps its pods, gets no new ones, and is
// un-cordoned if nothing has come of it.
static void make_rebalance_only(struct making *m)
{
	plan_reason(m->plan, DRAIN_REASON_NO_REPLACEMENT);
	make_unmark(m, m->begin_ms + m->policy->patience_ms, DRAIN_REASON_NO_REPLACEMENT);
}

static size_t count(const struct drain_plan *p, enum drain_step_kind kind)
{
	size_t n = 0;
	for (size_t i = 0; i < p->n_steps; i++)
		n += p->steps[i].kind == kind;
	return n;
}

static void write_sentence(struct making *m)
{
	struct drain_plan *p = m->plan;
	const struct drain_view *v = m->view;
	size_t n = count(p, DRAIN_STEP_EVICT);
	char when[64] = "cannot be said when", block[112] = "";
	if (p->predicted_ms)
		snprintf(when, sizeof(when), "gone in about %lld s",
			(long long)(p->predicted_ms - p->now_ms + 999) / 1000);
	if (p->predicted_ms && p->deadline_ms)
		snprintf(when + strlen(when), sizeof(when) - strlen(when),
			", %lld s before the deadline",
			(long long)(p->deadline_ms - p->predicted_ms) / 1000);
	if (p->n_blocking)
		snprintf(block, sizeof(block), "; budget %.80s will block",
			v->budgets[p->blocking[0]].name);
	if (p->stands_back)
		snprintf(p->text, sizeof(p->text), "nothing is done: %s",
			drain_reason_text(p->reasons[p->n_reasons - 1]));
	else
		snprintf(p->text, sizeof(p->text), "%zu of %zu pods are to go, %s%s", n, v->n_pods,
			when, block);
}

static void make(struct making *m)
{
	struct drain_plan *p = m->plan;
	plan_reason(p, reason_of(p->kind));
	set_times(m);
	if (stands_back(m))
		return;
	make_mark(m);
	make_replacement(m);
	bool rebalance = p->kind == DRAIN_REBALANCE_RECOMMENDATION;
	if (rebalance && (!m->replaces || m->view->replacement_failed)) {
		make_rebalance_only(m);
		return;
	}
	make_evictions(m);
	make_endings(m);
	if (rebalance)
		make_unmark(m, m->begin_ms + m->policy->keep_marked_ms, DRAIN_REASON_REBALANCE);
}

int decide_notice(const struct drain_view *view, const struct drain_notice *notice,
	const struct drain_policy *policy, int64_t now_ms, struct drain_plan *ret)
{
	struct making m = {view, notice, policy, ret, .forced = drain_kind_forced(notice->kind)};
	int r = reserve(ret, view);
	if (r < 0)
		return r;
	ret->n_steps = ret->n_left = ret->n_reasons = ret->n_blocking = 0;
	ret->stands_back = false;
	ret->predicted_ms = 0;
	ret->kind = notice->kind;
	ret->now_ms = now_ms;
	ret->deadline_ms = notice->deadline_ms;
	if (notice->withdrawn) {
		plan_reason(ret, DRAIN_REASON_WITHDRAWN);
		m.begin_ms = m.end_ms = ret->end_ms = now_ms;
		if (view->marked)
			make_unmark(&m, now_ms, DRAIN_REASON_WITHDRAWN);
		snprintf(ret->text, sizeof(ret->text), "the notice was withdrawn: %s",
			view->marked ? "the node is given back" : "nothing had been done");
		return 0;
	}
	make(&m);
	ret->end_ms = m.end_ms;
	write_sentence(&m);
	return 0;
}
