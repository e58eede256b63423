// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/forecast_analyse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/order.h"
#include "proto/base/rng.h"

enum { COPIES = 99, BINS = 10, LAG_MIN = 3 };
static const double peak_least = .2, robust_sd = 1.4826;

struct work {
	size_t n;
	int64_t step_s;
	double *z;    // gaps closed
	double *rest; // what is not explained yet
	double *fit;  // trend and seasons so far
	double *tmp, *profile;
};

static void close_gaps(const double *y, size_t n, double *z, struct analysis *a)
{
	double last = NAN;
	size_t run = 0;
	for (size_t i = 0; i < n; i++) {
		if (isnan(y[i])) {
			a->gaps += run++ == 0;
			a->gap_most = run > a->gap_most ? run : a->gap_most;
		} else {
			double from = isnan(last) ? y[i] : last;
			for (size_t k = 1; k <= run; k++)
				z[i - run + k - 1] =
					from + (y[i] - from) * (double)k / (double)(run + 1);
			run = 0;
			last = y[i];
			a->known++;
			a->zero_share += y[i] == 0;
		}
		z[i] = isnan(y[i]) ? (isnan(last) ? 0 : last) : y[i];
	}
}

// Mean over a window of `width` values around each, moved inside at the ends.
static void moving_mean(const double *v, size_t n, size_t width, double *ret)
{
	size_t half = width / 2, from = 0, to = 0;
	double total = 0;
	if (width > n)
		width = n;
	for (size_t i = 0; i < n; i++) {
		size_t begin = i > half ? i - half : 0;
		if (begin > n - width)
			begin = n - width;
		while (to < begin + width)
			total += v[to++];
		while (from < begin)
			total -= v[from++];
		ret[i] = total / (double)width;
	}
}

static double mean_of(const double *v, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return n ? sum / (double)n : 0;
}

static double variance(const double *v, size_t n)
{
	double mean = mean_of(v, n), sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (v[i] - mean) * (v[i] - mean);
	return n ? sum / (double)n : 0;
}

// Share of the variance of x (whole cycles only) that the mean profile explains; turn[c] rotates
// cycle c, NULL = as it is.
static double explained(
	const double *x, size_t period, size_t cycles, const size_t *turn, double *profile)
{
	double squares = 0, ours = 0;
	memset(profile, 0, period * sizeof(*profile));
	for (size_t c = 0; c < cycles; c++) {
		const double *v = x + c * period;
		size_t at = turn ? turn[c] : 0;
		for (size_t i = 0; i < period; i++) {
			profile[at] += v[i];
			squares += v[i] * v[i];
			if (++at == period)
				at = 0;
		}
	}
	for (size_t i = 0; i < period; i++) {
		profile[i] /= (double)cycles;
		ours += profile[i] * profile[i] * (double)cycles;
	}
	return squares > 0 ? ours / squares : 0;
}

// Share of random rotations that do at least as well. NAN without memory.
static double chance(const double *x, size_t period, size_t cycles, double share, double *profile)
{
	struct rng dice;
	size_t better = 0;
	size_t *turn = malloc(cycles * sizeof(*turn));
	if (!turn)
		return NAN;
	rng_init(&dice, period);
	for (int copy = 0; copy < COPIES; copy++) {
		for (size_t c = 0; c < cycles; c++)
			turn[c] = rng_below(&dice, period);
		better += explained(x, period, cycles, turn, profile) >= share;
	}
	free(turn);
	return (double)(1 + better) / (1 + COPIES);
}

// A period that was looked for among many has to clear a higher bar than day and week.
struct bar {
	size_t cycles;
	double p, strength;
};
static const struct bar calendar_bar = {2, .05, .02}, searched_bar = {4, .01, .25};

// Tests one period on what is left; if found its profile moves from rest to fit.
static void try_season(struct work *w, struct analysis *a, size_t period, const struct bar *bar)
{
	size_t cycles = period > 1 ? w->n / period : 0;
	if (cycles < bar->cycles || a->n_seasons == SEASONS_MAX)
		return;
	double *x = w->tmp + (w->n - cycles * period); // the newest whole cycles
	moving_mean(w->rest, w->n, period, w->tmp);
	for (size_t i = 0; i < w->n; i++)
		w->tmp[i] = w->rest[i] - w->tmp[i];
	double share = explained(x, period, cycles, NULL, w->profile);
	double p = share > 0 ? chance(x, period, cycles, share, w->profile) : 1;
	double n = (double)(cycles * period), free_n = n - (double)period;
	double strength = fmax(0, 1 - (1 - share) * (n - 1) / fmax(1, free_n));
	if (!(p <= bar->p) || strength < bar->strength)
		return;
	explained(x, period, cycles, NULL, w->profile);
	a->seasons[a->n_seasons++] = (struct season_found){period, strength, p};
	size_t start = (w->n - cycles * period) % period;
	for (size_t i = 0; i < w->n; i++) {
		double s = w->profile[(i + period - start) % period];
		w->rest[i] -= s;
		w->fit[i] += s;
	}
}

// Lag of the highest peak of the autocorrelation after it first fell under half of that; 0 = none.
static size_t peak_lag(const struct work *w)
{
	size_t most = w->n / 3, best = 0;
	double mean = mean_of(w->rest, w->n), base = variance(w->rest, w->n) * (double)w->n;
	double before = 1, least = 1, highest = peak_least, now = 0;
	bool rising = false;
	for (size_t lag = 1; lag < most && base > 0; lag++) {
		double sum = 0;
		for (size_t i = lag; i < w->n; i++)
			sum += (w->rest[i] - mean) * (w->rest[i - lag] - mean);
		now = sum / base * (double)w->n / (double)(w->n - lag);
		if (rising && now < before && lag > LAG_MIN && before > 1.05 * highest &&
			least < before / 2) {
			highest = before;
			best = lag - 1;
		}
		rising = now > before;
		least = fmin(least, now);
		before = now;
	}
	return best;
}

static void find_trend(struct work *w, struct analysis *a)
{
	size_t width = a->n_seasons ? a->seasons[a->n_seasons - 1].period : 1;
	if (width < w->n / 10)
		width = w->n / 10;
	moving_mean(w->rest, w->n, width < 5 ? 5 : width, w->tmp);
	double whole = variance(w->rest, w->n), sx = 0, sxy = 0, mid = (double)(w->n - 1) / 2;
	double mean = mean_of(w->tmp, w->n);
	for (size_t i = 0; i < w->n; i++) {
		w->rest[i] -= w->tmp[i];
		w->fit[i] += w->tmp[i];
		sx += ((double)i - mid) * ((double)i - mid);
		sxy += ((double)i - mid) * (w->tmp[i] - mean);
	}
	a->trend_strength = whole > 0 ? fmax(0, 1 - variance(w->rest, w->n) / whole) : 0;
	a->trend_per_day = sx > 0 ? sxy / sx * 86400 / (double)w->step_s : 0;
}

static void find_memory(const struct work *w, struct analysis *a)
{
	double mean = mean_of(w->rest, w->n), var = variance(w->rest, w->n), sum = 0;
	for (size_t i = 1; i < w->n; i++)
		sum += (w->rest[i] - mean) * (w->rest[i - 1] - mean);
	a->memory = var > 0 ? sum / (var * (double)w->n) : 0;
}

static void find_outliers(struct work *w, struct analysis *a)
{
	for (size_t i = 0; i < w->n; i++)
		w->tmp[i] = fabs(w->rest[i]);
	double limit = 6 * robust_sd * order_median(w->tmp, w->n), largest = 0;
	limit = fmax(limit, .05 * (a->most - a->least));
	for (size_t i = 0; i < w->n && limit > 0; i++) {
		if (fabs(w->rest[i]) <= limit)
			continue;
		a->outliers++;
		if (fabs(w->rest[i]) > largest) {
			largest = fabs(w->rest[i]);
			a->outlier_at = a->first + i;
		}
	}
}

struct pair {
	double level, error;
};

static int by_level(const void *a, const void *b)
{
	double x = ((const struct pair *)a)->level, y = ((const struct pair *)b)->level;
	return (x > y) - (x < y);
}

// Slope of log mean |remainder| against log fitted level over ten bins of the level.
static int find_exponent(const struct work *w, struct analysis *a)
{
	struct pair *p = malloc(w->n * sizeof(*p));
	if (!p)
		return -ENOMEM;
	double x[BINS], y[BINS], sxx = 0, sxy = 0;
	size_t k = 0;
	for (size_t i = 0; i < w->n; i++)
		p[i] = (struct pair){w->fit[i], fabs(w->rest[i])};
	qsort(p, w->n, sizeof(*p), by_level);
	for (size_t b = 0; b < BINS; b++) {
		size_t from = w->n * b / BINS, to = w->n * (b + 1) / BINS;
		double level = 0, error = 0;
		for (size_t i = from; i < to; i++) {
			level += p[i].level / (double)(to - from);
			error += p[i].error / (double)(to - from);
		}
		if (level > 0 && error > 0) {
			x[k] = log(level);
			y[k++] = log(error);
		}
	}
	free(p);
	double mx = mean_of(x, k), my = mean_of(y, k);
	for (size_t i = 0; i < k; i++) {
		sxx += (x[i] - mx) * (x[i] - mx);
		sxy += (x[i] - mx) * (y[i] - my);
	}
	// levels that differ by less than a quarter say nothing
	a->exponent = k > BINS / 2 && sxx / (double)k > .012 && a->least >= 0 ? sxy / sxx : NAN;
	return 0;
}

// The largest difference between the means of two neighbouring windows, if it stands out from the
// differences between other neighbours.
static void find_step(struct work *w, struct analysis *a)
{
	size_t width = a->n_seasons ? a->seasons[0].period : 1;
	while (width < w->n / 20 || width < 6)
		width *= 2;
	if (w->n < 5 * width)
		return;
	double best = 0;
	size_t pairs = 0;
	for (size_t i = width; i + width <= w->n; i++) {
		double d = mean_of(w->z + i, width) - mean_of(w->z + i - width, width);
		if (i % width == 0)
			w->tmp[pairs++] = fabs(d);
		if (fabs(d) > fabs(best)) {
			best = d;
			a->step_at = a->first + i;
		}
	}
	double usual = robust_sd * order_median(w->tmp, pairs);
	if (fabs(best) > 5 * usual && fabs(best) > .15 * (a->most - a->least))
		a->step = best;
}

static void find_ceiling(const double *y, struct analysis *a, double most)
{
	double top = most > 0 ? most : a->most, range = top - a->least;
	size_t at = 0, runs = 0, run = 0;
	for (size_t i = a->first; i < a->first + a->n && range > 0; i++) {
		bool up = y[i] >= top - .005 * range;
		at += up;
		run = up ? run + 1 : 0;
		runs += run == 3;
	}
	a->top_share = a->known ? (double)at / (double)a->known : 0;
	a->saturated = runs >= 2 && a->top_share > .01;
}

static void find_range(const double *y, struct work *w, struct analysis *a)
{
	size_t k = 0;
	for (size_t i = a->first; i < a->first + a->n; i++)
		if (!isnan(y[i]))
			w->tmp[k++] = y[i];
	order_sort(w->tmp, k);
	a->least = w->tmp[0];
	a->median = w->tmp[k / 2];
	a->most = w->tmp[k - 1];
	a->zero_share /= (double)k;
	a->burst = a->median > 0 ? w->tmp[k - 1 - k / 100] / a->median : NAN;
}

static const char *class_of(const struct analysis *a)
{
	double season = 0;
	for (size_t i = 0; i < a->n_seasons; i++)
		season = fmax(season, a->seasons[i].strength);
	if (a->known == 0)
		return "empty";
	if (a->most == a->least)
		return "constant";
	if (a->zero_share > .5)
		return "mostly zero";
	if (season > .64)
		return "strongly seasonal";
	if (a->step != 0)
		return "level that steps";
	if (season > .3)
		return "seasonal with noise";
	if (a->trend_strength > .64)
		return "wandering level";
	if (a->burst > 5)
		return "bursts";
	return a->memory > .5 ? "noise with memory" : "noise around a level";
}

static int find_all(const double *y, struct work *w, struct analysis *a, double most)
{
	size_t day = (size_t)((86400 + w->step_s / 2) / w->step_s);
	close_gaps(y + a->first, w->n, w->z, a);
	if (a->known == 0)
		return 0;
	find_range(y, w, a);
	memcpy(w->rest, w->z, w->n * sizeof(*w->rest));
	if (a->most > a->least) {
		try_season(w, a, day, &calendar_bar);
		try_season(w, a, 7 * day, &calendar_bar);
		size_t other = peak_lag(w);
		if (other && other != day && other != 7 * day)
			try_season(w, a, other, &searched_bar);
	}
	find_trend(w, a);
	find_memory(w, a);
	find_outliers(w, a);
	find_step(w, a);
	find_ceiling(y, a, most);
	return find_exponent(w, a);
}

int analyse(const double *y, size_t n, int64_t step_s, double most, struct analysis *ret)
{
	struct analysis a = {
		.first = n > ANALYSE_MAX ? n - ANALYSE_MAX : 0, .exponent = NAN, .burst = NAN};
	a.n = n - a.first;
	struct work w = {.n = a.n, .step_s = step_s};
	double *all = calloc(5 * a.n + 5, sizeof(*all));
	if (!all)
		return -ENOMEM;
	w.z = all;
	w.rest = all + a.n;
	w.fit = all + 2 * a.n;
	w.tmp = all + 3 * a.n;
	w.profile = all + 4 * a.n;
	int r = find_all(y, &w, &a, most);
	free(all);
	if (r < 0)
		return r;
	a.class = class_of(&a);
	*ret = a;
	return 0;
}
