// SPDX-License-Identifier: Apache-2.0
// Tells people by HTTP POST, at the moment of the event and never in its way.
//
// The body is a template of JSON text in which {{name}} is replaced by the escaped value; the
// default suits Slack and whatever reads {"text":…}. Names: text event phase cluster node kind
// drain at deadline left_s. Signed, where there is a secret, as GitHub and Stripe do it: header
// X-Petrel-Signature is "sha256=" and the hex HMAC-SHA256 of X-Petrel-Timestamp "." body, so that
// an old message cannot be played again. An answer of 429 or 5xx, or none, is tried again up to
// five times with full jitter; other answers are final. Bounded: max_pending messages wait, further
// ones are dropped and counted; nobody waits for a webhook. Ownership: what is given is copied.
// Thread: the loop.
#pragma once

#include "proto/base/why.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define WEBHOOK_TEMPLATE "{\"text\":\"{{text}}\"}"
enum { WEBHOOK_MAX_TEMPLATE_BYTES = 16 << 10, WEBHOOK_MAX_BODY_BYTES = 64 << 10 };

struct webhook_options {
	const char *url;
	const char *template_; // NULL: WEBHOOK_TEMPLATE
	const char *secret;    // NULL: unsigned; never logged
	const char *ca_file;   // NULL: the system's
	size_t max_pending;    // 0: 1,024
	uint32_t retry_ms;     // 0: 1,000; the first wait is anything up to it, each next doubles
	uint64_t seed;         // of the jitter
	int64_t (*wall_ms)(void);
};

struct webhook_message {   // NULL texts are ""
	const char *event; // "SpotInterruption", "Drained", …
	const char *cluster, *node, *kind, *phase, *drain;
	const char *text;           // one sentence for people
	int64_t at_ms, deadline_ms; // 0: none
};

struct webhook_stats {
	uint64_t sent, failed, dropped, retries;
	size_t pending;
	char error[160]; // of the last failure; "" if the last one went through
};

struct webhook;
// -EINVAL: the URL, or a template that names what there is not (why says which).
int webhook_new(
	struct webhook **ret, uv_loop_t *loop, const struct webhook_options *o, struct why *why);
int webhook_send(struct webhook *w, const struct webhook_message *m); // -ENOSPC: dropped
void webhook_stats(const struct webhook *w, struct webhook_stats *ret);
void webhook_stop(struct webhook *w, void (*on_stopped)(void *arg), void *arg);
