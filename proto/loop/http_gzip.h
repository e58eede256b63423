// SPDX-License-Identifier: Apache-2.0
// gzip of an answer's body: a list of 5,000 nodes is 3.4 MB of JSON and a tenth of that on the
// wire. Level 1: 3.4 MB take about 25 ms of the loop, and the next level's gain is small.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	HTTP_GZIP_LEAST_BYTES = 4 << 10, // below, a packet more or less is all there is to gain
	HTTP_GZIP_MOST_BYTES = 16 << 20, // above, it would hold the loop for too long
};

// Whether an Accept-Encoding header (NULL: none) allows gzip: it names it or "*", not with q=0.
bool http_gzip_accepted(const char *accept_encoding);
// malloc'ed, NULL if it fails or gains nothing.
void *http_gzip(const void *data, size_t len, size_t *ret_len);
