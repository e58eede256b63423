// SPDX-License-Identifier: Apache-2.0
// SHA-256 for ids and the audit chain, HMAC of it for signatures, CRC-32C for frames.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void hash_sha256(const void *data, size_t len, uint8_t ret[32]);
// RFC 2104; false: out of memory, ret is undefined
bool hash_hmac_sha256(
	const void *key, size_t key_len, const void *data, size_t len, uint8_t ret[32]);
// Castagnoli polynomial 0x1EDC6F41, reflected, init and xor-out all ones (RFC 3720 appendix B.4).
uint32_t hash_crc32c(const void *data, size_t len);
