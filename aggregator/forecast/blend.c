// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/blend.h"

#include <math.h>
#include <string.h>

// Steeper than exp(-4 x) follows noise, flatter keeps members that do harm; measured on the
// developer series and on others held back.
static const double steepness = 4, drop_beyond = 1.3, weight_cap = .7, even_share = .2;
// A forecast scored this many days ago counts half.
static const double half_life_days = 7;

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
	double sum[BUCKETS_MAX] = {0}, mass[BUCKETS_MAX] = {0};
	double per_step = M_LN2 / (half_life_days * (double)f->day);
	for (size_t o = 0; o < t->n_origins; o++) {
		double discount = exp(-per_step * (double)(f->n - t->origin[o]));
		for (size_t h = 0; h < t->horizon && t->origin[o] + h < f->n; h++) {
			double truth = f->truth[t->origin[o] + h], row[QUANTILE_COUNT];
			if (isnan(truth))
				continue;
			const float *from = trial_row(t, e, o, h);
			for (int i = 0; i < QUANTILE_COUNT; i++)
				row[i] = (double)from[i];
			size_t k = blend_bucket(b, h);
			sum[k] += discount * row_loss(truth, row);
			mass[k] += discount;
		}
	}
	for (size_t k = 0; k < b->n_buckets; k++)
		b->loss[e][k] = mass[k] > 0 ? sum[k] / mass[k] : NAN;
}

static void cap_weights(struct blend *b, size_t k)
{
	double total = 0;
	for (size_t e = 0; e < b->n_entries; e++)
		total += b->weight[e][k] = fmin(b->weight[e][k], weight_cap);
	for (size_t e = 0; e < b->n_entries; e++)
		b->weight[e][k] /= total;
}

static void weigh_bucket(struct blend *b, size_t k, double floor, const bool *usable)
{
	double best = INFINITY, total = 0, kept = 0;
	for (size_t e = 0; e < b->n_entries; e++)
		if (usable[e] && b->loss[e][k] < best)
			best = b->loss[e][k];
	if (!isfinite(best)) { // no trial: everybody counts the same
		for (size_t e = 0; e < b->n_entries; e++)
			kept += usable[e];
		for (size_t e = 0; e < b->n_entries; e++)
			b->weight[e][k] = usable[e] ? 1 / kept : 0;
		return;
	}
	for (size_t e = 0; e < b->n_entries; e++) {
		double ratio = (b->loss[e][k] + floor) / (best + floor);
		b->weight[e][k] =
			usable[e] && ratio <= drop_beyond ? exp(-steepness * (ratio - 1)) : 0;
		total += b->weight[e][k];
		kept += b->weight[e][k] > 0;
	}
	for (size_t e = 0; e < b->n_entries; e++)
		if (b->weight[e][k] > 0)
			b->weight[e][k] =
				(1 - even_share) * b->weight[e][k] / total + even_share / kept;
	cap_weights(b, k);
}

void blend_weigh(struct blend *b, const struct trial *t, const struct front *f, const bool *usable)
{
	memset(b, 0, sizeof(*b));
	b->n_entries = t->n_entries;
	lay_buckets(b, t->horizon);
	for (size_t e = 0; e < t->n_entries; e++) {
		for (size_t k = 0; k < b->n_buckets; k++)
			b->loss[e][k] = NAN;
		if (t->n_origins > 0 && t->ok[e])
			score_entry(b, t, f, e);
	}
	// losses under 1 % of the usual difference are all the same to anybody
	double floor = .01 * f->lens[LENS_RAW].scale;
	for (size_t k = 0; k < b->n_buckets; k++)
		weigh_bucket(b, k, floor, usable);
}
