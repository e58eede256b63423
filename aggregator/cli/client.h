// SPDX-License-Identifier: Apache-2.0
// One question to the aggregator's API and its answer, for the verbs.
//
// A failure is told on stderr in plain words, with what to try, and comes back as the exit code of
// its class. Bounded: an answer of at most CLIENT_MAX_BYTES, a deadline for the whole, no
// redirects, http and https only, no proxy from the environment for loopback. A question that takes
// longer than a second says so on a terminal.
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "aggregator/cli/options.h"
#include "proto/base/buf.h"

enum { CLIENT_MAX_BYTES = 64 << 20 };

struct answer {
	struct buf body;
	int status;      // HTTP
	cJSON *json;     // NULL where the body is not JSON
	bool yaml;       // -o yaml was given
	double took_ms;  // from the first byte sent to the last received
	int64_t wall_ms; // our clock in the middle of that
	char error[256]; // of the transport
};
void answer_done(struct answer *a);

// path: "/api/v1/nodes?cluster=…", see client_path(). EXIT_OK: an object came with status 200.
int client_get(const struct options *o, const char *path, struct answer *ret);
// The same by POST: something is asked for, and the aggregator must be on this machine.
int client_ask(const struct options *o, const char *path, struct answer *ret);
// client_get() without a word on stderr and with any status: for doctor and top. EXIT_UNREACHABLE,
// or EXIT_OK.
int client_try(const struct options *o, const char *path, struct answer *ret);
// Says on stderr what is wrong with the answer of client_try(); its exit code.
int client_explain(const struct options *o, const struct answer *a);
// "/api/v1/plans" plus key=value pairs ended by NULL; a NULL value leaves its key out. Percent
// escapes values. -ENOSPC past the buffer's cap.
int client_path(struct buf *ret, const char *path, ...) __attribute__((sentinel));
// One segment of a path, escaped.
int client_segment(struct buf *ret, const char *segment);

// Members of an object; the second value where there is none of that type.
const char *get_text(const cJSON *o, const char *key, const char *otherwise);
double get_number(const cJSON *o, const char *key, double otherwise);
bool get_bool(const cJSON *o, const char *key, bool otherwise);
const cJSON *get(const cJSON *o, const char *key); // NULL if absent or null
// The list's items; an empty array where there are none.
const cJSON *get_items(const cJSON *o);
