// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/order.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static void swap(double *a, double *b)
{
	double t = *a;
	*a = *b;
	*b = t;
}

double order_select(double *v, size_t n, size_t k)
{
	size_t lo = 0, hi = n - 1;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (v[mid] < v[lo])
			swap(&v[mid], &v[lo]);
		if (v[hi] < v[lo])
			swap(&v[hi], &v[lo]);
		if (v[hi] < v[mid])
			swap(&v[hi], &v[mid]);
		double pivot = v[mid];
		size_t i = lo, j = hi;
		for (;;) {
			while (v[i] < pivot)
				i++;
			while (pivot < v[j])
				j--;
			if (i >= j)
				break;
			swap(&v[i++], &v[j--]);
		}
		// [lo..j] <= pivot <= [j+1..hi]; j < hi because the pivot is not the largest alone
		if (j == hi)
			j--;
		if (k <= j)
			hi = j;
		else
			lo = j + 1;
	}
	return v[k];
}

double order_median(double *v, size_t n)
{
	if (n == 0)
		return NAN;
	double upper = order_select(v, n, n / 2);
	if (n % 2)
		return upper;
	double lower = v[0];
	for (size_t i = 1; i < n / 2; i++)
		lower = fmax(lower, v[i]);
	return 0.5 * (lower + upper);
}

static void insertion_sort(double *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		double x = v[i];
		size_t j = i;
		for (; j > 0 && x < v[j - 1]; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

// Smaller ones to the front of a pivot, the median of three; returns the pivot's place. Without a
// branch on the comparison, which no processor could foresee.
static size_t partition(double *v, size_t n)
{
	size_t mid = n / 2, last = n - 1, low = 0;
	if (v[mid] < v[0])
		swap(&v[mid], &v[0]);
	if (v[last] < v[0])
		swap(&v[last], &v[0]);
	if (v[mid] < v[last])
		swap(&v[mid], &v[last]);
	double pivot = v[last];
	for (size_t i = 0; i < last; i++) {
		double x = v[i];
		v[i] = v[low];
		v[low] = x;
		low += x < pivot;
	}
	v[last] = v[low];
	v[low] = pivot;
	return low;
}

struct wanted { // places that must hold what a sorted array would; NULL = all
	const size_t *at;
	size_t n;
};

static bool wants(const struct wanted *w, size_t from, size_t to)
{
	bool any = !w;
	for (size_t i = 0; !any && i < w->n; i++)
		any = w->at[i] >= from && w->at[i] < to;
	return any;
}

// Quicksort of v[from .. to); where an order of the input makes its parts lopsided, halves by
// selection instead. Parts in which no place is wanted stay as they are.
static void sort_part(double *v, size_t from, size_t to, int depth, const struct wanted *w)
{
	while (to - from > 24 && wants(w, from, to)) {
		size_t n = to - from, place = n / 2;
		if (depth-- > 0)
			place = partition(v + from, n);
		else
			order_select(v + from, n, place);
		sort_part(v, from, from + place, depth, w);
		from += place + 1; // what stands there is in its place
	}
	if (wants(w, from, to))
		insertion_sort(v + from, to - from);
}

static int depth_of(size_t n)
{
	int depth = 0;
	for (; n > 1; n /= 2)
		depth += 2;
	return depth;
}

void order_sort(double *v, size_t n)
{
	sort_part(v, 0, n, depth_of(n), NULL);
}

void order_sort_for(double *v, size_t n, const double *levels, size_t n_levels)
{
	size_t at[2 * ORDER_LEVELS_MAX + 4], k = 0;
	for (size_t i = 0; i < n_levels && i < ORDER_LEVELS_MAX; i++) {
		double place = fmin((double)n, fmax(0, levels[i] * (double)n - 0.5));
		at[k++] = (size_t)place;
		at[k++] = (size_t)place + 1;
	}
	at[k++] = 0; // what is beyond the outer points starts from them and the median
	at[k++] = n / 2;
	if (n > 0) {
		at[k++] = n / 2 - (n > 1);
		at[k++] = n - 1;
	}
	sort_part(v, 0, n, depth_of(n), &(struct wanted){at, k});
}

// Inverse of the normal distribution, lower half, to 4.5e-4 (Abramowitz and Stegun 26.2.23).
static double normal_score(double level)
{
	double p = level < 0.5 ? level : 1 - level, t = sqrt(-2 * log(p));
	double z = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
			       (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
	return level < 0.5 ? -z : z;
}

double order_quantile(const double *v, size_t n, double level)
{
	if (n == 0)
		return NAN;
	double at = level * (double)n - 0.5;
	if (at >= 0 && at <= (double)(n - 1)) {
		size_t i = (size_t)at;
		return i + 1 < n ? v[i] + (v[i + 1] - v[i]) * (at - (double)i) : v[i];
	}
	double median = n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
	double edge = at < 0 ? v[0] : v[n - 1];
	double edge_level = at < 0 ? 0.5 / (double)n : 1 - 0.5 / (double)n;
	if (n == 1)
		return edge;
	return median + (edge - median) * normal_score(level) / normal_score(edge_level);
}
