// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "agent/imds/event.h"

static const int64_t now_ms = 1790000000000;
static const struct notice from = {.cluster = "prod",
	.node = "n1",
	.instance_id = "i-1",
	.source = "imds",
	.observed_ms = 1790000000000};
static struct notice got[EVENT_MAX_NOTICES];

#define READ(function, body) function(body, strlen(body), &from, got)

static void a_spot_action_has_its_time_as_deadline(void **state)
{
	assert_int_equal(READ(event_spot_action,
				 "{\"action\":\"terminate\",\"time\":\"2026-09-21T14:15:20Z\"}"),
		1);
	assert_int_equal(got[0].kind, NOTICE_SPOT_ITN);
	assert_int_equal(got[0].action, NOTICE_TERMINATE);
	assert_true(got[0].deadline_ms == now_ms + 120000);
	assert_false(got[0].guessed);
	assert_string_equal(got[0].node, "n1");
	READ(event_spot_action, "{\"action\":\"stop\",\"time\":\"2026-09-21T14:15:20Z\"}");
	assert_int_equal(got[0].action, NOTICE_STOP);
}

static void hibernation_begins_at_once(void **state)
{
	READ(event_spot_action, "{\"action\":\"hibernate\",\"time\":\"2026-09-21T14:15:20Z\"}");
	assert_true(got[0].deadline_ms == now_ms);
	assert_false(got[0].guessed);
}

static void a_body_that_cannot_be_understood_is_a_termination_in_two_minutes(void **state)
{
	static const char *const bodies[] = {"", "{", "null", "[]", "{\"action\":\"terminate\"}",
		"{\"action\":7,\"time\":true}", "{\"action\":\"terminate\",\"time\":\"soon\"}",
		"<html>503</html>", "{\"action\":\"dance\",\"time\":\"x\"}"};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_int_equal(READ(event_spot_action, bodies[i]), 1);
		assert_true(got[0].guessed);
		assert_true(got[0].deadline_ms == now_ms + EVENT_GUESS_MS);
		assert_int_equal(got[0].action, NOTICE_TERMINATE);
	}
}

static void the_id_does_not_depend_on_any_time(void **state)
{
	uint8_t id[32];
	READ(event_spot_action, "{\"action\":\"terminate\",\"time\":\"2026-09-21T14:15:20Z\"}");
	memcpy(id, got[0].id, 32);
	READ(event_spot_action, "{\"action\":\"terminate\",\"time\":\"2026-09-21T14:16:20Z\"}");
	assert_memory_equal(id, got[0].id, 32);
	assert_int_equal(READ(event_termination_time, "2026-09-21T14:15:20Z"), 1);
	assert_memory_equal(id, got[0].id, 32); // the legacy path tells of the same event
	READ(event_rebalance, "{\"noticeTime\":\"2026-09-21T14:15:20Z\"}");
	assert_memory_not_equal(id, got[0].id, 32);
}

static void the_legacy_path_may_hold_text_that_is_no_time(void **state)
{
	assert_int_equal(READ(event_termination_time, "not-a-time"), -EBADMSG);
	assert_int_equal(READ(event_termination_time, ""), -EBADMSG);
	assert_int_equal(READ(event_termination_time,
				 "2026-09-21T14:15:20Z and a great deal more than fits"),
		-EBADMSG);
}

static void a_rebalance_has_no_deadline(void **state)
{
	assert_int_equal(READ(event_rebalance, "{\"noticeTime\":\"2026-09-21T14:13:20Z\"}"), 1);
	assert_int_equal(got[0].kind, NOTICE_REBALANCE_RECOMMENDATION);
	assert_true(got[0].deadline_ms == 0);
	assert_int_equal(READ(event_rebalance, "{}"), -EBADMSG);
}

static void maintenance_events_are_known_by_their_own_id(void **state)
{
	assert_int_equal(READ(event_maintenance, "[]"), 0);
	int n = READ(event_maintenance,
		"[{\"NotBefore\":\"21 Jan 2026 09:00:43 "
		"GMT\",\"Code\":\"system-reboot\",\"Description\":\"x\",\"EventId\":\"instance-"
		"event-1\","
		"\"NotAfter\":\"21 Jan 2026 09:17:23 GMT\",\"State\":\"active\"},"
		"{\"NotBefore\":\"22 Jan 2026 09:00:43 "
		"GMT\",\"Code\":\"instance-stop\",\"EventId\":\"instance-event-2\",\"State\":"
		"\"canceled\"}]");
	assert_int_equal(n, 2);
	assert_string_equal(got[0].event_id, "instance-event-1");
	assert_int_equal(got[0].action, NOTICE_REBOOT);
	assert_true(got[0].deadline_ms == 1768986043000);
	assert_false(got[0].withdrawn);
	assert_true(got[1].withdrawn);
	assert_memory_not_equal(got[0].id, got[1].id, 32);
	assert_int_equal(READ(event_maintenance, "{}"), -EBADMSG);
	assert_int_equal(READ(event_maintenance, "[{\"Code\":\"x\"}]"), -EBADMSG);
}

static void only_a_terminated_target_state_is_a_notice(void **state)
{
	assert_int_equal(READ(event_lifecycle, "InService"), 0);
	assert_int_equal(READ(event_lifecycle, "Terminated\n"), 1);
	assert_int_equal(got[0].kind, NOTICE_ASG_LIFECYCLE);
	assert_int_equal(READ(event_lifecycle, "Warmed:Terminated"), 1);
	assert_int_equal(READ(event_lifecycle, "Terminatedx"), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spot_action_has_its_time_as_deadline),
		cmocka_unit_test(hibernation_begins_at_once),
		cmocka_unit_test(a_body_that_cannot_be_understood_is_a_termination_in_two_minutes),
		cmocka_unit_test(the_id_does_not_depend_on_any_time),
		cmocka_unit_test(the_legacy_path_may_hold_text_that_is_no_time),
		cmocka_unit_test(a_rebalance_has_no_deadline),
		cmocka_unit_test(maintenance_events_are_known_by_their_own_id),
		cmocka_unit_test(only_a_terminated_target_state_is_a_notice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
