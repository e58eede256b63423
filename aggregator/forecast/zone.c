// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/zone.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/calendar.h"

enum { HEAD = 44, FILE_MAX = 64 * 1024, TYPES_MAX = 256, DAY_S = 86400, RULE_LAST_YEAR = 2050 };

static bool usable_name(const char *name)
{
	size_t n = strlen(name);
	if (n == 0 || n > 64 || name[0] == '/' || strstr(name, ".."))
		return false;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("/_+-", *c))
			return false;
	return true;
}

static int read_file(const char *folder, const char *name, uint8_t *ret, size_t *ret_size)
{
	char path[512];
	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return -EINVAL;
	FILE *f = fopen(path, "rbe");
	if (!f)
		return -errno;
	*ret_size = fread(ret, 1, FILE_MAX, f);
	bool failed = ferror(f);
	fclose(f);
	return failed ? -ENOENT : 0; // a folder has no bytes to read
}

static int64_t number(const uint8_t *p, int bytes)
{
	uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;
	for (int i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return (int64_t)v;
}

struct block { // one data block of the file: its counts, and where it lies
	size_t utc_flags, standard_flags, leaps, times, types, chars;
	const uint8_t *body;
	size_t size;
};

static bool read_head(const uint8_t *p, size_t left, int time_bytes, struct block *ret)
{
	if (left < HEAD || memcmp(p, "TZif", 4) != 0)
		return false;
	size_t *counts[] = {&ret->utc_flags, &ret->standard_flags, &ret->leaps, &ret->times,
		&ret->types, &ret->chars};
	for (size_t i = 0; i < 6; i++) {
		int64_t n = number(p + 20 + 4 * i, 4);
		if (n < 0 || n > FILE_MAX)
			return false;
		*counts[i] = (size_t)n;
	}
	size_t t = (size_t)time_bytes;
	ret->body = p + HEAD;
	ret->size = ret->times * (t + 1) + ret->types * 6 + ret->chars + ret->leaps * (t + 4) +
		    ret->standard_flags + ret->utc_flags;
	return ret->size <= left - HEAD && ret->types > 0 && ret->types <= TYPES_MAX;
}

static int add_change(struct forecast_zone_change *to, size_t *n, int64_t at_s, int32_t offset_s)
{
	if (*n == ZONE_CHANGES_MAX || (*n > 0 && to[*n - 1].at_s >= at_s))
		return -EBADMSG;
	to[(*n)++] = (struct forecast_zone_change){at_s, offset_s};
	return 0;
}

static int take_table(
	const struct block *b, struct forecast_zone *z, struct forecast_zone_change *to)
{
	const uint8_t *types = b->body + b->times * 9;
	z->first_offset_s = (int32_t)number(types, 4);
	for (size_t i = 0; i < b->times; i++) {
		size_t type = b->body[b->times * 8 + i];
		if (type >= b->types)
			return -EBADMSG;
		int r = add_change(to, &z->n, number(b->body + i * 8, 8),
			(int32_t)number(types + type * 6, 4));
		if (r < 0)
			return r;
	}
	return 0;
}

// The footer: "CET-1CEST,M3.5.0,M10.5.0/3". Names are skipped, offsets are west of UTC.
struct rule_day {
	int month, week, weekday;
	int64_t time_s;
};
struct rule {
	int32_t standard_s, summer_s;
	struct rule_day begin, end;
};

static bool skip_name(const char **p)
{
	const char *from = *p;
	if (**p == '<') {
		while (**p && **p != '>')
			(*p)++;
		return *(*p)++ == '>';
	}
	while (isalpha((unsigned char)**p))
		(*p)++;
	return *p - from >= 3;
}

static bool take_int(const char **p, int most, int *ret)
{
	int v = 0;
	if (!isdigit((unsigned char)**p))
		return false;
	while (isdigit((unsigned char)**p) && v <= most)
		v = v * 10 + (*(*p)++ - '0');
	*ret = v;
	return v <= most;
}

static bool take_time(const char **p, int64_t *ret_s)
{
	int sign = **p == '-' ? -1 : 1, part[3] = {0};
	if (**p == '-' || **p == '+')
		(*p)++;
	for (int i = 0; i < 3; i++) {
		if (i > 0 && **p != ':')
			break;
		if (i > 0)
			(*p)++;
		if (!take_int(p, i ? 59 : 167, &part[i]))
			return false;
	}
	*ret_s = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
	return true;
}

static bool take_day(const char **p, struct rule_day *ret)
{
	int *parts[] = {&ret->month, &ret->week, &ret->weekday};
	static const int most[] = {12, 5, 6};
	for (int i = 0; i < 3; i++) {
		const char mark = i ? '.' : 'M';
		if (i == 0 && *(*p)++ != ',')
			return false;
		if (*(*p)++ != mark || !take_int(p, most[i], parts[i]))
			return false;
	}
	ret->time_s = 7200;
	if (**p != '/')
		return true;
	(*p)++;
	return take_time(p, &ret->time_s);
}

// False: no summer time, or a form of rule that is not read (Julian days: no zone in use has them).
static bool take_rule(const char *p, struct rule *ret)
{
	int64_t west, summer;
	if (!skip_name(&p) || !take_time(&p, &west) || !skip_name(&p))
		return false;
	summer = west - 3600;
	if (*p != ',' && !take_time(&p, &summer))
		return false;
	ret->standard_s = (int32_t)-west;
	ret->summer_s = (int32_t)-summer;
	return take_day(&p, &ret->begin) && take_day(&p, &ret->end) && ret->begin.month > 0 &&
	       ret->end.month > 0 && ret->begin.week > 0 && ret->end.week > 0;
}

static int64_t at_of(const struct rule_day *d, int year, int32_t offset_s)
{
	int64_t first = calendar_days(year, d->month, 1);
	int64_t next = calendar_days(year + d->month / 12, d->month % 12 + 1, 1);
	int64_t day = first + (d->weekday - (first + 4) % 7 + 7) % 7 + 7 * (d->week - 1);
	while (day >= next)
		day -= 7;
	return day * DAY_S + d->time_s - offset_s;
}

static int add_rule(const struct rule *r, struct forecast_zone *z, struct forecast_zone_change *to)
{
	int year = 1970, month, day;
	int64_t last = z->n ? to[z->n - 1].at_s : 0;
	if (z->n)
		calendar_date(last / DAY_S, &year, &month, &day);
	for (; year <= RULE_LAST_YEAR; year++) {
		struct forecast_zone_change two[2] = {
			{at_of(&r->begin, year, r->standard_s), r->summer_s},
			{at_of(&r->end, year, r->summer_s), r->standard_s}};
		int first = two[0].at_s < two[1].at_s ? 0 : 1;
		for (int i = 0; i < 2; i++) {
			const struct forecast_zone_change *c = &two[(first + i) % 2];
			if (c->at_s <= last)
				continue;
			int e = add_change(to, &z->n, c->at_s, c->offset_s);
			if (e < 0)
				return e;
		}
	}
	return 0;
}

static int parse(
	const uint8_t *p, size_t size, struct forecast_zone *z, struct forecast_zone_change *to)
{
	struct block old, b;
	if (size >= FILE_MAX || !read_head(p, size, 4, &old) || p[4] < '2')
		return -EBADMSG;
	size_t at = HEAD + old.size;
	if (!read_head(p + at, size - at, 8, &b))
		return -EBADMSG;
	int e = take_table(&b, z, to);
	at += HEAD + b.size;
	struct rule rule;
	char footer[128] = "";
	if (e == 0 && at < size && p[at] == '\n') {
		size_t n = size - at - 1 < sizeof(footer) - 1 ? size - at - 1 : sizeof(footer) - 1;
		memcpy(footer, p + at + 1, n);
		footer[strcspn(footer, "\n")] = '\0';
	}
	return e == 0 && take_rule(footer, &rule) ? add_rule(&rule, z, to) : e;
}

int zone_read(struct forecast_zone **ret, const char *folder, const char *name)
{
	if (!usable_name(name))
		return -EINVAL;
	size_t size = 0;
	uint8_t *bytes = malloc(FILE_MAX);
	struct forecast_zone *z = calloc(1, sizeof(*z) + ZONE_CHANGES_MAX * sizeof(*z->changes));
	int r = bytes && z ? read_file(folder, name, bytes, &size) : -ENOMEM;
	if (r == 0) {
		struct forecast_zone_change *to = (struct forecast_zone_change *)(z + 1);
		z->changes = to;
		r = parse(bytes, size, z, to);
	}
	free(bytes);
	if (r < 0) {
		free(z);
		return r;
	}
	*ret = z;
	return 0;
}

void zone_free(struct forecast_zone *z)
{
	free(z);
}

int32_t zone_offset_s(const struct forecast_zone *z, int64_t at_s)
{
	if (!z)
		return 0;
	size_t low = 0, high = z->n; // the number of changes at or before at_s
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (z->changes[mid].at_s <= at_s)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? z->changes[low - 1].offset_s : z->first_offset_s;
}
