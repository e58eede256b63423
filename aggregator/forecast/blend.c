// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/blend.h"

#include <math.h>
#include <string.h>

// Flat: exp(-4 x) or a narrower drop follows noise on series held back as much as on the developer
// ones, and an age discount does not help either.
static const double steepness = 2, drop_beyond = 2, even_share = .2;
static const double most_of_one = .5;
static const double few = 4; // scores at which half of the rest is still spread evenly

// What a trial counts whose truth lies before a change of level that the drift alarm found.
static const double before_change = .2;

enum { MIDDLE = QUANTILE_COUNT / 2 };

double pinball(double truth, double forecast, double level)
{
	double d = truth - forecast;
	return d >= 0 ? level * d : (level - 1) * d;
}

double row_loss(double truth, const double row[QUANTILE_COUNT])
{
	static const int counted[] = {1, 2, 4, 6, 7, 8};
	double sum = 0;
	for (size_t i = 0; i < sizeof(counted) / sizeof(*counted); i++)
		sum += pinball(truth, row[counted[i]], quantile_levels[counted[i]]);
	return sum;
}

double weighted_median(double *v, double *w, size_t n)
{
	size_t k = 0;
	double total = 0;
	for (size_t i = 0; i < n; i++) { // insertion sort of what counts
		if (!(w[i] > 0))
			continue;
		double value = v[i], weight = w[i];
		size_t at = k++;
		for (; at > 0 && v[at - 1] > value; at--) {
			v[at] = v[at - 1];
			w[at] = w[at - 1];
		}
		v[at] = value;
		w[at] = weight;
		total += weight;
	}
	if (k == 0)
		return 0;
	double before = 0, last_mid = 0;
	for (size_t i = 0; i < k; i++) {
		double mid = (before + w[i] / 2) / total;
		if (mid >= .5) {
			if (i == 0)
				return v[0];
			double part = (.5 - last_mid) / (mid - last_mid);
			return v[i - 1] + (v[i] - v[i - 1]) * part;
		}
		before += w[i];
		last_mid = mid;
	}
	return v[k - 1];
}

size_t blend_bucket(const struct blend *b, size_t h)
{
	size_t k = 0;
	while (k + 1 < b->n_buckets && h >= b->bucket_end[k])
		k++;
	return k;
}

// Three buckets, growing geometrically: 1 step to the horizon.
static void lay_buckets(struct blend *b, size_t horizon)
{
	b->n_buckets = horizon < 8 ? 1 : 3;
	for (size_t k = 0; k < b->n_buckets; k++) {
		double end = pow((double)horizon, (double)(k + 1) / (double)b->n_buckets);
		b->bucket_end[k] = k + 1 == b->n_buckets ? horizon : (size_t)lround(end);
	}
}

static void score_entry(struct blend *b, const struct trial *t, const struct front *f, size_t e)
{
	double sum[BLEND_USES][BUCKETS_MAX] = {0}, mass[BUCKETS_MAX] = {0};
	for (size_t o = t->from; o < t->to; o++)
		for (size_t h = 0; h < t->horizon && t->origin[o] + h < f->n; h++) {
			double truth = f->truth[t->origin[o] + h], row[QUANTILE_COUNT];
			if (isnan(truth))
				continue;
			const float *from = trial_row(t, e, o, h);
			for (int i = 0; i < QUANTILE_COUNT; i++)
				row[i] = (double)from[i];
			size_t k = blend_bucket(b, h);
			double w = t->origin[o] + h < f->changed ? before_change : 1;
			sum[BLEND_CENTRE][k] += w * fabs(truth - row[MIDDLE]);
			sum[BLEND_WIDTH][k] += w * row_loss(truth, row);
			mass[k] += w;
		}
	for (size_t k = 0; k < b->n_buckets; k++) {
		b->scored[k] = fmax(b->scored[k], mass[k]);
		for (int use = 0; use < BLEND_USES; use++)
			b->loss[use][e][k] = mass[k] > 0 ? sum[use][k] / mass[k] : NAN;
	}
}

static void equal_weights(struct blend *b, enum blend_use use, size_t k, const bool *usable)
{
	double n = 0;
	for (size_t e = 0; e < b->n_entries; e++)
		n += usable[e];
	for (size_t e = 0; e < b->n_entries; e++)
		b->weight[use][e][k] = usable[e] ? 1 / n : 0;
}

static void cap(struct blend *b, enum blend_use use, size_t k)
{
	size_t first = 0;
	for (size_t e = 1; e < b->n_entries; e++)
		if (b->weight[use][e][k] > b->weight[use][first][k])
			first = e;
	double most = b->weight[use][first][k];
	if (most <= most_of_one || most >= 1 - 1e-9)
		return;
	for (size_t e = 0; e < b->n_entries; e++)
		b->weight[use][e][k] *= (1 - most_of_one) / (1 - most);
	b->weight[use][first][k] = most_of_one;
}

static void weigh_bucket(struct blend *b, enum blend_use use, size_t k, const bool *usable)
{
	double best = INFINITY, total = 0, kept = 0;
	for (size_t e = 0; e < b->n_entries; e++)
		if (usable[e] && b->loss[use][e][k] < best)
			best = b->loss[use][e][k];
	if (!isfinite(best)) {
		equal_weights(b, use, k, usable);
		return;
	}
	for (size_t e = 0; e < b->n_entries; e++) {
		double *w = &b->weight[use][e][k];
		double ratio = (b->loss[use][e][k] + b->floor) / (best + b->floor);
		bool open = usable[e] && (!pool[e].gated || b->loss[use][e][k] <= best);
		*w = open && ratio <= drop_beyond ? exp(-steepness * (ratio - 1)) : 0;
		total += *w;
		kept += *w > 0;
	}
	double even = even_share + (1 - even_share) * few / (few + b->scored[k]);
	for (size_t e = 0; e < b->n_entries; e++)
		if (b->weight[use][e][k] > 0)
			b->weight[use][e][k] =
				(1 - even) * b->weight[use][e][k] / total + even / kept;
	cap(b, use, k);
}

void blend_reweigh(struct blend *b, const bool *usable)
{
	for (size_t k = 0; k < b->n_buckets; k++)
		for (int use = 0; use < BLEND_USES; use++)
			weigh_bucket(b, (enum blend_use)use, k, usable);
}

void blend_weigh(struct blend *b, const struct trial *t, const struct front *f, const bool *usable)
{
	memset(b, 0, sizeof(*b));
	b->n_entries = t->n_entries;
	lay_buckets(b, t->horizon);
	for (size_t e = 0; e < t->n_entries; e++) {
		for (size_t k = 0; k < b->n_buckets; k++)
			b->loss[BLEND_CENTRE][e][k] = b->loss[BLEND_WIDTH][e][k] = NAN;
		if (t->n_origins > 0 && t->ok[e])
			score_entry(b, t, f, e);
	}
	b->floor = .01 * f->lens[LENS_RAW].scale;
	blend_reweigh(b, usable);
}

bool blend_uses(const struct blend *b, size_t e)
{
	for (int use = 0; use < BLEND_USES; use++)
		for (size_t k = 0; k < b->n_buckets; k++)
			if (b->weight[use][e][k] > 0)
				return true;
	return false;
}

static void sort_row(double *row)
{
	for (int i = 1; i < QUANTILE_COUNT; i++)
		for (int j = i; j > 0 && row[j - 1] > row[j]; j--) {
			double lower = row[j];
			row[j] = row[j - 1];
			row[j - 1] = lower;
		}
}

void blend_row(const struct blend *b, size_t h, const double *rows, size_t stride,
	double ret[QUANTILE_COUNT])
{
	double v[ENTRIES_MAX], w[ENTRIES_MAX], row[QUANTILE_COUNT];
	size_t k = blend_bucket(b, h), n = 0;
	for (size_t e = 0; e < b->n_entries; e++)
		if (b->weight[BLEND_CENTRE][e][k] > 0) {
			v[n] = rows[e * stride + MIDDLE];
			w[n++] = b->weight[BLEND_CENTRE][e][k];
		}
	double centre = weighted_median(v, w, n);
	for (int i = 0; i < QUANTILE_COUNT; i++) {
		n = 0;
		for (size_t e = 0; e < b->n_entries; e++)
			if (b->weight[BLEND_WIDTH][e][k] > 0) {
				v[n] = rows[e * stride + (size_t)i];
				w[n++] = b->weight[BLEND_WIDTH][e][k];
			}
		row[i] = weighted_median(v, w, n);
	}
	sort_row(row);
	for (int i = 0; i < QUANTILE_COUNT; i++)
		ret[i] = centre + (row[i] - row[MIDDLE]);
}

void blend_past_row(const struct blend *b, const struct trial *t, size_t origin, size_t h,
	double ret[QUANTILE_COUNT])
{
	double rows[ENTRIES_MAX * QUANTILE_COUNT];
	for (size_t e = 0; e < t->n_entries; e++)
		for (int i = 0; i < QUANTILE_COUNT; i++)
			rows[e * QUANTILE_COUNT + (size_t)i] =
				t->ok[e] ? (double)trial_row(t, e, origin, h)[i] : 0;
	blend_row(b, h, rows, QUANTILE_COUNT, ret);
}

double blend_centre(const struct blend *b, const struct trial *t, size_t origin, size_t h)
{
	double v[ENTRIES_MAX], w[ENTRIES_MAX];
	size_t k = blend_bucket(b, h), n = 0;
	for (size_t e = 0; e < b->n_entries; e++)
		if (b->weight[BLEND_CENTRE][e][k] > 0 && t->ok[e]) {
			v[n] = (double)trial_row(t, e, origin, h)[MIDDLE];
			w[n++] = b->weight[BLEND_CENTRE][e][k];
		}
	return weighted_median(v, w, n);
}
