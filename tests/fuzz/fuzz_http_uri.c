// SPDX-License-Identifier: Apache-2.0
// Any bytes as the target of an HTTP request: what is accepted is clean.
#include "proto/base/text.h"
#include "proto/loop/http_uri.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_clean(const char *text)
{
	check(text_is_utf8(text, strlen(text)));
	for (const char *c = text; *c; c++)
		check((unsigned char)*c >= 0x20 && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *target = strndup((const char *)data, size);
	struct http_uri u;
	if (http_uri_parse(&u, target) == 0) {
		check(u.path[0] == '/' && !strstr(u.path, "/../"));
		check_clean(u.path);
		for (size_t i = 0; i < u.n_args; i++) {
			check_clean(u.args[i].key);
			check_clean(u.args[i].value);
			check(http_uri_arg(&u, u.args[i].key));
		}
		http_uri_done(&u);
	}
	free(target);
	return 0;
}
