// SPDX-License-Identifier: Apache-2.0
#include "proto/loop/http_gzip.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum { LEVEL = 1, GZIP_WINDOW_BITS = 15 + 16, MEMORY_LEVEL = 8 };

static bool is_token(const char *text, size_t len, const char *token)
{
	return len == strlen(token) && strncasecmp(text, token, len) == 0;
}

// "q=0", "q=0.0", …; anything else, also nonsense, is a yes.
static bool is_forbidden(const char *parameter, size_t len)
{
	const char *end = parameter + len;
	while (parameter < end && strchr("; \t", *parameter))
		parameter++;
	if (end - parameter < 3 || strncasecmp(parameter, "q=", 2) != 0)
		return false;
	for (parameter += 2; parameter < end; parameter++)
		if (!strchr("0. \t", *parameter))
			return false;
	return true;
}

bool http_gzip_accepted(const char *accept_encoding)
{
	bool any = false; // what "*" says counts where gzip is not named
	for (const char *c = accept_encoding; c && *c;) {
		c += strspn(c, ", \t");
		size_t item = strcspn(c, ","), name = strcspn(c, ",; \t");
		bool allowed = !is_forbidden(c + name, item - name);
		if (is_token(c, name, "gzip") || is_token(c, name, "x-gzip"))
			return allowed;
		if (is_token(c, name, "*"))
			any = allowed;
		c += item;
	}
	return any;
}

void *http_gzip(const void *data, size_t len, size_t *ret_len)
{
	z_stream z = {0};
	if (len < HTTP_GZIP_LEAST_BYTES || len > HTTP_GZIP_MOST_BYTES ||
		deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, MEMORY_LEVEL,
			Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	unsigned char *out = malloc(len); // what does not get smaller is of no use
	z.next_in = (unsigned char *)(size_t)data;
	z.avail_in = (unsigned)len;
	z.next_out = out;
	z.avail_out = (unsigned)len;
	bool done = out && deflate(&z, Z_FINISH) == Z_STREAM_END;
	*ret_len = len - z.avail_out;
	deflateEnd(&z);
	if (done)
		return out;
	free(out);
	return NULL;
}
