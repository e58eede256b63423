// SPDX-License-Identifier: Apache-2.0
// Time zones from the system's database (TZif files, RFC 8536), as the forecaster wants them.
//
// The folder is an argument (/usr/share/zoneinfo). Changes beyond the file's table, which ends in
// 2037 or at the last change of the rule, are taken from the rule in the file's footer up to 2050.
// A name is outside input: it may not leave the folder.
#pragma once

#include "aggregator/forecast/forecast.h"

enum { ZONE_CHANGES_MAX = 2048 };

// Takes name like "Europe/Berlin". -ENOENT: no such zone, -EINVAL: not a name, -EBADMSG: not a TZif
// file, -ENOMEM. Free with zone_free().
int zone_read(struct forecast_zone **ret, const char *folder, const char *name);
void zone_free(struct forecast_zone *z);                            // NULL is fine
int32_t zone_offset_s(const struct forecast_zone *z, int64_t at_s); // NULL = UTC: 0
