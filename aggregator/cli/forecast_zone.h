// SPDX-License-Identifier: Apache-2.0
// The clock on the users' wall: --timezone Europe/Berlin as the changes of offset that the
// forecaster takes.
//
// Read from the system's zone files through the C library: it sets TZ of the process, so it is for
// the command line only, once, before threads.
#pragma once

#include "aggregator/forecast/forecast.h"
#include "proto/base/why.h"

enum { ZONE_CHANGES_MAX = 256 };

struct zone {
	struct forecast_zone zone; // borrows changes
	struct forecast_zone_change changes[ZONE_CHANGES_MAX];
};

// The changes between from_s and to_s. NULL or "UTC": no change, offset 0. -ENOENT with *why where
// the system has no such zone.
int zone_load(const char *name, int64_t from_s, int64_t to_s, struct zone *ret, struct why *why);
int32_t zone_offset(const struct zone *z, int64_t at_s);
