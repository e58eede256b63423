// SPDX-License-Identifier: Apache-2.0
// The envelope around every message between agent and aggregator, see WIRE.md.
//
// Fixed 48 bytes, little-endian, then the body (protobuf, perhaps zstd):
//   0 magic "PTRL" · 4 CRC-32C u32 of everything from byte 8 to the end · 8 version u8 (1) · 9 type
//   u8 · 10 flags u16 (bit 0: body is zstd) · 12 body length u32 (as sent) · 16 body length u32
//   (unpacked) · 20 age u32 ms (how long the frame waited before it was sent; the receiver's clock
//   minus this is when it was made, whatever the sender's clock says) · 24 boot id 16 bytes · 40
//   sequence u64 (each type counts its own: 1, 2, …; ascending; a jump was dropped by the sender)
// Unknown types are skipped by the receiver (and receipted), unknown flags refused (-EBADMSG); an
// unknown version is refused with -EPROTO.
#pragma once

#include "proto/base/buf.h"

#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_HEADER_BYTES = 48,
	FRAME_MAX_BYTES = 1 << 20,      // whole message on the wire
	FRAME_MAX_BODY_BYTES = 4 << 20, // unpacked
};
enum frame_type { FRAME_SAMPLE = 1, FRAME_NOTICE = 2, FRAME_RECEIPT = 3, FRAME_HELLO = 4 };

struct frame {
	uint8_t type;
	uint32_t age_ms;
	uint8_t boot_id[16];
	uint64_t sequence;
	const uint8_t *body; // unpacked; borrowed from the input or from the scratch buffer
	size_t body_len;
};

// Appends the whole frame; compresses bodies over 512 bytes when that helps. -E2BIG over
// FRAME_MAX_BYTES: never sent. out needs room for the unpacked body.
int frame_encode(const struct frame *f, struct buf *out);
// Reads and checks the envelope alone (not its checksum): what a refusal needs to know. body is
// NULL.
int frame_header(const void *data, size_t len, struct frame *ret);
// scratch is reset and used for unpacking; f->body is valid as long as data and scratch are.
// -EBADMSG (truncated, magic, CRC, zstd), -EPROTO (version), -E2BIG (a limit).
int frame_decode(const void *data, size_t len, struct buf *scratch, struct frame *ret);
// Sets the age of an encoded frame just before it is sent again. -EBADMSG if it is none.
int frame_set_age(void *data, size_t len, uint32_t age_ms);

// The reply to every request: what has been stored, in full and for good.
struct receipt {
	uint8_t boot_id[16];
	uint64_t contiguous; // highest sequence of this boot up to which everything was stored or
			     // given up by the sender
	int64_t server_ms;   // wall clock of the aggregator, for the agent's clock offset
	uint32_t credit_ms;  // wait at least this long before the next sample (0: none)
	uint32_t refused; // 0, or the errno (positive) for which this message was refused for good:
			  // do not repeat it
};
int receipt_encode(const struct receipt *r, struct buf *out);          // body only
int receipt_decode(const void *data, size_t len, struct receipt *ret); // -EBADMSG
