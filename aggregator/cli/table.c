// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cli/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/text.h"

enum { CELL_MAX_BYTES = 1024 };

const char *style_on(enum style s, bool color)
{
	static const char *const codes[STYLE_COUNT] = {
		"", "\033[32m", "\033[33m", "\033[31m", "\033[2m", "\033[1m"};
	return color ? codes[s] : "";
}

const char *style_off(bool color)
{
	return color ? "\033[0m" : "";
}

// Bytes of the character at text that may be shown as it is; 0: it may not, and *ret_skip bytes of
// it become one '?'.
static size_t showable(const char *text, size_t *ret_skip)
{
	unsigned char c = (unsigned char)*text;
	size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	*ret_skip = 1;
	if (c < 0x20 || c == 0x7f || strnlen(text, len) < len || !text_is_utf8(text, len))
		return 0;
	*ret_skip = len;
	bool c1 = c == 0xc2 && (unsigned char)text[1] < 0xa0; // U+0080..U+009F
	return c1 ? 0 : len;
}

const char *printable(const char *text, char *ret, size_t size)
{
	size_t n = 0;
	while (*text) {
		size_t skip, len = showable(text, &skip);
		if (n + (len ? len : 1) >= size)
			break;
		if (len)
			memcpy(ret + n, text, len);
		else
			ret[n] = '?';
		n += len ? len : 1;
		text += skip;
	}
	ret[n] = '\0';
	return ret;
}

size_t text_width(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void table_init(struct table *t, const struct column *columns, size_t n, bool wide, bool color)
{
	*t = (struct table){.columns = columns, .n_columns = n, .wide = wide, .color = color};
}

void table_done(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	t->cells = NULL;
	t->n_cells = t->cap = 0;
}

// Cuts to a number of code points, the last of which becomes "…".
static void cut(char *text, size_t most)
{
	if (most == 0 || text_width(text) <= most)
		return;
	char *at = text;
	for (size_t n = 0; *at; at++) {
		n += ((unsigned char)*at & 0xc0) != 0x80;
		if (n == most)
			break;
	}
	memcpy(at, "…", sizeof("…")); // three bytes; what is cut off has at least as many
}

void table_cell(struct table *t, enum style style, const char *format, ...)
{
	char raw[CELL_MAX_BYTES], clean[CELL_MAX_BYTES + 4];
	va_list args;
	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	printable(raw, clean, sizeof(clean) - 4);
	cut(clean, t->columns[t->n_cells % t->n_columns].most);
	if (t->n_cells == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		struct cell *cells = realloc(t->cells, cap * sizeof(*cells));
		if (!cells) {
			t->failed = true;
			return;
		}
		t->cells = cells;
		t->cap = cap;
	}
	char *text = strdup(clean);
	if (!text) {
		t->failed = true;
		return;
	}
	t->cells[t->n_cells++] = (struct cell){text, text_width(text), style};
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t width = text_width(t->columns[column].title);
	for (size_t i = column; i < t->n_cells; i += t->n_columns)
		if (t->cells[i].width > width)
			width = t->cells[i].width;
	return width;
}

struct put {
	const struct column *column;
	size_t width;
	bool last;
};

static void put_cell(const struct table *t, const struct cell *c, struct put p, struct buf *out)
{
	int pad = (int)(p.width - c->width);
	if (p.column->right)
		buf_printf(out, "%*s", pad, "");
	buf_printf(out, "%s%s%s", style_on(c->style, t->color && c->style), c->text,
		style_off(t->color && c->style));
	if (!p.last)
		buf_printf(out, "%*s", p.column->right ? 2 : pad + 2, "");
}

static void put_row(
	const struct table *t, const struct cell *cells, const size_t *widths, struct buf *out)
{
	size_t last = 0;
	for (size_t i = 0; i < t->n_columns; i++)
		if (!t->columns[i].wide || t->wide)
			last = i;
	for (size_t i = 0; i <= last; i++)
		if (!t->columns[i].wide || t->wide)
			put_cell(t, &cells[i], (struct put){&t->columns[i], widths[i], i == last},
				out);
	while (!buf_failed(out) && out->len > 0 && out->data[out->len - 1] == ' ')
		out->len--; // an empty last cell leaves nothing behind
	buf_text(out, "\n");
}

enum { MAX_COLUMNS = 32 };

void table_print(const struct table *t, struct buf *out)
{
	size_t widths[MAX_COLUMNS];
	struct cell titles[MAX_COLUMNS];
	for (size_t i = 0; i < t->n_columns && i < MAX_COLUMNS; i++) {
		const char *title = t->columns[i].title;
		widths[i] = column_width(t, i);
		titles[i] = (struct cell){(char *)(uintptr_t)title, text_width(title), STYLE_DIM};
	}
	put_row(t, titles, widths, out);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		put_row(t, &t->cells[i], widths, out);
}

static const char *figure(char *ret, double value, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static const char *figure(char *ret, double value, const char *format, ...)
{
	if (isnan(value)) {
		text_copy(ret, FIGURE_BYTES, "-");
		return ret;
	}
	va_list args;
	va_start(args, format);
	vsnprintf(ret, FIGURE_BYTES, format, args);
	va_end(args);
	return ret;
}

const char *figure_percent(double permille, char *ret)
{
	return figure(ret, permille, "%.0f%%", permille / 10);
}

const char *figure_cores(double millicores, char *ret)
{
	return figure(ret, millicores, "%.2f", millicores / 1000);
}

const char *figure_bytes(double bytes, char *ret)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	size_t u = 0;
	double value = bytes;
	for (; value >= 1024 && u < 5; u++)
		value /= 1024;
	return figure(ret, bytes, value < 10 && u > 0 ? "%.1f %s" : "%.0f %s", value, units[u]);
}

static const char *long_duration(double s, char *ret)
{
	uint64_t n = (uint64_t)s;
	unsigned long long d = n / 86400, h = n / 3600, m = n / 60;
	if (d >= 2)
		return figure(ret, s, "%llud %lluh", d, h % 24);
	if (h >= 1)
		return figure(ret, s, "%lluh %llum", h, m % 60);
	return figure(ret, s, "%llum %llus", m, (unsigned long long)n % 60);
}

const char *figure_duration(double ns, char *ret)
{
	if (ns < 0)
		ns = NAN;
	if (ns < 1e3)
		return figure(ret, ns, "%.0f ns", ns);
	if (ns < 1e6)
		return figure(ret, ns, "%.0f us", ns / 1e3);
	if (ns < 1e9)
		return figure(ret, ns, ns < 1e7 ? "%.1f ms" : "%.0f ms", ns / 1e6);
	if (ns < 60e9 || isnan(ns))
		return figure(ret, ns, "%.1f s", ns / 1e9);
	return long_duration(fmin(ns / 1e9, 1e15), ret);
}

const char *figure_count(double n, char *ret)
{
	return figure(ret, n, n == floor(n) ? "%.0f" : "%.2f", n);
}

const char *figure_usd(double micro_hour, char *ret)
{
	return figure(ret, micro_hour, "$%.3f/h", micro_hour / 1e6);
}

// Part of "2026-11-24T06:12:14.123Z".
static const char *time_part(double wall_ms, int from, int len, char *ret)
{
	char text[25];
	clock_format_ms(fabs(wall_ms) < 9e15 ? (int64_t)wall_ms : 0, text);
	const char *got =
		figure(ret, wall_ms, "%.*sZ", len, strlen(text) == 24 ? text + from : "?");
	char *t = strchr(ret, 'T');
	if (t)
		*t = ' ';
	return got;
}

const char *figure_clock(double wall_ms, char *ret)
{
	return time_part(wall_ms, 11, 8, ret);
}

const char *figure_date(double wall_ms, char *ret)
{
	return time_part(wall_ms, 0, 16, ret);
}
