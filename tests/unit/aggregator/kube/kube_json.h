// SPDX-License-Identifier: Apache-2.0
// JSON in tests with ' for ", so that it can be read.
#pragma once

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static inline char *unquoted(const char *text)
{
	char *copy = strdup(text);
	for (char *s = copy; *s; s++) {
		if (*s == '\'')
			*s = '"';
	}
	return copy;
}

static inline cJSON *json_of(const char *text)
{
	char *copy = unquoted(text);
	cJSON *tree = cJSON_Parse(copy);
	free(copy);
	return tree;
}
