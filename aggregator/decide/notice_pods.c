// SPDX-License-Identifier: Apache-2.0
// Which pods go, in which order, when, and with how much grace; what their disruption budgets will
// say, as far as it can be known before asking.
//
// Everything of one class starts at once and the budgets pace it; the order says who asks first. A
// budget that allows k takes the first k of its pods, then, when those are gone and their
// successors healthy (their grace + start_ms), the next k: waves. A budget that allows none now
// says nothing about later: the pod is asked for until the end, and its time cannot be predicted.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/decide/notice_parts.h"

enum { CLASSES = 4 }; // plain, critical, DaemonSets' plain, DaemonSets' critical

struct wave {         // of one budget
	int32_t left; // of what it allows in this wave
	int64_t start_ms, longest_ms;
};

static unsigned class_of(const struct drain_view_pod *p)
{
	return (p->daemonset ? 2u : 0u) + (p->critical ? 1u : 0u);
}

static bool stays(const struct making *m, const struct drain_view_pod *p, enum drain_reason *ret)
{
	if (p->mirror)
		*ret = DRAIN_REASON_MIRROR;
	else if (p->finished)
		*ret = DRAIN_REASON_FINISHED;
	else if (p->daemonset && !m->policy->evict_daemonsets)
		*ret = DRAIN_REASON_DAEMONSET;
	else if (p->deleting_ms)
		*ret = DRAIN_REASON_TERMINATING;
	else
		return false;
	return true;
}

static void leave(struct making *m, uint32_t pod, enum drain_reason reason)
{
	struct drain_plan *p = m->plan;
	if (p->n_left < p->cap_left)
		p->left[p->n_left++] = (struct drain_left){pod, reason};
}

// Longest first, pods with volumes before pods without, then the less important, then by name.
static int compare(const void *a, const void *b, void *arg)
{
	const struct drain_view *v = arg;
	const struct drain_view_pod *p = &v->pods[*(const uint32_t *)a],
				    *q = &v->pods[*(const uint32_t *)b];
	if (class_of(p) != class_of(q))
		return class_of(p) < class_of(q) ? -1 : 1;
	if (p->volumes != q->volumes)
		return p->volumes ? -1 : 1;
	if (p->grace_s != q->grace_s)
		return p->grace_s > q->grace_s ? -1 : 1;
	if (p->priority != q->priority)
		return p->priority < q->priority ? -1 : 1;
	int order = strcmp(p->namespace_, q->namespace_);
	if (order == 0)
		order = strcmp(p->name, q->name);
	return order ? order : strcmp(p->uid, q->uid);
}

// Latest start of each class, so that it and those after it still have their grace.
static void latest_starts(
	const struct making *m, const uint32_t *order, size_t n, int64_t ret[CLASSES])
{
	uint32_t longest[CLASSES] = {0};
	for (size_t i = 0; i < n; i++) {
		const struct drain_view_pod *p = &m->view->pods[order[i]];
		if (p->grace_s > longest[class_of(p)])
			longest[class_of(p)] = p->grace_s;
	}
	int64_t at_ms = m->end_ms - m->policy->margin_ms;
	for (int c = CLASSES - 1; c >= 0; c--) {
		at_ms -= (int64_t)longest[c] * 1000;
		ret[c] = at_ms > m->begin_ms ? at_ms : m->begin_ms;
	}
}

// The only replica waits for the new node, if its own grace leaves the time that a launch takes.
static void time_of_lone(struct making *m, const struct drain_view_pod *p, struct drain_step *s)
{
	if (!p->lone || p->volumes || !m->replaces || m->view->replacement_ready ||
		m->view->replacement_failed)
		return;
	int64_t latest_ms = m->end_ms - m->policy->margin_ms - (int64_t)p->grace_s * 1000;
	if (latest_ms - m->begin_ms < m->policy->launch_ms) {
		step_reason(s, DRAIN_REASON_ONE_REPLICA_NO_TIME);
		return;
	}
	s->wait = DRAIN_WAIT_REPLACEMENT;
	s->at_ms = latest_ms;
	step_reason(s, DRAIN_REASON_ONE_REPLICA_WAITS);
}

static void time_of(struct making *m, const struct drain_view_pod *p, const int64_t *latest,
	struct drain_step *s)
{
	s->class = class_of(p);
	s->at_ms = m->begin_ms;
	if (s->class > 0) {
		s->wait = DRAIN_WAIT_OTHERS;
		s->at_ms = latest[s->class];
		step_reason(
			s, p->daemonset ? DRAIN_REASON_DAEMONSET_LAST : DRAIN_REASON_CRITICAL_LAST);
	} else if (!m->forced || m->plan->kind == DRAIN_SCHEDULED_EVENT ||
		   m->plan->kind == DRAIN_HEALTH) {
		if (m->replaces && !m->view->replacement_ready && !m->view->replacement_failed) {
			int64_t patience_ms = m->begin_ms + m->policy->patience_ms;
			s->wait = DRAIN_WAIT_REPLACEMENT;
			s->at_ms = patience_ms < latest[0] ? patience_ms : latest[0];
			step_reason(s, DRAIN_REASON_REPLACEMENT_FIRST);
		}
	} else {
		time_of_lone(m, p, s);
	}
	if (p->volumes)
		step_reason(s, DRAIN_REASON_VOLUMES_EARLY);
	s->grace_s = drain_grace_s(p->grace_s, s->at_ms, m->end_ms);
	if (s->grace_s < p->grace_s)
		step_reason(s, DRAIN_REASON_GRACE_SHORTENED);
}

// When the delete step takes what is blocked; 0: never.
static int64_t delete_ms(const struct making *m)
{
	bool may =
		m->forced ? m->policy->delete_blocked_forced : m->policy->delete_blocked_voluntary;
	int64_t at_ms = m->end_ms - m->policy->delete_before_ms;
	if (!may)
		return 0;
	return at_ms > m->begin_ms ? at_ms : m->begin_ms;
}

static void note_blocking(struct drain_plan *p, uint32_t budget)
{
	for (size_t i = 0; i < p->n_blocking; i++)
		if (p->blocking[i] == budget)
			return;
	if (p->n_blocking < DRAIN_MAX_BLOCKING)
		p->blocking[p->n_blocking++] = budget;
}

// Eviction lets these pass without counting (API server, eviction.go): a pending pod; a pod that
// is not ready under AlwaysAllow, or while the healthy ones suffice.
static bool passes(const struct drain_view_pod *p, const struct drain_view_budget *b)
{
	if (p->pending)
		return true;
	return !p->ready && (b->always_allow || (b->desired > 0 && b->healthy >= b->desired));
}

static int64_t end_of_grace(const struct drain_view_pod *p, int64_t start_ms, int64_t end_ms)
{
	return start_ms + (int64_t)drain_grace_s(p->grace_s, start_ms, end_ms) * 1000;
}

static void predict_blocked(struct making *m, const struct drain_view_pod *p, struct drain_step *s)
{
	int64_t at_ms = delete_ms(m);
	if (p->n_budgets > 0)
		note_blocking(m->plan, p->budget);
	s->gone_by_ms = at_ms ? end_of_grace(p, at_ms, m->end_ms) : 0;
}

static void predict(
	struct making *m, const struct drain_view_pod *p, struct wave *waves, struct drain_step *s)
{
	s->gone_by_ms = s->at_ms + (int64_t)s->grace_s * 1000;
	if (p->n_budgets == 0)
		return;
	const struct drain_view_budget *b = &m->view->budgets[p->budget];
	if (p->n_budgets > 1) {
		step_reason(s, DRAIN_REASON_TWO_BUDGETS);
		predict_blocked(m, p, s);
		return;
	}
	if (passes(p, b))
		return;
	if (!b->observed || b->allowed <= 0) {
		step_reason(
			s, b->observed ? DRAIN_REASON_BUDGET_BLOCKS : DRAIN_REASON_BUDGET_UNKNOWN);
		predict_blocked(m, p, s);
		return;
	}
	struct wave *w = &waves[p->budget];
	if (w->left == 0) {
		w->start_ms = (w->start_ms > s->at_ms ? w->start_ms : s->at_ms) + w->longest_ms;
		if (w->longest_ms)
			w->start_ms += m->policy->start_ms;
		w->left = b->allowed;
		w->longest_ms = 0;
	}
	w->left--;
	if (w->start_ms > s->at_ms) {
		step_reason(s, DRAIN_REASON_BUDGET_BLOCKS);
		int64_t last_ms = delete_ms(m) ? delete_ms(m) : m->end_ms;
		if (w->start_ms >= last_ms) {
			predict_blocked(m, p, s);
			return;
		}
		s->at_ms = w->start_ms;
		s->grace_s = drain_grace_s(p->grace_s, s->at_ms, m->end_ms);
	}
	if ((int64_t)s->grace_s * 1000 > w->longest_ms)
		w->longest_ms = (int64_t)s->grace_s * 1000;
	s->gone_by_ms = s->at_ms + (int64_t)s->grace_s * 1000;
}

// Planned wherever it is allowed: a budget may come, or be known to the server only.
static void make_delete(struct making *m)
{
	int64_t at_ms = delete_ms(m);
	if (!at_ms) {
		if (m->plan->n_blocking)
			plan_reason(m->plan, DRAIN_REASON_NEVER_DELETED);
		return;
	}
	struct drain_step *s = plan_step(m->plan, DRAIN_STEP_DELETE, at_ms);
	if (s)
		step_reason(s, DRAIN_REASON_DELETE_AT_END);
}

static void make_steps(struct making *m, const uint32_t *order, size_t n, struct wave *waves)
{
	int64_t latest[CLASSES], last_ms = m->begin_ms;
	bool known = true;
	latest_starts(m, order, n, latest);
	for (size_t i = 0; i < n; i++) {
		const struct drain_view_pod *p = &m->view->pods[order[i]];
		struct drain_step *s = plan_step(m->plan, DRAIN_STEP_EVICT, m->begin_ms);
		if (!s)
			break;
		s->pod = order[i];
		time_of(m, p, latest, s);
		predict(m, p, waves, s);
		int64_t gone_ms = s->gone_by_ms + (p->volumes ? m->policy->detach_ms : 0);
		known = known && s->gone_by_ms;
		last_ms = gone_ms > last_ms ? gone_ms : last_ms;
	}
	m->plan->predicted_ms = known ? last_ms : 0;
	if (n > 0)
		make_delete(m);
}

void make_evictions(struct making *m)
{
	const struct drain_view *v = m->view;
	size_t n_pods = v->n_pods < DRAIN_MAX_PODS ? v->n_pods : DRAIN_MAX_PODS, n = 0;
	uint32_t *order = calloc(n_pods + 1, sizeof(*order));
	struct wave *waves = calloc(v->n_budgets + 1, sizeof(*waves));
	if (n_pods < v->n_pods)
		plan_reason(m->plan, DRAIN_REASON_TOO_MANY_PODS);
	for (uint32_t i = 0; order && waves && i < n_pods; i++) {
		enum drain_reason why;
		if (stays(m, &v->pods[i], &why))
			leave(m, i, why);
		else
			order[n++] = i;
	}
	if (order && waves) {
		qsort_r(order, n, sizeof(*order), compare, (void *)v);
		make_steps(m, order, n, waves);
	}
	free(order);
	free(waves);
}
