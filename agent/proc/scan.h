// SPDX-License-Identifier: Apache-2.0
// A cursor over text that the kernel wrote: words, numbers, lines.
//
// Why by hand: a tick parses a few hundred small files, and sscanf() costs more than reading them.
// Nothing here trusts the text: a cursor never passes its end, a number that does not fit in 64
// bits is no number. No allocation, no errno.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct scan {
	const char *at, *end;
};

static inline struct scan scan_text(const char *text, size_t len)
{
	return (struct scan){.at = text, .end = text + len};
}

static inline void scan_blanks(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
		s->at++;
}

// To the beginning of the next line; false at the end of the text.
static inline bool scan_next_line(struct scan *s)
{
	const char *newline = memchr(s->at, '\n', (size_t)(s->end - s->at));
	s->at = newline ? newline + 1 : s->end;
	return s->at < s->end;
}

// A run of non-blanks on this line; false when the line has no more.
static inline bool scan_word(struct scan *s, const char **ret, size_t *ret_len)
{
	scan_blanks(s);
	const char *from = s->at;
	while (s->at < s->end && *s->at != ' ' && *s->at != '\t' && *s->at != '\n')
		s->at++;
	*ret = from;
	*ret_len = (size_t)(s->at - from);
	return *ret_len > 0;
}

// A whole number, blanks before it skipped. On false the cursor stands where the number should be.
static inline bool scan_u64(struct scan *s, uint64_t *ret)
{
	scan_blanks(s);
	const char *p = s->at;
	uint64_t value = 0;
	for (; p < s->end && *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return false;
	}
	if (p == s->at)
		return false;
	s->at = p;
	*ret = value;
	return true;
}

static inline bool scan_char(struct scan *s, char c)
{
	if (s->at >= s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

// Skips n words; false if the line has fewer.
static inline bool scan_skip(struct scan *s, int n)
{
	const char *word;
	size_t len;
	while (n-- > 0)
		if (!scan_word(s, &word, &len))
			return false;
	return true;
}

static inline bool scan_is(const char *word, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(word, text, len) == 0;
}
