// SPDX-License-Identifier: Apache-2.0
#include "aggregator/show/web/web.h"

#include <string.h>

#include "aggregator/show/web/built/table.h"

#define A(n, path, type, etag, len, immutable) extern const unsigned char web_data_##n[];
WEB_ASSETS(A)
#undef A

#define A(n, path, type, etag, len, immutable) {path, type, etag, web_data_##n, len, immutable},
static const struct web_asset assets[] = {WEB_ASSETS(A)};
#undef A

enum { ASSET_COUNT = sizeof assets / sizeof assets[0] };

const struct web_asset *web_at(size_t index)
{
	return index < ASSET_COUNT ? &assets[index] : NULL;
}

const struct web_asset *web_find(const char *path)
{
	if (strcmp(path, "/index.html") == 0)
		path = "/";
	for (size_t i = 0; i < ASSET_COUNT; i++) {
		if (strcmp(assets[i].path, path) == 0)
			return &assets[i];
	}
	return NULL;
}
