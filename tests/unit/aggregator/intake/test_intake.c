// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/intake/intake.h"
#include "proto/wire/frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T0_MS = 1795500000 };

struct rig {
	struct intake *intake;
	struct lane_peer peer;
	unsigned samples, notices;
	int sink_answer;
	int64_t now_ms;
	uint64_t now_ns;
	int64_t last_wall_ms;
	uint64_t last_sequence;
	uint8_t boot;
	uint32_t age_ms;
	struct sample *sample;
	struct receipt receipt;
};

static int on_sample(void *arg, const struct sample *s, int64_t now_ms)
{
	struct rig *rig = arg;
	rig->samples++;
	rig->last_wall_ms = s->wall_ms;
	rig->last_sequence = s->sequence;
	return rig->sink_answer;
}

static int on_notice(void *arg, const struct notice *n, int64_t now_ms)
{
	struct rig *rig = arg;
	rig->notices++;
	return rig->sink_answer;
}

static void name_peer(struct rig *rig, const char *cn, const char *uri)
{
	rig->peer = (struct lane_peer){.pipe = 1, .authenticated = true, .id.verified = true};
	snprintf(rig->peer.id.cn, sizeof(rig->peer.id.cn), "%s", cn);
	snprintf(rig->peer.id.uri, sizeof(rig->peer.id.uri), "%s", uri);
}

static void rig_init(struct rig *rig, struct intake_options o)
{
	static const char *const clusters[] = {"prod", "staging"};
	*rig = (struct rig){.now_ms = T0_MS, .now_ns = 1000000000, .boot = 1};
	o.clusters = clusters;
	o.n_clusters = 2;
	o.on_sample = on_sample;
	o.on_notice = on_notice;
	o.arg = rig;
	assert_int_equal(intake_new(&rig->intake, &o), 0);
	name_peer(rig, "n1", "petrel://prod/n1");
	sample_new(&rig->sample, 0);
	snprintf(rig->sample->cluster, sizeof(rig->sample->cluster), "prod");
	snprintf(rig->sample->node, sizeof(rig->sample->node), "n1");
	rig->sample->window_ms = 1000;
	rig->sample->wall_ms = T0_MS;
}

static void rig_done(struct rig *rig)
{
	intake_free(rig->intake);
	sample_free(rig->sample);
}

static int bring(struct rig *rig, const void *data, size_t len)
{
	struct buf reply, scratch;
	struct frame f;
	buf_init(&reply, LANE_MAX_REPLY_BYTES);
	buf_init(&scratch, 4096);
	const struct intake_frame in = {data, len, rig->now_ms, rig->now_ns};
	int r = intake_message(rig->intake, &rig->peer, &in, &reply);
	if (r >= 0) {
		assert_int_equal(frame_decode(reply.data, reply.len, &scratch, &f), 0);
		assert_int_equal(f.type, FRAME_RECEIPT);
		assert_int_equal(receipt_decode(f.body, f.body_len, &rig->receipt), 0);
		assert_int_equal(rig->receipt.server_ms, rig->now_ms);
	}
	buf_done(&reply);
	buf_done(&scratch);
	return r;
}

static int bring_body(struct rig *rig, enum frame_type type, uint64_t sequence, struct buf *body)
{
	struct buf out;
	buf_init(&out, 4 << 20);
	struct frame f = {.type = (uint8_t)type,
		.sequence = sequence,
		.age_ms = rig->age_ms,
		.body = (const uint8_t *)body->data,
		.body_len = body->len};
	memset(f.boot_id, rig->boot, sizeof(f.boot_id));
	assert_int_equal(frame_encode(&f, &out), 0);
	int r = bring(rig, out.data, out.len);
	buf_done(&out);
	return r;
}

static int bring_sample(struct rig *rig, uint64_t sequence)
{
	struct buf body;
	buf_init(&body, 1 << 20);
	assert_int_equal(sample_encode(rig->sample, &body), 0);
	int r = bring_body(rig, FRAME_SAMPLE, sequence, &body);
	buf_done(&body);
	return r;
}

static int bring_notice(struct rig *rig, const char *node, uint64_t sequence)
{
	struct notice n = {.kind = NOTICE_SPOT_ITN,
		.cluster = "prod",
		.instance_id = "i-1",
		.source = "imds",
		.observed_ms = T0_MS};
	snprintf(n.node, sizeof(n.node), "%s", node);
	notice_make_id(n.instance_id, n.kind, n.event_id, n.id);
	struct buf body;
	buf_init(&body, 4096);
	assert_int_equal(notice_encode(&n, &body), 0);
	int r = bring_body(rig, FRAME_NOTICE, sequence, &body);
	buf_done(&body);
	return r;
}

static uint64_t refused(const struct rig *rig, enum intake_refusal r)
{
	return intake_counters(rig->intake)->refused[r];
}

static void a_good_sample_is_given_on_and_receipted(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){0});
	for (uint64_t s = 1; s <= 5; s++) {
		assert_int_equal(bring_sample(&rig, s), 0);
		assert_int_equal(rig.receipt.contiguous, s);
		assert_int_equal(rig.receipt.refused, 0);
		assert_int_equal(rig.last_sequence, s);
		assert_int_equal(rig.receipt.boot_id[0], 1);
	}
	assert_int_equal(rig.samples, 5);
	assert_int_equal(intake_nodes(rig.intake), 1);
	rig_done(&rig);
}

static void a_repeated_sample_is_receipted_but_not_given_on(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){0});
	bring_sample(&rig, 1);
	bring_sample(&rig, 2);
	bring_sample(&rig, 1);
	assert_int_equal(rig.receipt.contiguous, 2);
	bring_sample(&rig, 2);
	assert_int_equal(rig.samples, 2);
	assert_int_equal(intake_counters(rig.intake)->duplicates, 2);
	rig.boot = 2; // a new process of the agent counts anew
	bring_sample(&rig, 1);
	assert_int_equal(rig.samples, 3);
	rig.boot = 1; // and the old one is still known
	bring_sample(&rig, 2);
	assert_int_equal(rig.samples, 3);
	rig_done(&rig);
}

static void a_gap_is_counted_as_lost_but_not_at_the_first_sight_of_a_boot(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){0});
	bring_sample(&rig, 100);
	assert_int_equal(intake_counters(rig.intake)->lost, 0);
	bring_sample(&rig, 104);
	assert_int_equal(intake_counters(rig.intake)->lost, 3);
	assert_int_equal(rig.receipt.contiguous, 104);
	rig_done(&rig);
}

static void a_node_speaks_only_for_itself(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){0});
	snprintf(rig.sample->node, sizeof(rig.sample->node), "n2");
	assert_true(bring_sample(&rig, 1) > 0); // answered late
	assert_int_equal(rig.receipt.refused, EACCES);
	snprintf(rig.sample->node, sizeof(rig.sample->node), "n1");
	snprintf(rig.sample->cluster, sizeof(rig.sample->cluster), "staging");
	bring_sample(&rig, 2);
	assert_int_equal(rig.receipt.refused, EACCES);
	assert_int_equal(refused(&rig, INTAKE_FOREIGN), 2);
	assert_true(bring_notice(&rig, "n2", 1) > 0);
	assert_int_equal(rig.samples + rig.notices, 0);
	rig_done(&rig);
}

static void names_come_from_the_uri_or_the_cn(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){0});
	name_peer(&rig, "n1", ""); // speaks for the first cluster
	assert_int_equal(bring_sample(&rig, 1), 0);
	assert_int_equal(rig.samples, 1);
	name_peer(&rig, "n1", "petrel://staging/n1"); // the URI counts, not the CN
	bring_sample(&rig, 2);
	assert_int_equal(rig.receipt.refused, EACCES);
	const char *const bad[] = {"spiffe://prod/n1", "petrel://prod", "petrel:///n1",
		"petrel://prod/", "petrel://prod/ns/n1"};
	for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
		name_peer(&rig, "n1", bad[k]);
		assert_int_equal(bring_sample(&rig, 3), -EACCES);
	}
	name_peer(&rig, "", "");
	assert_int_equal(bring_sample(&rig, 3), -EACCES);
	name_peer(&rig, "n1", "petrel://prod/n1");
	rig.peer.authenticated = false;
	assert_int_equal(bring_sample(&rig, 3), -EACCES);
	assert_int_equal(rig.samples, 1);
	rig_done(&rig);
}

static void a_cluster_not_served_is_refused(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){0});
	name_peer(&rig, "", "petrel://other/n1");
	snprintf(rig.sample->cluster, sizeof(rig.sample->cluster), "other");
	bring_sample(&rig, 1);
	assert_int_equal(rig.receipt.refused, EACCES);
	assert_int_equal(refused(&rig, INTAKE_CLUSTER), 1);
	rig_done(&rig);
}

static void an_insecure_intake_believes_the_record(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){.insecure = true, .rate_per_s = 1, .burst = 2});
	rig.peer = (struct lane_peer){.pipe = 1};
	assert_int_equal(bring_sample(&rig, 1), 0);
	assert_int_equal(bring_sample(&rig, 2), 0);
	assert_true(bring_sample(&rig, 3) > 0); // and still limits the rate
	assert_int_equal(rig.receipt.contiguous, 0);
	assert_int_equal(rig.samples, 2);
	rig_done(&rig);
}

static void a_broken_envelope_costs_the_connection(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){0});
	assert_int_equal(bring(&rig, "hello", 5), -EBADMSG);
	char zeros[100] = {0};
	assert_int_equal(bring(&rig, zeros, sizeof(zeros)), -EBADMSG);
	assert_int_equal(bring(&rig, "", 0), -EBADMSG);
	assert_int_equal(refused(&rig, INTAKE_BAD_FRAME), 3);
	rig_done(&rig);
}

static void a_body_that_can_never_be_accepted_is_not_asked_for_again(void **state)
{
	struct rig rig;
	struct buf body;
	rig_init(&rig, (struct intake_options){0});
	buf_init(&body, 1 << 20);
	buf_append(&body, "\xff\xff\xff\xff", 4);
	assert_int_equal(bring_body(&rig, FRAME_SAMPLE, 1, &body), 0);
	assert_int_equal(rig.receipt.refused, EBADMSG);
	buf_reset(&body);
	for (int k = 0; k < 10000; k++)
		buf_append(&body, "\xb2\x01\x00", 3);
	assert_int_equal(bring_body(&rig, FRAME_SAMPLE, 2, &body), 0);
	assert_int_equal(rig.receipt.refused, E2BIG);
	assert_int_equal(bring_body(&rig, FRAME_NOTICE, 2, &body), 0);
	assert_int_equal(rig.receipt.refused, E2BIG);
	assert_int_equal(bring_sample(&rig, 0), 0);
	assert_int_equal(rig.receipt.refused, EINVAL);
	assert_int_equal(refused(&rig, INTAKE_BAD_BODY), 2);
	assert_int_equal(refused(&rig, INTAKE_TOO_BIG), 2);
	buf_done(&body);
	rig_done(&rig);
}

static void a_later_version_is_told_so_and_a_later_type_is_receipted(void **state)
{
	struct rig rig;
	struct buf body;
	rig_init(&rig, (struct intake_options){0});
	buf_init(&body, 4096);
	buf_text(&body, "from tomorrow");
	assert_int_equal(bring_body(&rig, 77, 9, &body), 0);
	assert_int_equal(rig.receipt.contiguous, 9);
	assert_int_equal(intake_counters(rig.intake)->unknown, 1);
	char frame[64] = "PTRL";
	frame[8] = 2;
	memset(frame + 24, 7, 16);
	assert_int_equal(bring(&rig, frame, sizeof(frame)), 0);
	assert_int_equal(rig.receipt.refused, EPROTO);
	assert_int_equal(rig.receipt.boot_id[0], 7);
	assert_int_equal(refused(&rig, INTAKE_BAD_VERSION), 1);
	buf_done(&body);
	rig_done(&rig);
}

static void a_flood_is_answered_late_and_costs_only_its_node(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){.rate_per_s = 10, .burst = 20});
	uint64_t s = 1;
	for (; s <= 20; s++)
		assert_int_equal(bring_sample(&rig, s), 0);
	assert_true(bring_sample(&rig, s) > 0);
	assert_int_equal(rig.receipt.contiguous, 20); // nothing is lost: it comes again
	assert_true(rig.receipt.credit_ms > 0);
	assert_int_equal(rig.receipt.refused, 0);
	assert_int_equal(bring_notice(&rig, "n1", 1), 0); // its notices still pass
	name_peer(&rig, "", "petrel://prod/n2");
	snprintf(rig.sample->node, sizeof(rig.sample->node), "n2");
	assert_int_equal(bring_sample(&rig, 1), 0);
	name_peer(&rig, "", "petrel://prod/n1");
	snprintf(rig.sample->node, sizeof(rig.sample->node), "n1");
	rig.now_ns += 100 * 1000 * 1000;
	assert_int_equal(bring_sample(&rig, s), 0);
	assert_int_equal(refused(&rig, INTAKE_FLOOD), 1);
	rig_done(&rig);
}

static void what_the_sink_does_not_keep_comes_again(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){0});
	bring_sample(&rig, 1);
	rig.sink_answer = -ENOSPC;
	assert_int_equal(bring_sample(&rig, 2), 0);
	assert_int_equal(rig.receipt.contiguous, 1);
	assert_int_equal(rig.receipt.refused, 0);
	assert_true(rig.receipt.credit_ms >= 1000);
	bring_notice(&rig, "n1", 1);
	assert_int_equal(rig.receipt.contiguous, 0);
	rig.sink_answer = 0;
	bring_sample(&rig, 2);
	assert_int_equal(rig.receipt.contiguous, 2);
	assert_int_equal(intake_counters(rig.intake)->lost, 0);
	rig_done(&rig);
}

static void a_wrong_clock_is_noticed_and_samples_are_placed_on_ours(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){0});
	uint64_t s = 1;
	for (; s < 20; s++) { // 30 ms of transport, and nothing is moved
		rig.sample->wall_ms = rig.now_ms - 30;
		bring_sample(&rig, s);
		assert_int_equal(rig.last_wall_ms, rig.now_ms - 30);
		rig.now_ms += 1000;
	}
	for (int jump = -1; jump <= 1; jump += 2) { // the node's clock is a day off
		for (uint64_t end = s + 5; s < end; s++) {
			rig.sample->wall_ms = rig.now_ms + jump * 86400000;
			bring_sample(&rig, s);
			assert_int_equal(rig.last_wall_ms, rig.now_ms);
			rig.now_ms += 1000;
		}
	}
	assert_int_equal(intake_counters(rig.intake)->moved, 10);
	// what waited in a spool is placed where it was made
	rig.age_ms = 300 * 1000;
	rig.sample->wall_ms = rig.now_ms + 86400000 - 300 * 1000;
	bring_sample(&rig, s);
	assert_int_equal(rig.last_wall_ms, rig.now_ms - 300 * 1000);
	assert_int_equal(intake_counters(rig.intake)->late, 1);
	rig.age_ms = UINT32_MAX;
	bring_sample(&rig, s + 1);
	assert_int_equal(rig.receipt.refused, EINVAL);
	rig_done(&rig);
}

static void a_slow_transport_is_not_taken_for_a_wrong_clock(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){0});
	for (uint64_t s = 1; s < 30; s++) {
		rig.now_ms = T0_MS + (int64_t)s * 1000;
		rig.sample->wall_ms = rig.now_ms;
		rig.now_ms += s % 5 ? 4000 : 10; // most are 4 s late
		bring_sample(&rig, s);
		if (s > 5)
			assert_int_equal(rig.last_wall_ms, rig.sample->wall_ms);
	}
	rig_done(&rig);
}

static void a_full_table_forgets_only_the_long_silent(void **state)
{
	struct rig rig;
	char uri[64];
	rig_init(&rig, (struct intake_options){.max_nodes = 3});
	for (int k = 1; k <= 4; k++) {
		snprintf(uri, sizeof(uri), "petrel://prod/n%d", k);
		name_peer(&rig, "", uri);
		snprintf(rig.sample->node, sizeof(rig.sample->node), "n%d", k);
		int r = bring_sample(&rig, 1);
		assert_true(k <= 3 ? r == 0 : r > 0);
		rig.now_ms += 1000;
	}
	assert_int_equal(refused(&rig, INTAKE_NODES), 1);
	rig.now_ms += 600 * 1000;
	assert_int_equal(bring_sample(&rig, 1), 0);
	assert_int_equal(intake_nodes(rig.intake), 3);
	rig_done(&rig);
}

static void simulated_samples_enter_too_but_never_as_a_real_node(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct intake_options){0});
	bring_sample(&rig, 1);
	rig.sample->sequence = 7;
	assert_int_equal(intake_accept_sample(rig.intake, rig.sample, T0_MS), -EINVAL);
	rig.sample->simulated = true;
	assert_int_equal(intake_accept_sample(rig.intake, rig.sample, T0_MS), -EACCES);
	snprintf(rig.sample->cluster, sizeof(rig.sample->cluster), "demo");
	assert_int_equal(intake_accept_sample(rig.intake, rig.sample, T0_MS), 0);
	assert_int_equal(intake_accept_sample(rig.intake, rig.sample, T0_MS), -EEXIST);
	assert_int_equal(rig.samples, 2);
	rig_done(&rig);
}

static void count_node(void *arg, const struct intake_node *n)
{
	unsigned *found = arg;
	*found += n->samples == 2 && n->clock_offset_known && n->clock_offset_ms == -5000 &&
		  strcmp(n->node, "n1") == 0 && strcmp(n->cluster, "prod") == 0;
}

static void nodes_are_listed_with_their_clock(void **state)
{
	struct rig rig;
	unsigned found = 0;
	rig_init(&rig, (struct intake_options){0});
	rig.sample->wall_ms = T0_MS + 5000;
	bring_sample(&rig, 1);
	bring_sample(&rig, 2);
	intake_each_node(rig.intake, count_node, &found);
	assert_int_equal(found, 1);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_sample_is_given_on_and_receipted),
		cmocka_unit_test(a_repeated_sample_is_receipted_but_not_given_on),
		cmocka_unit_test(a_gap_is_counted_as_lost_but_not_at_the_first_sight_of_a_boot),
		cmocka_unit_test(a_node_speaks_only_for_itself),
		cmocka_unit_test(names_come_from_the_uri_or_the_cn),
		cmocka_unit_test(a_cluster_not_served_is_refused),
		cmocka_unit_test(an_insecure_intake_believes_the_record),
		cmocka_unit_test(a_broken_envelope_costs_the_connection),
		cmocka_unit_test(a_body_that_can_never_be_accepted_is_not_asked_for_again),
		cmocka_unit_test(a_later_version_is_told_so_and_a_later_type_is_receipted),
		cmocka_unit_test(a_flood_is_answered_late_and_costs_only_its_node),
		cmocka_unit_test(what_the_sink_does_not_keep_comes_again),
		cmocka_unit_test(a_wrong_clock_is_noticed_and_samples_are_placed_on_ours),
		cmocka_unit_test(a_slow_transport_is_not_taken_for_a_wrong_clock),
		cmocka_unit_test(a_full_table_forgets_only_the_long_silent),
		cmocka_unit_test(simulated_samples_enter_too_but_never_as_a_real_node),
		cmocka_unit_test(nodes_are_listed_with_their_clock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
