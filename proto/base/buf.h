// SPDX-License-Identifier: Apache-2.0
// Byte buffer that grows up to a cap.
//
// Why a cap: whatever fills it comes from outside. Past the cap an append is refused whole, the
// buffer stays as it was and buf_failed() stays true, so a long chain of appends needs one check at
// its end. Ownership: init/done on the caller's storage; buf_take() moves the bytes out. data is
// always NUL-terminated after the first append (the NUL does not count in len).
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;
	size_t len;
	size_t cap; // allocated
	size_t max; // never allocates more than this
	bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);
void buf_reset(struct buf *b); // empties, keeps the memory, forgets a failure
int buf_append(struct buf *b, const void *data, size_t len); // -ENOSPC past the cap, -ENOMEM
int buf_text(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *buf_reserve(struct buf *b,
	size_t len); // room for len more bytes at the end, NULL on failure; then buf_commit()
void buf_commit(struct buf *b, size_t len);
char *buf_take(struct buf *b,
	size_t *ret_len); // moves the bytes out (free()), NULL if it failed; ret_len may be NULL
static inline bool buf_failed(const struct buf *b)
{
	return b->failed;
}
#define autobuf __attribute__((cleanup(buf_done))) struct buf
