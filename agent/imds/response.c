// SPDX-License-Identifier: Apache-2.0
#include "agent/imds/response.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_status(const char *line, size_t len, struct response *r)
{
	if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
		return -EPROTO;
	for (int i = 9; i < 12; i++)
		if (!isdigit((unsigned char)line[i]))
			return -EPROTO;
	r->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
	r->close = line[7] == '0'; // HTTP/1.0
	return 0;
}

static int read_length(const char *value, size_t len, struct response *r)
{
	size_t length = 0;
	if (len == 0 || len > 9)
		return len ? -EMSGSIZE : -EPROTO;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)value[i]))
			return -EPROTO;
		length = length * 10 + (size_t)(value[i] - '0');
	}
	if (r->has_length && r->length != length)
		return -EPROTO;
	r->has_length = true;
	r->length = length;
	return 0;
}

static bool is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

static int read_field(const char *line, size_t len, struct response *r)
{
	const char *colon = memchr(line, ':', len);
	if (!colon)
		return -EPROTO;
	size_t name_len = (size_t)(colon - line);
	const char *value = colon + 1, *end = line + len;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	size_t value_len = (size_t)(end - value);
	if (is(line, name_len, "content-length"))
		return read_length(value, value_len, r);
	if (is(line, name_len, "transfer-encoding"))
		r->chunked = is(value, value_len, "chunked");
	else if (is(line, name_len, "connection"))
		r->close = is(value, value_len, "close");
	return 0;
}

// 1 when the whole header is there.
static int read_header(const char *data, size_t len, struct response *r)
{
	size_t at = 0;
	for (int line_number = 0;; line_number++) {
		const char *lf = memchr(data + at, '\n', len - at);
		if (!lf || (size_t)(lf - data) >= RESPONSE_MAX_HEADER_BYTES)
			return len >= RESPONSE_MAX_HEADER_BYTES ? -EMSGSIZE : 0;
		size_t line_len = (size_t)(lf - data) - at;
		if (line_len && data[at + line_len - 1] == '\r')
			line_len--;
		int error = 0;
		if (line_number == 0)
			error = read_status(data + at, line_len, r);
		else if (line_len > 0)
			error = read_field(data + at, line_len, r);
		if (error < 0)
			return error;
		at = (size_t)(lf - data) + 1;
		if (line_number > 0 && line_len == 0)
			break;
	}
	r->header_len = at;
	return 1;
}

// Size line of a chunk: its length in *ret_size, and where its data begin. 0 when the line is not
// there yet.
static int read_chunk_size(
	const char *data, size_t len, size_t at, size_t *ret_size, size_t *ret_data)
{
	const char *lf = memchr(data + at, '\n', len - at);
	size_t size = 0, digits = 0;
	if (!lf)
		return len - at > 64 ? -EPROTO : 0;
	for (; hex(data[at + digits]) >= 0; digits++) {
		if (digits == 6)
			return -EMSGSIZE;
		size = size * 16 + (size_t)hex(data[at + digits]);
	}
	char after = data[at + digits];
	if (digits == 0 || (after != '\r' && after != '\n' && after != ';'))
		return -EPROTO;
	*ret_size = size;
	*ret_data = (size_t)(lf - data) + 1;
	return 1;
}

// Two passes: the first checks that everything is there, the second (move) puts the chunks
// together.
static int read_chunks(char *data, size_t len, size_t max_body, bool move, struct response *r)
{
	size_t at = r->header_len, total = 0;
	for (;;) {
		size_t size, start;
		int got = read_chunk_size(data, len, at, &size, &start);
		if (got <= 0)
			return got;
		if (size == 0)
			break; // trailers are of no interest; the connection is not used again
		if (total + size > max_body)
			return -EMSGSIZE;
		if (start + size + 2 > len)
			return 0;
		if (memcmp(data + start + size, "\r\n", 2) != 0)
			return -EPROTO;
		if (move)
			memmove(data + r->header_len + total, data + start, size);
		total += size;
		at = start + size + 2;
	}
	r->body_len = total;
	return 1;
}

static int read_body(char *data, size_t len, bool at_end, size_t max_body, struct response *r)
{
	size_t have = len - r->header_len;
	r->body = data + r->header_len;
	if (r->status / 100 == 1)
		return -EPROTO; // we never ask for one
	if (r->chunked) {
		int got = read_chunks(data, len, max_body, false, r);
		r->close = true;
		return got > 0 ? read_chunks(data, len, max_body, true, r) : got;
	}
	if (r->status == 204 || r->status == 304) {
		r->has_length = true;
		r->length = 0;
	}
	if (r->has_length) {
		if (r->length > max_body)
			return -EMSGSIZE;
		r->body_len = r->length;
		return have >= r->length;
	}
	r->close = true;
	r->body_len = have;
	return have > max_body ? -EMSGSIZE : at_end;
}

int response_read(char *data, size_t len, bool at_end, size_t max_body, struct response *ret)
{
	*ret = (struct response){0};
	int got = read_header(data, len, ret);
	if (got > 0)
		got = read_body(data, len, at_end, max_body, ret);
	if (got > 0)
		data[ret->header_len + ret->body_len] = '\0';
	return got == 0 && at_end ? -EPROTO : got;
}
