// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/past.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/season.h"

enum {
	ORIGINS = 256,    // asked at most
	ERRORS_MAX = 512, // kept per bucket: the 1 % quantile then rests on five errors
	ERRORS_MIN = 12,  // fewer tell nothing about a tail: a normal band instead
	DAY_S = 86400,
};

// Errors of one bucket with their terms.
struct pile {
	size_t n;
	double error[ERRORS_MAX], terms[ERRORS_MAX * SPREAD_TERMS];
};

// Buckets grow by half: the error of a forecast changes slowly with the horizon.
static void lay_buckets(struct past *p)
{
	size_t end = 1, max = p->in->max_horizon;
	while (p->n_buckets < PAST_BUCKETS) {
		bool last = end >= max || p->n_buckets == PAST_BUCKETS - 1;
		p->bucket_end[p->n_buckets++] = last ? max : end;
		if (last)
			break;
		end = end + 1 + end / 2;
	}
}

int past_init(struct past *p, const struct member_input *in, size_t fit_end)
{
	*p = (struct past){.in = in};
	size_t day = (size_t)((DAY_S + in->step_s / 2) / in->step_s);
	if (day < 2 || fit_end < 2 * day)
		day = 0;
	p->z = malloc(in->n * sizeof(*p->z));
	if (!p->z)
		return -ENOMEM;
	int r = season_fill(in->y, in->n, day, p->z) ? 0 : -ENODATA;
	if (r == 0)
		r = spread_init(&p->spread, p->z, in->n, day, in->scale);
	if (r < 0)
		past_done(p);
	lay_buckets(p);
	return r;
}

void past_done(struct past *p)
{
	spread_done(&p->spread);
	free(p->z);
	p->z = NULL;
}

// Too few errors for a tail: a normal band of their size, or of the usual difference.
static void normal_bands(struct past *p, size_t bucket, const struct pile *pile)
{
	double sum = 0;
	for (size_t i = 0; i < pile->n; i++)
		sum += pile->error[i] * pile->error[i];
	struct bands *b = &p->bands[bucket];
	*b = (struct bands){.floor = pile->n ? sqrt(sum / (double)pile->n) : p->in->scale};
	memcpy(b->at, quantile_scores, sizeof(quantile_scores));
}

static void learn_bucket(struct past *p, size_t bucket, struct pile *pile)
{
	if (pile->n >= ERRORS_MIN) {
		double *at = p->bands[bucket].at;
		bands_fit(&p->bands[bucket], pile->error, pile->terms, pile->n);
		for (int i = 0, middle = QUANTILE_COUNT / 2; i < QUANTILE_COUNT; i++)
			at[i] = i == middle ? at[i] : at[i] - at[middle];
		at[QUANTILE_COUNT / 2] = 0;
	} else if (pile->n > 0 || bucket == 0) {
		normal_bands(p, bucket, pile);
	} else {
		p->bands[bucket] = p->bands[bucket - 1];
	}
}

struct look { // one back-test: what a member said at an origin, and how much of it has its truth
	size_t number, origin, known;
	const double *points; // [known]
};

// Takes from one origin's points a few per bucket, walking through the bucket with the origins.
static void collect(struct past *p, struct pile *piles, const struct look *l)
{
	for (size_t b = 0; b < p->n_buckets; b++) {
		size_t from = b ? p->bucket_end[b - 1] : 0, width = p->bucket_end[b] - from;
		for (size_t i = 0; i < 2 && i < width; i++) {
			size_t h = from + (l->number + i * (width / 2)) % width;
			struct pile *pile = &piles[b];
			if (h >= l->known || pile->n == ERRORS_MAX)
				continue;
			double error = p->in->y[l->origin + h] - l->points[h];
			if (!isfinite(error))
				continue;
			spread_terms(&p->spread, l->origin, l->origin + h, l->points[h],
				pile->terms + pile->n * SPREAD_TERMS);
			pile->error[pile->n++] = error;
		}
	}
}

int past_learn(struct past *p, past_point *point, void *model, size_t first, size_t fit_end)
{
	size_t horizon = p->in->max_horizon;
	size_t span = fit_end > first ? fit_end - first : 0;
	size_t step = (span + ORIGINS - 1) / ORIGINS;
	struct pile *piles = calloc(p->n_buckets, sizeof(*piles));
	double *points = malloc(horizon * sizeof(*points));
	int r = piles && points ? 0 : -ENOMEM;
	for (size_t k = 0, origin = first; r == 0 && origin < fit_end; k++, origin += step) {
		size_t known = fit_end - origin < horizon ? fit_end - origin : horizon;
		if (point(model, origin, known, points) == 0)
			collect(p, piles, &(struct look){k, origin, known, points});
	}
	for (size_t b = 0; r == 0 && b < p->n_buckets; b++)
		learn_bucket(p, b, &piles[b]);
	free(piles);
	free(points);
	return r;
}

void past_row(
	const struct past *p, size_t origin, size_t h, double point, double ret[QUANTILE_COUNT])
{
	double terms[SPREAD_TERMS];
	size_t bucket = 0;
	while (bucket + 1 < p->n_buckets && h >= p->bucket_end[bucket])
		bucket++;
	spread_terms(&p->spread, origin, origin + h, point, terms);
	bands_row(&p->bands[bucket], terms, point, ret);
}
