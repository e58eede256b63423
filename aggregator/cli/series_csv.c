// SPDX-License-Identifier: Apache-2.0
// Reading is one pass: a row is parsed in place and added to its bin at once, so ten million rows
// need memory for the bins only. The grid starts at the first timestamp; when rows turn out to be
// finer than the step, it starts at the multiple of the step below it, as everybody else who bins
// by time does.
#include "aggregator/cli/series_csv.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/base/clock.h"
#include "proto/base/text.h"

enum { LINE_MAX_BYTES = 4096, PROBE_ROWS = 64, NAME_SHOWN = 40 };

// Squares and fourth powers of values must stay far from overflow.
static const double value_max = 1e30;

struct row {
	int64_t at_s;
	double value; // NAN = missing
	size_t line_no;
};

struct reader {
	const char *path;
	FILE *file;
	size_t max_bins;
	char line[LINE_MAX_BYTES];
	size_t line_no;
	struct series_csv *s;
	uint32_t *counts; // values per bin
	size_t cap;
	struct row last;
	bool any;
	struct row probe[PROBE_ROWS]; // kept until the grid is known
	size_t n_probe;
	bool grid;
	struct why *why;
};

static int bad(struct reader *r, const char *what, const char *text)
{
	return why_set(r->why, -EBADMSG, WHY_DENIED, "%.80s, line %zu: %s%s%.*s%s", r->path,
		r->line_no, what, text ? " '" : "", NAME_SHOWN, text ? text : "", text ? "'" : "");
}

static bool is_missing(const char *text)
{
	return !*text || !strcasecmp(text, "na") || !strcasecmp(text, "nan") ||
	       !strcasecmp(text, "null");
}

// Strips blanks and one pair of double quotes.
static char *trim(char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	size_t n = strlen(text);
	while (n && strchr(" \t\r\n", text[n - 1]))
		text[--n] = '\0';
	if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
		text[n - 1] = '\0';
		text++;
	}
	return text;
}

static int parse_time(char *text, int64_t *ret)
{
	if (text_to_i64(text, ret) == 0)
		return 0;
	double seconds;
	if (text_to_double(text, &seconds) == 0) {
		if (fabs(seconds) > 1e12)
			return -ERANGE;
		*ret = (int64_t)floor(seconds);
		return 0;
	}
	char stamp[40];
	int64_t ms;
	if (strlen(text) == 19)
		snprintf(stamp, sizeof(stamp), "%sZ", text);
	else
		text_copy(stamp, sizeof(stamp), text);
	if (strlen(stamp) > 10 && stamp[10] == ' ')
		stamp[10] = 'T';
	if (clock_parse(stamp, &ms) < 0)
		return -EINVAL;
	*ret = ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000);
	return 0;
}

static int parse_row(struct reader *r, struct row *ret)
{
	char *comma = strchr(r->line, ',');
	if (!comma)
		return bad(r, "a row needs two fields, timestamp,value", NULL);
	*comma = '\0';
	char *time = trim(r->line), *value = trim(comma + 1);
	if (strchr(value, ','))
		return bad(r, "more than two fields", NULL);
	if (parse_time(time, &ret->at_s) < 0)
		return bad(r, "not a timestamp", time);
	if (llabs(ret->at_s) > INT64_C(100000000000))
		return bad(r, "timestamp out of range (seconds since 1970 are needed)", time);
	if (is_missing(value))
		ret->value = NAN;
	else if (text_to_double(value, &ret->value) < 0)
		return bad(r, "not a finite number", value);
	else if (fabs(ret->value) > value_max)
		return bad(r, "larger than 1e30, which is no load", value);
	ret->line_no = r->line_no;
	return 0;
}

static int grow(struct reader *r, size_t need)
{
	if (need > r->max_bins)
		return bad(r, "the timestamps span more steps than are read (20 million)", NULL);
	if (need > r->cap) {
		size_t cap = r->cap ? r->cap : 1024;
		while (cap < need)
			cap *= 2;
		double *y = realloc(r->s->y, cap * sizeof(*y));
		if (!y)
			return -ENOMEM;
		r->s->y = y;
		uint32_t *counts = realloc(r->counts, cap * sizeof(*counts));
		if (!counts)
			return -ENOMEM;
		r->counts = counts;
		r->cap = cap;
	}
	for (; r->s->n < need; r->s->n++) {
		r->s->y[r->s->n] = 0;
		r->counts[r->s->n] = 0;
	}
	return 0;
}

static int add(struct reader *r, const struct row *row)
{
	struct series_csv *s = r->s;
	int64_t distance = row->at_s - s->start_s;
	size_t bin = (size_t)(distance / s->step_s);
	bool seen = bin < s->n;
	int error = grow(r, bin + 1);
	if (error < 0)
		return error;
	s->averaged += seen;
	if (distance % s->step_s && !seen) {
		s->moved++;
		if (!s->first_moved_line)
			s->first_moved_line = row->line_no;
	}
	if (!isnan(row->value)) {
		s->y[bin] += row->value;
		r->counts[bin]++;
	}
	return 0;
}

static int compare_steps(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

// Decides step and start from the first rows, then adds them.
static int start_grid(struct reader *r)
{
	int64_t gaps[PROBE_ROWS], median = 0;
	if (r->n_probe == 0)
		return 0;
	for (size_t i = 1; i < r->n_probe; i++)
		gaps[i - 1] = r->probe[i].at_s - r->probe[i - 1].at_s;
	if (r->n_probe > 1) {
		qsort(gaps, r->n_probe - 1, sizeof(*gaps), compare_steps);
		median = gaps[(r->n_probe - 2) / 2];
	}
	struct series_csv *s = r->s;
	if (s->step_s == 0)
		s->step_s = median;
	if (s->step_s <= 0)
		return bad(r, "one row has no step; give --step", NULL);
	s->start_s = r->probe[0].at_s;
	if (median > 0 && median < s->step_s) {
		int64_t rest = s->start_s % s->step_s;
		s->start_s -= rest < 0 ? rest + s->step_s : rest;
	}
	s->apart_s = median;
	r->grid = true;
	for (size_t i = 0; i < r->n_probe; i++) {
		int error = add(r, &r->probe[i]);
		if (error < 0)
			return error;
	}
	return 0;
}

static int take_row(struct reader *r, const struct row *row)
{
	if (r->any && row->at_s < r->last.at_s)
		return bad(r, "timestamps must ascend: this one is before the row above", NULL);
	if (r->any && row->at_s == r->last.at_s) {
		bool same =
			row->value == r->last.value || (isnan(row->value) && isnan(r->last.value));
		if (!same)
			return bad(
				r, "the same timestamp as the row above, with another value", NULL);
		r->s->repeated++;
		if (!r->s->first_repeated_line)
			r->s->first_repeated_line = r->line_no;
		return 0;
	}
	r->last = *row;
	r->any = true;
	r->s->rows++;
	if (r->grid)
		return add(r, row);
	r->probe[r->n_probe++] = *row;
	return r->n_probe == PROBE_ROWS ? start_grid(r) : 0;
}

// True for the first line when its first field is words. Looks without changing the line.
static bool is_header(const struct reader *r)
{
	const char *c = r->line + strspn(r->line, " \t\"");
	return r->line_no == 1 && !((*c >= '0' && *c <= '9') || *c == '-' || *c == ',');
}

// What an editor or a spreadsheet may have put around the text.
static int check_line(struct reader *r)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t len = strlen(r->line);
	if (r->line_no == 1 &&
		(memcmp(r->line, "\xff\xfe", 2) == 0 || memcmp(r->line, "\xfe\xff", 2) == 0))
		return bad(r, "UTF-16 text; save it as UTF-8", NULL);
	if (r->line_no == 1 && strncmp(r->line, bom, 3) == 0) {
		len -= 3;
		memmove(r->line, r->line + 3, len + 1);
	}
	const char *cr = strchr(r->line, '\r');
	if (cr && cr[1] && cr[1] != '\n')
		return bad(
			r, "a carriage return inside the line (lines end with LF or CR LF)", NULL);
	if (len + 1 == sizeof(r->line) && r->line[len - 1] != '\n')
		return bad(r, "line too long", NULL);
	if (len == 0 || (r->line[len - 1] != '\n' && !feof(r->file)))
		return bad(r, "a NUL byte", NULL);
	return 0;
}

static int read_line(struct reader *r)
{
	struct row row;
	int error = check_line(r);
	if (error < 0)
		return error;
	if (is_header(r) && *(r->line + strspn(r->line, " \t\r\n")))
		return strchr(r->line, ',') ? 0
					    : bad(r, "the header must be timestamp,value", NULL);
	if (!*(r->line + strspn(r->line, " \t\r\n")))
		return 0;
	error = parse_row(r, &row);
	return error < 0 ? error : take_row(r, &row);
}

static int read_rows(struct reader *r)
{
	while (fgets(r->line, sizeof(r->line), r->file)) {
		r->line_no++;
		int error = read_line(r);
		if (error < 0)
			return error;
	}
	if (ferror(r->file))
		return why_set(r->why, -EIO, WHY_DENIED, "%.80s: cannot be read", r->path);
	return r->grid ? 0 : start_grid(r);
}

static void finish(struct reader *r)
{
	struct series_csv *s = r->s;
	for (size_t i = 0; i < s->n; i++) {
		s->y[i] = r->counts[i] > 0 ? s->y[i] / (double)r->counts[i] : NAN;
		s->missing += r->counts[i] == 0;
	}
	if (s->averaged && s->moved > 0)
		s->moved = 0; // binning says it already
}

int series_csv_read_stream(
	FILE *file, const struct series_csv_source *from, struct series_csv *ret, struct why *why)
{
	struct series_csv s = {.step_s = from->step_s};
	struct reader *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->path = from->name;
	r->max_bins = from->max_bins;
	r->file = file;
	r->s = &s;
	r->why = why;
	int error = read_rows(r);
	if (error == 0)
		finish(r);
	free(r->counts);
	free(r);
	if (error < 0) {
		free(s.y);
		return error;
	}
	*ret = s;
	return 0;
}

int series_csv_read(const char *path, int64_t step_s, struct series_csv *ret, struct why *why)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	if (!file)
		return why_set(why, -errno, WHY_DENIED, "%.120s: %s", path, strerror(errno));
	struct series_csv_source from = {
		is_stdin ? "(standard input)" : path, step_s, SERIES_CSV_BINS_MAX};
	int error = series_csv_read_stream(file, &from, ret, why);
	if (!is_stdin)
		fclose(file);
	return error;
}

void series_csv_done(struct series_csv *s)
{
	free(s->y);
	s->y = NULL;
	s->n = 0;
}

void series_csv_repairs(const struct series_csv *s, struct buf *out)
{
	if (s->repeated)
		buf_printf(out, "%zu repeated rows counted once (first at line %zu); ", s->repeated,
			s->first_repeated_line);
	if (s->averaged)
		buf_printf(out, "%zu rows averaged into %zu bins of %" PRId64 " s; ", s->rows, s->n,
			s->step_s);
	if (s->moved)
		buf_printf(out, "%zu rows moved to the grid of %" PRId64 " s (first at line %zu); ",
			s->moved, s->step_s, s->first_moved_line);
	if (s->apart_s > s->step_s && s->missing > s->n / 2)
		buf_printf(out,
			"rows are %" PRId64 " s apart, so %zu of %zu steps of %" PRId64
			" s are missing; ",
			s->apart_s, s->missing, s->n, s->step_s);
}
