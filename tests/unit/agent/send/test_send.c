// SPDX-License-Identifier: Apache-2.0
// send against two scripted aggregators on real lanes (plain TCP: TLS is test_lane_tls.c's).
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/send/send.h"
#include "proto/loop/lane.h"
#include "proto/wire/frame.h"
#include "tests/unit/proto/loop/nng_leak.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA, URGENT, LANES, REPLICAS = 2, SEEN = 512 };

struct aggregator {
	struct lane_server *lanes[LANES];
	char urls[LANES][64];
	uint64_t seen[FRAME_HELLO + 1][SEEN]; // sequences in their order, by type
	unsigned n_seen[FRAME_HELLO + 1];
	uint32_t last_age_ms;
	uint32_t refuse, credit_ms;
	bool not_stored, garbage;
	int hold_ms;
};

struct rig {
	uv_loop_t loop;
	struct inbox *inbox;
	uv_timer_t limit;
	bool timed_out;
	struct aggregator aggregators[REPLICAS];
	struct send *send;
	struct sample *sample;
};

static int on_message(
	void *arg, struct lane_peer *peer, const uint8_t *data, size_t len, struct buf *reply)
{
	struct aggregator *a = arg;
	struct buf scratch, body;
	struct frame f;
	buf_init(&scratch, 1 << 20);
	buf_init(&body, 256);
	assert_int_equal(frame_decode(data, len, &scratch, &f), 0);
	if (f.type <= FRAME_HELLO && a->n_seen[f.type] < SEEN)
		a->seen[f.type][a->n_seen[f.type]++] = f.sequence;
	a->last_age_ms = f.age_ms;
	struct receipt r = {.contiguous = a->not_stored ? f.sequence - 1 : f.sequence,
		.server_ms = 5000000,
		.credit_ms = a->credit_ms,
		.refused = a->refuse};
	memcpy(r.boot_id, f.boot_id, sizeof(r.boot_id));
	if (a->garbage) {
		buf_text(reply, "I am no aggregator");
	} else {
		receipt_encode(&r, &body);
		f = (struct frame){
			.type = FRAME_RECEIPT, .body = (uint8_t *)body.data, .body_len = body.len};
		frame_encode(&f, reply);
	}
	buf_done(&scratch);
	buf_done(&body);
	return a->hold_ms;
}

static void start_lane(struct rig *rig, unsigned replica, unsigned lane)
{
	struct why why;
	struct aggregator *a = &rig->aggregators[replica];
	struct lane_server_options o = {
		.url = a->urls[lane][0] ? a->urls[lane] : "tcp://127.0.0.1:0",
		.contexts = 4,
		.max_peers = 10,
		.on_message = on_message,
		.arg = a};
	assert_int_equal(lane_server_start(&a->lanes[lane], rig->inbox, &o, &why), 0);
	snprintf(a->urls[lane], sizeof(a->urls[lane]), "tcp://127.0.0.1:%u",
		lane_server_port(a->lanes[lane]));
}

static void stop_lane(struct rig *rig, unsigned replica, unsigned lane)
{
	lane_server_stop(rig->aggregators[replica].lanes[lane], NULL, NULL);
	rig->aggregators[replica].lanes[lane] = NULL;
}

static void on_limit(uv_timer_t *timer)
{
	struct rig *rig = timer->data;
	rig->timed_out = true;
}

static bool until(struct rig *rig, const unsigned *counter, unsigned value, unsigned ms)
{
	rig->timed_out = false;
	uv_timer_start(&rig->limit, on_limit, ms, 0);
	while (*counter < value && !rig->timed_out)
		uv_run(&rig->loop, UV_RUN_ONCE);
	uv_timer_stop(&rig->limit);
	return *counter >= value;
}

static void wait_ms(struct rig *rig, unsigned ms)
{
	const unsigned never = 0;
	until(rig, &never, 1, ms);
}

// Runs until so many samples are spooled and notices queued.
static bool settles(struct rig *rig, uint64_t spooled, unsigned notices)
{
	struct send_status st;
	for (int k = 0; k < 400; k++) {
		send_status(rig->send, &st);
		if (st.spooled == spooled && st.notices == notices)
			return true;
		wait_ms(rig, 25);
	}
	return false;
}

static void rig_init(struct rig *rig, struct send_options o)
{
	struct why why;
	*rig = (struct rig){0};
	uv_loop_init(&rig->loop);
	assert_int_equal(inbox_new(&rig->inbox, &rig->loop, 4096), 0);
	uv_timer_init(&rig->loop, &rig->limit);
	rig->limit.data = rig;
	for (unsigned k = 0; k < REPLICAS; k++) {
		start_lane(rig, k, DATA);
		start_lane(rig, k, URGENT);
		o.replicas[k] = (struct send_replica){.data_url = rig->aggregators[k].urls[DATA],
			.urgent_url = rig->aggregators[k].urls[URGENT]};
	}
	o.n_replicas = REPLICAS;
	memset(o.boot_id, 0x42, sizeof(o.boot_id));
	o.resend_ms = o.resend_ms ? o.resend_ms : 1000;
	assert_int_equal(send_start(&rig->send, rig->inbox, &o, &why), 0);
	sample_new(&rig->sample, 4);
	snprintf(rig->sample->cluster, sizeof(rig->sample->cluster), "prod");
	snprintf(rig->sample->node, sizeof(rig->sample->node), "n1");
	rig->sample->window_ms = 1000;
	rig->sample->wall_ms = 4000000;
}

static void rig_done(struct rig *rig)
{
	send_stop(rig->send, NULL, NULL);
	for (unsigned k = 0; k < REPLICAS; k++)
		for (unsigned l = 0; l < LANES; l++)
			if (rig->aggregators[k].lanes[l])
				stop_lane(rig, k, l);
	uv_run(&rig->loop, UV_RUN_NOWAIT);
	inbox_stop(rig->inbox, NULL, NULL);
	uv_close((uv_handle_t *)&rig->limit, NULL);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
	sample_free(rig->sample);
}

static void give(struct rig *rig, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		assert_int_equal(send_sample(rig->send, rig->sample, uv_hrtime()), 0);
}

static struct notice some_notice(unsigned n)
{
	struct notice x = {.kind = NOTICE_SCHEDULED_EVENT,
		.cluster = "prod",
		.node = "n1",
		.instance_id = "i-1",
		.source = "imds"};
	snprintf(x.event_id, sizeof(x.event_id), "event-%u", n);
	notice_make_id(x.instance_id, x.kind, x.event_id, x.id);
	return x;
}

static unsigned *samples_at(struct rig *rig, unsigned replica)
{
	return &rig->aggregators[replica].n_seen[FRAME_SAMPLE];
}

static void assert_in_order(const struct aggregator *a, enum frame_type type, unsigned n)
{
	assert_int_equal(a->n_seen[type], n);
	for (unsigned k = 0; k < n; k++)
		assert_int_equal(a->seen[type][k], k + 1);
}

static void every_sample_reaches_every_replica_once_and_in_order(void **state)
{
	struct rig rig;
	struct send_status st;
	rig_init(&rig, (struct send_options){0});
	give(&rig, 50);
	for (unsigned k = 0; k < REPLICAS; k++) {
		assert_true(until(&rig, samples_at(&rig, k), 50, 10000));
		assert_in_order(&rig.aggregators[k], FRAME_SAMPLE, 50);
	}
	assert_true(settles(&rig, 0, 0));
	send_status(rig.send, &st);
	assert_int_equal(st.sequence, 50);
	assert_int_equal(st.dropped, 0);
	assert_int_equal(st.replicas[1].contiguous, 50);
	assert_true(st.replicas[0].connected);
	rig_done(&rig);
}

static void the_clock_offset_is_learnt_from_quick_receipts(void **state)
{
	struct rig rig;
	struct send_status st = {0};
	rig_init(&rig, (struct send_options){0});
	for (unsigned k = 0; k < 50 && !st.replicas[0].clock_offset_known; k++) {
		give(&rig, 1);
		assert_true(until(&rig, samples_at(&rig, 0), k + 1, 10000));
		assert_true(settles(&rig, 0, 0));
		send_status(rig.send, &st);
	}
	assert_true(st.replicas[0].clock_offset_known);
	assert_true(st.replicas[0].clock_offset_ms > 998000 &&
		    st.replicas[0].clock_offset_ms <= 1000250);
	rig_done(&rig);
}

static void a_replica_that_was_away_gets_what_it_missed(void **state)
{
	struct rig rig;
	struct send_status st;
	rig_init(&rig, (struct send_options){0});
	give(&rig, 5);
	assert_true(until(&rig, samples_at(&rig, 0), 5, 10000));
	assert_true(until(&rig, samples_at(&rig, 1), 5, 10000));
	assert_true(settles(&rig, 0, 0));
	stop_lane(&rig, 1, DATA);
	do {
		wait_ms(&rig, 25);
		send_status(rig.send, &st);
	} while (st.replicas[1].connected);
	give(&rig, 30);
	assert_true(until(&rig, samples_at(&rig, 0), 35, 10000)); // the other does not wait
	assert_true(settles(&rig, 30, 0));
	wait_ms(&rig, 60);
	start_lane(&rig, 1, DATA);
	assert_true(until(&rig, samples_at(&rig, 1), 35, 10000));
	assert_in_order(&rig.aggregators[1], FRAME_SAMPLE, 35);
	assert_true(rig.aggregators[1].last_age_ms >= 50); // and is told how long it waited
	assert_true(settles(&rig, 0, 0));
	send_status(rig.send, &st);
	assert_int_equal(st.dropped, 0);
	rig_done(&rig);
}

static void what_the_spool_cannot_hold_is_lost_visibly(void **state)
{
	struct rig rig;
	struct send_status st;
	rig_init(&rig, (struct send_options){.spool_bytes = 2000});
	stop_lane(&rig, 0, DATA);
	stop_lane(&rig, 1, DATA);
	wait_ms(&rig, 100);
	give(&rig, 100);
	send_status(rig.send, &st);
	assert_true(st.spooled > 5 && st.spooled < 30);
	assert_true(st.spool_bytes <= 2000);
	assert_int_equal(st.dropped, 100 - st.spooled);
	assert_int_equal(rig.sample->spool_dropped, st.dropped - 1); // as the last one said
	start_lane(&rig, 0, DATA);
	unsigned left = (unsigned)st.spooled;
	assert_true(until(&rig, samples_at(&rig, 0), left, 10000));
	wait_ms(&rig, 200);
	// the first is perhaps the one that was under way; the rest are the newest, without a gap
	const struct aggregator *a = &rig.aggregators[0];
	assert_int_equal(a->seen[FRAME_SAMPLE][a->n_seen[FRAME_SAMPLE] - 1], 100);
	assert_int_equal(a->seen[FRAME_SAMPLE][a->n_seen[FRAME_SAMPLE] - left], 101 - left);
	rig_done(&rig);
}

static void samples_expire_by_age(void **state)
{
	struct rig rig;
	struct send_status st;
	rig_init(&rig, (struct send_options){.spool_ms = 10000});
	stop_lane(&rig, 0, DATA);
	stop_lane(&rig, 1, DATA);
	uint64_t now = uv_hrtime();
	for (int k = 0; k < 30; k++)
		send_sample(rig.send, rig.sample, now + (uint64_t)k * 1000000000);
	send_status(rig.send, &st);
	assert_int_equal(st.spooled, 11);
	rig_done(&rig);
}

static void notices_overtake_samples_and_reach_every_replica(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct send_options){0});
	for (unsigned k = 0; k < REPLICAS; k++)
		rig.aggregators[k].hold_ms = 300; // the data lane is slow
	give(&rig, 20);
	wait_ms(&rig, 100);
	for (unsigned k = 0; k < REPLICAS; k++)
		rig.aggregators[k].hold_ms = 0;
	struct notice n = some_notice(1);
	assert_int_equal(send_notice(rig.send, &n, uv_hrtime()), 0);
	for (unsigned k = 0; k < REPLICAS; k++)
		assert_true(until(&rig, &rig.aggregators[k].n_seen[FRAME_NOTICE], 1, 2000));
	assert_true(*samples_at(&rig, 0) < 20);
	assert_true(settles(&rig, 0, 0));
	rig_done(&rig);
}

static void notices_are_refused_rather_than_forgotten(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct send_options){0});
	for (unsigned k = 0; k < REPLICAS; k++) {
		stop_lane(&rig, k, DATA);
		stop_lane(&rig, k, URGENT);
	}
	wait_ms(&rig, 100);
	struct notice n;
	for (unsigned k = 0; k < SEND_MAX_NOTICES; k++) {
		n = some_notice(k);
		assert_int_equal(send_notice(rig.send, &n, uv_hrtime()), 0);
	}
	assert_int_equal(send_notice(rig.send, &n, uv_hrtime()), -ENOSPC);
	start_lane(&rig, 0, URGENT);
	assert_true(until(&rig, &rig.aggregators[0].n_seen[FRAME_NOTICE], SEND_MAX_NOTICES, 20000));
	assert_in_order(&rig.aggregators[0], FRAME_NOTICE, SEND_MAX_NOTICES);
	wait_ms(&rig, 300);
	// one replica has them: the oldest make room
	assert_int_equal(send_notice(rig.send, &n, uv_hrtime()), 0);
	rig_done(&rig);
}

static void the_urgent_lane_is_dialed_only_for_a_notice_without_a_receipt(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct send_options){0});
	give(&rig, 3);
	assert_true(settles(&rig, 0, 0));
	struct notice n = some_notice(1);
	assert_int_equal(send_notice(rig.send, &n, uv_hrtime()), 0);
	assert_true(settles(&rig, 0, 0));
	wait_ms(&rig, 2 * SEND_URGENT_MS);
	assert_int_equal(lane_server_counters(rig.aggregators[0].lanes[URGENT])->connected, 0);
	rig.aggregators[0].hold_ms = 3 * SEND_URGENT_MS;
	n = some_notice(2);
	assert_int_equal(send_notice(rig.send, &n, uv_hrtime()), 0);
	for (int k = 0; k < 200 && !lane_server_peers(rig.aggregators[0].lanes[URGENT]); k++)
		wait_ms(&rig, 10);
	assert_int_equal(lane_server_peers(rig.aggregators[0].lanes[URGENT]), 1);
	rig_done(&rig);
}

static void a_notice_arrives_also_where_no_urgent_lane_can_be_had(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct send_options){0});
	for (unsigned k = 0; k < REPLICAS; k++) {
		stop_lane(&rig, k, URGENT);
		rig.aggregators[k].hold_ms = 400;
	}
	give(&rig, 20); // a sample is under way all the time
	wait_ms(&rig, 200);
	struct notice n = some_notice(1);
	assert_int_equal(send_notice(rig.send, &n, uv_hrtime()), 0);
	for (unsigned k = 0; k < REPLICAS; k++) {
		assert_true(until(&rig, &rig.aggregators[k].n_seen[FRAME_NOTICE], 1, 3000));
		assert_true(*samples_at(&rig, k) < 10);
	}
	rig_done(&rig);
}

static void a_notice_arrives_also_where_the_data_lane_is_dead(void **state)
{
	struct rig rig;
	struct send_status st;
	rig_init(&rig, (struct send_options){0});
	for (unsigned k = 0; k < REPLICAS; k++)
		stop_lane(&rig, k, DATA);
	wait_ms(&rig, 50);
	struct notice n = some_notice(1);
	assert_int_equal(send_notice(rig.send, &n, uv_hrtime()), 0);
	for (unsigned k = 0; k < REPLICAS; k++)
		assert_true(until(&rig, &rig.aggregators[k].n_seen[FRAME_NOTICE], 1, 3000));
	assert_true(settles(&rig, 0, 0));
	send_status(rig.send, &st);
	assert_int_equal(st.notices, 0);
	rig_done(&rig);
}

static void a_notice_refused_both_ways_is_refused_once(void **state)
{
	struct rig rig;
	struct send_status st;
	rig_init(&rig, (struct send_options){0});
	rig.aggregators[0].refuse = EINVAL;
	give(&rig, 1);
	assert_true(settles(&rig, 0, 0));
	rig.aggregators[0].hold_ms = 2 * SEND_URGENT_MS;
	struct notice n = some_notice(1);
	assert_int_equal(send_notice(rig.send, &n, uv_hrtime()), 0);
	assert_true(until(&rig, &rig.aggregators[0].n_seen[FRAME_NOTICE], 2, 5000));
	assert_true(settles(&rig, 0, 0));
	wait_ms(&rig, 3 * SEND_URGENT_MS);
	send_status(rig.send, &st);
	assert_int_equal(st.replicas[0].refused, 2); // the sample, too
	assert_int_equal(rig.aggregators[0].n_seen[FRAME_NOTICE], 2);
	rig_done(&rig);
}

static void a_refused_sample_is_skipped_and_the_next_one_sent(void **state)
{
	struct rig rig;
	struct send_status st;
	rig_init(&rig, (struct send_options){0});
	rig.aggregators[0].refuse = EINVAL;
	give(&rig, 3);
	assert_true(settles(&rig, 0, 0));
	assert_in_order(&rig.aggregators[0], FRAME_SAMPLE, 3);
	send_status(rig.send, &st);
	assert_int_equal(st.replicas[0].refused, 3);
	assert_int_equal(st.replicas[1].refused, 0);
	rig_done(&rig);
}

static void a_sample_not_stored_is_sent_again_after_its_credit(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct send_options){0});
	struct aggregator *a = &rig.aggregators[0];
	a->not_stored = true;
	a->credit_ms = 400;
	give(&rig, 2);
	uint64_t start = uv_hrtime();
	assert_true(until(&rig, samples_at(&rig, 0), 3, 10000));
	assert_true(uv_hrtime() - start > 750ull * 1000000);
	for (unsigned k = 0; k < 3; k++)
		assert_int_equal(a->seen[FRAME_SAMPLE][k], 1);
	a->not_stored = false;
	a->credit_ms = 0;
	assert_true(until(&rig, samples_at(&rig, 0), 5, 10000));
	assert_int_equal(a->seen[FRAME_SAMPLE][4], 2);
	rig_done(&rig);
}

static void an_answer_that_is_no_receipt_loses_nothing(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct send_options){0});
	rig.aggregators[0].garbage = true;
	give(&rig, 1);
	assert_true(until(&rig, samples_at(&rig, 0), 2, 5000)); // asked again, a second later
	rig.aggregators[0].garbage = false;
	assert_true(until(&rig, samples_at(&rig, 0), 3, 5000));
	assert_true(settles(&rig, 0, 0));
	rig_done(&rig);
}

static void a_silent_urgent_lane_proves_itself(void **state)
{
	struct rig rig;
	rig_init(&rig, (struct send_options){0});
	struct notice n = some_notice(1);
	rig.aggregators[0].hold_ms = 2 * SEND_URGENT_MS;
	send_notice(rig.send, &n, uv_hrtime());
	wait_ms(&rig, 4 * SEND_URGENT_MS);
	rig.aggregators[0].hold_ms = 0;
	send_sample(rig.send, rig.sample, uv_hrtime() + 16000000000ull);
	assert_true(until(&rig, &rig.aggregators[0].n_seen[FRAME_HELLO], 1, 5000));
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sample_reaches_every_replica_once_and_in_order),
		cmocka_unit_test(the_clock_offset_is_learnt_from_quick_receipts),
		cmocka_unit_test(a_replica_that_was_away_gets_what_it_missed),
		cmocka_unit_test(what_the_spool_cannot_hold_is_lost_visibly),
		cmocka_unit_test(samples_expire_by_age),
		cmocka_unit_test(notices_overtake_samples_and_reach_every_replica),
		cmocka_unit_test(notices_are_refused_rather_than_forgotten),
		cmocka_unit_test(the_urgent_lane_is_dialed_only_for_a_notice_without_a_receipt),
		cmocka_unit_test(a_notice_arrives_also_where_no_urgent_lane_can_be_had),
		cmocka_unit_test(a_notice_arrives_also_where_the_data_lane_is_dead),
		cmocka_unit_test(a_notice_refused_both_ways_is_refused_once),
		cmocka_unit_test(a_refused_sample_is_skipped_and_the_next_one_sent),
		cmocka_unit_test(a_sample_not_stored_is_sent_again_after_its_credit),
		cmocka_unit_test(an_answer_that_is_no_receipt_loses_nothing),
		cmocka_unit_test(a_silent_urgent_lane_proves_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
