// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/season.h"

#include <math.h>
#include <string.h>

size_t season_fill(const double *y, size_t n, size_t period, double *ret)
{
	// The level difference to one season ago is a short moving average (about 4 samples), and
	// halves every tenth of a season without data.
	const double blend = 0.25, fade = period ? exp2(-10.0 / (double)period) : 0;
	size_t known = 0;
	double shift = 0;
	memset(ret, 0, n * sizeof(*ret));
	for (size_t t = 0; t < n; t++) {
		if (isfinite(y[t])) {
			ret[t] = y[t];
			if (known++ == 0)
				for (size_t i = 0; i < t; i++)
					ret[i] = y[t];
			if (period && t >= period)
				shift += blend * (y[t] - ret[t - period] - shift);
		} else if (period && t >= period) {
			shift *= fade;
			ret[t] = ret[t - period] + shift;
		} else if (t > 0) {
			ret[t] = ret[t - 1];
		}
	}
	return known;
}

void season_pick(const struct member_input *in, size_t fit_end, size_t *ret_short, size_t *ret_long)
{
	*ret_short = *ret_long = 0;
	for (size_t i = 0; i < in->n_periods; i++) {
		if (in->periods[i] < 2 || in->periods[i] * 2 > fit_end)
			continue;
		if (*ret_short == 0)
			*ret_short = in->periods[i];
		*ret_long = in->periods[i];
	}
}
