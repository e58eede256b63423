// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/wallclock.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "aggregator/forecast/zone.h"

struct local { // the input on local time
	struct forecast_input in;
	double *y, *high, *count;
	uint8_t *saturated;
	size_t *row; // [horizon of the caller], which local row each step takes
};

static void done(struct local *l)
{
	free(l->y);
	free(l->high);
	free(l->count);
	free(l->saturated);
	free(l->row);
}

static int64_t local_s(const struct forecast_input *in, int64_t at_s)
{
	return at_s + zone_offset_s(in->zone, at_s);
}

static int64_t time_of(const struct forecast_input *in, size_t i)
{
	return in->start_s + (int64_t)i * in->step_s;
}

// Whether every offset in use differs from the first by whole steps.
static bool fits(const struct forecast_input *in)
{
	int32_t first = zone_offset_s(in->zone, in->start_s);
	int64_t end = time_of(in, in->n + in->horizon);
	for (size_t i = 0; i < in->zone->n; i++) {
		const struct forecast_zone_change *c = &in->zone->changes[i];
		if (c->at_s > in->start_s && c->at_s < end && (c->offset_s - first) % in->step_s)
			return false;
	}
	return true;
}

static int make_room(struct local *l, const struct forecast_input *in, size_t n)
{
	l->y = malloc((n + 1) * sizeof(*l->y));
	l->high = malloc((n + 1) * sizeof(*l->high));
	l->count = calloc(n + 1, sizeof(*l->count));
	l->saturated = calloc(n + 1, 1);
	l->row = malloc(in->horizon * sizeof(*l->row));
	if (!l->y || !l->high || !l->count || !l->saturated || !l->row)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		l->y[i] = l->high[i] = NAN;
	return 0;
}

static void add(struct local *l, size_t to, const struct forecast_input *in, size_t i)
{
	double v = in->y[i];
	if (!isfinite(v))
		return;
	double n = l->count[to]++;
	l->y[to] = n > 0 ? (n * l->y[to] + v) / (n + 1) : v;
	if (in->saturated && in->saturated[i])
		l->saturated[to] = in->saturated[i];
	if (in->demand_high)
		l->high[to] = n > 0 ? fmax(l->high[to], in->demand_high[i]) : in->demand_high[i];
}

static int lay(struct local *l, const struct forecast_input *in)
{
	int64_t start = local_s(in, in->start_s), end = start;
	for (size_t i = 0; i < in->n; i++) {
		int64_t after = local_s(in, time_of(in, i)) + in->step_s;
		end = after > end ? after : end;
	}
	size_t n = (size_t)((end - start) / in->step_s);
	int r = make_room(l, in, n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < in->n; i++) {
		int64_t at = local_s(in, time_of(in, i)) - start;
		if (at >= 0)
			add(l, (size_t)(at / in->step_s), in, i);
	}
	size_t most = 0;
	for (size_t h = 0; h < in->horizon; h++) {
		int64_t at = (local_s(in, time_of(in, in->n + h)) - end) / in->step_s;
		l->row[h] = at > 0 ? (size_t)at : 0;
		most = l->row[h] > most ? l->row[h] : most;
	}
	l->in = *in;
	l->in.zone = NULL;
	l->in.y = l->y;
	l->in.saturated = in->saturated ? l->saturated : NULL;
	l->in.demand_high = in->demand_high ? l->high : NULL;
	l->in.n = n;
	l->in.start_s = start;
	l->in.horizon = most + 1;
	return 0;
}

// The local outlook on UTC; takes it.
static int back(const struct local *l, const struct forecast_input *in, struct outlook *local,
	struct outlook **ret)
{
	struct outlook *o;
	int r = outlook_new(&o, in->horizon);
	if (r < 0) {
		outlook_free(local);
		return r;
	}
	double(*quantiles)[QUANTILE_COUNT] = o->quantiles, (*peak)[QUANTILE_COUNT] = o->peak;
	int64_t shift = local->start_s - time_of(in, in->n);
	for (size_t h = 0; h < in->horizon; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++) {
			double p = local->peak[l->row[h]][i];
			quantiles[h][i] = local->quantiles[l->row[h]][i];
			peak[h][i] = h ? fmax(p, peak[h - 1][i]) : p;
		}
	*o = *local;
	o->quantiles = quantiles;
	o->peak = peak;
	o->horizon = in->horizon;
	o->start_s = o->data_to_s = time_of(in, in->n);
	o->data_from_s -= zone_offset_s(in->zone, in->start_s);
	if (o->changed_s)
		o->changed_s -= shift;
	outlook_free(local);
	*ret = o;
	return 0;
}

int wallclock_run(
	const struct forecast_input *in, struct forecast_state *state, struct outlook **ret_outlook)
{
	struct local l = {0};
	struct outlook *o = NULL;
	struct forecast_zone fixed = {.first_offset_s = zone_offset_s(in->zone, in->start_s)};
	struct forecast_input shifted = *in;
	if (!fits(in))
		shifted.zone = &fixed;
	int r = lay(&l, &shifted);
	if (r == 0 && l.in.horizon > FORECAST_HORIZON_MAX)
		r = -EINVAL;
	if (r == 0)
		r = forecast_run(&l.in, state, &o);
	if (r == 0)
		r = back(&l, &shifted, o, ret_outlook);
	done(&l);
	return r;
}
