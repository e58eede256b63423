// SPDX-License-Identifier: Apache-2.0
// The Ed25519 key that signs checkpoints of the audit file, and its public half that proves them.
//
// The private key stays on the aggregator (PEM, mode 0600, made at the first start); the public
// half stands beside it as PATH.pub for whoever verifies. What is signed is one line of text,
// "petrel audit PURPOSE SEQ HASH", so that a signature for one purpose proves nothing for another.
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/why.h"

enum { AUDIT_SIGNATURE_TEXT = 129 }; // 64 bytes in hex and a NUL

// Reads the private key at path, or makes it there together with path ".pub".
int audit_key_open(const char *path, EVP_PKEY **ret, struct why *why);
int audit_key_read_public(const char *path, EVP_PKEY **ret, struct why *why);
int audit_key_sign(EVP_PKEY *key, const char *purpose, uint64_t seq, const char *hash,
	char ret[AUDIT_SIGNATURE_TEXT]);
bool audit_key_proves(
	EVP_PKEY *key, const char *purpose, uint64_t seq, const char *hash, const char *signature);
