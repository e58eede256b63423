// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/calibrate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/season.h"

enum { ERRORS_MAX = 4096, ERRORS_MIN = 24, MIDDLE = QUANTILE_COUNT / 2, INNER = 2 };

// Bands are drawn in harder from so many days of history on (a shorter one is of a grid so fine
// that it holds errors enough), and up to so many days ahead (beyond, a burst is likely to come
// again).
static const double short_days = 5, far_days = 2;

// The shorter the history, the less the members' own bands are worth, and the less anybody's tails:
// shares by days of history, about (8 / 15 / 28 days) .7 / .6 / .25 of the blend's own errors, .8 /
// .8 / .3 of normal tails for the members' (else .5 / .44 / .3) and .8 / .8 / .75 for the blend's,
// which has fewer: one burst in two weeks is no measure of the 99th percentile of tomorrow.
static double own_share(double days)
{
	return fmin(.7, fmax(.25, 1 - .0275 * days));
}

static double member_tail_share(double days, bool hard)
{
	return hard ? fmin(.8, fmax(.3, .8 - (days - 16) / 24)) : fmin(.5, 12 / (12 + days));
}

static double blend_tail_share(double days)
{
	return fmin(.8, 30 / (12 + days));
}

// The same of the 10th and 90th percentile, from the quartiles, and of the members' only.
static double inner_share(double days, bool hard)
{
	return hard ? fmin(.25, fmax(0, (28 - days) / 48)) : 0;
}

static void draw_inner(double *offset, double share)
{
	for (int side = 0; side < 2; side++) {
		int i = side ? QUANTILE_COUNT - 1 - INNER : INNER, quartile = side ? i - 1 : i + 1;
		double normal = offset[quartile] * quantile_scores[i] / quantile_scores[quartile];
		offset[i] += share * (normal - offset[i]);
	}
}

// Draws the two outer quantiles on each side (offsets from the centre) towards the normal ones.
static void draw_tails(double *offset, double share)
{
	for (int side = 0; side < 2; side++) {
		int inner = side ? QUANTILE_COUNT - 1 - INNER : INNER;
		for (int k = 0; k < INNER; k++) {
			int i = side ? QUANTILE_COUNT - 1 - k : k;
			double normal = offset[inner] * quantile_scores[i] / quantile_scores[inner];
			offset[i] += share * (normal - offset[i]);
		}
	}
}

static int learn_bucket(
	struct calibration *c, size_t k, double *errors, const double *terms, size_t n)
{
	struct bands *b = &c->bands[k];
	if (n < ERRORS_MIN)
		return -ENODATA;
	bands_fit(b, errors, terms, n);
	double centre = b->at[MIDDLE];
	for (int i = 0; i < QUANTILE_COUNT; i++)
		b->at[i] -= centre;
	draw_tails(b->at, blend_tail_share(c->days));
	return 0;
}

struct errors {
	double error[ERRORS_MAX], terms[ERRORS_MAX * SPREAD_TERMS];
	size_t n;
};

struct evidence { // what the errors come from
	const struct blend *blend;
	const struct trial *trial;
	const struct front *front;
};

// Every stride-th error of the bucket's horizons at all origins.
static void collect(
	struct errors *x, const struct calibration *c, const struct evidence *e, size_t k)
{
	const struct blend *b = e->blend;
	const struct trial *t = e->trial;
	const struct front *f = e->front;
	size_t from = k ? b->bucket_end[k - 1] : 0, end = b->bucket_end[k];
	size_t stride = (end - from) * t->n_origins / ERRORS_MAX + 1, pair = 0;
	x->n = 0;
	for (size_t o = t->from; o < t->to; o++)
		for (size_t h = from; h < end && t->origin[o] + h < f->n; h++) {
			double truth = f->truth[t->origin[o] + h];
			if (pair++ % stride || isnan(truth) || x->n == ERRORS_MAX)
				continue;
			double centre = blend_centre(b, t, o, h);
			spread_terms(&c->spread, t->origin[o], t->origin[o] + h, centre,
				x->terms + x->n * SPREAD_TERMS);
			x->error[x->n++] = truth - centre;
		}
}

// The series with its measures of spread: what bands are applied to.
static int prepare(struct calibration *c, const struct front *f)
{
	size_t day = f->day > 1 && f->n >= 2 * f->day ? f->day : 0;
	c->days = (double)f->n / (double)f->day;
	c->z = malloc(f->n * sizeof(*c->z));
	if (!c->z)
		return -ENOMEM;
	season_fill(f->lens[LENS_RAW].y, f->n, day, c->z);
	return spread_init(&c->spread, c->z, f->n, day, f->lens[LENS_RAW].scale);
}

int calibration_learn(
	struct calibration *c, const struct blend *b, const struct trial *t, const struct front *f)
{
	*c = (struct calibration){.days = (double)f->n / (double)f->day};
	double ahead = (double)b->bucket_end[b->n_buckets - 1] / (double)f->day;
	c->hard = c->days >= short_days && ahead <= far_days;
	if (t->n_origins == 0)
		return 0;
	struct errors *x = malloc(sizeof(*x));
	int r = x ? prepare(c, f) : -ENOMEM;
	c->learnt = r == 0;
	for (size_t k = 0; r == 0 && k < b->n_buckets; k++) {
		collect(x, c, &(struct evidence){b, t, f}, k);
		if (learn_bucket(c, k, x->error, x->terms, x->n) < 0)
			c->learnt = false;
	}
	free(x);
	return r;
}

int calibration_restore(
	struct calibration *c, const struct calibration *kept, const struct front *f)
{
	*c = *kept;
	c->z = NULL;
	memset(&c->spread, 0, sizeof(c->spread));
	return c->learnt ? prepare(c, f) : 0;
}

void calibration_done(struct calibration *c)
{
	spread_done(&c->spread);
	free(c->z);
	c->z = NULL;
}

void calibrate_row(const struct calibration *c, const struct blend *b, size_t origin, size_t h,
	double row[QUANTILE_COUNT])
{
	double own[QUANTILE_COUNT], offset[QUANTILE_COUNT];
	double centre = row[MIDDLE];
	for (int i = 0; i < QUANTILE_COUNT; i++)
		offset[i] = row[i] - centre;
	draw_inner(offset, inner_share(c->days, c->hard));
	draw_tails(offset, member_tail_share(c->days, c->hard));
	if (c->learnt) {
		double terms[SPREAD_TERMS];
		spread_terms(&c->spread, origin, origin + h, centre, terms);
		bands_row(&c->bands[blend_bucket(b, h)], terms, 0, own);
		for (int i = 0; i < QUANTILE_COUNT; i++)
			offset[i] += own_share(c->days) * (own[i] - offset[i]);
	}
	for (int i = 0; i < QUANTILE_COUNT; i++)
		row[i] = i ? fmax(centre + offset[i], row[i - 1]) : centre + offset[i];
}
