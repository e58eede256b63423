// SPDX-License-Identifier: Apache-2.0
// The vectors of proto/wire/golden were made by Python's protobuf and zstandard, see make.py there.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/wire/frame.h"
#include "proto/wire/notice.h"
#include "proto/wire/sample.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void load(struct buf *b, const char *name)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/proto/wire/golden/%s", TEST_SOURCE_DIR, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	buf_init(b, 1 << 20);
	char *room = buf_reserve(b, 1 << 16);
	size_t n = fread(room, 1, 1 << 16, f);
	fclose(f);
	assert_true(n > 0);
	buf_commit(b, n);
}

static void open_frame(const char *name, struct buf *data, struct buf *scratch, struct frame *f)
{
	load(data, name);
	buf_init(scratch, FRAME_MAX_BODY_BYTES);
	assert_int_equal(frame_decode(data->data, data->len, scratch, f), 0);
	for (uint8_t i = 0; i < 16; i++)
		assert_int_equal(f->boot_id[i], i);
}

static void check_sample(const char *frame_name, const char *json_name, uint64_t sequence)
{
	autobuf data, scratch, json, said;
	struct frame f;
	open_frame(frame_name, &data, &scratch, &f);
	assert_int_equal(f.type, FRAME_SAMPLE);
	assert_int_equal(f.sequence, sequence);
	struct sample *s;
	assert_int_equal(sample_decode(f.body, f.body_len, &s), 0);
	memcpy(s->boot_id, f.boot_id, sizeof(s->boot_id));
	s->sequence = f.sequence;
	load(&json, json_name);
	buf_init(&said, 1 << 20);
	sample_print(s, &said);
	buf_text(&said, "\n");
	assert_string_equal(said.data, json.data);
	// and our encoder writes the same bytes
	buf_reset(&said);
	assert_int_equal(sample_encode(s, &said), 0);
	assert_int_equal(said.len, f.body_len);
	assert_memory_equal(said.data, f.body, f.body_len);
	sample_free(s);
}

static void a_sample_of_another_implementation_is_understood_and_written_alike(void **state)
{
	check_sample("sample.frame", "sample.json", 42);
}

static void a_compressed_sample_of_another_implementation_is_understood(void **state)
{
	check_sample("sample_zstd.frame", "sample_zstd.json", 43);
}

static void an_uncompressed_frame_is_written_alike(void **state)
{
	autobuf data, scratch, out;
	struct frame f;
	open_frame("notice.frame", &data, &scratch, &f);
	buf_init(&out, 1 << 20);
	assert_int_equal(frame_encode(&f, &out), 0);
	assert_int_equal(out.len, data.len);
	assert_memory_equal(out.data, data.data, data.len);
}

static void a_notice_of_another_implementation_is_understood_and_written_alike(void **state)
{
	autobuf data, scratch, json, said;
	struct frame f;
	open_frame("notice.frame", &data, &scratch, &f);
	struct notice n;
	assert_int_equal(notice_decode(f.body, f.body_len, &n), 0);
	load(&json, "notice.json");
	buf_init(&said, 1 << 16);
	notice_print(&n, &said);
	buf_text(&said, "\n");
	assert_string_equal(said.data, json.data);
	buf_reset(&said);
	assert_int_equal(notice_encode(&n, &said), 0);
	assert_int_equal(said.len, f.body_len);
	assert_memory_equal(said.data, f.body, f.body_len);
}

static void a_receipt_of_another_implementation_is_understood_and_written_alike(void **state)
{
	autobuf data, scratch, out;
	struct frame f;
	open_frame("receipt.frame", &data, &scratch, &f);
	struct receipt r;
	assert_int_equal(receipt_decode(f.body, f.body_len, &r), 0);
	assert_int_equal(r.contiguous, 42);
	assert_int_equal(r.server_ms, 1795500734456);
	assert_int_equal(r.credit_ms, 250);
	assert_int_equal(r.refused, EINVAL);
	buf_init(&out, 4096);
	assert_int_equal(receipt_encode(&r, &out), 0);
	assert_int_equal(out.len, f.body_len);
	assert_memory_equal(out.data, f.body, f.body_len);
}

static void a_future_version_is_told_from_garbage(void **state)
{
	autobuf data, scratch;
	struct frame f;
	load(&data, "future_version.frame");
	buf_init(&scratch, FRAME_MAX_BODY_BYTES);
	assert_int_equal(frame_decode(data.data, data.len, &scratch, &f), -EPROTO);
}

static void an_unknown_type_is_a_good_frame(void **state)
{
	autobuf data, scratch;
	struct frame f;
	open_frame("unknown_type.frame", &data, &scratch, &f);
	assert_int_equal(f.type, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_sample_of_another_implementation_is_understood_and_written_alike),
		cmocka_unit_test(a_compressed_sample_of_another_implementation_is_understood),
		cmocka_unit_test(an_uncompressed_frame_is_written_alike),
		cmocka_unit_test(
			a_notice_of_another_implementation_is_understood_and_written_alike),
		cmocka_unit_test(
			a_receipt_of_another_implementation_is_understood_and_written_alike),
		cmocka_unit_test(a_future_version_is_told_from_garbage),
		cmocka_unit_test(an_unknown_type_is_a_good_frame),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
