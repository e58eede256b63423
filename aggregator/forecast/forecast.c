// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/forecast.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/blend.h"
#include "aggregator/forecast/calibrate.h"
#include "aggregator/forecast/front.h"
#include "aggregator/forecast/honest.h"
#include "aggregator/forecast/peak.h"
#include "aggregator/forecast/trial.h"

struct forecast_state {
	uint64_t generation;
};

struct run {
	const struct forecast_input *in;
	struct front front;
	struct trial trial;
	struct blend blend;
	struct calibration calibration;
	struct honesty honesty;
	double *rows; // [entry][horizon][QUANTILE_COUNT]
	bool ok[ENTRIES_MAX];
	struct outlook *o;
};

int forecast_state_new(struct forecast_state **ret)
{
	struct forecast_state *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	*ret = s;
	return 0;
}

void forecast_state_free(struct forecast_state *s)
{
	free(s);
}

size_t forecast_state_bytes(const struct forecast_state *s)
{
	return sizeof(*s);
}

void forecast_state_score(const struct forecast_state *s, struct forecast_score *ret)
{
	*ret = (struct forecast_score){.mase = NAN, .loss_ratio = NAN, .full = s->generation};
	for (int i = 0; i < QUANTILE_COUNT; i++)
		ret->pinball[i] = ret->coverage[i] = NAN;
}

// Served while no member can say anything: the level of the known values with their spread.
static void serve_level(struct run *r)
{
	const struct front *f = &r->front;
	const double *y = f->lens[LENS_RAW].y;
	double sum = 0, squares = 0, n = (double)f->known;
	for (size_t i = 0; i < f->n; i++)
		if (!isnan(y[i]))
			sum += y[i];
	double mean = n > 0 ? sum / n : 0;
	for (size_t i = 0; i < f->n; i++)
		if (!isnan(y[i]))
			squares += (y[i] - mean) * (y[i] - mean);
	// one value says nothing about the spread: assume as much as the level itself
	double sd = n > 1 ? sqrt(squares / (n - 1)) : fabs(mean);
	for (size_t h = 0; h < r->o->horizon; h++)
		member_normal_row(mean, sd, r->o->quantiles[h]);
}

static void serve_blend(struct run *r)
{
	for (size_t h = 0; h < r->o->horizon; h++) {
		double *row = r->o->quantiles[h];
		blend_row(&r->blend, h, r->rows + h * QUANTILE_COUNT,
			r->o->horizon * QUANTILE_COUNT, row);
		calibrate_row(&r->calibration, &r->blend, r->front.n, h, row);
	}
}

static void serve_naive(struct run *r)
{
	size_t horizon = r->o->horizon;
	memcpy(r->o->quantiles, r->rows + r->honesty.naive * horizon * QUANTILE_COUNT,
		horizon * sizeof(*r->o->quantiles));
}

static void judge(struct run *r)
{
	struct outlook *o = r->o;
	r->honesty = honest_judge(&r->trial, &r->front, r->ok);
	o->honesty = r->honesty.ratio;
	o->gated = r->honesty.worse;
	if (r->honesty.naive < pool_size)
		snprintf(o->naive, sizeof(o->naive), "%s", pool[r->honesty.naive].ops->name);
}

static void order_and_bound(struct run *r)
{
	struct outlook *o = r->o;
	for (size_t h = 0; h < o->horizon; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++) {
			double q = front_bound(&r->front, o->quantiles[h][i]);
			o->quantiles[h][i] = i ? fmax(q, o->quantiles[h][i - 1]) : q;
		}
}

static void bound_peaks(struct run *r)
{
	for (size_t h = 0; h < r->o->horizon; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++)
			r->o->peak[h][i] = front_bound(&r->front, r->o->peak[h][i]);
}

static double mean_weight(const struct run *r, size_t e)
{
	double sum = 0;
	for (size_t h = 0; h < r->o->horizon; h++)
		sum += r->blend.weight[BLEND_CENTRE][e][blend_bucket(&r->blend, h)];
	return sum / (double)r->o->horizon;
}

static double mean_loss(const struct run *r, size_t e)
{
	double sum = 0;
	for (size_t k = 0; k < r->blend.n_buckets; k++)
		sum += r->blend.loss[BLEND_WIDTH][e][k] / (double)r->blend.n_buckets;
	return sum;
}

static void report_members(struct run *r)
{
	double naive = INFINITY;
	for (size_t e = 0; e < pool_size; e++)
		if (pool[e].ops == &member_daily || pool[e].ops == &member_weekly ||
			pool[e].ops == &member_last)
			naive = fmin(naive, mean_loss(r, e));
	struct outlook *o = r->o;
	for (size_t e = 0; e < pool_size && o->n_members < OUTLOOK_MEMBERS_MAX; e++) {
		if (!r->ok[e])
			continue;
		struct outlook_member *m = &o->members[o->n_members++];
		snprintf(m->name, sizeof(m->name), "%s%s", pool[e].ops->name,
			pool[e].lens == LENS_LOG ? "@log" : "");
		m->weight = mean_weight(r, e);
		m->loss = naive > 0 && isfinite(naive) ? mean_loss(r, e) / naive : NAN;
	}
}

static enum outlook_basis basis_of(const struct front *f)
{
	if (f->known == 0)
		return OUTLOOK_EMPTY;
	if (f->known < 48 || f->n < 2 * f->day)
		return OUTLOOK_COLD;
	return f->n < 14 * f->day ? OUTLOOK_DAILY : OUTLOOK_WEEKLY;
}

static int forecast_known(struct run *r)
{
	size_t horizon = r->o->horizon;
	r->rows = calloc(pool_size * horizon * QUANTILE_COUNT, sizeof(*r->rows));
	if (!r->rows)
		return -ENOMEM;
	int error = trial_run(&r->trial, &r->front, horizon, r->in->seed);
	if (error < 0)
		return error;
	int rejected = pool_forecast(&r->front, horizon, r->in->seed, r->rows, r->ok);
	if (rejected < 0)
		return rejected;
	r->o->members_rejected = (size_t)rejected;
	bool any = false;
	for (size_t e = 0; e < pool_size; e++)
		any |= r->ok[e];
	if (any) {
		blend_weigh(&r->blend, &r->trial, &r->front, r->ok);
		error = calibration_learn(&r->calibration, &r->blend, &r->trial, &r->front);
		if (error < 0)
			return error;
		judge(r);
		if (r->o->gated)
			serve_naive(r);
		else
			serve_blend(r);
		report_members(r);
	} else {
		serve_level(r);
	}
	return 0;
}

static int run_all(struct run *r)
{
	int error = front_init(&r->front, r->in);
	if (error < 0)
		return error;
	struct outlook *o = r->o;
	o->seed = r->in->seed;
	o->step_s = r->in->step_s;
	o->data_to_s = o->start_s = r->in->start_s + (int64_t)r->in->n * r->in->step_s;
	o->data_from_s = r->front.n ? r->front.start_s : o->data_to_s;
	o->data_known = r->front.known;
	o->data_clipped = r->front.clipped;
	o->data_censored = r->front.censored;
	o->basis = basis_of(&r->front);
	if (o->basis != OUTLOOK_EMPTY)
		error = forecast_known(r);
	if (error < 0)
		return error;
	order_and_bound(r);
	error = peak_fill(o, &r->blend, &r->trial, &r->front);
	bound_peaks(r);
	return error;
}

int forecast_run(
	const struct forecast_input *in, struct forecast_state *state, struct outlook **ret_outlook)
{
	if (in->step_s <= 0 || in->horizon == 0 || in->horizon > FORECAST_HORIZON_MAX)
		return -EINVAL;
	struct run r = {.in = in};
	int error = outlook_new(&r.o, in->horizon);
	if (error == 0)
		error = run_all(&r);
	free(r.rows);
	calibration_done(&r.calibration);
	trial_done(&r.trial);
	front_done(&r.front);
	if (error < 0) {
		outlook_free(r.o);
		return error;
	}
	if (state)
		r.o->generation = ++state->generation;
	*ret_outlook = r.o;
	return 0;
}
