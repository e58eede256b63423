// SPDX-License-Identifier: Apache-2.0
// Reads one HTTP/1.1 response out of a growing buffer. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { RESPONSE_MAX_HEADER_BYTES = 8192 };

struct response {
	int status;
	size_t header_len;   // with its empty line
	bool chunked, close; // close: the connection ends after this response
	bool has_length;
	size_t length; // of the body, when has_length
	// set when complete
	const char *body;
	size_t body_len;
};

// 1: complete; 0: more is needed; -EPROTO: not HTTP; -EMSGSIZE: header or body over its limit.
// at_end: the peer has closed, so a body without a length ends here (and any other is cut:
// -EPROTO). data is changed: chunks are moved together, once, when complete. data[len] must be
// writable.
int response_read(char *data, size_t len, bool at_end, size_t max_body, struct response *ret);
