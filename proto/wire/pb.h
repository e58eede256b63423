// SPDX-License-Identifier: Apache-2.0
// Writes protobuf straight into a buffer, inside proto/wire only.
//
// Why not protobuf-c's packer: it wants a tree of heap objects first, and the agent's sampling path
// allocates nothing. Output is canonical (proto3: zero values are left out, shortest lengths), byte
// for byte what protoc's C++ and Python runtimes write. Reading what came from outside stays with
// protobuf-c. Failures stick to the buffer: check buf_failed() at the end.
#pragma once

#include "proto/base/buf.h"

#include <stddef.h>
#include <stdint.h>

static inline uint64_t pb_zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}
void pb_varint(struct buf *b, uint64_t v);               // bare, inside a packed field
void pb_uint(struct buf *b, unsigned field, uint64_t v); // uint32, uint64, bool, int64 (cast)
void pb_sint(struct buf *b, unsigned field, int64_t v);  // sint32, sint64
void pb_text(struct buf *b, unsigned field, const char *text);
void pb_bytes(struct buf *b, unsigned field, const void *data, size_t len);
// A message or packed field; what is written between open and close is its content.
size_t pb_open(struct buf *b, unsigned field);
void pb_close(struct buf *b, size_t opened);
