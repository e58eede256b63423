// SPDX-License-Identifier: Apache-2.0
// A signed statement of how far an audit file reaches: within it as the body of a "checkpoint"
// line, and beside it as PATH.head, replaced after each append.
//
// Why both: checkpoints prove a file that was copied away; only what stands outside the file can
// tell that whole lines are missing at its end. Someone who may replace the head by an older copy
// of itself can still hide the lines after that copy: ship the file, or the head, elsewhere.
#pragma once

#include <openssl/types.h>

#include "aggregator/audit/audit.h"

struct audit_head {
	uint64_t seq; // of the line it speaks of
	char hash[AUDIT_HASH_TEXT];
};

// Appends {"seq":…,"hash":"…","signature":"…"}; purpose: "checkpoint" or "head".
int audit_head_print(
	struct buf *out, EVP_PKEY *key, const char *purpose, const struct audit_head *h);
// -EBADMSG: not such a text, or the signature is not of this key.
int audit_head_parse(const char *json, EVP_PKEY *key, const char *purpose, struct audit_head *ret);
// The file PATH.head of the audit file at path.
int audit_head_write(const char *path, EVP_PKEY *key, const struct audit_head *h);
int audit_head_read(const char *path, EVP_PKEY *key, struct audit_head *ret); // also -ENOENT
