// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/rng.h"
#include "proto/wire/frame.h"
#include "proto/wire/notice.h"
#include "proto/wire/pb.h"
#include "proto/wire/sample.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void random_scope(struct rng *rng, struct scope *s, unsigned scope)
{
	for (unsigned m = 0; m < METRIC_COUNT; m++)
		if (metric_scopes(m) & scope && rng_below(rng, 3) > 0)
			scope_set(s, m, (int64_t)(rng_next(rng) >> (1 + rng_below(rng, 63))));
	for (unsigned h = 0; h < HIST_COUNT; h++) {
		if (rng_below(rng, 2))
			continue;
		s->hists_present |= 1u << h;
		for (unsigned b = 0; b < rng_below(rng, HIST_BUCKETS + 1); b++)
			s->hists[h].buckets[b] =
				(uint32_t)(rng_next(rng) >> (32 + rng_below(rng, 32)));
	}
}

static struct sample *random_sample(struct rng *rng, size_t cgroups)
{
	struct sample *s;
	assert_int_equal(sample_new(&s, cgroups), 0);
	memcpy(s->cluster, "prod", 5);
	snprintf(s->node, sizeof(s->node), "node-%u", (unsigned)rng_below(rng, 1000));
	s->wall_ms = (int64_t)rng_next(rng);
	s->mono_ns = rng_next(rng);
	s->window_ms = 1 + (uint32_t)rng_below(rng, 10000);
	s->simulated = rng_below(rng, 2);
	s->duty = (enum duty_mode)rng_below(rng, 4);
	s->self_cpu_ns = rng_next(rng);
	s->cgroups_left_out = (uint32_t)rng_next(rng);
	random_scope(rng, &s->node_scope, SCOPE_N);
	for (; s->n_hooks < rng_below(rng, SAMPLE_MAX_HOOKS + 1); s->n_hooks++) {
		struct hook_status *h = &s->hooks[s->n_hooks];
		snprintf(h->name, sizeof(h->name), "hook%zu", s->n_hooks);
		h->state = (enum hook_state)rng_below(rng, 4);
		h->error = -(int)rng_below(rng, 100);
	}
	for (; s->n_cgroups < cgroups; s->n_cgroups++) {
		struct cgroup_sample *c = &s->cgroups[s->n_cgroups];
		c->kind = (enum cgroup_kind)rng_below(rng, 4);
		c->window_ms = 1000;
		snprintf(c->pod_uid, sizeof(c->pod_uid), "pod-%zu", s->n_cgroups);
		random_scope(rng, &c->scope, SCOPE_C);
	}
	return s;
}

static void a_sample_survives_the_round_trip(void **state)
{
	struct rng rng;
	rng_init(&rng, 1);
	autobuf out;
	buf_init(&out, FRAME_MAX_BODY_BYTES);
	for (int i = 0; i < 200; i++) {
		struct sample *s = random_sample(&rng, rng_below(&rng, 40)), *t;
		buf_reset(&out);
		assert_int_equal(sample_encode(s, &out), 0);
		assert_int_equal(sample_decode(out.data, out.len, &t), 0);
		assert_true(sample_equal(s, t));
		t->node_scope.present ^= 1;
		assert_false(sample_equal(s, t));
		sample_free(s);
		sample_free(t);
	}
}

static void the_largest_sample_fits(void **state)
{
	struct rng rng;
	rng_init(&rng, 2);
	struct sample *s = random_sample(&rng, SAMPLE_MAX_CGROUPS), *t;
	autobuf out, frame, scratch;
	buf_init(&out, FRAME_MAX_BODY_BYTES);
	assert_int_equal(sample_encode(s, &out), 0);
	buf_init(&frame, 8 << 20);
	struct frame f = {.type = FRAME_SAMPLE, .body = (uint8_t *)out.data, .body_len = out.len},
		     g;
	assert_int_equal(frame_encode(&f, &frame), 0);
	assert_true(frame.len <= FRAME_MAX_BYTES);
	buf_init(&scratch, FRAME_MAX_BODY_BYTES);
	assert_int_equal(frame_decode(frame.data, frame.len, &scratch, &g), 0);
	assert_int_equal(sample_decode(g.body, g.body_len, &t), 0);
	assert_true(sample_equal(s, t));
	sample_free(s);
	sample_free(t);
}

static int decode(struct buf *b)
{
	struct sample *s = NULL;
	int r = sample_decode(b->data, b->len, &s);
	sample_free(s);
	return r;
}

static void minimal(struct buf *b)
{
	buf_init(b, FRAME_MAX_BODY_BYTES);
	pb_text(b, 1, "prod");
	pb_text(b, 2, "node-1");
	pb_uint(b, 10, 1000);
}

static void a_sample_without_a_name_or_a_window_is_refused(void **state)
{
	autobuf b, c, d;
	minimal(&b);
	assert_int_equal(decode(&b), 0);
	buf_init(&c, 4096);
	pb_text(&c, 1, "prod");
	pb_uint(&c, 10, 1000);
	assert_int_equal(decode(&c), -EINVAL);
	buf_init(&d, 4096);
	pb_text(&d, 1, "prod");
	pb_text(&d, 2, "node-1");
	assert_int_equal(decode(&d), -EINVAL);
	pb_uint(&d, 10, 3600 * 1000 + 1);
	assert_int_equal(decode(&d), -EINVAL);
}

static void hostile_names_are_refused(void **state)
{
	char *long_name = malloc(65537);
	memset(long_name, 'a', 65536);
	long_name[65536] = '\0';
	const char *const names[] = {"a\nb", "../etc", "a b", "<script>", "a\xff", "a\x1b[31m"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		autobuf b;
		minimal(&b);
		pb_text(&b, 2, names[i]);
		assert_int_equal(decode(&b), -EINVAL);
	}
	autobuf b;
	minimal(&b);
	pb_text(&b, 2, long_name);
	assert_int_equal(decode(&b), -E2BIG);
	free(long_name);
	const char *const cgroups[] = {"a\nb", "a\xff", "a\x7f"};
	for (size_t i = 0; i < sizeof(cgroups) / sizeof(cgroups[0]); i++) {
		autobuf c;
		minimal(&c);
		size_t open = pb_open(&c, 22);
		pb_text(&c, 2, cgroups[i]);
		pb_close(&c, open);
		assert_int_equal(decode(&c), -EINVAL);
	}
}

static void put_value(struct buf *b, unsigned id, int64_t value)
{
	size_t scope = pb_open(b, 20);
	size_t ids = pb_open(b, 1);
	pb_varint(b, id);
	pb_close(b, ids);
	size_t values = pb_open(b, 2);
	pb_varint(b, pb_zigzag(value));
	pb_close(b, values);
	pb_close(b, scope);
}

static void a_negative_delta_is_refused_and_a_negative_gauge_is_not(void **state)
{
	autobuf b, c;
	minimal(&b);
	put_value(&b, METRIC_CPU_USAGE, -1);
	assert_int_equal(decode(&b), -EINVAL);
	minimal(&c);
	put_value(&c, METRIC_RUNNABLE, -1);
	assert_int_equal(decode(&c), 0);
}

static void what_a_newer_agent_adds_is_skipped(void **state)
{
	autobuf b;
	minimal(&b);
	put_value(&b, METRIC_COUNT + 5, -7);
	size_t cgroup = pb_open(&b, 22);
	pb_uint(&b, 1, 77);
	pb_close(&b, cgroup);
	pb_uint(&b, 900, 12345);
	pb_text(&b, 901, "a field of tomorrow");
	struct sample *s;
	assert_int_equal(sample_decode(b.data, b.len, &s), 0);
	assert_int_equal(s->node_scope.present, 0);
	assert_int_equal(s->cgroups[0].kind, CGROUP_OTHER);
	sample_free(s);
}

static void ids_without_values_are_refused(void **state)
{
	autobuf b;
	minimal(&b);
	size_t scope = pb_open(&b, 20);
	size_t ids = pb_open(&b, 1);
	pb_varint(&b, 1);
	pb_varint(&b, 2);
	pb_close(&b, ids);
	pb_close(&b, scope);
	assert_int_equal(decode(&b), -EBADMSG);
}

static void ten_thousand_pods_and_a_million_empty_ones_are_refused(void **state)
{
	autobuf b;
	minimal(&b);
	for (int i = 0; i < 10000; i++)
		buf_append(&b, "\xb2\x01\x00", 3);
	assert_int_equal(decode(&b), -E2BIG);
	for (int i = 0; i < 1000000; i++)
		buf_append(&b, "\xb2\x01\x00", 3);
	assert_int_equal(decode(&b), -E2BIG);
}

static void random_bytes_never_hurt(void **state)
{
	struct rng rng;
	rng_init(&rng, 3);
	autobuf out;
	buf_init(&out, FRAME_MAX_BODY_BYTES);
	struct sample *s = random_sample(&rng, 5), *t;
	sample_encode(s, &out);
	sample_free(s);
	for (int i = 0; i < 3000; i++) {
		autobuf b;
		buf_init(&b, 1 << 20);
		buf_append(&b, out.data, rng_below(&rng, out.len + 1));
		for (unsigned k = 0; b.len && k < 1 + rng_below(&rng, 4); k++)
			b.data[rng_below(&rng, b.len)] = (char)rng_next(&rng);
		t = NULL;
		if (sample_decode(b.data ? b.data : "", b.len, &t) < 0)
			assert_null(t);
		sample_free(t);
	}
}

static void make_frame(struct buf *out, size_t body_len, uint8_t fill)
{
	uint8_t *body = malloc(body_len + 1);
	for (size_t i = 0; i < body_len; i++)
		body[i] = fill ? fill : (uint8_t)(i * 2654435761u >> 24);
	struct frame f = {.type = FRAME_SAMPLE, .sequence = 7, .body = body, .body_len = body_len};
	memset(f.boot_id, 0xab, sizeof(f.boot_id));
	buf_init(out, 8 << 20);
	assert_int_equal(frame_encode(&f, out), 0);
	free(body);
}

static void one_changed_bit_anywhere_is_noticed(void **state)
{
	autobuf out, scratch;
	buf_init(&scratch, FRAME_MAX_BODY_BYTES);
	make_frame(&out, 600, 0);
	struct frame f;
	assert_int_equal(frame_decode(out.data, out.len, &scratch, &f), 0);
	for (size_t bit = 0; bit < 8 * out.len; bit++) {
		out.data[bit / 8] ^= (char)(1 << bit % 8);
		assert_true(frame_decode(out.data, out.len, &scratch, &f) < 0);
		out.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_int_equal(frame_decode(out.data, out.len, &scratch, &f), 0);
}

static void a_truncated_frame_is_noticed_at_every_length(void **state)
{
	autobuf out, scratch;
	buf_init(&scratch, FRAME_MAX_BODY_BYTES);
	make_frame(&out, 900, 'x');
	struct frame f;
	for (size_t len = 0; len < out.len; len++)
		assert_int_equal(frame_decode(out.data, len, &scratch, &f), -EBADMSG);
	buf_append(&out, "x", 1);
	assert_int_equal(frame_decode(out.data, out.len, &scratch, &f), -EBADMSG);
}

static void a_frame_over_the_limit_is_never_made(void **state)
{
	autobuf out;
	buf_init(&out, 32 << 20);
	struct rng rng;
	rng_init(&rng, 4);
	size_t len = FRAME_MAX_BYTES + 1000;
	uint8_t *noise = malloc(5 << 20);
	for (size_t i = 0; i < 5 << 20; i++)
		noise[i] = (uint8_t)rng_next(&rng);
	struct frame f = {.type = FRAME_SAMPLE, .body = noise, .body_len = len};
	assert_int_equal(frame_encode(&f, &out), -E2BIG);
	f.body_len = (4 << 20) + 1;
	assert_int_equal(frame_encode(&f, &out), -E2BIG);
	assert_int_equal(out.len, 0);
	f.body_len = FRAME_MAX_BYTES - FRAME_HEADER_BYTES;
	assert_int_equal(frame_encode(&f, &out), 0);
	free(noise);
}

static void an_announced_size_is_checked_before_memory_is_taken(void **state)
{
	autobuf out, scratch;
	buf_init(&scratch, FRAME_MAX_BODY_BYTES);
	make_frame(&out, 4096, 'x'); // compressed
	struct frame f;
	out.data[19] = 0x7f; // unpacked length: 2 GB
	assert_int_equal(frame_decode(out.data, out.len, &scratch, &f), -E2BIG);
	assert_int_equal(scratch.cap, 0);
}

static void the_age_can_be_set_later(void **state)
{
	autobuf out, scratch;
	buf_init(&scratch, FRAME_MAX_BODY_BYTES);
	make_frame(&out, 900, 'x');
	struct frame f;
	assert_int_equal(frame_set_age(out.data, out.len, 123456), 0);
	assert_int_equal(frame_decode(out.data, out.len, &scratch, &f), 0);
	assert_int_equal(f.age_ms, 123456);
	assert_int_equal(f.sequence, 7);
	assert_int_equal(f.body_len, 900);
	assert_int_equal(frame_set_age(out.data, 10, 1), -EBADMSG);
}

static struct notice some_notice(void)
{
	struct notice n = {.kind = NOTICE_SCHEDULED_EVENT,
		.action = NOTICE_REBOOT,
		.cluster = "prod",
		.node = "n1",
		.instance_id = "i-1",
		.source = "imds",
		.event_id = "instance-event-0d59937288b749b32",
		.observed_ms = 5,
		.deadline_ms = -7,
		.guessed = true};
	notice_make_id(n.instance_id, n.kind, n.event_id, n.id);
	return n;
}

static void a_notice_survives_the_round_trip(void **state)
{
	struct notice n = some_notice(), m;
	autobuf out;
	buf_init(&out, 4096);
	assert_int_equal(notice_encode(&n, &out), 0);
	assert_int_equal(notice_decode(out.data, out.len, &m), 0);
	assert_true(notice_equal(&n, &m));
	m.deadline_ms++;
	assert_false(notice_equal(&n, &m));
}

static void a_notice_with_an_id_of_something_else_is_refused(void **state)
{
	struct notice n = some_notice(), m;
	autobuf out;
	buf_init(&out, 4096);
	n.id[0] ^= 1;
	assert_int_equal(notice_encode(&n, &out), 0);
	assert_int_equal(notice_decode(out.data, out.len, &m), -EINVAL);
}

static void an_unknown_kind_of_notice_is_not_taken_for_another(void **state)
{
	struct notice n = some_notice(), m;
	autobuf out;
	buf_init(&out, 4096);
	assert_int_equal(notice_encode(&n, &out), 0);
	pb_uint(&out, 2, NOTICE_KIND_COUNT);
	assert_int_equal(notice_decode(out.data, out.len, &m), -EINVAL);
}

static void the_same_event_has_the_same_id_whoever_saw_it(void **state)
{
	uint8_t a[32], b[32];
	notice_make_id("i-1", NOTICE_SPOT_ITN, "", a);
	notice_make_id("i-1", NOTICE_SPOT_ITN, "", b);
	assert_memory_equal(a, b, 32);
	notice_make_id("i-1", NOTICE_REBALANCE_RECOMMENDATION, "", b);
	assert_memory_not_equal(a, b, 32);
	notice_make_id("i-1", NOTICE_SPOT_ITN, "x", b);
	assert_memory_not_equal(a, b, 32);
}

static void a_receipt_that_is_none_is_refused(void **state)
{
	struct receipt r;
	assert_int_equal(receipt_decode("", 0, &r), -EBADMSG);
	assert_int_equal(receipt_decode("\x0a\x02xx", 4, &r), -EBADMSG);
	assert_int_equal(receipt_decode("\xff\xff\xff", 3, &r), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sample_survives_the_round_trip),
		cmocka_unit_test(the_largest_sample_fits),
		cmocka_unit_test(a_sample_without_a_name_or_a_window_is_refused),
		cmocka_unit_test(hostile_names_are_refused),
		cmocka_unit_test(a_negative_delta_is_refused_and_a_negative_gauge_is_not),
		cmocka_unit_test(what_a_newer_agent_adds_is_skipped),
		cmocka_unit_test(ids_without_values_are_refused),
		cmocka_unit_test(ten_thousand_pods_and_a_million_empty_ones_are_refused),
		cmocka_unit_test(random_bytes_never_hurt),
		cmocka_unit_test(one_changed_bit_anywhere_is_noticed),
		cmocka_unit_test(a_truncated_frame_is_noticed_at_every_length),
		cmocka_unit_test(a_frame_over_the_limit_is_never_made),
		cmocka_unit_test(an_announced_size_is_checked_before_memory_is_taken),
		cmocka_unit_test(the_age_can_be_set_later),
		cmocka_unit_test(a_notice_survives_the_round_trip),
		cmocka_unit_test(a_notice_with_an_id_of_something_else_is_refused),
		cmocka_unit_test(an_unknown_kind_of_notice_is_not_taken_for_another),
		cmocka_unit_test(the_same_event_has_the_same_id_whoever_saw_it),
		cmocka_unit_test(a_receipt_that_is_none_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
