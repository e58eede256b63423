// SPDX-License-Identifier: Apache-2.0
// Text from outside into fixed arrays, inside proto/wire only.
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "proto/base/text.h"

enum { CHECK_NEEDED = 1 };

// A name (text.h); empty unless CHECK_NEEDED. -E2BIG: longer than the array, -EINVAL.
static inline int check_name(char *ret, size_t size, const char *from, unsigned flags)
{
	size_t len = strlen(from);
	if (len >= size)
		return -E2BIG;
	if (len == 0 ? flags & CHECK_NEEDED : !text_is_name(from, len, size - 1))
		return -EINVAL;
	memcpy(ret, from, len + 1);
	return 0;
}

// Any UTF-8 without control characters: it ends up in terminals, logs and pages.
static inline int check_text(char *ret, size_t size, const char *from)
{
	size_t len = strlen(from);
	if (len >= size)
		return -E2BIG;
	if (!text_is_utf8(from, len))
		return -EINVAL;
	for (const char *c = from; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return -EINVAL;
	memcpy(ret, from, len + 1);
	return 0;
}
