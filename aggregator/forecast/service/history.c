// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/service/history.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

// A young series is read on a finer grid, so that ten minutes of life are ten values and not two.
static const struct grid {
	int64_t step_s, span_s, least_age_s;
	size_t horizon;
} grids[][2] = {
	[HISTORY_HOUR] = {{300, 14 * 86400, 6 * 3600, 12}, {60, 6 * 3600, 0, 60}},
	[HISTORY_DAY] = {{3600, 28 * 86400, 12 * 3600, 24}, {300, 12 * 3600, 0, 288}},
	[HISTORY_MONTH] = {{3600, 56 * 86400, 0, 720}, {3600, 56 * 86400, 0, 720}},
};

int64_t history_refit_ms(enum history_horizon h)
{
	static const int64_t ms[] = {300000, 1800000, 6 * 3600000};
	return ms[h];
}

// Percent of the bin's windows that were saturated; any is at least one.
static uint8_t share_of(double mean)
{
	return mean > 0 ? (uint8_t)ceil(fmin(1, mean) * 100) : 0;
}

static int read_grid(struct history *ret, struct store *store, const struct store_entity *e,
	const struct grid *g, int64_t now_ms)
{
	int64_t step_ms = g->step_s * 1000, to_ms = now_ms / step_ms * step_ms,
		from_ms = to_ms - g->span_s * 1000;
	struct store_series low = {0}, high = {0}, saturated = {0};
	int r = store_range(
		store, e, METRIC_DEMAND_LOW, (struct store_times){from_ms, to_ms, step_ms}, &low);
	if (r == 0)
		r = store_range(store, e, METRIC_DEMAND_HIGH,
			(struct store_times){from_ms, to_ms, step_ms}, &high);
	if (r == 0)
		r = store_range(store, e, METRIC_SATURATED,
			(struct store_times){from_ms, to_ms, step_ms}, &saturated);
	size_t first = 0;
	while (r == 0 && first < low.n && isnan(low.mean[first]))
		first++;
	size_t n = low.n - first;
	if (r == 0 && n > 0) {
		ret->y = malloc(n * sizeof(double));
		ret->high = malloc(n * sizeof(double));
		ret->saturated = malloc(n);
		r = ret->y && ret->high && ret->saturated ? 0 : -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		ret->y[i] = low.mean[first + i];
		ret->high[i] = high.mean[first + i];
		ret->saturated[i] = share_of(saturated.mean[first + i]);
		ret->known += !isnan(ret->y[i]);
	}
	ret->n = n;
	ret->start_s = from_ms / 1000 + (int64_t)first * g->step_s;
	ret->step_s = g->step_s;
	ret->horizon = g->horizon;
	store_series_done(&low);
	store_series_done(&high);
	store_series_done(&saturated);
	return r;
}

int history_read(struct history *ret, struct store *store, const struct store_entity *e,
	enum history_horizon h, int64_t now_ms)
{
	for (int i = 0; i < 2; i++) {
		const struct grid *g = &grids[h][i];
		*ret = (struct history){0};
		int r = read_grid(ret, store, e, g, now_ms);
		if (r < 0)
			return r;
		bool old_enough = ret->n > 0 && now_ms / 1000 - ret->start_s >= g->least_age_s;
		if (ret->known >= HISTORY_LEAST_VALUES && old_enough)
			return 0;
		if (i == 0)
			history_done(ret);
	}
	return -ENODATA;
}

void history_done(struct history *h)
{
	free(h->y);
	free(h->high);
	free(h->saturated);
	h->y = h->high = NULL;
	h->saturated = NULL;
}
