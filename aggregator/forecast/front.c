// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/front.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/calendar.h"
#include "aggregator/forecast/model/order.h"
#include "aggregator/forecast/outlier.h"

enum { DAY_S = 86400, HOLIDAYS_BEYOND = 64, CENSORED = 10 };

// Shift of the logarithm as a share of the median: values near zero must not become minus infinity,
// and a series far from zero needs none.
static const double log_shift = .05;
// What is beyond this many times the largest value seen is not a forecast but an accident.
static const double most_growth = 3;
// A member whose median goes further than this many times the largest value seen is out.
static const double beyond = 10;

static void close_short_gaps(double *y, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (!isnan(y[i]))
			continue;
		size_t end = i;
		while (end < n && isnan(y[end]))
			end++;
		if (end < n && end - i <= FRONT_GAP_MAX) {
			double from = y[i - 1], step = (y[end] - from) / (double)(end - i + 1);
			for (size_t k = i; k < end; k++)
				y[k] = from + step * (double)(k - i + 1);
		}
		i = end;
	}
}

// Mean absolute difference between days, or between neighbours while there is no second day.
static double difference_scale(const double *y, size_t n, size_t day)
{
	size_t lag = n > day ? day : 1, k = 0;
	double sum = 0, size = 0;
	for (size_t i = lag; i < n; i++) {
		double d = fabs(y[i] - y[i - lag]);
		if (isnan(d))
			continue;
		sum += d;
		size += fabs(y[i]);
		k++;
	}
	double scale = k ? fmax(sum, .01 * size) / (double)k : 0;
	return scale > 0 ? scale : 1;
}

static void set_bounds(struct front *f, double least, double most, double physical)
{
	double range = most - least;
	f->least = least;
	f->most = most;
	f->floor = least >= 0 ? 0 : least - most_growth * range;
	f->ceiling = physical > 0 ? fmax(physical, most)
				  : most + (most_growth - 1) * fmax(fabs(most), range);
}

static int add_lens(struct front *f, enum lens_kind kind, double shift)
{
	struct lens *l = &f->lens[kind];
	l->kind = kind;
	l->shift = shift;
	l->y = malloc(f->n * sizeof(*l->y));
	if (!l->y)
		return -ENOMEM;
	l->used = true;
	return 0;
}

static void fill_lens(struct front *f, struct lens *l, const double *y)
{
	for (size_t i = 0; i < f->n; i++)
		l->y[i] = l->kind == LENS_LOG ? log(y[i] + l->shift) : y[i];
	l->scale = difference_scale(l->y, f->n, f->day);
}

// The median and the range of the known values; 0 known values leave *ret alone.
struct spread_of {
	double least, most, median;
};

static int measure(const double *y, size_t n, struct spread_of *ret, size_t *ret_known)
{
	double *v = malloc(n * sizeof(*v));
	if (!v)
		return -ENOMEM;
	size_t k = 0;
	for (size_t i = 0; i < n; i++)
		if (!isnan(y[i]))
			v[k++] = y[i];
	if (k) {
		order_sort(v, k);
		*ret = (struct spread_of){v[0], v[k - 1], v[k / 2]};
	}
	*ret_known = k;
	free(v);
	return 0;
}

static void set_periods(struct front *f)
{
	f->day = (size_t)((DAY_S + f->step_s / 2) / f->step_s);
	if (f->day < 1)
		f->day = 1;
	if (f->day > 1 && f->n >= 2 * f->day)
		f->periods[f->n_periods++] = f->day;
	if (f->n >= 14 * f->day)
		f->periods[f->n_periods++] = 7 * f->day;
}

// What lay behind saturated samples: between the sample and its upper bound where that is known,
// else the mean of the unsaturated values above it, else a quarter more. Models learn "at least
// this" and do not repeat the clip. A bin saturated for a share of its time is moved by that share,
// and is no truth from a tenth on.
static void impute_saturated(struct front *f, const struct forecast_input *in, double *y)
{
	size_t first = in->n - f->n;
	for (size_t i = 0; in->saturated && i < f->n; i++) {
		double seen = in->y[first + i], sum = 0, k = 0;
		if (!in->saturated[first + i] || !isfinite(seen))
			continue;
		f->censored++;
		double share = fmin(100, in->saturated[first + i]) / 100;
		double high = in->demand_high ? in->demand_high[first + i] : NAN;
		if (isfinite(high) && high > seen) {
			y[i] = seen + share * (high - seen) / 2;
			continue;
		}
		size_t from = i > 14 * f->day ? i - 14 * f->day : 0;
		for (size_t j = from; j < f->n && j < i + 14 * f->day; j++)
			if (f->truth[j] > seen) {
				sum += f->truth[j];
				k++;
			}
		y[i] = seen + share * (k > 0 ? sum / k - seen : fabs(seen) / 4);
	}
}

// Days of the calendar over the history and beyond: the horizon, and what a kept state may carry.
static int mark_holidays(struct front *f, const struct forecast_input *in)
{
	if (!calendar_known(in->calendar))
		return 0;
	f->holiday_n = f->n + 2 * in->horizon + HOLIDAYS_BEYOND;
	f->holiday = calloc(f->holiday_n, sizeof(*f->holiday));
	if (!f->holiday)
		return -ENOMEM;
	int64_t known = INT64_MIN;
	bool off = false;
	for (size_t i = 0; i < f->holiday_n; i++) {
		int64_t at = f->start_s + (int64_t)i * f->step_s;
		int64_t day = at >= 0 ? at / DAY_S : (at - DAY_S + 1) / DAY_S;
		if (day != known)
			off = calendar_holiday(in->calendar, day) != NULL;
		known = day;
		f->holiday[i] = off;
	}
	return 0;
}

static int build_lenses(struct front *f, const struct forecast_input *in)
{
	struct spread_of s = {0};
	int r = add_lens(f, LENS_RAW, 0);
	if (r < 0)
		return r;
	double *y = f->lens[LENS_RAW].y;
	memcpy(y, f->truth, f->n * sizeof(*y));
	impute_saturated(f, in, y);
	r = measure(y, f->n, &s, &f->known);
	if (r < 0)
		return r;
	set_bounds(f, s.least, s.most, in->most);
	close_short_gaps(y, f->n);
	r = outlier_clip(y, f->n, f->day);
	if (r < 0)
		return r;
	f->clipped = (size_t)r;
	r = 0;
	fill_lens(f, &f->lens[LENS_RAW], y);
	if (s.least >= 0 && s.most > s.least) {
		double middle = s.median > 0 ? s.median : s.most;
		r = add_lens(f, LENS_LOG, s.least < log_shift * middle ? log_shift * middle : 0);
		if (r == 0)
			fill_lens(f, &f->lens[LENS_LOG], y);
	}
	return r;
}

int front_init(struct front *ret, const struct forecast_input *in)
{
	struct front f = {.step_s = in->step_s, .start_s = in->start_s, .lstm = in->lstm};
	size_t first = in->n > FRONT_HISTORY_MAX ? in->n - FRONT_HISTORY_MAX : 0;
	while (first < in->n && !isfinite(in->y[first]))
		first++;
	f.n = in->n - first;
	f.start_s += (int64_t)first * in->step_s;
	f.ceiling = f.floor = 0;
	set_periods(&f);
	int r = 0;
	if (f.n > 0) {
		f.truth = malloc(f.n * sizeof(*f.truth));
		if (!f.truth)
			return -ENOMEM;
		for (size_t i = 0; i < f.n; i++)
			f.truth[i] = isfinite(in->y[first + i]) &&
						     !(in->saturated &&
							     in->saturated[first + i] >= CENSORED)
					     ? in->y[first + i]
					     : NAN;
		r = build_lenses(&f, in);
		if (r == 0)
			r = mark_holidays(&f, in);
	}
	if (r < 0)
		front_done(&f);
	else
		*ret = f;
	return r;
}

void front_done(struct front *f)
{
	free(f->truth);
	free(f->holiday);
	for (int i = 0; i < LENS_COUNT; i++)
		free(f->lens[i].y);
	*f = (struct front){0};
}

bool lens_beyond(const struct front *f, enum lens_kind kind, double value)
{
	if (kind == LENS_LOG)
		value = exp(fmin(value, 700)) - f->lens[kind].shift;
	double reach = fmax(fmax(fabs(f->least), fabs(f->most)), f->most - f->least);
	return fabs(value) > beyond * reach && reach > 0;
}

// Comparisons, for fmin() and fmax() are calls and this runs for every number of every trial.
double front_bound(const struct front *f, double value)
{
	double low = value > f->floor ? value : f->floor; // NAN becomes the floor
	return low < f->ceiling ? low : f->ceiling;
}

double lens_back(const struct front *f, enum lens_kind kind, double value)
{
	if (kind == LENS_LOG)
		value = exp(value < 700 ? value : 700) - f->lens[kind].shift;
	return front_bound(f, value);
}
