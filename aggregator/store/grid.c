// SPDX-License-Identifier: Apache-2.0
#include "aggregator/store/grid.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

int store_grid_init(struct store_grid *g, int64_t from_ms, int64_t step_ms, size_t n)
{
	double *all = calloc(3 * n + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	*g = (struct store_grid){from_ms, step_ms, n, all, all + n, all + 2 * n};
	for (size_t i = 0; i < n; i++)
		g->max[i] = -INFINITY;
	return 0;
}

void store_grid_done(struct store_grid *g)
{
	free(g->sum);
	*g = (struct store_grid){0};
}

void store_grid_add(struct store_grid *g, const struct store_window *w)
{
	int64_t to_ms = g->from_ms + (int64_t)g->n * g->step_ms, length = w->end_ms - w->start_ms;
	if (w->end_ms <= g->from_ms || w->start_ms >= to_ms || length <= 0)
		return;
	int64_t first = w->start_ms > g->from_ms ? (w->start_ms - g->from_ms) / g->step_ms : 0;
	for (size_t i = (size_t)first; i < g->n; i++) {
		int64_t bin = g->from_ms + (int64_t)i * g->step_ms;
		if (bin >= w->end_ms)
			break;
		int64_t start = bin > w->start_ms ? bin : w->start_ms;
		int64_t end = bin + g->step_ms < w->end_ms ? bin + g->step_ms : w->end_ms;
		double weight = w->covered_ms * (double)(end - start) / (double)length;
		g->sum[i] += w->mean * weight;
		g->weight[i] += weight;
		if (2 * (end - start) >= length || end - start == g->step_ms)
			g->max[i] = fmax(g->max[i], w->max);
	}
}

void store_grid_get(const struct store_grid *g, size_t i, double *ret_mean, double *ret_max)
{
	*ret_mean = *ret_max = NAN;
	if (!(g->weight[i] > 0))
		return;
	*ret_mean = g->sum[i] / g->weight[i];
	*ret_max = fmax(g->max[i], *ret_mean);
}
