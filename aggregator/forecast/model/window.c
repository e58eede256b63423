// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/window.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/linalg.h"
#include "aggregator/forecast/model/season.h"

enum { MAX_BLOCKS = 12, PROFILE_CYCLES = 7 };

double window_mean(const struct window *w, size_t from, size_t to)
{
	return (w->sum[to] - w->sum[from]) / (double)(to - from);
}

double window_around(const struct window *w, size_t t, size_t origin)
{
	size_t from = t > w->smooth ? t - w->smooth : 0, to = t + w->smooth + 1;
	return window_mean(w, from, to < origin ? to : origin);
}

double window_profile(const struct window *w, size_t t)
{
	size_t cycles = t / w->season + 1;
	if (cycles <= PROFILE_CYCLES)
		return w->comb[t] / (double)cycles;
	return (w->comb[t] - w->comb[t - PROFILE_CYCLES * w->season]) / PROFILE_CYCLES;
}

size_t window_back(size_t target, size_t period, size_t origin)
{
	return target - ((target - origin) / period + 1) * period;
}

static size_t put_seasonal(const struct window *w, size_t origin, size_t target, double *x)
{
	double last = w->z[origin - 1];
	size_t k = 0, at = window_back(target, w->season, origin);
	size_t before = at >= w->season ? at - w->season : at;
	size_t origin_before = origin - 1 >= w->season ? origin - 1 - w->season : 0;
	x[k++] = w->z[at] - last;
	x[k++] = window_profile(w, at) - last;
	x[k++] = window_profile(w, origin - 1) - last;
	x[k++] = window_around(w, at, origin) - last;
	x[k++] = w->z[before] - last;
	x[k++] = window_around(w, origin_before, origin) - last;
	x[k++] = window_mean(w, origin > w->season ? origin - w->season : 0, origin) - last;
	if (w->week) {
		bool has = origin > w->week;
		size_t week_at = has ? window_back(target, w->week, origin) : at;
		size_t week_now = has ? origin - 1 - w->week : origin_before;
		x[k++] = (has ? window_around(w, week_at, origin) : window_profile(w, at)) - last;
		x[k++] =
			(has ? window_around(w, week_now, origin) : window_profile(w, origin - 1)) -
			last;
		x[k++] = window_mean(w, origin > w->week ? origin - w->week : 0, origin) - last;
	}
	return k;
}

void window_row(const struct window *w, size_t origin, size_t target, double *x)
{
	const struct member_input *in = w->in;
	double last = w->z[origin - 1];
	size_t k = 0, end = origin - 1, width = 1;
	x[k++] = in->scale;
	for (size_t i = 0; i < w->at.blocks; i++, width *= 2) {
		size_t from = end > width ? end - width : 0;
		x[k++] = end > from ? window_mean(w, from, end) - last : 0;
		end = from;
	}
	if (w->season)
		k += put_seasonal(w, origin, target, x + k);
	for (size_t i = 0; in->regressors && i < in->n_regressors && i < WINDOW_REGRESSORS; i++)
		x[k++] = in->regressors[target * in->n_regressors + i] -
			 in->regressors[(origin - 1) * in->n_regressors + i];
	for (; k < w->at.p; k++)
		x[k] = 0;
}

static void lay_out(struct window *w)
{
	struct layout *at = &w->at;
	size_t k = 1, reach = w->season ? w->season : w->fit_end / 4;
	at->blocks = 0;
	for (size_t end = 1, width = 1; at->blocks < MAX_BLOCKS && end + width <= reach;
		width *= 2) {
		end += width;
		at->blocks++;
	}
	k += at->blocks;
	at->same_time = at->profile = at->weekly = -1;
	if (w->season) {
		at->same_time = (int)k;
		at->profile = (int)k + 1;
		k += 7;
		if (w->week) {
			at->weekly = (int)k;
			k += 3;
		}
	}
	if (w->in->regressors)
		k += w->in->n_regressors < WINDOW_REGRESSORS ? w->in->n_regressors
							     : WINDOW_REGRESSORS;
	at->columns = k;
	at->p = (k + 1 + GRAM_LANES - 1) / GRAM_LANES * GRAM_LANES;
	w->first = w->season ? w->season + 1 : 2;
}

void window_done(struct window *w)
{
	free(w->z);
	free(w->sum);
	free(w->comb);
	spread_done(&w->spread);
	memset(w, 0, sizeof(*w));
}

int window_init(struct window *w, const struct member_input *in, size_t fit_end)
{
	size_t n = in->n;
	memset(w, 0, sizeof(*w));
	w->in = in;
	w->fit_end = fit_end;
	season_pick(in, fit_end, &w->season, &w->week);
	if (w->week == w->season)
		w->week = 0;
	w->smooth = w->season / 48 > 0 ? w->season / 48 : 1;
	w->z = malloc((n + 1) * sizeof(double));
	w->sum = malloc((n + 1) * sizeof(double));
	w->comb = malloc((n + 1) * sizeof(double));
	int rc = w->z && w->sum && w->comb ? 0 : -ENOMEM;
	if (rc == 0) {
		season_fill(in->y, n, w->season, w->z);
		w->sum[0] = 0;
		for (size_t t = 0; t < n; t++) {
			w->sum[t + 1] = w->sum[t] + w->z[t];
			w->comb[t] = w->z[t] +
				     (w->season && t >= w->season ? w->comb[t - w->season] : 0);
		}
		rc = spread_init(&w->spread, w->z, n, w->season, in->scale);
	}
	if (rc < 0) {
		window_done(w);
		return rc;
	}
	lay_out(w);
	return 0;
}
