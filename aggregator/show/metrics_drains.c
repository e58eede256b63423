// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/metrics.h"

#include <math.h>

#include "aggregator/act/drains.h"

struct now {
	uint64_t phases[DRAIN_FAILED + 1];
	uint64_t pods_left, blocking;
	double nearest_s; // NAN: no deadline runs
};

static void look_at(struct now *n, const struct drain *d, int64_t now_ms)
{
	n->phases[d->phase]++;
	if (drain_phase_ended(d->phase))
		return;
	n->pods_left += d->n_left;
	n->blocking += d->n_blocking;
	double left_s = (double)(d->deadline_ms - now_ms) / 1000;
	if (d->deadline_ms && !(left_s >= n->nearest_s))
		n->nearest_s = left_s;
}

static void write_now(const struct now *n, struct prom *p)
{
	prom_family(p, "petrel_drains", "gauge", "Drains that are listed, by phase.");
	for (int i = 0; i <= DRAIN_FAILED; i++)
		prom_sample(p, PROM_LABELS({"phase", drain_phase_name((enum drain_phase)i)}),
			(double)n->phases[i]);
	prom_single(p, "petrel_drain_pods_left", "gauge",
		"Pods that running drains still have to move.", (double)n->pods_left);
	prom_single(p, "petrel_drain_blocking_budgets", "gauge",
		"Disruption budgets that hold running drains up.", (double)n->blocking);
	prom_single(p, "petrel_drain_nearest_deadline_seconds", "gauge",
		"Time left to the running drain that has least; negative: it is past.",
		n->nearest_s);
}

static void write_sums(const struct drain_tally *t, struct prom *p)
{
	prom_family(p, "petrel_drains_started_total", "counter", "Drains begun, by reason.");
	for (int i = 0; i < DRAIN_KIND_COUNT; i++)
		prom_sample(p, PROM_LABELS({"kind", drain_kind_name((enum drain_kind)i)}),
			(double)t->started[i]);
	prom_family(p, "petrel_drains_ended_total", "counter", "Drains ended, by how.");
	for (int i = 0; i < END_COUNT; i++)
		prom_sample(p, PROM_LABELS({"end", drain_end_name((enum drain_end)i)}),
			(double)t->ended[i]);
	prom_family(p, "petrel_drain_stage_seconds", "histogram",
		"From the notice until a drain had reached a stage.");
	for (int i = 0; i < STAGE_COUNT; i++) {
		const struct prom_histogram h = {
			drain_bounds_s, t->stages[i].counts, DRAIN_BOUNDS, t->stages[i].sum_s};
		const struct prom_label stage = {"stage", drain_stage_name((enum drain_stage)i)};
		prom_histogram(p, stage, &h);
	}
}

void metrics_drains(struct show_core *c, int64_t now_ms, struct prom *p)
{
	struct now n = {.nearest_s = NAN};
	for (const struct drain *d = core_drains(c); d; d = d->next)
		look_at(&n, d, now_ms);
	write_now(&n, p);
	write_sums(&c->drains, p);
}
