// SPDX-License-Identifier: Apache-2.0
#include "proto/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int text_to_u64(const char *text, uint64_t *ret)
{
	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno == ERANGE)
		return -ERANGE;
	if (*end)
		return -EINVAL;
	*ret = value;
	return 0;
}

int text_to_i64(const char *text, int64_t *ret)
{
	if (!isdigit((unsigned char)text[0]) &&
		!(text[0] == '-' && isdigit((unsigned char)text[1])))
		return -EINVAL;
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno == ERANGE)
		return -ERANGE;
	if (*end)
		return -EINVAL;
	*ret = value;
	return 0;
}

int text_to_double(const char *text, double *ret)
{
	if (!text[0] || isspace((unsigned char)text[0]))
		return -EINVAL;
	char *end;
	errno = 0;
	double value = strtod(text, &end);
	if (*end)
		return -EINVAL;
	if (!isfinite(value))
		return -ERANGE;
	*ret = value;
	return 0;
}

bool text_copy(char *ret, size_t size, const char *text)
{
	size_t len = strlen(text);
	bool fits = len < size;
	if (!fits)
		len = size - 1;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return fits;
}

bool text_is_name(const char *text, size_t len, size_t max)
{
	if (len == 0 || len > max)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && !memchr("._:/@-", text[i], 6))
			return false;
		if (i > 0 && text[i] == '.' && text[i - 1] == '.')
			return false;
	}
	return true;
}

static bool second_byte_fits(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0: return second >= 0xa0; // overlong
	case 0xed: return second <= 0x9f; // surrogates
	case 0xf0: return second >= 0x90; // overlong
	case 0xf4: return second <= 0x8f; // over U+10FFFF
	default: return true;
	}
}

// Length of the UTF-8 sequence at s, 0 if malformed (RFC 3629: no overlong forms, no surrogates, at
// most U+10FFFF).
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
	if (s[0] < 0x80)
		return 1;
	size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || left < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return second_byte_fits(s[0], s[1]) ? n : 0;
}

bool text_is_utf8(const void *text, size_t len)
{
	const unsigned char *s = text;
	for (size_t i = 0; i < len;) {
		size_t n = utf8_sequence(s + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

unsigned text_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	if (la > 64 || lb > 64)
		return UINT32_MAX;
	unsigned row[65];
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

void text_to_hex(const void *data, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = data;
	for (size_t i = 0; i < len; i++) {
		ret[2 * i] = digits[bytes[i] >> 4];
		ret[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret[2 * len] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int text_from_hex(const char *text, void *ret, size_t len)
{
	if (strlen(text) != 2 * len)
		return -EINVAL;
	for (size_t i = 0; i < 2 * len; i++)
		if (hex_digit(text[i]) < 0)
			return -EINVAL;
	unsigned char *bytes = ret;
	for (size_t i = 0; i < len; i++)
		bytes[i] =
			(unsigned char)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return 0;
}
