// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/grid.h"
#include "aggregator/store/store_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_BINS = 20000 };

// Checks and aligns; returns the number of bins or a negative errno.
static int64_t bins_of(int64_t *from_ms, int64_t to_ms, int64_t step_ms)
{
	if (step_ms < 1000 || step_ms % 1000 || *from_ms < 0 || to_ms < *from_ms)
		return -EINVAL;
	*from_ms -= *from_ms % step_ms;
	int64_t n = (to_ms - to_ms % step_ms - *from_ms) / step_ms;
	return n > MAX_BINS ? -E2BIG : n;
}

struct series_query {
	struct store_grid grid;
	enum metric metric;
};

static int on_live(void *arg, const struct store_record *r)
{
	struct series_query *q = arg;
	if (!scope_has(&r->scope, q->metric))
		return 0;
	double v = (double)r->scope.values[q->metric];
	if (metric_kind(q->metric) == DELTA)
		v *= 1000.0 / r->window_ms;
	store_grid_add(&q->grid, &(struct store_window){.start_ms = r->wall_ms - r->window_ms,
					 .end_ms = r->wall_ms,
					 .covered_ms = r->window_ms,
					 .mean = v,
					 .max = v});
	return 0;
}

int store_range(struct store *s, const struct store_entity *e, enum metric m, int64_t from_ms,
	int64_t to_ms, int64_t step_ms, struct store_series *ret)
{
	int64_t n = bins_of(&from_ms, to_ms, step_ms);
	if (n < 0 || m >= METRIC_COUNT)
		return n < 0 ? (int)n : -EINVAL;
	struct series_query q = {.metric = m};
	double *out = calloc(2 * (size_t)n + 1, sizeof(*out));
	if (!out || store_grid_init(&q.grid, from_ms, step_ms, (size_t)n) < 0) {
		free(out);
		return -ENOMEM;
	}
	store_live_each(&e->live, from_ms, from_ms + n * step_ms, false, on_live, &q);
	*ret = (struct store_series){from_ms, step_ms, (size_t)n, out, out + n};
	for (size_t i = 0; i < ret->n; i++)
		store_grid_get(&q.grid, i, &ret->mean[i], &ret->max[i]);
	store_grid_done(&q.grid);
	return 0;
}

void store_series_done(struct store_series *r)
{
	free(r->mean);
	*r = (struct store_series){0};
}

struct hist_query {
	struct store_hists *out;
	enum hist_id hist;
};

static int on_live_hist(void *arg, const struct store_record *r)
{
	struct hist_query *q = arg;
	int64_t middle = r->wall_ms - (r->window_ms + 1) / 2;
	int64_t i = (middle - q->out->from_ms) / q->out->step_ms;
	if (middle >= q->out->from_ms && (size_t)i < q->out->n &&
		r->scope.hists_present >> q->hist & 1)
		hist_merge(&q->out->bins[i], &r->scope.hists[q->hist]);
	return 0;
}

int store_hist_range(struct store *s, const struct store_entity *e, enum hist_id h, int64_t from_ms,
	int64_t to_ms, int64_t step_ms, struct store_hists *ret)
{
	int64_t n = bins_of(&from_ms, to_ms, step_ms);
	if (n < 0 || h >= HIST_COUNT)
		return n < 0 ? (int)n : -EINVAL;
	struct hist *bins = calloc((size_t)n + 1, sizeof(*bins));
	if (!bins)
		return -ENOMEM;
	*ret = (struct store_hists){from_ms, step_ms, (size_t)n, bins};
	struct hist_query q = {ret, h};
	store_live_each(&e->live, from_ms, from_ms + n * step_ms, true, on_live_hist, &q);
	return 0;
}

void store_hists_done(struct store_hists *r)
{
	free(r->bins);
	*r = (struct store_hists){0};
}
