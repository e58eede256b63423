// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/forecast_zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/text.h"

enum { LOOK_S = 43200 }; // no zone changes twice within half a day

static int32_t offset_at(int64_t at_s)
{
	struct tm tm;
	time_t t = at_s;
	return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

// First second in (from_s, to_s] with the offset of to_s.
static int64_t find_change(int64_t from_s, int64_t to_s)
{
	int32_t after = offset_at(to_s);
	while (to_s - from_s > 1) {
		int64_t mid = from_s + (to_s - from_s) / 2;
		if (offset_at(mid) == after)
			to_s = mid;
		else
			from_s = mid;
	}
	return to_s;
}

int zone_load(const char *name, int64_t from_s, int64_t to_s, struct zone *ret, struct why *why)
{
	char path[128];
	*ret = (struct zone){0};
	ret->zone.changes = ret->changes;
	if (!name || strcmp(name, "UTC") == 0)
		return 0;
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.80s", name);
	if (!text_is_name(name, strlen(name), 80) || access(path, R_OK) != 0)
		return why_set(why, -ENOENT, WHY_DENIED,
			"no time zone '%.40s' on this system (names are like Europe/Berlin)", name);
	if (setenv("TZ", name, 1) < 0)
		return -ENOMEM;
	tzset();
	ret->zone.first_offset_s = offset_at(from_s);
	for (int64_t t = from_s; t < to_s && ret->zone.n < ZONE_CHANGES_MAX; t += LOOK_S) {
		int64_t next = t + LOOK_S < to_s ? t + LOOK_S : to_s;
		if (offset_at(t) == offset_at(next))
			continue;
		ret->changes[ret->zone.n++] =
			(struct forecast_zone_change){find_change(t, next), offset_at(next)};
	}
	return 0;
}

int32_t zone_offset(const struct zone *z, int64_t at_s)
{
	int32_t offset = z->zone.first_offset_s;
	for (size_t i = 0; i < z->zone.n && z->changes[i].at_s <= at_s; i++)
		offset = z->changes[i].offset_s;
	return offset;
}
