// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/order.h"

#include <math.h>
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

// Hoare's partition around the median of three; returns the last index of the lower part.
static size_t partition(double *v, size_t n)
{
	size_t mid = n / 2, i = 0, j = n - 1;
	if (v[mid] < v[0])
		swap(&v[mid], &v[0]);
	if (v[j] < v[0])
		swap(&v[j], &v[0]);
	if (v[j] < v[mid])
		swap(&v[j], &v[mid]);
	double pivot = v[mid];
	for (;;) {
		while (v[i] < pivot)
			i++;
		while (pivot < v[j])
			j--;
		if (i >= j)
			break;
		swap(&v[i++], &v[j--]);
	}
	return j == n - 1 ? j - 1 : j; // the pivot is not the largest alone
}

// Quicksort; where an order of the input makes its parts lopsided, halves by selection instead.
static void sort_part(double *v, size_t n, int depth)
{
	while (n > 24) {
		size_t low = n / 2;
		if (depth-- > 0)
			low = partition(v, n) + 1;
		else
			order_select(v, n, low);
		sort_part(v, low, depth);
		v += low;
		n -= low;
	}
	insertion_sort(v, n);
}

void order_sort(double *v, size_t n)
{
	int depth = 0;
	for (size_t m = n; m > 1; m /= 2)
		depth += 2;
	sort_part(v, n, depth);
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
