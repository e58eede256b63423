// SPDX-License-Identifier: Apache-2.0
// The target of an HTTP request ("/api/v1/series?from=1&to=2"), taken apart once and strictly.
//
// Pure: fuzzed and unit-tested on its own. Only origin form ("/…"). Refused with -EBADMSG: broken
// percent escapes, an escaped slash or NUL in the path, control characters, invalid UTF-8, ".." or
// "." as a path segment, more than HTTP_URI_MAX_ARGS arguments; -E2BIG over HTTP_URI_MAX_BYTES.
// In the query '+' is a blank; "a=1;b=2" is one argument. Ownership: all inside the struct.
#pragma once

#include <stddef.h>

enum { HTTP_URI_MAX_BYTES = 8192, HTTP_URI_MAX_ARGS = 64 };

struct http_uri {
	char *text; // storage of everything below
	const char *path;
	struct {
		const char *key, *value;
	} args[HTTP_URI_MAX_ARGS];
	size_t n_args;
};
int http_uri_parse(struct http_uri *ret, const char *target);
void http_uri_done(struct http_uri *u); // zeroed storage is fine
// First value of that key, "" for a key without one, NULL if absent.
const char *http_uri_arg(const struct http_uri *u, const char *key);
