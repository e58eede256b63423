// SPDX-License-Identifier: Apache-2.0
// The dashboard's files, as built from src/ by build.mjs and carried inside the program.
//
// Every file is stored compressed once and sent as it is, so a page costs the server no CPU:
// "Content-Encoding: gzip" always (every browser and curl --compressed takes it). Names under
// /assets/ carry the hash of their content and may be cached for ever; "/" may not. The page needs
// nothing but `Content-Security-Policy: default-src 'self'`, and nothing from another host.
// Ownership: constants of the program; any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct web_asset {
	const char *path; // "/" or "/assets/app-0123456789.js"
	const char *content_type;
	const char *etag; // strong, with its quotes
	const unsigned char *gzip;
	size_t gzip_len; // bytes
	bool immutable;  // true: "Cache-Control: public, max-age=31536000, immutable"; false:
			 // "no-cache"
};

// The asset of exactly this path (without query), or NULL. "/index.html" is "/".
const struct web_asset *web_find(const char *path);
// All of them, in a fixed order; NULL past the last.
const struct web_asset *web_at(size_t index);
