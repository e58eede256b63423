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
#include "aggregator/forecast/keep.h"
#include "aggregator/forecast/ledger.h"
#include "aggregator/forecast/model/lstm.h"
#include "aggregator/forecast/peak.h"
#include "aggregator/forecast/trial.h"
#include "aggregator/forecast/wallclock.h"

struct run {
	const struct forecast_input *in;
	struct front front;
	struct trial trial;
	struct blend blend, trials; // as used; by the trials alone
	struct calibration calibration;
	struct honesty honesty;
	struct peak_paths paths;
	struct forecast_state *state; // NULL = none
	double *rows;                 // [entry][horizon][QUANTILE_COUNT]
	double *ensemble;             // [horizon][QUANTILE_COUNT], where the naive is served
	bool ok[ENTRIES_MAX];
	struct outlook *o;
};

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

// What the ensemble would have said is kept to be scored all the same.
static int serve_naive(struct run *r)
{
	size_t horizon = r->o->horizon, bytes = horizon * sizeof(*r->o->quantiles);
	r->ensemble = malloc(bytes);
	if (!r->ensemble)
		return -ENOMEM;
	memcpy(r->ensemble, r->o->quantiles, bytes);
	memcpy(r->o->quantiles, r->rows + r->honesty.naive * horizon * QUANTILE_COUNT, bytes);
	return 0;
}

// How honest the ensemble has been, and whether the naive is served instead.
static void judge(struct run *r)
{
	struct outlook *o = r->o;
	struct forecast_score issued = {.loss_ratio = NAN};
	struct honest_issued none = {0};
	size_t naive = r->honesty.naive;
	if (r->state)
		forecast_state_score(r->state, &issued);
	o->honesty = honest_ratio(r->honesty.ratio, issued.loss_ratio, issued.steps);
	if (naive >= pool_size || !r->ok[naive])
		return;
	snprintf(o->naive, sizeof(o->naive), "%s", pool[naive].ops->name);
	o->gated = honest_gate(r->state ? &r->state->gate : &none, r->honesty.worse);
}

// For a while after the drift alarm.
static void widen(struct outlook *o)
{
	static const double by = 1.5;
	for (size_t h = 0; h < o->horizon; h++) {
		double *row = o->quantiles[h], centre = row[QUANTILE_COUNT / 2];
		for (int i = 0; i < QUANTILE_COUNT; i++)
			row[i] = centre + by * (row[i] - centre);
	}
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
		if (pool[e].ops == &member_lstm && r->front.lstm && r->front.lstm->version > 0)
			snprintf(m->name, sizeof(m->name), "lstm v%u",
				r->front.lstm->version % 1000000);
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

// By the trials, and by what was issued since.
static void weigh(struct run *r)
{
	r->blend = r->trials;
	if (r->state)
		ledger_weigh(&r->state->ledger, &r->blend, r->ok);
	else
		blend_reweigh(&r->blend, r->ok);
}

// From scratch: trials, weights, bands.
static int fit_all(struct run *r)
{
	struct pool_ask ask = {.horizon = r->o->horizon, .seed = r->in->seed};
	if (r->state)
		ask.to = &r->state->pool;
	int error = trial_run(&r->trial, &r->front, ask.horizon, ask.seed);
	if (error < 0)
		return error;
	int rejected = pool_forecast(&r->front, &ask, r->rows, r->ok);
	if (rejected < 0)
		return rejected;
	r->o->members_rejected = (size_t)rejected;
	blend_weigh(&r->trials, &r->trial, &r->front, r->ok);
	weigh(r);
	error = calibration_learn(&r->calibration, &r->blend, &r->trial, &r->front);
	if (error == 0)
		error = peak_learn(&r->paths, &r->blend, &r->trial, &r->front);
	if (error < 0)
		return error;
	r->honesty = honest_judge(&r->trial, &r->front, r->ok);
	return r->state ? keep_fade(r->state, &r->trial, &r->front, &r->blend) : 0;
}

// With the weights, bands and parameters of the last full run.
static int refit(struct run *r)
{
	struct forecast_state *s = r->state;
	struct pool_ask ask = {.horizon = r->o->horizon, .seed = r->in->seed, .from = &s->pool};
	int rejected = pool_forecast(&r->front, &ask, r->rows, r->ok);
	if (rejected < 0)
		return rejected;
	r->o->members_rejected = (size_t)rejected;
	r->trials = s->blend;
	r->honesty = s->honesty;
	weigh(r);
	return calibration_restore(&r->calibration, &s->calibration, &r->front);
}

static int serve(struct run *r)
{
	struct outlook *o = r->o;
	bool any = false;
	for (size_t e = 0; e < pool_size; e++)
		any |= r->ok[e];
	if (!any) {
		serve_level(r);
		return 0;
	}
	judge(r);
	serve_blend(r);
	if (o->gated && serve_naive(r) < 0)
		return -ENOMEM;
	if (r->state && keep_widened(r->state, o->start_s, o->horizon, o->step_s))
		widen(o);
	report_members(r);
	return 0;
}

static int forecast_known(struct run *r)
{
	r->rows = calloc(pool_size * r->o->horizon * QUANTILE_COUNT, sizeof(*r->rows));
	if (!r->rows)
		return -ENOMEM;
	struct forecast_state *s = r->state;
	if (s && s->cusum.changed_s > r->front.start_s) {
		r->o->changed_s = s->cusum.changed_s;
		r->front.changed =
			(size_t)((s->cusum.changed_s - r->front.start_s) / r->front.step_s);
	}
	int error = r->o->made == OUTLOOK_FULL ? fit_all(r) : refit(r);
	return error == 0 ? serve(r) : error;
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
	if (error == 0)
		order_and_bound(r);
	return error;
}

static const double *naive_rows(const struct run *r)
{
	size_t e = r->honesty.naive;
	bool there = r->rows && e < pool_size && r->ok[e] && isfinite(r->honesty.ratio);
	return there ? r->rows + e * r->o->horizon * QUANTILE_COUNT : NULL;
}

static void issue(struct run *r)
{
	const struct keep_said said = {naive_rows(r), r->ensemble};
	struct outlook *o = r->o;
	keep_issue(r->state, o, o->made == OUTLOOK_CARRIED ? NULL : &said);
	if (o->made == OUTLOOK_CARRIED || !r->rows)
		return;
	const struct ledger_said each = {.start_s = o->start_s,
		.horizon = r->in->horizon,
		.rows = r->rows,
		.stride = o->horizon * QUANTILE_COUNT,
		.ok = r->ok,
		.served = (const double(*)[QUANTILE_COUNT])o->quantiles};
	ledger_issue(&r->state->ledger, &r->blend, &each);
}

// After a full or refreshed run: what the next one will want.
static int keep(struct run *r)
{
	struct forecast_state *s = r->state;
	int error = keep_rows(s, &r->front, r->o);
	if (error < 0 || r->o->made != OUTLOOK_FULL)
		return error;
	if (s->step_s != r->in->step_s || s->horizon != r->in->horizon)
		keep_forget_issued(s);
	s->blend = r->trials;
	s->honesty = r->honesty;
	s->calibration = r->calibration;
	s->calibration.z = NULL;
	memset(&s->calibration.spread, 0, sizeof(s->calibration.spread));
	peak_done(&s->paths);
	s->paths = r->paths;
	r->paths.score = NULL;
	for (size_t e = 0; e < pool_size; e++)
		s->pool.wanted[e] = r->ok[e] && (blend_uses(&r->blend, e) || e == r->honesty.naive);
	s->step_s = r->in->step_s;
	s->horizon = r->in->horizon;
	s->full_at_s = r->o->start_s;
	s->cusum.pending = false;
	s->valid = true;
	return 0;
}

// Moves the last forecast on.
static void carry(struct run *r)
{
	struct forecast_state *s = r->state;
	struct outlook *o = r->o, last = s->last;
	last.quantiles = o->quantiles;
	last.peak = o->peak;
	last.horizon = o->horizon;
	*o = last;
	o->made = OUTLOOK_CARRIED;
	o->start_s = o->data_to_s = r->in->start_s + (int64_t)r->in->n * r->in->step_s;
	keep_carried(s, r->in, o);
}

static int run_made(struct run *r)
{
	struct outlook *o = r->o;
	int error = 0;
	if (o->made == OUTLOOK_CARRIED)
		carry(r);
	else
		error = run_all(r);
	if (error == 0 && r->state && o->made != OUTLOOK_CARRIED && o->basis != OUTLOOK_EMPTY)
		error = keep(r);
	if (error < 0)
		return error;
	if (r->state)
		issue(r);
	o->horizon = r->in->horizon; // the steps beyond were made to be carried
	error = peak_fill(o, r->state ? &r->state->paths : &r->paths);
	if (o->made != OUTLOOK_CARRIED)
		bound_peaks(r);
	return error;
}

int forecast_run(
	const struct forecast_input *in, struct forecast_state *state, struct outlook **ret_outlook)
{
	if (in->step_s <= 0 || in->horizon == 0 || in->horizon > FORECAST_HORIZON_MAX)
		return -EINVAL;
	if (in->zone)
		return wallclock_run(in, state, ret_outlook);
	struct run r = {.in = in, .state = state};
	enum outlook_made made = OUTLOOK_FULL;
	if (state) {
		keep_watch(state, in);
		made = keep_kind(state, in);
	}
	bool further = state && made != OUTLOOK_CARRIED;
	int error = outlook_new(&r.o, in->horizon + (further ? keep_carry(in->horizon) : 0));
	if (error == 0) {
		r.o->made = made;
		error = run_made(&r);
	}
	free(r.rows);
	free(r.ensemble);
	peak_done(&r.paths);
	calibration_done(&r.calibration);
	trial_done(&r.trial);
	front_done(&r.front);
	if (error < 0) {
		outlook_free(r.o);
		return error;
	}
	if (state) {
		r.o->generation = ++state->generation;
		state->runs[made]++;
		state->rejected += made == OUTLOOK_CARRIED ? 0 : r.o->members_rejected;
	}
	*ret_outlook = r.o;
	return 0;
}
