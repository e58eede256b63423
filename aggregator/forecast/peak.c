// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/peak.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "aggregator/forecast/model/order.h"

enum { PATHS_MIN = 12 };

// Position of value in a row as a normal score: straight lines between the levels, continued
// beyond the outer ones up to score 3.
static double score_of(const double *row, double value)
{
	int i = 0;
	while (i < QUANTILE_COUNT - 2 && value > row[i + 1])
		i++;
	double width = row[i + 1] - row[i];
	if (!(width > 0))
		return value > row[i] ? quantile_scores[i + 1] : quantile_scores[i];
	double step = quantile_scores[i + 1] - quantile_scores[i];
	double z = quantile_scores[i] + step * (value - row[i]) / width;
	return fmin(3, fmax(-3, z));
}

static double value_at(const double *row, double score)
{
	int i = 0;
	while (i < QUANTILE_COUNT - 2 && score > quantile_scores[i + 1])
		i++;
	double step = quantile_scores[i + 1] - quantile_scores[i];
	return row[i] + (row[i + 1] - row[i]) * (score - quantile_scores[i]) / step;
}

static void running_maximum(struct outlook *o)
{
	for (size_t h = 0; h < o->horizon; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++)
			o->peak[h][i] = h ? fmax(o->peak[h - 1][i], o->quantiles[h][i])
					  : o->quantiles[h][i];
}

struct replay {
	const struct outlook *o;
	const struct blend *b;
	const struct trial *t;
	const struct front *f;
};

// Walks origin k's errors through today's band; best[h] = maximum up to h.
static void walk(const struct replay *r, size_t k, double *best)
{
	const struct outlook *o = r->o;
	const struct trial *t = r->t;
	for (size_t h = 0; h < o->horizon; h++) {
		double row[QUANTILE_COUNT], truth = r->f->truth[t->origin[k] + h];
		double z = 0; // a missing truth says nothing: the middle
		if (!isnan(truth)) {
			blend_past_row(r->b, t, k, h, row);
			z = score_of(row, truth);
		}
		double v = value_at(o->quantiles[h], z);
		best[h] = h ? fmax(best[h - 1], v) : v;
	}
}

static void take_quantiles(struct outlook *o, const double *paths, size_t n, double *draw)
{
	for (size_t h = 0; h < o->horizon; h++) {
		for (size_t p = 0; p < n; p++)
			draw[p] = paths[p * o->horizon + h];
		order_sort(draw, n);
		for (int i = 0; i < QUANTILE_COUNT; i++) {
			double q = order_quantile(draw, n, quantile_levels[i]);
			q = fmax(q, o->peak[h][i]); // of the running maximum
			if (h)
				q = fmax(q, o->peak[h - 1][i]);
			o->peak[h][i] = i ? fmax(q, o->peak[h][i - 1]) : q;
		}
	}
}

int peak_fill(
	struct outlook *o, const struct blend *b, const struct trial *t, const struct front *f)
{
	running_maximum(o);
	size_t whole = 0; // origins whose whole horizon has come true
	while (whole < t->n_origins && t->origin[whole] + o->horizon <= f->n)
		whole++;
	if (whole < PATHS_MIN)
		return 0;
	double *paths = malloc((whole * o->horizon + whole) * sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	struct replay r = {o, b, t, f};
	for (size_t k = 0; k < whole; k++)
		walk(&r, k, paths + k * o->horizon);
	take_quantiles(o, paths, whole, paths + whole * o->horizon);
	free(paths);
	return 0;
}
