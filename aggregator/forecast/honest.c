// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/honest.h"

#include <math.h>
#include <string.h>

enum {
	ROWS_MAX = 400,  // rows compared; more say little and cost
	ORIGINS_MIN = 8, // fewer are no evidence
	WINDOWS_MIN = 3,
	ISSUED_TRUST = 96,  // issued steps that weigh as much as the back-tests
	ISSUED_ENOUGH = 48, // of a hundred: they decide alone
};

// By how much the ensemble must have lost, besides beyond chance: less is not worth a change.
static const double clearly = 1.1;

static bool is_naive(size_t e)
{
	return pool[e].lens == LENS_RAW &&
	       (pool[e].ops == &member_last || pool[e].ops == &member_daily ||
		       pool[e].ops == &member_weekly);
}

static double loss_of(const struct blend *b, size_t e)
{
	double sum = 0;
	for (size_t k = 0; k < b->n_buckets; k++)
		sum += b->loss[BLEND_WIDTH][e][k];
	return sum;
}

static size_t best_naive(const struct blend *b, const bool *usable)
{
	size_t best = pool_size;
	for (size_t e = 0; e < pool_size; e++) {
		bool better = best == pool_size || loss_of(b, e) < loss_of(b, best);
		if (usable[e] && is_naive(e) && isfinite(loss_of(b, e)) && better)
			best = e;
	}
	return best;
}

struct comparison {
	double ensemble, naive;    // sums of losses
	double gain, gain_squares; // of the mean difference per origin, naive - ensemble
	double origins;
};

// Losses of both over the later half.
static void compare(const struct trial *t, const struct front *f, const struct blend *b,
	size_t naive, struct comparison *c)
{
	size_t stride = (t->n_origins - t->to) * t->horizon / ROWS_MAX + 1, pair = 0;
	*c = (struct comparison){0};
	for (size_t o = t->to; o < t->n_origins; o++) {
		double gain = 0, n = 0;
		for (size_t h = 0; h < t->horizon && t->origin[o] + h < f->n; h++) {
			double truth = f->truth[t->origin[o] + h], row[QUANTILE_COUNT];
			if (pair++ % stride || isnan(truth))
				continue;
			blend_past_row(b, t, o, h, row);
			double ours = row_loss(truth, row);
			const float *from = trial_row(t, naive, o, h);
			for (int i = 0; i < QUANTILE_COUNT; i++)
				row[i] = (double)from[i];
			double theirs = row_loss(truth, row);
			c->ensemble += ours;
			c->naive += theirs;
			gain += theirs - ours;
			n++;
		}
		if (n > 0) {
			c->gain += gain / n;
			c->gain_squares += gain / n * gain / n;
			c->origins++;
		}
	}
}

// Two standard errors; origins closer than a horizon share their truth and count as one.
static bool clearly_lost(const struct comparison *c, double windows)
{
	double mean = c->gain / c->origins;
	double spread = sqrt(fmax(0, c->gain_squares / c->origins - mean * mean));
	return windows >= WINDOWS_MIN && -mean > 2 * spread / sqrt(windows);
}

double honest_ratio(double back_tested, double issued, double issued_steps)
{
	if (isnan(issued) || isnan(back_tested))
		return isnan(issued) ? back_tested : issued;
	double trust = issued_steps / (issued_steps + ISSUED_TRUST);
	return back_tested + trust * (issued - back_tested);
}

void honest_count(struct honest_issued *i, double ours, double naive)
{
	static const double discount = .99;
	i->steps = discount * i->steps + 1;
	i->ours = discount * i->ours + ours;
	i->naives = discount * i->naives + naive;
}

bool honest_gate(struct honest_issued *i, bool worse_in_back_tests)
{
	double tiny = 1e-6 * i->steps; // losses are in units of the series' scale
	if (i->steps >= ISSUED_ENOUGH)
		i->shut = i->ours > (i->shut ? 1 : clearly) * i->naives + tiny;
	else
		i->shut = worse_in_back_tests;
	return i->shut;
}

struct honesty honest_judge(const struct trial *t, const struct front *f, const bool *usable)
{
	struct honesty ret = {.naive = pool_size, .ratio = NAN};
	if (t->n_origins < ORIGINS_MIN)
		return ret;
	struct trial early = *t;
	struct blend b;
	struct comparison c;
	early.to = t->n_origins / 2;
	bool tried[ENTRIES_MAX] = {false};
	for (size_t e = 0; e < pool_size; e++)
		tried[e] = usable[e] && t->ok[e];
	blend_weigh(&b, &early, f, tried);
	ret.naive = best_naive(&b, tried);
	if (ret.naive == pool_size)
		return ret;
	compare(&early, f, &b, ret.naive, &c);
	double floor = 1e-9 * f->lens[LENS_RAW].scale;
	ret.ratio = (c.ensemble + floor) / (c.naive + floor);
	double windows = (double)(f->n - t->origin[early.to]) / (double)t->horizon;
	windows = fmin(windows, c.origins);
	ret.worse = ret.ratio > clearly && clearly_lost(&c, windows);
	return ret;
}
