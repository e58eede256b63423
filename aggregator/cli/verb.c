// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/verb.h"

#include <string.h>

#include "aggregator/cli/forecast.h"
#include "proto/base/text.h"

const struct verb verbs[] = {
	{"forecast", "forecast a series from a CSV file, with quantiles", forecast_verb},
	{NULL, NULL, NULL},
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

const struct verb *verb_nearest(const char *name)
{
	const struct verb *best = NULL;
	unsigned least = 3; // more than two slips are another word
	for (const struct verb *v = verbs; v->name; v++) {
		unsigned d = text_distance(name, v->name);
		if (d < least) {
			least = d;
			best = v;
		}
	}
	return best;
}
