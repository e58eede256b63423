// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/series_options.h"

#include <stdio.h>
#include <string.h>

#include "aggregator/cli/verb.h"
#include "aggregator/forecast/calendar.h"
#include "aggregator/forecast/zone.h"
#include "proto/base/buf.h"
#include "proto/base/text.h"

int series_usage(const struct series_options *o, const char *message, const char *text)
{
	fprintf(stderr, "petrel %s: %s%s%s (--help shows examples)\n", o->verb, message,
		text ? ": " : "", text ? text : "");
	return EXIT_USAGE;
}

static bool number_of(const char *value, uint64_t most, uint64_t *ret)
{
	uint64_t number;
	if (text_to_u64(value, &number) < 0 || number == 0 || number > most)
		return false;
	*ret = number;
	return true;
}

int series_option(int option, const char *value, struct series_options *o)
{
	const char *wrong = NULL;
	switch (option) {
	case 'i': o->input = value; break;
	case 'z': o->timezone = value; break;
	case 'c':
		o->calendar = value;
		wrong = calendar_known(value) ? NULL : "--calendar is DE, US, GB or FR";
		break;
	case 's':
		if (!number_of(value, SERIES_STEP_MAX_S, &o->step_s))
			wrong = "--step needs seconds, 1 to 31 days";
		break;
	case 'h':
		if (!number_of(value, FORECAST_HORIZON_MAX, &o->horizon))
			wrong = "--horizon needs a number of steps, 1 to 8760";
		break;
	case 'm':
		if (text_to_double(value, &o->most) < 0 || o->most <= 0)
			wrong = "--most needs a positive number";
		break;
	case 'r':
		if (text_to_u64(value, &o->seed) < 0)
			wrong = "--seed needs a number";
		break;
	default: return series_usage(o, "unknown option or missing value", NULL);
	}
	return wrong ? series_usage(o, wrong, value) : 0;
}

int series_zone(const struct series_options *o, struct forecast_zone **ret, struct why *why)
{
	if (!o->timezone)
		return 0;
	int r = zone_read(ret, "/usr/share/zoneinfo", o->timezone);
	return r < 0 ? why_set(why, r, WHY_DENIED,
			       "no time zone '%.40s' (names are like Europe/Berlin): %s",
			       o->timezone, strerror(-r))
		     : 0;
}

int series_read(const struct series_options *o, struct series_csv *ret, struct why *why)
{
	int r = series_csv_read(o->input, (int64_t)o->step_s, ret, why);
	if (r < 0)
		return r;
	autobuf repairs;
	buf_init(&repairs, 4096);
	series_csv_repairs(ret, &repairs);
	if (repairs.len)
		fprintf(stderr, "petrel %s: %s: %s\n", o->verb, o->input, repairs.data);
	return 0;
}
