// SPDX-License-Identifier: Apache-2.0
#include "proto/loop/http_uri.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/text.h"

// Decodes in place up to one of the stops or the end; *rest is behind the stop, NULL at the end.
static int decode(char *text, const char *stops, bool in_query, char **rest)
{
	const char *from = text;
	char *to = text;
	*rest = NULL;
	for (; *from; from++) {
		if (strchr(stops, *from)) {
			*rest = text + (from - text) + 1;
			break;
		}
		unsigned char c = (unsigned char)*from;
		if (c == '%') {
			char hex[3] = {0};
			for (int i = 0; i < 2 && from[i + 1]; i++)
				hex[i] = (char)tolower((unsigned char)from[i + 1]);
			if (text_from_hex(hex, &c, 1) < 0 || c == '\0' || (c == '/' && !in_query))
				return -EBADMSG;
			from += 2;
		} else if (c == '+' && in_query) {
			c = ' ';
		}
		if (c < 0x20 || c == 0x7f)
			return -EBADMSG;
		*to++ = (char)c;
	}
	*to = '\0';
	return text_is_utf8(text, (size_t)(to - text)) ? 0 : -EBADMSG;
}

static bool path_is_plain(const char *path)
{
	for (const char *segment = path; segment; segment = strchr(segment, '/')) {
		segment++;
		size_t len = strcspn(segment, "/");
		if ((len == 1 && segment[0] == '.') || (len == 2 && !memcmp(segment, "..", 2)))
			return false;
	}
	return true;
}

static int parse_query(struct http_uri *u, char *rest)
{
	while (rest) {
		char *key = rest, *value;
		size_t end = strcspn(key, "=&");
		bool has_value = key[end] == '=';
		int r = decode(key, "=&", true, &rest);
		value = key + strlen(key);
		if (r == 0 && has_value) {
			value = rest;
			r = decode(value, "&", true, &rest);
		}
		if (r < 0)
			return r;
		if (!key[0] && !value[0])
			continue; // "?", "&&"
		if (u->n_args == HTTP_URI_MAX_ARGS)
			return -EBADMSG;
		u->args[u->n_args].key = key;
		u->args[u->n_args++].value = value;
	}
	return 0;
}

int http_uri_parse(struct http_uri *ret, const char *target)
{
	if (strnlen(target, HTTP_URI_MAX_BYTES + 1) > HTTP_URI_MAX_BYTES)
		return -E2BIG;
	if (target[0] != '/')
		return -EBADMSG;
	struct http_uri u = {.text = strdup(target)};
	if (!u.text)
		return -ENOMEM;
	u.path = u.text;
	char *rest;
	int r = decode(u.text, "?", false, &rest);
	if (r == 0 && !path_is_plain(u.path))
		r = -EBADMSG;
	if (r == 0)
		r = parse_query(&u, rest);
	if (r < 0) {
		free(u.text);
		return r;
	}
	*ret = u;
	return 0;
}

void http_uri_done(struct http_uri *u)
{
	free(u->text);
	*u = (struct http_uri){0};
}

const char *http_uri_arg(const struct http_uri *u, const char *key)
{
	for (size_t i = 0; i < u->n_args; i++)
		if (strcmp(u->args[i].key, key) == 0)
			return u->args[i].value;
	return NULL;
}
