// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/clock.h"
#include "tests/unit/proto/loop/lane_rig.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdlib.h>

static void a_request_gets_its_receipt(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){0});
	dial(&rig, (struct lane_client_options){0});
	assert_int_equal(lane_client_send(rig.client, "hello", 5), 0);
	assert_int_equal(lane_client_send(rig.client, "again", 5), -EBUSY);
	assert_true(until(&rig, &rig.receipts, 1, 5000));
	assert_string_equal(rig.receipt, "got hello");
	assert_false(rig.last_peer.authenticated);
	assert_non_null(strstr(rig.last_peer.address, "127.0.0.1:"));
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(lane_client_send(rig.client, "more", 4), 0);
		assert_true(until(&rig, &rig.receipts, 2 + i, 5000));
	}
	const struct lane_counters *c = lane_server_counters(rig.server);
	assert_int_equal(c->messages, 201);
	assert_int_equal(c->replies, 201);
	assert_int_equal(c->connected, 1);
	assert_int_equal(rig.ups, 1);
	assert_int_equal(lane_client_state(rig.client)->receipts, 201);
	rig_done(&rig);
}

static void a_sender_never_makes_an_oversized_message(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){0});
	dial(&rig, (struct lane_client_options){0});
	char *big = calloc(1, LANE_MAX_MESSAGE_BYTES + 1);
	assert_int_equal(lane_client_send(rig.client, big, LANE_MAX_MESSAGE_BYTES + 1), -EMSGSIZE);
	assert_int_equal(lane_client_send(rig.client, big, LANE_MAX_MESSAGE_BYTES), 0);
	assert_true(until(&rig, &rig.receipts, 1, 5000));
	free(big);
	rig_done(&rig);
}

// A client without our limits, straight on nng.
static nng_socket foreign_client(struct rig *rig)
{
	nng_socket s;
	char url[64];
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", lane_server_port(rig->server));
	assert_int_equal(nng_req0_open(&s), 0);
	assert_int_equal(nng_dial(s, url, NULL, 0), 0);
	return s;
}

static void an_oversized_message_costs_its_sender_the_connection_and_is_counted(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){.max_message_bytes = 1000});
	uint64_t before = lane_server_counters(rig.server)->refused[LANE_REFUSED_OVERSIZED];
	dial(&rig, (struct lane_client_options){0});
	assert_true(until(&rig, &rig.ups, 1, 5000));
	nng_socket s = foreign_client(&rig);
	char big[1001] = {0};
	nng_send(s, big, sizeof(big), 0);
	assert_true(until(&rig, &rig.downs, 1, 5000));
	assert_true(lane_server_counters(rig.server)->refused[LANE_REFUSED_OVERSIZED] > before);
	assert_int_equal(rig.messages, 0);
	nng_close(s);
	// nobody else notices
	assert_int_equal(lane_client_send(rig.client, big, 1000), 0);
	assert_true(until(&rig, &rig.receipts, 1, 5000));
	assert_int_equal(rig.disconnected, 0);
	rig_done(&rig);
}

static void a_refused_message_costs_its_sender_the_connection(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){0});
	dial(&rig, (struct lane_client_options){0});
	rig.answer = -EBADMSG;
	assert_int_equal(lane_client_send(rig.client, "bad", 3), 0);
	assert_true(until(&rig, &rig.downs, 1, 5000));
	assert_true(lane_server_counters(rig.server)->refused[LANE_REFUSED_MESSAGE] >= 1);
	rig.answer = 0; // nng repeats the request over the next connection
	assert_true(until(&rig, &rig.receipts, 1, 5000));
	rig_done(&rig);
}

static void a_held_answer_comes_later_and_others_are_not_held(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){0});
	dial(&rig, (struct lane_client_options){0});
	rig.answer = 700;
	assert_int_equal(lane_client_send(rig.client, "slow", 4), 0);
	assert_true(until(&rig, &rig.messages, 1, 5000));
	uint64_t start = clock_mono_ns();
	rig.answer = 0;
	nng_socket s = foreign_client(&rig);
	nng_send(s, "fast", 4, 0);
	assert_true(until(&rig, &rig.messages, 2, 5000));
	assert_int_equal(rig.receipts, 0);
	assert_true(until(&rig, &rig.receipts, 1, 5000));
	assert_true(clock_mono_ns() - start >= 500ull * 1000000);
	assert_int_equal(lane_server_counters(rig.server)->held, 1);
	nng_close(s);
	rig_done(&rig);
}

static void a_flood_of_unanswered_requests_costs_the_connection(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){.contexts = 64});
	rig.answer = 60 * 1000; // nothing is answered
	nng_socket s = foreign_client(&rig);
	nng_ctx ctx[LANE_MAX_PENDING + 1];
	nng_aio *aio[LANE_MAX_PENDING + 1];
	for (int i = 0; i <= LANE_MAX_PENDING; i++) {
		nng_msg *m;
		nng_msg_alloc(&m, 5);
		nng_aio_alloc(&aio[i], NULL, NULL);
		nng_ctx_open(&ctx[i], s);
		nng_aio_set_msg(aio[i], m);
		nng_ctx_send(ctx[i], aio[i]);
	}
	assert_true(until(&rig, &rig.downs, 1, 5000));
	assert_int_equal(lane_server_counters(rig.server)->refused[LANE_REFUSED_FLOOD], 1);
	nng_close(s);
	for (int i = 0; i <= LANE_MAX_PENDING; i++)
		nng_aio_free(aio[i]);
	rig_done(&rig);
}

static void a_silent_peer_is_taken_for_dead(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){.idle_ms = 500});
	nng_socket s = foreign_client(&rig);
	assert_true(until(&rig, &rig.downs, 1, 5000));
	assert_int_equal(lane_server_counters(rig.server)->refused[LANE_REFUSED_IDLE], 1);
	nng_close(s);
	rig_done(&rig);
}

static void too_many_peers_are_refused(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){.max_peers = 2});
	nng_socket a = foreign_client(&rig), b = foreign_client(&rig);
	assert_true(until(&rig, &rig.ups, 2, 5000));
	nng_socket c = foreign_client(&rig);
	wait_ms(&rig, 300);
	assert_int_equal(rig.ups, 2);
	assert_true(lane_server_counters(rig.server)->refused[LANE_REFUSED_PEERS] >= 1);
	nng_close(a);
	assert_true(until(&rig, &rig.ups, 3, 10000)); // the third comes in
	nng_close(b);
	nng_close(c);
	rig_done(&rig);
}

static void a_client_finds_a_server_that_starts_later_and_one_that_restarts(void **state)
{
	struct rig rig;
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){0});
	char url[64];
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", lane_server_port(rig.server));
	lane_server_stop(rig.server, NULL, NULL);
	dial(&rig, (struct lane_client_options){.url = url});
	assert_int_equal(lane_client_send(rig.client, "early", 5), 0);
	wait_ms(&rig, 300);
	for (unsigned i = 1; i <= 3; i++) {
		serve(&rig, (struct lane_server_options){.url = url});
		assert_true(until(&rig, &rig.receipts, i, 5000));
		assert_true(until(&rig, &rig.connected, i, 5000));
		lane_server_stop(rig.server, NULL, NULL);
		assert_true(until(&rig, &rig.disconnected, i, 5000));
		assert_int_equal(lane_client_send(rig.client, "later", 5), 0);
	}
	rig.server = NULL;
	rig_done(&rig);
}

static void an_insecure_url_with_certificates_is_refused(void **state)
{
	struct rig rig;
	struct why why;
	rig_init(&rig);
	struct lane_server_options o = {
		.url = "tls+tcp://127.0.0.1:0", .contexts = 1, .on_message = on_message};
	assert_int_equal(lane_server_start(&rig.server, rig.inbox, &o, &why), -EINVAL);
	struct lane_client_options c = {.url = "tls+tcp://127.0.0.1:1", .on_receipt = on_receipt};
	assert_int_equal(lane_client_start(&rig.client, rig.inbox, &c, &why), -EINVAL);
	rig.server = NULL;
	rig_done(&rig);
}

static void a_port_in_use_is_said(void **state)
{
	struct rig rig;
	struct why why;
	struct lane_server *second;
	char url[64];
	rig_init(&rig);
	serve(&rig, (struct lane_server_options){0});
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", lane_server_port(rig.server));
	struct lane_server_options o = {.url = url, .contexts = 1, .on_message = on_message};
	o.max_peers = 10;
	assert_int_equal(lane_server_start(&second, rig.inbox, &o, &why), -EADDRINUSE);
	assert_non_null(strstr(why.text, url));
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_gets_its_receipt),
		cmocka_unit_test(a_sender_never_makes_an_oversized_message),
		cmocka_unit_test(
			an_oversized_message_costs_its_sender_the_connection_and_is_counted),
		cmocka_unit_test(a_refused_message_costs_its_sender_the_connection),
		cmocka_unit_test(a_held_answer_comes_later_and_others_are_not_held),
		cmocka_unit_test(a_flood_of_unanswered_requests_costs_the_connection),
		cmocka_unit_test(a_silent_peer_is_taken_for_dead),
		cmocka_unit_test(too_many_peers_are_refused),
		cmocka_unit_test(a_client_finds_a_server_that_starts_later_and_one_that_restarts),
		cmocka_unit_test(an_insecure_url_with_certificates_is_refused),
		cmocka_unit_test(a_port_in_use_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
