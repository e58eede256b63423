// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/ledger.h"

#include <math.h>
#include <string.h>

static const float discount = .997F;

enum { MIDDLE = QUANTILE_COUNT / 2, LEDGER_MIDDLE = 2 };
static const int counted[LEDGER_LEVELS] = {1, 2, MIDDLE, 6, 7, 8};

static void take_row(const double *row, float ret[LEDGER_LEVELS])
{
	for (int i = 0; i < LEDGER_LEVELS; i++)
		ret[i] = (float)row[counted[i]];
}

static void watch(struct ledger_watch *w, const struct ledger_said *said, size_t n_entries,
	const size_t range[2])
{
	size_t from = range[0], length = range[1] - range[0];
	w->start_s = said->start_s;
	w->n = (uint8_t)(length < LEDGER_STEPS ? length : LEDGER_STEPS);
	w->scored = 0;
	memset(w->ok, 0, sizeof(w->ok));
	for (size_t i = 0; i < w->n; i++) {
		size_t h = from + (w->n > 1 ? i * (length - 1) / (w->n - 1u) : 0);
		w->step[i] = (uint16_t)h;
		take_row(said->served[h], w->served[i]);
		for (size_t e = 0; e < n_entries; e++) {
			w->ok[e] = said->ok[e];
			if (said->ok[e])
				take_row(said->rows + e * said->stride + h * QUANTILE_COUNT,
					w->said[e][i]);
		}
	}
}

void ledger_issue(struct ledger *l, const struct blend *b, const struct ledger_said *said)
{
	for (size_t k = 0; k < b->n_buckets; k++) {
		struct ledger_watch *w = &l->watch[k];
		size_t range[2] = {k ? b->bucket_end[k - 1] : 0, b->bucket_end[k]};
		if (range[1] > said->horizon)
			range[1] = said->horizon;
		if (w->scored == w->n && range[0] < range[1])
			watch(w, said, b->n_entries, range);
	}
}

static void losses_of(double truth, const float *row, double ret[BLEND_USES])
{
	ret[BLEND_CENTRE] = fabs(truth - (double)row[LEDGER_MIDDLE]);
	ret[BLEND_WIDTH] = 0;
	for (int i = 0; i < LEDGER_LEVELS; i++)
		ret[BLEND_WIDTH] += pinball(truth, (double)row[i], quantile_levels[counted[i]]);
}

static void count(struct ledger_sums *s, const struct ledger_watch *w, size_t k, double truth)
{
	double served[BLEND_USES], own[BLEND_USES];
	losses_of(truth, w->served[w->scored], served);
	for (size_t e = 0; e < ENTRIES_MAX; e++) {
		if (!w->ok[e])
			continue;
		losses_of(truth, w->said[e][w->scored], own);
		for (int use = 0; use < BLEND_USES; use++) {
			float *mine = &s->own[use][e][k], *theirs = &s->served[use][e][k];
			*mine = discount * *mine + (float)own[use];
			*theirs = discount * *theirs + (float)served[use];
		}
		s->steps[e][k] = discount * s->steps[e][k] + 1;
	}
}

void ledger_score(struct ledger *l, const struct ledger_truth *t)
{
	for (size_t k = 0; k < BUCKETS_MAX; k++)
		for (struct ledger_watch *w = &l->watch[k]; w->scored < w->n; w->scored++) {
			int64_t at_s = w->start_s + (int64_t)w->step[w->scored] * t->step_s;
			if (at_s + t->step_s > t->end_s)
				break;
			double truth = t->value_at(t->arg, at_s);
			if (!isnan(truth))
				count(&l->sums, w, k, truth);
		}
}

struct issued_loss { // of one bucket, as ratios to the served forecast's
	double ratio[ENTRIES_MAX], trust[ENTRIES_MAX];
	double unit; // what a ratio of 1 is in the unit of the trials' losses
};

static void ratios(const struct ledger_sums *s, const struct blend *b, enum blend_use use, size_t k,
	struct issued_loss *ret)
{
	double ours = 0, theirs = 0, served = 0, steps = 0;
	for (size_t e = 0; e < b->n_entries; e++) {
		double n = (double)s->steps[e][k], floor = n * b->floor, prior = b->loss[use][e][k];
		ret->trust[e] = n / (n + LEDGER_PRIOR);
		ret->ratio[e] = ((double)s->own[use][e][k] + floor) /
				((double)s->served[use][e][k] + floor);
		if (!(n > 0))
			continue;
		served += (double)s->served[use][e][k] + floor;
		steps += n;
		if (isnan(prior))
			continue;
		ours += n * (prior + b->floor);
		theirs += n * ret->ratio[e];
	}
	ret->unit = theirs > 0 ? ours / theirs : steps > 0 ? served / steps : 0;
}

void ledger_weigh(const struct ledger *l, struct blend *b, const bool *usable)
{
	const struct ledger_sums *s = &l->sums;
	struct issued_loss x;
	for (size_t k = 0; k < b->n_buckets; k++) {
		for (int use = 0; use < BLEND_USES; use++) {
			ratios(s, b, (enum blend_use)use, k, &x);
			for (size_t e = 0; e < b->n_entries; e++) {
				double *loss = &b->loss[use][e][k];
				double issued = fmax(0, x.ratio[e] * x.unit - b->floor);
				if (!(s->steps[e][k] > 0) || !isfinite(issued))
					continue;
				*loss = isnan(*loss) ? issued
						     : *loss + x.trust[e] * (issued - *loss);
			}
		}
		double most = 0;
		for (size_t e = 0; e < b->n_entries; e++)
			most = fmax(most, (double)s->steps[e][k]);
		b->scored[k] += most;
	}
	blend_reweigh(b, usable);
}
