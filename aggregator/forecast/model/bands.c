// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/bands.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/linalg.h"
#include "aggregator/forecast/model/order.h"

// A new day counts this much in the spread between days; about the last five days count.
static const double between_blend = 0.3;
// No scale is under this share of the mean one: a quiet hour is not a promise.
static const double floor_share = 0.2;
// Ridge of the scale regression, relative to each term's own size.
static const double scale_ridge = 0.05;

int spread_init(struct spread *s, const double *z, size_t n, size_t season, double unit)
{
	memset(s, 0, sizeof(*s));
	s->n = n;
	s->season = season;
	s->recent = season / 12 > 4 ? season / 12 : 4;
	if (season == 0)
		s->recent = 12;
	s->unit = unit;
	s->movement = calloc(n + 1, sizeof(double));
	s->between = calloc(n + 1, sizeof(double));
	double *sum = calloc(n + 1, sizeof(double));
	if (!s->movement || !s->between || !sum) {
		free(sum);
		spread_done(s);
		return -ENOMEM;
	}
	size_t width = season / 24 > 1 ? season / 24 : 1;
	for (size_t t = 0; t < n; t++) {
		s->movement[t + 1] = s->movement[t] + (t > 0 ? fabs(z[t] - z[t - 1]) : 0);
		if (season == 0 || t < season)
			continue;
		sum[t + 1] = sum[t] + fabs(z[t] - z[t - season]);
		double near =
			(sum[t + 1] - (t + 1 > width ? sum[t + 1 - width] : 0)) / (double)width;
		s->between[t] = t < 2 * season ? near
					       : (1 - between_blend) * s->between[t - season] +
							 between_blend * near;
	}
	free(sum);
	return 0;
}

void spread_done(struct spread *s)
{
	free(s->movement);
	free(s->between);
	memset(s, 0, sizeof(*s));
}

void spread_terms(const struct spread *s, size_t origin, size_t target, double point,
	double ret[SPREAD_TERMS])
{
	size_t from = origin > s->recent ? origin - s->recent : 0;
	ret[0] = s->unit;
	ret[1] = origin > from ? (s->movement[origin] - s->movement[from]) / (double)(origin - from)
			       : 0;
	ret[2] = 0;
	if (s->season && origin >= s->season)
		ret[2] = s->between[target - ((target - origin) / s->season + 1) * s->season];
	ret[3] = fabs(point);
}

static double scale_of(const struct bands *b, const double *terms)
{
	double s = 0;
	for (int i = 0; i < SPREAD_TERMS; i++)
		s += b->weight[i] * terms[i];
	return s > b->floor ? s : b->floor;
}

// Ridge over the terms in `active`; returns the term with the most negative share, -1 if none.
static int solve_active(struct bands *b, const double *gram, const double *rhs, unsigned active)
{
	double g[SPREAD_TERMS * SPREAD_TERMS] = {0}, work[SPREAD_TERMS * SPREAD_TERMS];
	double x[SPREAD_TERMS], penalty[SPREAD_TERMS];
	int index[SPREAD_TERMS], n = 0, worst = -1;
	memset(b->weight, 0, sizeof(b->weight));
	for (int i = 0; i < SPREAD_TERMS; i++)
		if (active & 1u << i)
			index[n++] = i;
	for (int i = 0; i < n; i++) {
		const double *row = gram + index[i] * SPREAD_TERMS;
		x[i] = rhs[index[i]];
		penalty[i] = index[i] ? scale_ridge * row[index[i]] : 0;
		for (int j = 0; j <= i; j++)
			g[i * SPREAD_TERMS + j] = row[index[j]];
	}
	if (n == 0 || ridge_solve(&(struct gram){g, SPREAD_TERMS, (size_t)n}, penalty, work, x) < 0)
		return -1;
	double most = 0;
	for (int i = 0; i < n; i++) {
		double share = x[i] * sqrt(gram[index[i] * (SPREAD_TERMS + 1)]);
		b->weight[index[i]] = fmax(0, x[i]);
		if (share < most) {
			most = share;
			worst = index[i];
		}
	}
	return worst;
}

int bands_fit(struct bands *b, double *error, const double *terms, size_t n)
{
	double gram[SPREAD_TERMS * SPREAD_TERMS] = {0}, rhs[SPREAD_TERMS] = {0}, total = 0;
	if (n == 0)
		return -ENODATA;
	for (size_t r = 0; r < n; r++) {
		const double *u = terms + r * SPREAD_TERMS;
		double e = fabs(error[r]);
		total += e;
		for (int i = 0; i < SPREAD_TERMS; i++) {
			rhs[i] += u[i] * e;
			for (int j = 0; j <= i; j++)
				gram[i * SPREAD_TERMS + j] += u[i] * u[j];
		}
	}
	b->floor = fmax(floor_share * total / (double)n, 1e-300);
	unsigned active = (1u << SPREAD_TERMS) - 1;
	for (int worst; (worst = solve_active(b, gram, rhs, active)) >= 0;)
		active &= ~(1u << worst);
	for (size_t r = 0; r < n; r++)
		error[r] /= scale_of(b, terms + r * SPREAD_TERMS);
	order_sort_for(error, n, quantile_levels, QUANTILE_COUNT);
	for (int q = 0; q < QUANTILE_COUNT; q++)
		b->at[q] = order_quantile(error, n, quantile_levels[q]);
	return 0;
}

void bands_row(const struct bands *b, const double *terms, double point, double ret[QUANTILE_COUNT])
{
	double scale = scale_of(b, terms);
	for (int q = 0; q < QUANTILE_COUNT; q++)
		ret[q] = point + scale * b->at[q];
}

int fan_init(struct fan *f, const struct spread *spread, const double *y, size_t max_horizon,
	size_t each)
{
	memset(f, 0, sizeof(*f));
	f->spread = spread;
	f->y = y;
	f->each = each;
	for (size_t at = 0; at < max_horizon; f->count++) {
		struct fan_bucket *b = &f->bucket[f->count];
		size_t width = 1 + at / 4;
		b->from = at;
		at = b->to = at + width < max_horizon && f->count + 1 < FAN_BUCKETS ? at + width
										    : max_horizon;
		b->error = malloc(each * sizeof(double));
		b->terms = malloc(each * SPREAD_TERMS * sizeof(double));
		if (!b->error || !b->terms) {
			f->count++;
			fan_done(f);
			return -ENOMEM;
		}
	}
	return 0;
}

static void free_errors(struct fan *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->bucket[i].error);
		free(f->bucket[i].terms);
		f->bucket[i].error = f->bucket[i].terms = NULL;
	}
}

void fan_done(struct fan *f)
{
	free_errors(f);
	f->count = 0;
}

void fan_add(struct fan *f, size_t origin, size_t end, const double *points)
{
	const double *y = f->y;
	for (size_t i = 0; i < f->count; i++) {
		struct fan_bucket *b = &f->bucket[i];
		for (size_t h = b->from; h < b->to && origin + h < end && b->n < f->each; h++) {
			if (!isfinite(y[origin + h]) || !isfinite(points[h]))
				continue;
			b->error[b->n] = y[origin + h] - points[h];
			spread_terms(f->spread, origin, origin + h, points[h],
				b->terms + b->n++ * SPREAD_TERMS);
		}
	}
}

int fan_fit(struct fan *f, double inflate)
{
	for (size_t i = 0; i < f->count; i++) {
		struct fan_bucket *b = &f->bucket[i];
		for (size_t r = 0; r < b->n; r++)
			b->error[r] *= inflate;
		// A bucket too far ahead for the history takes over the one before.
		if (b->n < 10 && i > 0)
			b->bands = b[-1].bands;
		else if (bands_fit(&b->bands, b->error, b->terms, b->n) < 0)
			return -ENODATA;
	}
	free_errors(f);
	return 0;
}

void fan_rows(const struct fan *f, size_t origin, const double *points, size_t horizon, double *ret)
{
	double terms[SPREAD_TERMS];
	const struct fan_bucket *b = f->bucket;
	for (size_t h = 0; h < horizon; h++) {
		if (h >= b->to)
			b++;
		spread_terms(f->spread, origin, origin + h, points[h], terms);
		bands_row(&b->bands, terms, points[h], ret + h * QUANTILE_COUNT);
	}
}
