// SPDX-License-Identifier: Apache-2.0
// The two clocks. Only main.c, line.c and tests read them; everybody else is told the time.
//
// Monotonic nanoseconds order and measure; wall milliseconds since the epoch are for people, files
// and other machines.
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_ns(void);
int64_t clock_wall_ms(void);
// A machine's wall clock can be wrong, or set while a deadline runs. Where somebody knows better
// (the API server), clock_wall_ms() is from then on the monotonic clock plus off_ms, whatever
// happens to the machine's own; for the whole process, from any thread.
void clock_hold(int64_t off_ms);
int64_t clock_machine_ms(void); // the machine's own wall clock, right or wrong
// "2026-11-24T06:12:14.123Z"; ret needs 25 bytes. Years outside 0..9999 are printed as "invalid".
void clock_format_ms(int64_t wall_ms, char ret[25]);
// Parses RFC 3339 with "Z" or an offset, with or without fractions. -EINVAL on anything else.
int clock_parse(const char *text, int64_t *ret_ms);
// Parses the date of HTTP, "Thu, 27 Aug 2026 13:19:00 GMT" (RFC 9110); the locale must be C.
int clock_parse_http(const char *text, int64_t *ret_ms);
