// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/outlier.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "aggregator/forecast/model/order.h"

static const double mad_to_deviation = 1.4826; // of a normal distribution

// 1.4826 times the median size of the differences between neighbours; 0 if half of them are none.
static int deviation_of(const double *y, size_t n, double *ret)
{
	double *size = malloc(n * sizeof(*size));
	if (!size)
		return -ENOMEM;
	size_t k = 0;
	for (size_t i = 1; i < n; i++) {
		double d = fabs(y[i] - y[i - 1]);
		if (!isnan(d))
			size[k++] = d;
	}
	*ret = k ? mad_to_deviation * order_median(size, k) : 0;
	free(size);
	return 0;
}

// How far y[i] stands above both neighbours (or below them: negative); 0 if between, or not known.
static double stands_out(const double *y, size_t n, size_t i)
{
	if (i < 1 || i + 1 >= n || isnan(y[i - 1]) || isnan(y[i]) || isnan(y[i + 1]))
		return 0;
	double low = fmin(y[i - 1], y[i + 1]), high = fmax(y[i - 1], y[i + 1]);
	return y[i] > high ? y[i] - high : y[i] < low ? y[i] - low : 0;
}

// Does anything like it stand out a day or a week away, to a step?
static bool comes_again(const double *y, size_t n, size_t i, size_t day)
{
	double out = stands_out(y, n, i);
	const size_t apart[] = {day, 7 * day};
	for (size_t k = 0; k < sizeof(apart) / sizeof(apart[0]) && day > 1; k++)
		for (size_t shift = 0; shift < 3; shift++) {
			size_t later = i + apart[k] + shift - 1;
			double other = later < n ? stands_out(y, n, later) : 0;
			if (other / out > .3)
				return true;
			other = i + 1 >= apart[k] + shift
					? stands_out(y, n, i + 1 - apart[k] - shift)
					: 0;
			if (other / out > .3)
				return true;
		}
	return false;
}

int outlier_clip(double *y, size_t n, size_t day)
{
	double deviation = 0;
	if (n < 3 || deviation_of(y, n, &deviation) < 0)
		return n < 3 ? 0 : -ENOMEM;
	double reach = OUTLIER_REACH * deviation;
	size_t count = 0;
	for (size_t i = 1; i + 1 < n; i++)
		count += fabs(stands_out(y, n, i)) > reach;
	if (!(reach > 0) || count > 1 + n / OUTLIER_EVERY)
		return 0;
	int moved = 0;
	for (size_t i = 1; i + 1 < n && count; i++) {
		double out = stands_out(y, n, i);
		if (fabs(out) <= reach || comes_again(y, n, i, day))
			continue;
		y[i] -= out - copysign(reach, out);
		moved++;
	}
	return moved;
}
