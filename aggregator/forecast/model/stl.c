// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/stl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/model/linalg.h"
#include "aggregator/forecast/model/order.h"

struct smoother {
	size_t window, jump;
	int degree;
};

typedef double lanes __attribute__((vector_size(32), aligned(8), may_alias));
enum { LANES = 4 };

// A stretch of observations with (or, NULL, without) robustness weights. Positions count from 1 as
// in the paper.
struct points {
	const double *y, *robust;
	size_t n;
	double *w; // scratch, 2 n: distance weights, and these times the robustness ones
	// The geometry w was made for: inside a series all points share it.
	double before, after, reach; // from x to the first and last neighbour
};

struct stretch {
	size_t left, right; // first and last neighbour, from 1
};

// Tricube weights of the neighbours of x into p->w.
static void weigh(struct points *p, double x, struct stretch near, double reach)
{
	double before = x - (double)near.left, after = (double)near.right - x;
	double outer = 0.999 * reach, inner = 0.001 * reach;
	if (before == p->before && after == p->after && reach == p->reach)
		return;
	p->before = before;
	p->after = after;
	p->reach = reach;
	for (size_t j = near.left; j <= near.right; j++) {
		double r = fabs((double)j - x), u = r / reach, v = 1 - u * u * u;
		p->w[j - near.left] = r <= inner ? 1 : r <= outer ? v * v * v : 0;
	}
}

// Weighted sums of 1, d, d^2, y and d y, where d counts from `from` in steps of one.
struct sums {
	double w, wd, wdd, wy, wdy;
};

MULTIVERSIONED static struct sums sum_up(const double *w, const double *y, size_t n, double from)
{
	lanes d = {from, from + 1, from + 2, from + 3}, sw = {0}, swd = {0}, swdd = {0}, swy = {0},
	      swdy = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		lanes v = *(const lanes *)(w + i), z = v * *(const lanes *)(y + i), vd = v * d;
		sw += v;
		swd += vd;
		swdd += vd * d;
		swy += z;
		swdy += z * d;
		d += (double)LANES;
	}
	struct sums s = {0};
	for (int k = 0; k < LANES; k++) {
		s.w += sw[k];
		s.wd += swd[k];
		s.wdd += swdd[k];
		s.wy += swy[k];
		s.wdy += swdy[k];
	}
	for (; i < n; i++) {
		double at = from + (double)i;
		s.w += w[i];
		s.wd += w[i] * at;
		s.wdd += w[i] * at * at;
		s.wy += w[i] * y[i];
		s.wdy += w[i] * at * y[i];
	}
	return s;
}

// Local regression at position x. False if all weights vanish.
static bool fit_at(
	struct points *p, const struct smoother *s, double x, struct stretch near, double *ret)
{
	double reach = fmax(x - (double)near.left, (double)near.right - x), *w = p->w;
	size_t n = near.right - near.left + 1;
	if (s->window > p->n)
		reach += (double)((s->window - p->n) / 2);
	weigh(p, x, near, reach);
	if (p->robust) {
		w = p->w + p->n;
		for (size_t i = 0; i < n; i++)
			w[i] = p->w[i] * p->robust[near.left - 1 + i];
	}
	struct sums t = sum_up(w, p->y + near.left - 1, n, (double)near.left - x);
	if (!(t.w > 0))
		return false;
	double y = t.wy / t.w, mean = t.wd / t.w, spread = t.wdd / t.w - mean * mean;
	if (reach > 0 && s->degree > 0 && spread > 0 && sqrt(spread) > 0.001 * (double)(p->n - 1))
		y -= mean * (t.wdy / t.w - mean * y) / spread;
	*ret = y;
	return true;
}

static struct stretch neighbours(size_t i, size_t n, size_t window)
{
	size_t half = (window + 1) / 2;
	if (window >= n)
		return (struct stretch){1, n};
	if (i < half)
		return (struct stretch){1, window};
	if (i >= n - half + 1)
		return (struct stretch){n - window + 1, n};
	return (struct stretch){i - half + 1, window + i - half};
}

static void join(double *y, size_t from, size_t to) // straight line between two fitted points
{
	double slope = (y[to] - y[from]) / (double)(to - from);
	for (size_t j = from + 1; j < to; j++)
		y[j] = y[from] + slope * (double)(j - from);
}

// Loess of p at its own positions.
static void smooth(struct points *p, const struct smoother *s, double *ret)
{
	size_t n = p->n, jump = s->jump < n - 1 ? s->jump : n - 1, last = 1;
	if (n < 2) {
		ret[0] = p->y[0];
		return;
	}
	if (jump < 1)
		jump = 1;
	double *out = ret - 1;
	struct stretch near = {1, n};
	for (size_t i = 1; i <= n; i += jump) {
		near = neighbours(i, n, s->window);
		if (!fit_at(p, s, (double)i, near, &out[i]))
			out[i] = p->y[i - 1];
		if (i > 1)
			join(out, last, i);
		last = i;
	}
	if (last != n) {
		// The published program keeps the neighbours of the last jump here.
		if (!fit_at(p, s, (double)n, near, &out[n]))
			out[n] = p->y[n - 1];
		join(out, last, n);
	}
}

// Mean of `width` neighbours, n - width + 1 values; ret may not overlap x.
static void moving_average(const double *x, size_t n, size_t width, double *ret)
{
	double sum = 0;
	for (size_t i = 0; i < width; i++)
		sum += x[i];
	ret[0] = sum / (double)width;
	for (size_t i = width; i < n; i++) {
		sum += x[i] - x[i - width];
		ret[i - width + 1] = sum / (double)width;
	}
}

struct work {
	const double *y;
	size_t n;
	double *detrended, *cycle, *low, *even, *robust, *points, *sub, *sub_robust, *sub_fit;
};

// Smooths every cycle-subseries (all Mondays, all Tuesdays, …) and extends it one cycle each way;
// the result has n + 2 * period values.
static void smooth_cycles(
	const struct stl_options *o, size_t n, const double *robust, struct work *w)
{
	struct smoother s = {o->seasonal, o->seasonal_jump, o->seasonal_degree};
	for (size_t phase = 0; phase < o->period; phase++) {
		size_t k = (n - phase - 1) / o->period + 1;
		for (size_t i = 0; i < k; i++) {
			w->sub[i] = w->detrended[i * o->period + phase];
			if (robust)
				w->sub_robust[i] = robust[i * o->period + phase];
		}
		struct points p = {w->sub, robust ? w->sub_robust : NULL, k, w->points, -1, -1, -1};
		smooth(&p, &s, w->sub_fit + 1);
		struct stretch first = {1, s.window < k ? s.window : k};
		struct stretch last = {k > s.window ? k - s.window + 1 : 1, k};
		if (!fit_at(&p, &s, 0, first, &w->sub_fit[0]))
			w->sub_fit[0] = w->sub_fit[1];
		if (!fit_at(&p, &s, (double)k + 1, last, &w->sub_fit[k + 1]))
			w->sub_fit[k + 1] = w->sub_fit[k];
		for (size_t i = 0; i < k + 2; i++)
			w->cycle[i * o->period + phase] = w->sub_fit[i];
	}
}

static void inner_pass(
	const struct stl_options *o, bool robust, const struct stl_parts *ret, struct work *w)
{
	const double *y = w->y;
	size_t n = w->n;
	double *seasonal = ret->seasonal, *trend = ret->trend;
	const double *weight = robust ? w->robust : NULL;
	struct smoother low = {o->low_pass, o->low_pass_jump, o->low_pass_degree};
	struct smoother slow = {o->trend, o->trend_jump, o->trend_degree};
	for (unsigned k = 0; k < o->inner; k++) {
		for (size_t i = 0; i < n; i++)
			w->detrended[i] = y[i] - trend[i];
		smooth_cycles(o, n, weight, w);
		moving_average(w->cycle, n + 2 * o->period, o->period, w->low);
		moving_average(w->low, n + o->period + 1, o->period, w->even);
		moving_average(w->even, n + 2, 3, w->low);
		struct points level = {w->low, NULL, n, w->points, -1, -1, -1};
		smooth(&level, &low, w->even);
		for (size_t i = 0; i < n; i++) {
			seasonal[i] = w->cycle[o->period + i] - w->even[i];
			w->detrended[i] = y[i] - seasonal[i];
		}
		struct points rest = {w->detrended, weight, n, w->points, -1, -1, -1};
		smooth(&rest, &slow, trend);
	}
}

// Bisquare weights of the remainder.
static void robustness(const struct stl_parts *parts, struct work *w)
{
	const double *y = w->y;
	size_t n = w->n;
	double *weight = w->robust, *scratch = w->detrended;
	for (size_t i = 0; i < n; i++)
		scratch[i] = weight[i] = fabs(y[i] - parts->seasonal[i] - parts->trend[i]);
	double reach = 6 * order_median(scratch, n);
	for (size_t i = 0; i < n; i++) {
		double r = weight[i], u = r / reach;
		if (r <= 0.001 * reach)
			weight[i] = 1;
		else
			weight[i] = r <= 0.999 * reach ? (1 - u * u) * (1 - u * u) : 0;
	}
}

static size_t next_odd(double x)
{
	size_t i = (size_t)ceil(x);
	return i % 2 ? i : i + 1;
}

struct stl_options stl_defaults(size_t period, size_t seasonal, bool robust)
{
	struct stl_options o = {.period = period, .seasonal_degree = 0, .trend_degree = 1};
	o.seasonal = seasonal ? seasonal : 11;
	o.trend = next_odd(1.5 * (double)period / (1 - 1.5 / (double)o.seasonal));
	o.low_pass = next_odd((double)period);
	o.low_pass_degree = 1;
	o.seasonal_jump = (o.seasonal + 9) / 10;
	o.trend_jump = (o.trend + 9) / 10;
	o.low_pass_jump = (o.low_pass + 9) / 10;
	o.inner = robust ? 1 : 2;
	o.outer = robust ? 15 : 0;
	return o;
}

int stl(const double *y, size_t n, const struct stl_options *options, const struct stl_parts *ret)
{
	struct stl_options o = *options;
	if (o.period < 2 || n < 2 * o.period || o.inner == 0)
		return -EINVAL;
	struct stl_options d = stl_defaults(o.period, o.seasonal, o.outer > 0);
	o.seasonal = d.seasonal;
	o.trend = o.trend ? o.trend : d.trend;
	o.low_pass = o.low_pass ? o.low_pass : d.low_pass;
	size_t wide = n + 2 * o.period, cycles = n / o.period + 4;
	double *all = malloc((7 * wide + 3 * cycles) * sizeof(double));
	if (!all)
		return -ENOMEM;
	struct work w = {y, n, all, all + wide, all + 2 * wide, all + 3 * wide, all + 4 * wide,
		all + 5 * wide, all + 7 * wide, all + 7 * wide + cycles,
		all + 7 * wide + 2 * cycles};
	memset(ret->trend, 0, n * sizeof(double));
	for (unsigned k = 0;; k++) {
		inner_pass(&o, k > 0, ret, &w);
		if (k >= o.outer)
			break;
		robustness(ret, &w);
	}
	for (size_t i = 0; ret->weights && i < n; i++)
		ret->weights[i] = o.outer > 0 ? w.robust[i] : 1;
	free(all);
	return 0;
}

int mstl(const double *y, size_t n, const struct mstl_options *o, double *seasonal, double *trend)
{
	double *rest = malloc(n * sizeof(double));
	int rc = rest ? 0 : -ENOMEM;
	memset(seasonal, 0, o->seasons * n * sizeof(double));
	if (rest)
		memcpy(rest, y, n * sizeof(double));
	for (unsigned k = 0; rc == 0 && k < o->rounds; k++)
		for (size_t i = 0; rc == 0 && i < o->seasons; i++) {
			struct stl_parts parts = {seasonal + i * n, trend, NULL};
			for (size_t t = 0; t < n; t++)
				rest[t] += parts.seasonal[t];
			rc = stl(rest, n, &o->season[i], &parts);
			for (size_t t = 0; t < n; t++)
				rest[t] -= parts.seasonal[t];
		}
	free(rest);
	return rc;
}
