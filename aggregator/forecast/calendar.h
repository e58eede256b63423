// SPDX-License-Identifier: Apache-2.0
// Public holidays by country, computed from rules.
//
// Nationwide days off work, by the rules in force (fixed dates, Easter by the Gregorian computus of
// Meeus, nth weekday of a month, moved to a working day where the law says so); one-off days (a
// jubilee) are not rules and are not in it. Pure; thread: any.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Days since 1970-01-01 of a date of the Gregorian calendar, and the other way round. month 1..12.
int64_t calendar_days(int year, int month, int day);
void calendar_date(int64_t days, int *ret_year, int *ret_month, int *ret_day);
int64_t calendar_easter(int year); // Easter Sunday, days since 1970-01-01

bool calendar_known(const char *country); // "DE", "US", "GB" (England and Wales), "FR"
// The holiday's name, or NULL: an ordinary day or an unknown country.
const char *calendar_holiday(const char *country, int64_t days);
