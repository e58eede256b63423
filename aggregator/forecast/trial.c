// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/trial.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Which member looks through which lens was chosen by leaving entries out in turn on developer and
// held-back series; the choice is flat, so cost decided: seconds of the dearer members only where
// they lower the loss. Where there is no logarithm all look at the series as it is.
const struct entry pool[] = {
	{&member_last, LENS_RAW, true, false},
	{&member_daily, LENS_RAW, true, false},
	{&member_weekly, LENS_RAW, true, false},
	{&member_ratio, LENS_RAW, true, false},
	{&member_ets, LENS_RAW, true, false},
	{&member_ets_seasonal, LENS_RAW, true, false},
	{&member_mstl_arima, LENS_RAW, true, false},
	{&member_arima, LENS_RAW, true, false},
	{&member_theta, LENS_RAW, false, false},
	{&member_linear, LENS_RAW, false, false},
	{&member_mstl_ets, LENS_RAW, false, false},
	{&member_prophet, LENS_RAW, false, false},
	{&member_daily, LENS_LOG, true, false},
	{&member_weekly, LENS_LOG, true, false},
	{&member_theta, LENS_LOG, true, false},
	{&member_linear, LENS_LOG, true, false},
	{&member_mstl_ets, LENS_LOG, true, false},
	{&member_mstl_arima, LENS_LOG, true, false},
	{&member_arima, LENS_LOG, true, false},
	{&member_prophet, LENS_LOG, true, false},
	{&member_lstm, LENS_RAW, true, true},
};
const size_t pool_size = sizeof(pool) / sizeof(*pool);
_Static_assert(sizeof(pool) / sizeof(*pool) <= ENTRIES_MAX, "ENTRIES_MAX bounds the pool");

static bool takes_part(const struct front *f, const struct entry *e)
{
	return f->lens[e->lens].used && (e->always || !f->lens[LENS_LOG].used);
}

// Holidays are a regressor once the values fitted hold one, and a working day as well.
static void add_holidays(const struct front *f, size_t fit_end, struct member_input *in)
{
	size_t off = 0;
	for (size_t i = 0; f->holiday && i < fit_end; i++)
		off += f->holiday[i] > 0;
	if (off == 0 || off == fit_end || f->n + in->max_horizon > f->holiday_n)
		return;
	in->regressors = f->holiday;
	in->n_regressors = 1;
}

struct fit { // what a model is made for
	size_t end, horizon;
	uint64_t seed;
};

static struct member_input input_of(const struct front *f, enum lens_kind kind, struct fit fit)
{
	const struct lens *l = &f->lens[kind];
	struct member_input in = {.y = l->y,
		.n = f->n,
		.start_s = f->start_s,
		.step_s = f->step_s,
		.n_periods = f->n_periods,
		.max_horizon = fit.horizon,
		.scale = l->scale,
		.seed = fit.seed,
		.lstm = f->lstm};
	memcpy(in.periods, f->periods, sizeof(in.periods));
	add_holidays(f, fit.end, &in);
	return in;
}

// Back to the unit of the series. False if the answer is not usable: not finite, or a median over
// ten times beyond anything seen (outer quantiles are only cut there).
static bool back(const struct front *f, enum lens_kind kind, size_t n, double *rows)
{
	for (size_t i = 0; i < n; i++) {
		if (!isfinite(rows[i]))
			return false;
		bool middle = i % QUANTILE_COUNT == QUANTILE_COUNT / 2;
		if (middle && lens_beyond(f, kind, rows[i]))
			return false;
		rows[i] = lens_back(f, kind, rows[i]);
	}
	return true;
}

// Two thirds for learning, the rest for trials; at least two days and a bit to learn from, so that
// members with a daily season can take part.
static size_t prefix_of(const struct front *f)
{
	size_t prefix = f->n * 6 / 10, least = 2 * f->day + f->day / 8 + 2;
	if (prefix < least && f->n > least + f->day / 4)
		prefix = least;
	return prefix;
}

enum { LONG_HORIZON = 96, ORIGINS_LONG = 34 };

static void choose_origins(struct trial *t, const struct front *f, size_t prefix)
{
	size_t span = f->n - prefix; // origins prefix .. n - 1: each has some truth
	// long forecasts overlap so much that more origins say little and cost a lot
	size_t most = t->horizon > LONG_HORIZON ? ORIGINS_LONG : ORIGINS_MAX;
	t->n_origins = span < most ? span : most;
	for (size_t i = 0; i < t->n_origins; i++)
		t->origin[i] =
			t->n_origins == 1 ? prefix : prefix + (span - 1) * i / (t->n_origins - 1);
	t->to = t->n_origins;
}

static bool try_entry(struct trial *t, const struct front *f, size_t e, void *model, double *rows)
{
	for (size_t o = 0; o < t->n_origins; o++) {
		size_t n = t->horizon * QUANTILE_COUNT;
		if (pool[e].ops->forecast(model, t->origin[o], t->horizon, rows) < 0 ||
			!back(f, pool[e].lens, n, rows))
			return false;
		float *to = t->rows + (e * t->n_origins + o) * n;
		for (size_t i = 0; i < n; i++)
			to[i] = (float)rows[i];
	}
	return true;
}

enum { TRIAL_MIN = 16 }; // values; below this nothing can be compared

int trial_run(struct trial *ret, const struct front *f, size_t horizon, uint64_t seed)
{
	struct trial t = {.n_entries = pool_size, .horizon = horizon};
	if (f->n < TRIAL_MIN) {
		*ret = t;
		return 0;
	}
	size_t prefix = prefix_of(f);
	choose_origins(&t, f, prefix);
	t.rows = malloc(pool_size * t.n_origins * horizon * QUANTILE_COUNT * sizeof(*t.rows));
	double *rows = malloc(horizon * QUANTILE_COUNT * sizeof(*rows));
	if (!t.rows || !rows) {
		free(rows);
		trial_done(&t);
		return -ENOMEM;
	}
	for (size_t e = 0; e < pool_size; e++) {
		void *model;
		if (!takes_part(f, &pool[e]))
			continue;
		struct member_input in =
			input_of(f, pool[e].lens, (struct fit){prefix, horizon, seed});
		if (pool[e].ops->create(&model, &in, prefix) < 0)
			continue;
		t.ok[e] = try_entry(&t, f, e, model, rows);
		pool[e].ops->destroy(model);
	}
	free(rows);
	*ret = t;
	return 0;
}

void trial_done(struct trial *t)
{
	free(t->rows);
	*t = (struct trial){0};
}

static void save(const struct entry *e, const void *model, struct pool_kept *to, size_t i)
{
	double saved[MEMBER_SAVED_MAX];
	size_t n = e->ops->save ? e->ops->save(model, saved) : 0;
	to->n_saved[i] = n <= POOL_SAVED_MAX ? n : 0;
	memcpy(to->saved[i], saved, to->n_saved[i] * sizeof(*saved));
}

// 1: answered, 0: cannot, -EDOM: answered what is not usable; -ENOMEM.
static int ask_entry(const struct front *f, const struct pool_ask *ask, size_t e, double *rows)
{
	void *model;
	struct member_input in =
		input_of(f, pool[e].lens, (struct fit){f->n, ask->horizon, ask->seed});
	if (ask->from && ask->from->n_saved[e]) {
		in.saved = ask->from->saved[e];
		in.n_saved = ask->from->n_saved[e];
	}
	int r = pool[e].ops->create(&model, &in, f->n);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = pool[e].ops->forecast(model, f->n, ask->horizon, rows);
	if (r == 0 && ask->to)
		save(&pool[e], model, ask->to, e);
	pool[e].ops->destroy(model);
	if (r < 0)
		return 0;
	return back(f, pool[e].lens, ask->horizon * QUANTILE_COUNT, rows) ? 1 : -EDOM;
}

int pool_forecast(
	const struct front *f, const struct pool_ask *ask, double *rows, bool ret_ok[ENTRIES_MAX])
{
	int rejected = 0;
	for (size_t e = 0; e < pool_size; e++) {
		ret_ok[e] = false;
		if (!takes_part(f, &pool[e]) || (ask->from && !ask->from->wanted[e]))
			continue;
		int r = ask_entry(f, ask, e, rows + e * ask->horizon * QUANTILE_COUNT);
		if (r == -ENOMEM)
			return r;
		ret_ok[e] = r == 1;
		rejected += r == -EDOM;
	}
	return rejected;
}
