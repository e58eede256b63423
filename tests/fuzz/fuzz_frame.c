// SPDX-License-Identifier: Apache-2.0
// Envelope, zstd and protobuf bodies. What decodes must also encode, and decode to the same again.
#include "proto/wire/frame.h"
#include "proto/wire/notice.h"
#include "proto/wire/sample.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void try_sample(const uint8_t *body, size_t len)
{
	struct sample *s, *again;
	struct buf out;
	if (sample_decode(body, len, &s) < 0)
		return;
	buf_init(&out, 4 * FRAME_MAX_BODY_BYTES);
	check(sample_encode(s, &out) == 0);
	check(sample_decode(out.data, out.len, &again) == 0);
	check(sample_equal(s, again));
	buf_reset(&out);
	sample_print(s, &out);
	buf_done(&out);
	sample_free(s);
	sample_free(again);
}

static void try_notice(const uint8_t *body, size_t len)
{
	struct notice n, again;
	struct buf out;
	if (notice_decode(body, len, &n) < 0)
		return;
	buf_init(&out, 64 << 10);
	check(notice_encode(&n, &out) == 0);
	check(notice_decode(out.data, out.len, &again) == 0);
	check(notice_equal(&n, &again));
	buf_reset(&out);
	notice_print(&n, &out);
	buf_done(&out);
}

// Mends the checksum, or the fuzzer would never get past it.
static void mend(uint8_t *frame, size_t len)
{
	if (len < FRAME_HEADER_BYTES)
		return;
	uint32_t crc = hash_crc32c(frame + 8, len - 8);
	for (int i = 0; i < 4; i++)
		frame[4 + i] = (uint8_t)(crc >> 8 * i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f;
	struct receipt r;
	struct buf scratch;
	uint8_t *copy = malloc(size + 1);
	memcpy(copy, data, size);
	mend(copy, size);
	buf_init(&scratch, FRAME_MAX_BODY_BYTES);
	if (frame_decode(copy, size, &scratch, &f) == 0) {
		check(f.body_len <= FRAME_MAX_BODY_BYTES);
		try_sample(f.body, f.body_len);
		try_notice(f.body, f.body_len);
		receipt_decode(f.body, f.body_len, &r);
		check(frame_set_age(copy, size, 7) == 0);
		check(frame_decode(copy, size, &scratch, &f) == 0 && f.age_ms == 7);
	}
	buf_done(&scratch);
	free(copy);
	return 0;
}
