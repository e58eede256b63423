// SPDX-License-Identifier: Apache-2.0
// Numbers out of text, and which text may be a name.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The whole text must be one number in range, without leading blanks or signs where unsigned.
// -EINVAL or -ERANGE.
int text_to_u64(const char *text, uint64_t *ret);
int text_to_i64(const char *text, int64_t *ret);
int text_to_double(const char *text, double *ret); // finite only
// Copies with truncation, always NUL-terminated; true if everything fitted.
bool text_copy(char *ret, size_t size, const char *text);
// A name that may stand in files, labels and terminals: 1..max bytes of [A-Za-z0-9._:/@-], no "..".
bool text_is_name(const char *text, size_t len, size_t max);
bool text_is_utf8(const void *text, size_t len);
// Edit distance (Levenshtein), for "did you mean". Texts over 64 bytes count as infinitely far.
unsigned text_distance(const char *a, const char *b);
void text_to_hex(const void *data, size_t len, char *ret);  // ret needs 2*len+1
int text_from_hex(const char *text, void *ret, size_t len); // exactly 2*len digits, else -EINVAL
