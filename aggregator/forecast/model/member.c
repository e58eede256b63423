// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/model/member.h"

const double quantile_levels[QUANTILE_COUNT] = {.01, .05, .1, .25, .5, .75, .9, .95, .99};

const double quantile_scores[QUANTILE_COUNT] = {-2.3263478740408408, -1.6448536269514729,
	-1.2815515655446004, -0.67448975019608171, 0, 0.67448975019608171, 1.2815515655446004,
	1.6448536269514722, 2.3263478740408408};

void member_normal_row(double mean, double sd, double ret[QUANTILE_COUNT])
{
	for (int i = 0; i < QUANTILE_COUNT; i++)
		ret[i] = mean + sd * quantile_scores[i];
}
