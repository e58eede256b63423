// SPDX-License-Identifier: Apache-2.0
#include "agent/window/window.h"

#include "agent/window/rows.h"
#include "agent/window/saturation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BIT(m) (1ull << METRIC_##m)
static const uint64_t fast_mask =
	BIT(CPU_USAGE) | BIT(CPU_USER) | BIT(CPU_SYSTEM) | BIT(CPU_CAPACITY) | BIT(CPU_PERIODS) |
	BIT(CPU_THROTTLED_PERIODS) | BIT(CPU_THROTTLED) | BIT(PSI_CPU_SOME) | BIT(PSI_CPU_FULL);

// A probe that was on for less than this share of the window says nothing yet; it keeps counting.
static const double least_on_share = 0.02;
// How long the last known wait stands in while the scheduler program is off.
static const uint64_t wait_lasts_ns = 30000000000ull;

// What the probes counted since the last window that took it.
struct sums {
	struct scope scope;            // unscaled
	uint64_t on_ns[PROBE_SOURCES]; // of each source when the sums began
};

struct slot {
	uint64_t id;
	uint64_t fast_ns, slow_ns; // end of the last window of each kind, 0: none
	struct counters counters;
	struct sums sums; // taken by slow windows
	// the run-queue wait between fast windows, for saturation
	uint64_t wait_ns, wait_on_ns;
	double wait_rate; // ns per ns
	uint64_t wait_rate_at;
};

struct window {
	struct window_options options;
	struct slot node, *slots;
	struct rows *rows[PROBE_SOURCES];
	uint64_t on_ns[PROBE_SOURCES];
	uint64_t mask[PROBE_SOURCES]; // metrics of each source
	uint32_t hist_mask[PROBE_SOURCES];
	struct counters_faults faults;
	double stolen_share; // of the node's CPU time, in its last window
	// the reading under way
	const struct probe_columns *columns;
	const struct window_finder *finder;
};

int window_new(struct window **ret, const struct window_options *o)
{
	if (o->max_slots == 0 || o->n_cpus == 0)
		return -EINVAL;
	struct window *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->options = *o;
	w->slots = calloc(o->max_slots, sizeof(*w->slots));
	int r = w->slots ? 0 : -ENOMEM;
	for (int s = 0; s < PROBE_SOURCES && r == 0; s++)
		r = rows_new(&w->rows[s], o->max_rows);
	if (r < 0) {
		window_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void window_free(struct window *w)
{
	if (!w)
		return;
	for (int s = 0; s < PROBE_SOURCES; s++)
		rows_free(w->rows[s]);
	free(w->slots);
	free(w);
}

static void begin_sums(const struct window *w, struct slot *s)
{
	s->sums.scope.present = 0;
	s->sums.scope.hists_present = 0;
	memcpy(s->sums.on_ns, w->on_ns, sizeof(w->on_ns));
}

// The slot's state, emptied if it was another thing's. NULL if there is no such slot.
static struct slot *get_slot(struct window *w, int index, uint64_t id)
{
	if (index < 0 || (size_t)index >= w->options.max_slots)
		return NULL;
	struct slot *s = &w->slots[index];
	if (s->id != id) {
		memset(s, 0, offsetof(struct slot, sums));
		s->id = id;
		s->wait_ns = 0;
		s->wait_on_ns = w->on_ns[PROBE_SCHED];
		s->wait_rate_at = 0;
		begin_sums(w, s);
	}
	return s;
}

static void add_hist(struct scope *s, enum hist_id id, const uint32_t buckets[HIST_BUCKETS])
{
	if (!(s->hists_present >> id & 1))
		memset(&s->hists[id], 0, sizeof(s->hists[id]));
	s->hists_present |= 1u << id;
	struct hist h;
	memcpy(h.buckets, buckets, sizeof(h.buckets));
	hist_merge(&s->hists[id], &h);
}

static void add_row(struct slot *s, const struct probe_columns *c, const struct probe_row *row)
{
	for (size_t i = 0; i < c->n_values; i++) {
		int64_t sum = scope_get(&s->sums.scope, c->values[i], 0);
		if (row->values[i] <= INT64_MAX &&
			!__builtin_add_overflow(sum, (int64_t)row->values[i], &sum))
			scope_set(&s->sums.scope, c->values[i], sum);
		if (c->values[i] == METRIC_RUNQ_WAIT)
			s->wait_ns += row->values[i];
	}
	for (size_t i = 0; i < c->n_hists; i++)
		add_hist(&s->sums.scope, c->hists[i], row->hists[i]);
}

static void on_row(void *arg, const struct probe_row *increase)
{
	struct window *w = arg;
	add_row(&w->node, w->columns, increase);
	if (increase->inode == PROBE_OVERFLOW)
		return;
	struct window_owner o = w->finder->find(w->finder->arg, increase->inode);
	struct slot *s = get_slot(w, o.slot, o.id);
	if (s)
		add_row(s, w->columns, increase);
	s = get_slot(w, o.pod, o.pod_id);
	if (s)
		add_row(s, w->columns, increase);
}

void window_probe(struct window *w, enum probe_source source, const struct probe_columns *columns,
	const struct probe_reading *reading, const struct window_finder *finder)
{
	w->columns = columns;
	w->finder = finder;
	w->mask[source] = 0;
	w->hist_mask[source] = 0;
	for (size_t i = 0; i < columns->n_values; i++)
		w->mask[source] |= 1ull << columns->values[i];
	for (size_t i = 0; i < columns->n_hists; i++)
		w->hist_mask[source] |= 1u << columns->hists[i];
	rows_feed(w->rows[source], reading->rows, reading->n_rows, on_row, w);
	w->on_ns[source] = reading->on_ns;
}

static int64_t scaled(int64_t value, double factor)
{
	double v = (double)value * factor;
	return v < 9e18 ? (int64_t)(v + 0.5) : INT64_MAX;
}

static void scale_hist(struct hist *ret, const struct hist *h, double factor)
{
	for (int b = 0; b < HIST_BUCKETS; b++) {
		double v = h->buckets[b] * factor + 0.5;
		ret->buckets[b] = v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
	}
}

// A cgroup without a row did nothing while the source was on: that is 0, not absent.
static void emit_source(
	const struct window *w, const struct slot *s, int source, double factor, struct scope *ret)
{
	for (uint64_t left = w->mask[source]; left; left &= left - 1) {
		enum metric m = (enum metric)__builtin_ctzll(left);
		if (!scope_has(ret, m) || source == PROBE_TCP)
			scope_set(ret, m, scaled(scope_get(&s->sums.scope, m, 0), factor));
	}
	for (uint32_t left = w->hist_mask[source] & s->sums.scope.hists_present; left;
		left &= left - 1) {
		int h = __builtin_ctz(left);
		ret->hists_present |= 1u << h;
		scale_hist(&ret->hists[h], &s->sums.scope.hists[h], factor);
	}
}

// Moves what the probes counted into ret, scaled to the window.
static void take_sums(
	const struct window *w, struct slot *s, uint64_t elapsed_ns, struct scope *ret)
{
	for (int source = 0; source < PROBE_SOURCES; source++) {
		double on = (double)(w->on_ns[source] - s->sums.on_ns[source]);
		if (w->on_ns[source] < s->sums.on_ns[source]) // the probe was made anew
			on = 0;
		if (on > least_on_share * (double)elapsed_ns)
			emit_source(w, s, source, (double)elapsed_ns / on, ret);
		else if (on > 0)
			continue; // too little: goes on counting
		s->sums.scope.present &= ~w->mask[source];
		s->sums.scope.hists_present &= ~w->hist_mask[source];
		s->sums.on_ns[source] = w->on_ns[source];
	}
}

// Run-queue wait of a window; -1 if it is not known.
static int64_t take_wait(
	const struct window *w, struct slot *s, uint64_t elapsed_ns, uint64_t now_ns)
{
	double on = (double)(w->on_ns[PROBE_SCHED] - s->wait_on_ns);
	if (w->on_ns[PROBE_SCHED] < s->wait_on_ns)
		on = 0;
	if (on > 0.05 * (double)elapsed_ns) {
		s->wait_rate = (double)s->wait_ns / on;
		s->wait_rate_at = now_ns;
	}
	s->wait_ns = 0;
	s->wait_on_ns = w->on_ns[PROBE_SCHED];
	if (s->wait_rate_at == 0 || now_ns - s->wait_rate_at > wait_lasts_ns)
		return -1;
	return scaled((int64_t)elapsed_ns, s->wait_rate);
}

static struct saturation_input saturation_input(
	const struct scope *s, uint64_t elapsed_ns, int64_t wait_ns, unsigned cpus)
{
	return (struct saturation_input){
		.window_ns = elapsed_ns,
		.usage_ns = scope_get(s, METRIC_CPU_USAGE, -1),
		.wait_ns = wait_ns,
		.throttled_ns = scope_get(s, METRIC_CPU_THROTTLED, -1),
		.periods = scope_get(s, METRIC_CPU_PERIODS, -1),
		.throttled_periods = scope_get(s, METRIC_CPU_THROTTLED_PERIODS, -1),
		.some_us = scope_get(s, METRIC_PSI_CPU_SOME, -1),
		.full_us = scope_get(s, METRIC_PSI_CPU_FULL, -1),
		.limit_millicores = scope_get(s, METRIC_CPU_CAPACITY, -1),
		.cpus = cpus,
	};
}

static void set_demand(struct scope *ret, const struct saturation *s)
{
	scope_set(ret, METRIC_DEMAND_LOW, s->low_millicores);
	if (s->high_millicores >= 0)
		scope_set(ret, METRIC_DEMAND_HIGH, s->high_millicores);
	scope_set(ret, METRIC_SATURATED, s->saturated);
}

// Time since the last window of this kind; 0 if there is none to go on from. -EINVAL: the clock did
// not move.
static int since(uint64_t *last, uint64_t now_ns, uint64_t *ret_elapsed)
{
	if (*last && now_ns <= *last)
		return -EINVAL;
	uint64_t elapsed = *last ? now_ns - *last : 0;
	*ret_elapsed = elapsed > WINDOW_MAX_NS ? 0 : elapsed;
	*last = now_ns;
	return 0;
}

int window_node(struct window *w, const struct scope *raw, uint64_t now_ns, struct scope *ret,
	uint32_t *ret_ms)
{
	struct slot *s = &w->node;
	uint64_t elapsed;
	if (since(&s->fast_ns, now_ns, &elapsed) < 0)
		return -EINVAL;
	ret->present = 0;
	ret->hists_present = 0;
	*ret_ms = (uint32_t)(elapsed / 1000000);
	unsigned cpus = (unsigned)(scope_get(raw, METRIC_CPU_CAPACITY, 0) / 1000);
	if (cpus == 0)
		cpus = w->options.n_cpus;
	struct counters_input in = {raw, UINT64_MAX, elapsed, cpus};
	counters_step(&s->counters, &in, ret, &w->faults);
	if (elapsed == 0) {
		begin_sums(w, s);
		return 0;
	}
	take_sums(w, s, elapsed, ret);
	int64_t wait = take_wait(w, s, elapsed, now_ns);
	double stolen = (double)scope_get(ret, METRIC_CPU_STEAL, 0) / ((double)elapsed * cpus);
	w->stolen_share = stolen < 0.9 ? stolen : 0.9;
	if (scope_has(ret, METRIC_CPU_USAGE)) {
		struct saturation_input seen = saturation_input(ret, elapsed, wait, cpus);
		struct saturation found =
			saturation_of_node(&seen, scope_get(ret, METRIC_CPU_STEAL, 0));
		set_demand(ret, &found);
	}
	return 0;
}

static void close_fast(struct window *w, struct slot *s, const struct window_reading *r,
	uint64_t elapsed, struct scope *ret)
{
	unsigned cpus = r->cpus ? r->cpus : w->options.n_cpus;
	struct counters_input in = {r->raw, fast_mask, elapsed, cpus};
	counters_step(&s->counters, &in, ret, &w->faults);
	if (elapsed == 0)
		return;
	int64_t wait = take_wait(w, s, elapsed, r->now_ns);
	if (scope_has(ret, METRIC_CPU_USAGE)) {
		struct saturation_input seen = saturation_input(ret, elapsed, wait, cpus);
		seen.stolen_share = w->stolen_share;
		struct saturation found = saturation_of_cgroup(&seen);
		set_demand(ret, &found);
	}
}

static void close_slow(struct window *w, struct slot *s, const struct window_reading *r,
	uint64_t elapsed, struct scope *ret)
{
	struct counters_input in = {r->raw, ~fast_mask, elapsed, 1};
	counters_step(&s->counters, &in, ret, &w->faults);
	if (elapsed == 0)
		begin_sums(w, s);
	else
		take_sums(w, s, elapsed, ret);
}

int window_slot(
	struct window *w, const struct window_reading *r, struct scope *ret, uint32_t *ret_ms)
{
	struct slot *s = get_slot(w, r->slot, r->id);
	uint64_t fast = 0, slow = 0;
	bool in_step = s && s->fast_ns == s->slow_ns;
	bool wants_fast = r->what & WINDOW_FAST, wants_slow = r->what & WINDOW_SLOW;
	if (!s || (wants_fast && since(&s->fast_ns, r->now_ns, &fast) < 0) ||
		(wants_slow && since(&s->slow_ns, r->now_ns, &slow) < 0))
		return -EINVAL;
	ret->present = 0;
	ret->hists_present = 0;
	if (wants_fast && wants_slow && !in_step)
		fast = 0; // one row, one window: the fast values of this one cover another time
	if (wants_fast)
		close_fast(w, s, r, fast, ret);
	if (wants_slow)
		close_slow(w, s, r, slow, ret);
	uint64_t elapsed = wants_slow ? slow : fast;
	*ret_ms = (uint32_t)(elapsed / 1000000);
	return elapsed == 0 ? -EAGAIN : 0;
}

const struct counters_faults *window_faults(const struct window *w)
{
	return &w->faults;
}

uint64_t window_rows_left_out(const struct window *w)
{
	uint64_t n = 0;
	for (int s = 0; s < PROBE_SOURCES; s++)
		n += rows_left_out(w->rows[s]);
	return n;
}
