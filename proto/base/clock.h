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
// "2026-11-24T06:12:14.123Z"; ret needs 25 bytes. Years outside 0..9999 are printed as "invalid".
void clock_format_ms(int64_t wall_ms, char ret[25]);
// Parses RFC 3339 with "Z" or an offset, with or without fractions. -EINVAL on anything else.
int clock_parse(const char *text, int64_t *ret_ms);
