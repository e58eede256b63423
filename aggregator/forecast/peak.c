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

static void take_quantiles(struct outlook *o, const double *paths, size_t n, double *draw)
{
	for (size_t h = 0; h < o->horizon; h++) {
		for (size_t p = 0; p < n; p++)
			draw[p] = paths[p * o->horizon + h];
		order_sort_for(draw, n, quantile_levels, QUANTILE_COUNT);
		for (int i = 0; i < QUANTILE_COUNT; i++) {
			double q = order_quantile(draw, n, quantile_levels[i]);
			q = fmax(q, o->peak[h][i]); // of the running maximum
			if (h)
				q = fmax(q, o->peak[h - 1][i]);
			o->peak[h][i] = i ? fmax(q, o->peak[h][i - 1]) : q;
		}
	}
}

int peak_learn(
	struct peak_paths *p, const struct blend *b, const struct trial *t, const struct front *f)
{
	size_t whole = 0; // origins whose whole horizon has come true
	*p = (struct peak_paths){.horizon = t->horizon};
	while (whole < t->n_origins && t->origin[whole] + t->horizon <= f->n)
		whole++;
	size_t most = PEAK_SCORES_MAX / t->horizon, first = whole > most ? whole - most : 0;
	if (whole - first < PATHS_MIN)
		return 0;
	p->score = malloc((whole - first) * t->horizon * sizeof(*p->score));
	if (!p->score)
		return -ENOMEM;
	float *to = p->score;
	for (size_t k = first; k < whole; k++)
		for (size_t h = 0; h < t->horizon; h++) {
			double row[QUANTILE_COUNT], truth = f->truth[t->origin[k] + h];
			*to++ = 0; // a missing truth says nothing: the middle
			if (isnan(truth))
				continue;
			blend_past_row(b, t, k, h, row);
			to[-1] = (float)score_of(row, truth);
		}
	p->n = whole - first;
	return 0;
}

void peak_done(struct peak_paths *p)
{
	free(p->score);
	*p = (struct peak_paths){0};
}

// Walks one path's scores through today's band; best[h] = maximum up to h.
static void walk(const struct outlook *o, const float *score, double *best)
{
	for (size_t h = 0; h < o->horizon; h++) {
		double v = value_at(o->quantiles[h], (double)score[h]);
		best[h] = h ? fmax(best[h - 1], v) : v;
	}
}

int peak_fill(struct outlook *o, const struct peak_paths *p)
{
	running_maximum(o);
	if (p->n == 0 || p->horizon < o->horizon)
		return 0;
	double *paths = malloc((p->n * o->horizon + p->n) * sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	for (size_t k = 0; k < p->n; k++)
		walk(o, p->score + k * p->horizon, paths + k * o->horizon);
	take_quantiles(o, paths, p->n, paths + p->n * o->horizon);
	free(paths);
	return 0;
}
