// SPDX-License-Identifier: Apache-2.0
// Variable-length integers, the alphabet of everything this module encodes: seven bits a byte, low
// first, the top bit says that more follow; signed values are folded first (0, -1, 1, -2, …).
// Readers never pass the end: they return NULL, and NULL goes through further reads unharmed.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { VARINT_MAX_BYTES = 10 };

static inline uint8_t *varint_put(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

static inline const uint8_t *varint_get(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
	uint64_t v = 0;
	if (!p)
		return NULL;
	for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
		uint8_t byte = *p++;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = v;
			return p;
		}
	}
	return NULL;
}

static inline uint64_t varint_fold(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t varint_unfold(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}
