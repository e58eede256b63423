// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/forecast.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct forecast_state {
	uint64_t generation;
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

// Served while nothing better is known: the level of the known values with their spread.
static void serve_level(const struct forecast_input *in, struct outlook *o)
{
	double sum = 0, squares = 0;
	size_t n = 0;
	for (size_t i = 0; i < in->n; i++) {
		if (isnan(in->y[i]))
			continue;
		sum += in->y[i];
		squares += in->y[i] * in->y[i];
		n++;
	}
	double mean = n ? sum / (double)n : 0;
	double variance = n ? squares / (double)n - mean * mean : 0;
	o->basis = n ? OUTLOOK_COLD : OUTLOOK_EMPTY;
	for (size_t h = 0; h < in->horizon; h++)
		member_normal_row(mean, sqrt(fmax(0, variance)), o->quantiles[h]);
}

static const struct member_ops *const naives[] = {&member_daily, &member_ratio, &member_last};

static void serve_naive(const struct forecast_input *in, struct outlook *o)
{
	struct member_input mi = {.y = in->y,
		.n = in->n,
		.start_s = in->start_s,
		.step_s = in->step_s,
		.max_horizon = in->horizon,
		.scale = 1,
		.seed = in->seed};
	for (size_t i = 0; i < sizeof(naives) / sizeof(*naives); i++) {
		void *model;
		if (naives[i]->create(&model, &mi, in->n) < 0)
			continue;
		int r = naives[i]->forecast(model, in->n, in->horizon, o->quantiles[0]);
		naives[i]->destroy(model);
		if (r < 0)
			continue;
		o->basis = OUTLOOK_DAILY;
		o->n_members = 1;
		o->members[0] = (struct outlook_member){.weight = 1, .loss = 1};
		memcpy(o->members[0].name, naives[i]->name, strlen(naives[i]->name) + 1);
		return;
	}
	serve_level(in, o);
}

static double smallest(const struct forecast_input *in)
{
	double least = INFINITY;
	for (size_t i = 0; i < in->n; i++)
		if (in->y[i] < least)
			least = in->y[i];
	return least;
}

static void bound(const struct forecast_input *in, struct outlook *o)
{
	double floor = smallest(in) >= 0 ? 0 : -INFINITY;
	double ceiling = in->most > 0 ? in->most : INFINITY;
	for (size_t h = 0; h < o->horizon; h++)
		for (int i = 0; i < QUANTILE_COUNT; i++) {
			double q = fmin(ceiling, fmax(floor, o->quantiles[h][i]));
			o->quantiles[h][i] = q;
			o->peak[h][i] = h ? fmax(o->peak[h - 1][i], q) : q;
		}
}

int forecast_run(
	const struct forecast_input *in, struct forecast_state *state, struct outlook **ret_outlook)
{
	if (in->step_s <= 0 || in->horizon == 0 || in->horizon > FORECAST_HORIZON_MAX)
		return -EINVAL;
	struct outlook *o;
	int r = outlook_new(&o, in->horizon);
	if (r < 0)
		return r;
	o->seed = in->seed;
	o->step_s = in->step_s;
	o->data_from_s = in->start_s;
	o->data_to_s = o->start_s = in->start_s + (int64_t)in->n * in->step_s;
	for (size_t i = 0; i < in->n; i++)
		o->data_known += !isnan(in->y[i]);
	serve_naive(in, o);
	bound(in, o);
	if (state)
		o->generation = ++state->generation;
	*ret_outlook = o;
	return 0;
}
