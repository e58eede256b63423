// SPDX-License-Identifier: Apache-2.0
// How the forecaster does, by horizon: what was issued against its truth, over all series.
#include "aggregator/show/metrics.h"

#include <stdio.h>

#include "aggregator/forecast/outlook.h"
#include "aggregator/show/api.h"

struct horizons {
	struct show_forecast_stats of[SHOW_HORIZON_COUNT];
};

// A family with one number of each horizon.
#define BY_HORIZON(family, type, help, expression)                                                 \
	do {                                                                                       \
		prom_family(p, family, type, help);                                                \
		for (int h = 0; h < SHOW_HORIZON_COUNT; h++) {                                     \
			const struct show_forecast_stats *s = &all->of[h];                         \
			prom_sample(p,                                                             \
				PROM_LABELS({"horizon", show_horizon_name((enum show_horizon)h)}), \
				expression);                                                       \
		}                                                                                  \
	} while (0)

// A family with one number of each horizon and level.
static void by_level(struct prom *p, const struct horizons *all, bool pinball)
{
	for (int h = 0; h < SHOW_HORIZON_COUNT; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++) {
			char level[16];
			snprintf(level, sizeof(level), "%g", quantile_levels[i]);
			const struct show_forecast_stats *s = &all->of[h];
			prom_sample(p,
				PROM_LABELS({"horizon", show_horizon_name((enum show_horizon)h)},
					{"level", level}),
				pinball ? s->pinball[i] : s->coverage[i]);
		}
}

static void scores(struct prom *p, const struct horizons *all)
{
	BY_HORIZON("petrel_forecast_outlooks", "gauge", "Series with a forecast.",
		(double)s->outlooks);
	BY_HORIZON("petrel_forecast_naive_served", "gauge",
		"Series of which the naive forecast is served, as the models have been worse.",
		(double)s->gated);
	BY_HORIZON("petrel_forecast_scored_series", "gauge",
		"Series whose issued forecasts have met their truth.", (double)s->scored);
	BY_HORIZON("petrel_forecast_mase_ratio", "gauge",
		"Mean error of the median over the daily difference, mean of the series.", s->mase);
	BY_HORIZON("petrel_forecast_loss_ratio", "gauge",
		"Loss of the ensemble over that of the best naive forecast; above 1 it is worse.",
		s->loss_ratio);
	prom_family(p, "petrel_forecast_pinball_loss_ratio", "gauge",
		"Pinball loss over the daily difference, by level.");
	by_level(p, all, true);
	prom_family(p, "petrel_forecast_coverage_ratio", "gauge",
		"Share of the truth at or below the quantile; the level itself is right.");
	by_level(p, all, false);
}

static void work(struct prom *p, const struct horizons *all)
{
	static const char *const kinds[] = {"full", "refreshed", "carried"};
	prom_family(p, "petrel_forecast_runs_total", "counter",
		"Forecasts made: from scratch, with parameters kept, or carried on.");
	for (int h = 0; h < SHOW_HORIZON_COUNT; h++) {
		const struct show_forecast_stats *s = &all->of[h];
		const uint64_t made[] = {s->full, s->refreshed, s->carried};
		for (int k = 0; k < 3; k++)
			prom_sample(p,
				PROM_LABELS({"horizon", show_horizon_name((enum show_horizon)h)},
					{"kind", kinds[k]}),
				(double)made[k]);
	}
	BY_HORIZON("petrel_forecast_fit_seconds_total", "counter", "CPU time of these runs.",
		s->fit_seconds);
	BY_HORIZON("petrel_forecast_drift_alarms_total", "counter",
		"Changes of level that the drift alarm found.", (double)s->alarms);
	BY_HORIZON("petrel_forecast_rejected_answers_total", "counter",
		"Answers of members dropped: NaN, infinite, or over ten times anything seen.",
		(double)s->rejected);
	prom_single(p, "petrel_forecast_overdue_seconds", "gauge",
		"How late the latest renewal is: the CPU budget stretches the intervals.",
		all->of[0].overdue_seconds);
}

static void members(struct prom *p, const struct horizons *all, bool weights)
{
	for (int h = 0; h < SHOW_HORIZON_COUNT; h++)
		for (size_t k = 0; k < all->of[h].n_members; k++)
			prom_sample(p,
				PROM_LABELS({"horizon", show_horizon_name((enum show_horizon)h)},
					{"member", all->of[h].members[k].name}),
				weights ? all->of[h].members[k].weight
					: (double)all->of[h].members[k].idle);
}

void metrics_forecast(struct show_core *c, struct prom *p)
{
	struct horizons all;
	if (!c->sources.forecast_stats)
		return;
	for (int h = 0; h < SHOW_HORIZON_COUNT; h++)
		c->sources.forecast_stats(c->sources.arg, (enum show_horizon)h, &all.of[h]);
	scores(p, &all);
	work(p, &all);
	prom_family(p, "petrel_forecast_member_weight_ratio", "gauge",
		"Share of a member in the forecasts, mean of the series.");
	members(p, &all, true);
	prom_family(p, "petrel_forecast_member_dropped_series", "gauge",
		"Series in which a member is too far behind the best to have weight.");
	members(p, &all, false);
}
