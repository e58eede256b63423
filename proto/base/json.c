// SPDX-License-Identifier: Apache-2.0
#include "proto/base/json.h"

#include "proto/base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void json_init(struct json *j, struct buf *out)
{
	*j = (struct json){.out = out};
}

static void separate(struct json *j)
{
	if (j->comma)
		buf_append(j->out, ",", 1);
	j->comma = true;
}

void json_open(struct json *j, char bracket)
{
	separate(j);
	buf_append(j->out, &bracket, 1);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	buf_append(j->out, &bracket, 1);
	j->comma = true;
}

static bool is_plain_ascii(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && !strchr("\"\\<>&", c);
}

// Bytes of the character at s that can be copied as they are, or 0 when it must be escaped.
static size_t plain_length(const char *s, size_t left)
{
	unsigned char c = (unsigned char)s[0];
	if (c < 0x80)
		return is_plain_ascii(c);
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (n > left || !text_is_utf8(s, n))
		return 0;
	bool line_separator = n == 3 && c == 0xe2 && (unsigned char)s[1] == 0x80 &&
			      ((unsigned char)s[2] == 0xa8 || (unsigned char)s[2] == 0xa9);
	return line_separator ? 0 : n;
}

// Writes the escape for what stands at s; returns the bytes it stands for.
static size_t escape(struct buf *out, const char *s, size_t left)
{
	unsigned char c = (unsigned char)s[0];
	if (c == '"' || c == '\\') {
		buf_printf(out, "\\%c", c);
		return 1;
	}
	if (c == '\n') {
		buf_append(out, "\\n", 2);
		return 1;
	}
	if (c < 0x80) {
		buf_printf(out, "\\u%04x", c);
		return 1;
	}
	if (left >= 3 && text_is_utf8(s, 3)) { // only the line separators get here
		buf_printf(out, "\\u20%02x", (unsigned)((unsigned char)s[2] - 0x80));
		return 3;
	}
	buf_append(out, "\xef\xbf\xbd", 3);
	return 1;
}

// Bytes at the start that need no second look: what nearly every name and key consists of.
static size_t simple_run(const char *s, size_t len)
{
	size_t n = 0;
	while (n < len && s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\' &&
		s[n] != '<' && s[n] != '>' && s[n] != '&')
		n++;
	return n;
}

// The whole value in one piece, if nothing in it needs an escape.
static bool simple_text(struct json *j, const char *text, size_t len)
{
	if (simple_run(text, len) != len)
		return false;
	char *room = buf_reserve(j->out, len + 3);
	if (!room)
		return true; // past the cap: the buffer remembers
	size_t n = 0;
	if (j->comma)
		room[n++] = ',';
	j->comma = true;
	room[n++] = '"';
	memcpy(room + n, text, len);
	n += len;
	room[n++] = '"';
	buf_commit(j->out, n);
	return true;
}

void json_text_n(struct json *j, const char *text, size_t len)
{
	if (simple_text(j, text, len))
		return;
	separate(j);
	buf_append(j->out, "\"", 1);
	for (size_t i = 0; i < len;) {
		size_t run = 0, n;
		while (i + run < len && (n = plain_length(text + i + run, len - i - run)) > 0)
			run += n;
		if (run)
			buf_append(j->out, text + i, run);
		i += run;
		if (i < len)
			i += escape(j->out, text + i, len - i);
	}
	buf_append(j->out, "\"", 1);
}

void json_text(struct json *j, const char *text)
{
	if (text)
		json_text_n(j, text, strlen(text));
	else
		json_null(j);
}

void json_key(struct json *j, const char *key)
{
	json_text(j, key);
	buf_append(j->out, ":", 1);
	j->comma = false;
}

static void digits(struct json *j, uint64_t value, bool minus)
{
	char text[24];
	size_t at = sizeof(text);
	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	if (minus)
		text[--at] = '-';
	if (j->comma)
		text[--at] = ',';
	j->comma = true;
	buf_append(j->out, text + at, sizeof(text) - at);
}

void json_i64(struct json *j, int64_t value)
{
	digits(j, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
}

void json_u64(struct json *j, uint64_t value)
{
	digits(j, value, false);
}

void json_u64_text(struct json *j, uint64_t value)
{
	separate(j);
	buf_printf(j->out, "\"%llu\"", (unsigned long long)value);
}

void json_double(struct json *j, double value)
{
	if (!isfinite(value)) {
		json_null(j);
		return;
	}
	char text[32];
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		double back;
		if (text_to_double(text, &back) == 0 && back == value)
			break;
	}
	separate(j);
	buf_text(j->out, text);
}

void json_bool(struct json *j, bool value)
{
	separate(j);
	buf_text(j->out, value ? "true" : "false");
}

void json_null(struct json *j)
{
	separate(j);
	buf_text(j->out, "null");
}

void json_raw(struct json *j, const char *json, size_t len)
{
	separate(j);
	buf_append(j->out, json, len);
}

void json_put_text(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_text(j, text);
}

void json_put_i64(struct json *j, const char *key, int64_t value)
{
	json_key(j, key);
	json_i64(j, value);
}

void json_put_double(struct json *j, const char *key, double value)
{
	json_key(j, key);
	json_double(j, value);
}

void json_put_bool(struct json *j, const char *key, bool value)
{
	json_key(j, key);
	json_bool(j, value);
}
