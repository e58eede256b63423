// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/drain_tally.h"

#include <stdlib.h>

#include "aggregator/act/drains.h"
#include "proto/base/text.h"

// Two minutes are what there is; a second and a half is what the taint may take.
const double drain_bounds_s[DRAIN_BOUNDS] = {
	0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 20, 30, 60, 90, 120, 180, 300, 900};

enum { COUNTED_BEGIN = 1u << STAGE_COUNT, COUNTED_END = 1u << (STAGE_COUNT + 1) };

const char *drain_stage_name(enum drain_stage s)
{
	static const char *const names[] = {"seen", "receipted", "tainted", "first-eviction",
		"drained", "replacement-ready", "completed"};
	return (unsigned)s < STAGE_COUNT ? names[s] : "unknown";
}

const char *drain_end_name(enum drain_end e)
{
	static const char *const names[] = {"done", "withdrawn", "failed"};
	return (unsigned)e < END_COUNT ? names[e] : "unknown";
}

void drain_tally_done(struct drain_tally *t)
{
	struct drain_seen *s, *next;
	HASH_ITER (hh, t->seen, s, next) {
		HASH_DEL(t->seen, s);
		free(s);
	}
	*t = (struct drain_tally){0};
}

static struct drain_seen *find(struct drain_tally *t, const char *id)
{
	struct drain_seen *s;
	HASH_FIND_STR(t->seen, id, s);
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	text_copy(s->id, sizeof(s->id), id);
	HASH_ADD_STR(t->seen, id, s);
	return s;
}

static void observe(struct drain_tally *t, enum drain_stage stage, int64_t took_ms)
{
	double s = took_ms > 0 ? (double)took_ms / 1000 : 0;
	int i = 0;
	while (i < DRAIN_BOUNDS && s > drain_bounds_s[i])
		i++;
	t->stages[stage].counts[i]++;
	t->stages[stage].sum_s += s;
}

static void count_stages(struct drain_tally *t, struct drain_seen *s, const struct drain *d)
{
	const struct drain_times *w = &d->times;
	const int64_t at_ms[STAGE_COUNT] = {w->seen_ms, w->receipted_ms, w->tainted_ms,
		w->first_eviction_ms, w->drained_ms, w->replacement_ready_ms, w->completed_ms};
	for (int i = 0; i < STAGE_COUNT; i++) {
		if (!at_ms[i] || !w->notice_ms || s->counted >> i & 1)
			continue;
		s->counted |= 1u << i;
		observe(t, (enum drain_stage)i, at_ms[i] - w->notice_ms);
	}
}

static void count(struct drain_tally *t, struct drain_seen *s, const struct drain *d)
{
	if (!d->dry_run)
		count_stages(t, s, d);
	if (!(s->counted & COUNTED_BEGIN) && (unsigned)d->kind < DRAIN_KIND_COUNT) {
		s->counted |= COUNTED_BEGIN;
		t->started[d->kind]++;
	}
	if (!(s->counted & COUNTED_END) && drain_phase_ended(d->phase)) {
		s->counted |= COUNTED_END;
		t->ended[d->phase - DRAIN_DONE]++;
	}
}

void drain_tally_update(struct drain_tally *t, const struct drain *first)
{
	struct drain_seen *s, *next;
	for (const struct drain *d = first; d; d = d->next) {
		s = find(t, d->id);
		if (!s)
			continue; // counted late rather than never
		s->listed = true;
		count(t, s, d);
	}
	HASH_ITER (hh, t->seen, s, next) {
		if (!s->listed) {
			HASH_DEL(t->seen, s);
			free(s);
		} else {
			s->listed = false;
		}
	}
}

size_t drain_tally_changed(
	struct drain_tally *t, const struct drain *first, const struct drain **ret, size_t most)
{
	size_t n = 0, pods = 0;
	for (const struct drain *d = first; d && n < most; d = d->next) {
		struct drain_seen *s = find(t, d->id);
		if (!s || (s->said && s->said_change == d->change))
			continue;
		pods += d->n_pods;
		if (n > 0 && pods > DRAIN_SAID_PODS)
			break;
		s->said = true;
		s->said_change = d->change;
		ret[n++] = d;
	}
	return n;
}
