// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/calendar.h"

#include <stddef.h>
#include <string.h>

enum { MONDAY = 1, THURSDAY = 4, SATURDAY = 6, SUNDAY = 0, MONTHS = 12 };

// How a holiday's day is found.
enum rule {
	FIXED,      // month, day
	OBSERVED,   // fixed, on a weekend moved to the nearest working day (5 U.S.C. 6103)
	SUBSTITUTE, // fixed, on a weekend the next free weekday besides (Banking Act 1971)
	NTH,        // day-th `weekday` of the month, -1 = last
	EASTER,     // day days after Easter Sunday
};

struct holiday {
	const char *country, *name;
	enum rule rule;
	int month, day, weekday, since; // since: first year, 0 = long ago
};

// DE: the nine days of all states (Unification Treaty and the states' laws). US: 5 U.S.C. 6103.
// GB: Banking and Financial Dealings Act 1971 for England and Wales. FR: Code du travail L3133-1.
static const struct holiday table[] = {
	{"DE", "New Year", FIXED, 1, 1, 0, 0},
	{"DE", "Good Friday", EASTER, 0, -2, 0, 0},
	{"DE", "Easter Monday", EASTER, 0, 1, 0, 0},
	{"DE", "Labour Day", FIXED, 5, 1, 0, 0},
	{"DE", "Ascension Day", EASTER, 0, 39, 0, 0},
	{"DE", "Whit Monday", EASTER, 0, 50, 0, 0},
	{"DE", "Day of German Unity", FIXED, 10, 3, 0, 1990},
	{"DE", "Christmas Day", FIXED, 12, 25, 0, 0},
	{"DE", "Second Day of Christmas", FIXED, 12, 26, 0, 0},
	{"US", "New Year's Day", OBSERVED, 1, 1, 0, 0},
	{"US", "Martin Luther King Day", NTH, 1, 3, MONDAY, 1986},
	{"US", "Washington's Birthday", NTH, 2, 3, MONDAY, 1971},
	{"US", "Memorial Day", NTH, 5, -1, MONDAY, 1971},
	{"US", "Juneteenth", OBSERVED, 6, 19, 0, 2021},
	{"US", "Independence Day", OBSERVED, 7, 4, 0, 0},
	{"US", "Labor Day", NTH, 9, 1, MONDAY, 0},
	{"US", "Columbus Day", NTH, 10, 2, MONDAY, 1971},
	{"US", "Veterans Day", OBSERVED, 11, 11, 0, 1978},
	{"US", "Thanksgiving", NTH, 11, 4, THURSDAY, 1942},
	{"US", "Christmas Day", OBSERVED, 12, 25, 0, 0},
	{"GB", "New Year's Day", SUBSTITUTE, 1, 1, 0, 1974},
	{"GB", "Good Friday", EASTER, 0, -2, 0, 0},
	{"GB", "Easter Monday", EASTER, 0, 1, 0, 0},
	{"GB", "Early May bank holiday", NTH, 5, 1, MONDAY, 1978},
	{"GB", "Spring bank holiday", NTH, 5, -1, MONDAY, 1971},
	{"GB", "Summer bank holiday", NTH, 8, -1, MONDAY, 1971},
	{"GB", "Christmas Day", SUBSTITUTE, 12, 25, 0, 0},
	{"GB", "Boxing Day", SUBSTITUTE, 12, 26, 0, 0},
	{"FR", "Jour de l'an", FIXED, 1, 1, 0, 0},
	{"FR", "Lundi de Pâques", EASTER, 0, 1, 0, 0},
	{"FR", "Fête du Travail", FIXED, 5, 1, 0, 0},
	{"FR", "Victoire 1945", FIXED, 5, 8, 0, 1982},
	{"FR", "Ascension", EASTER, 0, 39, 0, 0},
	{"FR", "Lundi de Pentecôte", EASTER, 0, 50, 0, 0},
	{"FR", "Fête nationale", FIXED, 7, 14, 0, 0},
	{"FR", "Assomption", FIXED, 8, 15, 0, 0},
	{"FR", "Toussaint", FIXED, 11, 1, 0, 0},
	{"FR", "Armistice 1918", FIXED, 11, 11, 0, 0},
	{"FR", "Noël", FIXED, 12, 25, 0, 0},
};

// Days and dates by the era of 400 years (Howard Hinnant, "chrono-compatible low-level date
// algorithms").
int64_t calendar_days(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400, m = (month + 9) % MONTHS;
	int64_t of_year = (153 * m + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void calendar_date(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, d = z - era * 146097;
	int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	int64_t of_year = d - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
	*ret_day = (int)(of_year - (153 * m + 2) / 5 + 1);
	*ret_month = (int)(m < 10 ? m + 3 : m - 9);
	*ret_year = (int)(y + era * 400 + (*ret_month <= 2));
}

// Meeus, Astronomical Algorithms, chapter 8.
int64_t calendar_easter(int year)
{
	int a = year % 19, b = year / 100, c = year % 100;
	int g = (8 * b + 13) / 25, h = (19 * a + b - b / 4 - g + 15) % 30;
	int l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7, m = (a + 11 * h + 22 * l) / 451;
	int n = h + l - 7 * m + 114;
	return calendar_days(year, n / 31, n % 31 + 1);
}

static int weekday(int64_t days) // 0 = Sunday; 1970-01-01 was a Thursday
{
	return (int)(((days + THURSDAY) % 7 + 7) % 7);
}

static int64_t nth_of_month(int year, const struct holiday *h)
{
	if (h->day < 0) {
		int64_t last =
			calendar_days(year + h->month / MONTHS, h->month % MONTHS + 1, 1) - 1;
		return last - (weekday(last) - h->weekday + 7) % 7;
	}
	int64_t first = calendar_days(year, h->month, 1);
	return first + (h->weekday - weekday(first) + 7) % 7 + 7 * (h->day - 1);
}

// The working day a British holiday on a weekend is moved to: Boxing Day gives way to Christmas.
static int64_t substitute(const struct holiday *h, int64_t day)
{
	bool boxing = h->month == 12 && h->day == 26;
	int w = weekday(day);
	if (boxing && w == MONDAY) // Christmas fell on Sunday and took the Monday besides
		return day + 1;
	return w == SATURDAY || w == SUNDAY ? day + (h->month == 12         ? 2
							    : w == SATURDAY ? 2
									    : 1)
					    : day;
}

static bool falls_on(const struct holiday *h, int year, int64_t days)
{
	if (h->since && year < h->since)
		return false;
	if (h->rule == NTH)
		return nth_of_month(year, h) == days;
	if (h->rule == EASTER)
		return calendar_easter(year) + h->day == days;
	int64_t day = calendar_days(year, h->month, h->day);
	if (h->rule == OBSERVED && weekday(day) == SATURDAY)
		return day == days || day - 1 == days;
	if (h->rule == OBSERVED && weekday(day) == SUNDAY)
		return day == days || day + 1 == days;
	return day == days || (h->rule == SUBSTITUTE && substitute(h, day) == days);
}

bool calendar_known(const char *country)
{
	for (size_t i = 0; country && i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(table[i].country, country) == 0)
			return true;
	return false;
}

const char *calendar_holiday(const char *country, int64_t days)
{
	int year, month, day;
	if (!country)
		return NULL;
	calendar_date(days, &year, &month, &day);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const struct holiday *h = &table[i];
		// New Year may be observed on the last day of the year before
		if (strcmp(h->country, country) == 0 &&
			(falls_on(h, year, days) || (month == 12 && falls_on(h, year + 1, days))))
			return h->name;
	}
	return NULL;
}
