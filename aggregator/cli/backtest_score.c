// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/backtest_score.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "aggregator/forecast/blend.h"
#include "aggregator/forecast/outlook.h"

enum { MIDDLE = QUANTILE_COUNT / 2, Q90 = 6 };

const double score_bands[SCORE_BANDS] = {.5, .8, .9, .95, .98};
// Losses below 1 % of the scale count as equal: a trivially flat series gets no leverage.
static const double equal_loss = .01;

double score_scale(const double *y, size_t n, size_t season)
{
	double sum = 0, pairs = 0, least = INFINITY, most = -INFINITY;
	for (size_t i = 0; i < n; i++) {
		least = fmin(least, y[i]);
		most = fmax(most, y[i]);
		if (i < season || isnan(y[i]) || isnan(y[i - season]))
			continue;
		sum += fabs(y[i] - y[i - season]);
		pairs++;
	}
	double scale = pairs > 0 ? sum / pairs : 0;
	if (most >= least)
		scale = fmax(scale, fmax(.01 * score_level(y, n), 1e-6 * (most - least)));
	else
		scale = 1; // nothing is known
	return fmax(scale, 1e-12);
}

double score_level(const double *y, size_t n)
{
	double sum = 0, known = 0;
	for (size_t i = 0; i < n; i++)
		if (!isnan(y[i])) {
			sum += fabs(y[i]);
			known++;
		}
	return known > 0 ? sum / known : 0;
}

struct step {
	double truth;
	const double *row;
};

static void add_bands(struct score *s, const struct step *p, double *msis)
{
	static const double low[SCORE_BANDS] = {.25, .1, .05, .025, .01};
	for (int b = 0; b < SCORE_BANDS; b++) {
		double from = outlook_quantile(p->row, low[b]);
		double to = outlook_quantile(p->row, 1 - low[b]);
		s->inside[b] += p->truth >= from && p->truth <= to;
		if (b == BAND_95) // 2 / .05 = 40
			*msis += to - from + 40 * fmax(0, from - p->truth) +
				 40 * fmax(0, p->truth - to);
	}
}

void score_add(struct score *s, const struct truth *t, const double (*rows)[QUANTILE_COUNT])
{
	double error = 0, wql = 0, msis = 0, loss[QUANTILE_COUNT] = {0}, n = 0, demand = 0;
	bool crossed = false;
	for (size_t h = 0; h < t->horizon; h++) {
		struct step p = {t->y[h], rows[h]};
		for (int i = 1; i < QUANTILE_COUNT; i++)
			crossed |= p.row[i] < p.row[i - 1];
		if (isnan(p.truth))
			continue;
		n++;
		error += fabs(p.truth - p.row[MIDDLE]);
		wql += row_loss(p.truth, p.row);
		for (int i = 0; i < QUANTILE_COUNT; i++) {
			loss[i] += pinball(p.truth, p.row[i], quantile_levels[i]);
			s->below[i] += p.truth <= p.row[i];
		}
		add_bands(s, &p, &msis);
		s->miss += fmax(0, p.truth - p.row[Q90]);
		s->waste += fmax(0, p.row[Q90] - p.truth);
		demand += fabs(p.truth);
	}
	s->crossed += crossed;
	if (n == 0)
		return;
	double unit = n * t->scale;
	s->forecasts++;
	s->steps += n;
	s->mase += error / unit;
	s->wql += wql / unit;
	s->msis += msis / unit;
	for (int i = 0; i < QUANTILE_COUNT; i++)
		s->pinball[i] += loss[i] / unit;
	s->demand += fmax(demand, n * t->level); // the history's level where the series dies
}

struct score score_mean(const struct score *s)
{
	struct score m = *s;
	double k = s->forecasts ? (double)s->forecasts : NAN, n = s->steps > 0 ? s->steps : NAN;
	m.mase /= k;
	m.wql /= k;
	m.msis /= k;
	for (int i = 0; i < QUANTILE_COUNT; i++) {
		m.pinball[i] /= k;
		m.below[i] /= n;
	}
	for (int b = 0; b < SCORE_BANDS; b++)
		m.inside[b] /= n;
	m.miss = s->demand > 0 ? s->miss / s->demand : 0;
	m.waste = s->demand > 0 ? s->waste / s->demand : 0;
	return m;
}

double score_ratio(double loss, double other)
{
	return (loss + equal_loss) / (other + equal_loss);
}

// Gaps closed by straight lines, the ends by the nearest value. Returns the number of known values.
static size_t fill(const double *y, size_t n, double *ret)
{
	size_t known = 0, last = 0;
	for (size_t i = 0; i < n; i++) {
		ret[i] = y[i];
		if (isnan(y[i]))
			continue;
		for (size_t k = known ? last + 1 : 0; k < i; k++)
			ret[k] = known ? y[last] + (y[i] - y[last]) * (double)(k - last) /
							   (double)(i - last)
				       : y[i];
		last = i;
		known++;
	}
	for (size_t k = known ? last + 1 : 0; k < n; k++)
		ret[k] = known ? y[last] : 0;
	return known;
}

int naive_seasonal(
	const double *y, size_t n, size_t season, size_t horizon, double (*ret)[QUANTILE_COUNT])
{
	if (n < 3 || season < 1)
		season = 1;
	else if (n < season + 2)
		season = n - 2;
	double *z = calloc(n + 1, sizeof(*z));
	if (!z)
		return -ENOMEM;
	fill(y, n, z);
	double squares = 0;
	for (size_t i = season; i < n; i++)
		squares += (z[i] - z[i - season]) * (z[i] - z[i - season]);
	double sd = n > season ? sqrt(squares / (double)(n - season)) : 0;
	for (size_t h = 0; h < horizon; h++) {
		double mean = n >= season ? z[n - season + h % season] : 0;
		member_normal_row(mean, sd * sqrt((double)(h / season + 1)), ret[h]);
	}
	free(z);
	return 0;
}
