// SPDX-License-Identifier: Apache-2.0
#include "proto/base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t clock_mono_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static _Atomic int64_t held_off_ms = INT64_MIN; // INT64_MIN: the machine's clock is taken

void clock_hold(int64_t off_ms)
{
	atomic_store(&held_off_ms, off_ms);
}

int64_t clock_machine_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
	int64_t off_ms = atomic_load(&held_off_ms);
	if (off_ms == INT64_MIN)
		return clock_machine_ms();
	return (int64_t)(clock_mono_ns() / 1000000) + off_ms;
}

void clock_format_ms(int64_t wall_ms, char ret[25])
{
	int64_t ms = ((wall_ms % 1000) + 1000) % 1000;
	time_t seconds = (time_t)((wall_ms - ms) / 1000);
	struct tm tm;
	if (!gmtime_r(&seconds, &tm) || tm.tm_year + 1900 < 0 || tm.tm_year + 1900 > 9999) {
		snprintf(ret, 25, "invalid");
		return;
	}
	char date[21];
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret, 25, "%.19s.%03dZ", date, (int)ms);
}

static int parse_fraction(const char **at, int64_t *ret_ms)
{
	int64_t ms = 0, scale = 100;
	if (**at != '.')
		return 0;
	(*at)++;
	if (**at < '0' || **at > '9')
		return -EINVAL;
	for (; **at >= '0' && **at <= '9'; (*at)++) {
		ms += (**at - '0') * scale;
		scale /= 10;
	}
	*ret_ms = ms;
	return 0;
}

static int parse_offset(const char *at, int64_t *ret_ms)
{
	if ((at[0] == 'Z' || at[0] == 'z') && at[1] == '\0') {
		*ret_ms = 0;
		return 0;
	}
	int hours, minutes, used = 0;
	if ((at[0] != '+' && at[0] != '-') || strlen(at) != 6 ||
		sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 ||
		hours > 23 || minutes > 59)
		return -EINVAL;
	*ret_ms = (hours * 60 + minutes) * 60000 * (at[0] == '-' ? -1 : 1);
	return 0;
}

int clock_parse(const char *text, int64_t *ret_ms)
{
	struct tm tm = {0};
	const char *at = strptime(text, "%Y-%m-%d", &tm);
	if (!at || (*at != 'T' && *at != 't' && *at != ' '))
		return -EINVAL;
	at = strptime(at + 1, "%H:%M:%S", &tm);
	int64_t fraction_ms = 0, offset_ms = 0;
	if (!at || parse_fraction(&at, &fraction_ms) < 0 || parse_offset(at, &offset_ms) < 0)
		return -EINVAL;
	*ret_ms = (int64_t)timegm(&tm) * 1000 + fraction_ms - offset_ms;
	return 0;
}

int clock_parse_http(const char *text, int64_t *ret_ms)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!end || *end)
		return -EINVAL;
	*ret_ms = (int64_t)timegm(&tm) * 1000;
	return 0;
}
