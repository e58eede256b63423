// SPDX-License-Identifier: Apache-2.0
// Tables and figures for people, on a terminal or in a file.
//
// What comes from the aggregator is text from outside: printable() takes control characters and
// invalid UTF-8 out before anything reaches a terminal, and every cell goes through it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"

enum style { STYLE_PLAIN, STYLE_GOOD, STYLE_WARN, STYLE_BAD, STYLE_DIM, STYLE_BOLD, STYLE_COUNT };
const char *style_on(enum style s, bool color); // "" without colour
const char *style_off(bool color);

struct column {
	const char *title;
	bool right;  // aligned
	bool wide;   // only with -o wide
	size_t most; // longer text is cut, 0: not
};

#define COLUMN(...)                                                                                \
	{                                                                                          \
		.title = __VA_ARGS__                                                               \
	}

struct table {
	const struct column *columns; // borrowed
	size_t n_columns;
	bool wide, color;
	struct cell {
		char *text;
		size_t width;
		enum style style;
	} * cells;
	size_t n_cells, cap;
	bool failed; // out of memory: what was printed is not whole
};
void table_init(struct table *t, const struct column *columns, size_t n, bool wide, bool color);
void table_done(struct table *t);
// Cells come row by row, one per column (those of columns that are not shown, too).
void table_cell(struct table *t, enum style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void table_print(const struct table *t, struct buf *out); // nothing but the titles if empty

// text without what a terminal would act upon, cut to size; returns ret.
const char *printable(const char *text, char *ret, size_t size);
size_t text_width(const char *text); // code points

// Figures. NAN is "-". Each writes into ret (at least FIGURE_BYTES) and returns it.
enum { FIGURE_BYTES = 32 };
const char *figure_percent(double permille, char *ret); // "43%"
const char *figure_cores(double millicores, char *ret); // "1.25"
const char *figure_bytes(double bytes, char *ret);      // "9.4 GiB"
const char *figure_duration(double ns, char *ret);      // "235 us", "4.2 s", "3m 12s", "2d 4h"
const char *figure_count(double n, char *ret);          // "12", "0.25"
const char *figure_usd(double micro_hour, char *ret);   // "$0.192/h"
const char *figure_clock(double wall_ms, char *ret);    // "06:12:14Z"
const char *figure_date(double wall_ms, char *ret);     // "2026-11-24 06:12Z"
