// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/prophet_design.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "aggregator/forecast/model/linalg.h"

static const double changes_over = 0.8, seasonal_prior = 10, regressor_prior = 10;

static double days_of(const struct prophet_design *d, double steps)
{
	return steps * (double)d->in->step_s / 86400;
}

static void add_season(struct prophet_design *d, double period_days, size_t order)
{
	d->period_days[d->n_seasons] = period_days;
	d->order[d->n_seasons++] = order;
	for (size_t i = 0; i < 2 * order; i++)
		d->sigmas[d->features++] = seasonal_prior;
}

static void choose_seasons(struct prophet_design *d)
{
	double span = days_of(d, d->t_scale), step = days_of(d, 1);
	if (span >= 730)
		add_season(d, 365.25, 10);
	if (span >= 14 && step < 7)
		add_season(d, 7, 3);
	if (span >= 2 && step < 1)
		add_season(d, 1, 4);
}

static void scale_regressors(struct prophet_design *d)
{
	const struct member_input *in = d->in;
	if (!in->regressors)
		return;
	d->n_regressors =
		in->n_regressors < DESIGN_REGRESSORS ? in->n_regressors : DESIGN_REGRESSORS;
	for (size_t i = 0; i < d->n_regressors; i++) {
		double sum = 0, squares = 0, n = (double)d->fit_end;
		bool binary = true;
		for (size_t t = 0; t < d->fit_end; t++) {
			double x = in->regressors[t * in->n_regressors + i];
			sum += x;
			squares += x * x;
			binary = binary && (x == 0 || x == 1);
		}
		double variance = (squares - sum * sum / n) / fmax(1, n - 1);
		bool as_is = binary || !(variance > 0);
		d->mean[i] = as_is ? 0 : sum / n;
		d->spread[i] = as_is ? 1 : sqrt(variance);
		d->sigmas[d->features++] = regressor_prior;
	}
}

// Changes of slope at evenly spaced known values of the first 80 %.
static void place_changes(struct prophet_design *d, size_t known)
{
	size_t usable = (size_t)floor((double)known * changes_over), next = 1, seen = 0;
	d->slopes = MAP_SLOPES + 1 > usable ? (usable > 1 ? usable - 1 : 0) : MAP_SLOPES;
	for (size_t t = 0; t < d->fit_end && next <= d->slopes; t++) {
		if (!isfinite(d->in->y[t]))
			continue;
		double at = rint((double)next * (double)(usable - 1) / (double)d->slopes);
		if ((double)seen++ == at)
			d->change[next++ - 1] = prophet_time(d, t);
	}
}

int prophet_design(struct prophet_design *d, const struct member_input *in, size_t fit_end)
{
	size_t known = 0, last = 0;
	memset(d, 0, sizeof(*d));
	d->in = in;
	d->fit_end = fit_end;
	for (size_t t = 0; t < fit_end; t++) {
		if (!isfinite(in->y[t]))
			continue;
		if (known++ == 0)
			d->first = t;
		last = t;
		d->y_scale = fmax(d->y_scale, fabs(in->y[t]));
	}
	if (known < 3)
		return -ENODATA;
	if (d->y_scale == 0)
		d->y_scale = 1;
	d->t_scale = (double)(last - d->first);
	choose_seasons(d);
	scale_regressors(d);
	place_changes(d, known);
	size_t columns = 2 + d->slopes + d->features + 1;
	d->p = (columns + GRAM_LANES - 1) / GRAM_LANES * GRAM_LANES;
	return 0;
}

double prophet_time(const struct prophet_design *d, size_t t)
{
	return ((double)t - (double)d->first) / d->t_scale;
}

void prophet_row(const struct prophet_design *d, size_t t, double *ret)
{
	double time = prophet_time(d, t), *x = ret;
	double day = ((double)d->in->start_s + (double)t * (double)d->in->step_s) / 86400;
	*x++ = time;
	*x++ = 1;
	for (size_t j = 0; j < d->slopes; j++)
		*x++ = time > d->change[j] ? time - d->change[j] : 0;
	for (size_t i = 0; i < d->n_seasons; i++) {
		double angle = 2 * M_PI * fmod(day, d->period_days[i]) / d->period_days[i];
		double c1 = cos(angle), s1 = sin(angle), c = c1, s = s1;
		for (size_t k = 0; k < d->order[i]; k++) {
			*x++ = s;
			*x++ = c;
			double turned = c * c1 - s * s1;
			s = s * c1 + c * s1;
			c = turned;
		}
	}
	for (size_t i = 0; i < d->n_regressors; i++)
		*x++ = (d->in->regressors[t * d->in->n_regressors + i] - d->mean[i]) / d->spread[i];
	while (x < ret + d->p)
		*x++ = 0;
}

size_t prophet_gram(const struct prophet_design *d, double *ret)
{
	enum { BATCH = 64 };
	double x[BATCH * MAP_COLUMNS];
	size_t rows = 0, held = 0, target = 2 + d->slopes + d->features;
	memset(ret, 0, d->p * d->p * sizeof(double));
	for (size_t t = 0; t < d->fit_end; t++) {
		if (!isfinite(d->in->y[t]))
			continue;
		prophet_row(d, t, x + held * d->p);
		x[held * d->p + target] = d->in->y[t] / d->y_scale;
		rows++;
		if (++held == BATCH) {
			gram_add(ret, d->p, x, held, NULL);
			held = 0;
		}
	}
	gram_add(ret, d->p, x, held, NULL);
	return rows;
}
