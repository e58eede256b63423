// SPDX-License-Identifier: Apache-2.0
// Bodies as AWS's documentation and the node termination handler's and Karpenter's tests have them.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cloud/event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NOW_S = 1795518000 };
static struct notice got[8];
static struct queue_extra extra;
static int n_got;

static void on_notice(void *arg, const struct notice *n, const struct queue_extra *x)
{
	assert_true(n_got < 8);
	got[n_got++] = *n;
	extra = *x;
}

static int take(const char *body)
{
	struct notice from = {.cluster = "demo", .source = "queue", .observed_ms = NOW_S * 1000LL};
	struct event_sink sink = {&from, on_notice, NULL};
	n_got = 0;
	return event_read(body, strlen(body), &sink);
}

static int take_event(const char *source, const char *type, const char *detail)
{
	char body[4096];
	snprintf(body, sizeof(body),
		"{\"version\":\"0\",\"id\":\"1e5527d7\",\"detail-type\":\"%s\",\"source\":\"%s\","
		"\"account\":\"123456789012\",\"time\":\"2026-11-24T11:00:30Z\",\"region\":\"us-"
		"east-2\",\"resources\":[\"arn:aws:ec2:us-east-2a:instance/i-0b662ef9931388ba0\"],"
		"\"detail\":%s}",
		type, source, detail);
	return take(body);
}

#define SPOT "EC2 Spot Instance Interruption Warning"

static void a_spot_interruption_ends_two_minutes_after_its_time(void **state)
{
	assert_int_equal(take_event("aws.ec2", SPOT,
				 "{\"instance-id\":\"i-0b662ef9931388ba0\",\"instance-action\":"
				 "\"terminate\"}"),
		1);
	assert_int_equal(got[0].kind, NOTICE_SPOT_ITN);
	assert_int_equal(got[0].action, NOTICE_TERMINATE);
	assert_string_equal(got[0].instance_id, "i-0b662ef9931388ba0");
	assert_string_equal(got[0].cluster, "demo");
	assert_int_equal(got[0].deadline_ms, 1795518030000 + 120000);
	assert_false(got[0].guessed);
	assert_string_equal(extra.account, "123456789012");
	assert_string_equal(extra.region, "us-east-2");
}

// What the agent makes of meta-data/spot/instance-action has no event id either.
static void the_same_interruption_by_imds_has_the_same_id(void **state)
{
	uint8_t id[32];
	notice_make_id("i-0b662ef9931388ba0", NOTICE_SPOT_ITN, "", id);
	take_event("aws.ec2", SPOT,
		"{\"instance-id\":\"i-0b662ef9931388ba0\",\"instance-action\":\"stop\"}");
	assert_memory_equal(id, got[0].id, sizeof(id));
	assert_int_equal(got[0].action, NOTICE_STOP);
}

static void hibernation_begins_at_once(void **state)
{
	take_event("aws.ec2", SPOT, "{\"instance-id\":\"i-1\",\"instance-action\":\"hibernate\"}");
	assert_int_equal(got[0].deadline_ms, 1795518030000);
}

static void a_spot_event_without_a_time_is_two_minutes_from_now(void **state)
{
	assert_int_equal(take("{\"source\":\"aws.ec2\",\"detail-type\":\"" SPOT
			      "\",\"detail\":{\"instance-id\":\"i-1\"}}"),
		1);
	assert_true(got[0].guessed);
	assert_int_equal(got[0].deadline_ms, (NOW_S + 120) * 1000LL);
}

static void only_states_that_end_an_instance_are_notices(void **state)
{
	const char *type = "EC2 Instance State-change Notification";
	assert_int_equal(
		take_event("aws.ec2", type, "{\"instance-id\":\"i-1\",\"state\":\"running\"}"), 0);
	assert_int_equal(
		take_event("aws.ec2", type, "{\"instance-id\":\"i-1\",\"state\":\"pending\"}"), 0);
	assert_int_equal(
		take_event("aws.ec2", type, "{\"instance-id\":\"i-1\",\"state\":\"stopping\"}"), 1);
	assert_int_equal(got[0].action, NOTICE_STOP);
	assert_int_equal(take_event("aws.ec2", type,
				 "{\"instance-id\":\"i-1\",\"state\":\"shutting-down\"}"),
		1);
	assert_int_equal(got[0].action, NOTICE_TERMINATE);
	assert_int_equal(got[0].kind, NOTICE_STATE_CHANGE);
}

static void other_ec2_events_are_understood(void **state)
{
	assert_int_equal(take_event("aws.ec2", "EC2 Instance Rebalance Recommendation",
				 "{\"instance-id\":\"i-1\"}"),
		1);
	assert_int_equal(got[0].kind, NOTICE_REBALANCE_RECOMMENDATION);
	assert_int_equal(got[0].deadline_ms, 0);
	assert_int_equal(
		take_event("aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning",
			"{\"instance-id\":\"i-1\",\"instance-termination-time\":\"2026-11-"
			"24T11:40:30Z\"}"),
		1);
	assert_int_equal(got[0].deadline_ms, 1795518030000 + 2400000);
	assert_int_equal(take_event("aws.ec2", "EBS Volume Notification", "{}"), 0);
}

#define LIFECYCLE                                                                                  \
	"\"LifecycleActionToken\":\"87654321-4321\",\"AutoScalingGroupName\":\"my-asg\","          \
	"\"LifecycleHookName\":\"my-hook\",\"EC2InstanceId\":\"i-1234567890abcdef0\","             \
	"\"LifecycleTransition\":\"autoscaling:EC2_INSTANCE_TERMINATING\""

static void expect_lifecycle(int r)
{
	assert_int_equal(r, 1);
	assert_int_equal(got[0].kind, NOTICE_ASG_LIFECYCLE);
	assert_string_equal(got[0].instance_id, "i-1234567890abcdef0");
	assert_string_equal(extra.hook, "my-hook");
	assert_string_equal(extra.scaling_group, "my-asg");
	assert_string_equal(extra.token, "87654321-4321");
}

static void a_termination_hook_comes_by_three_roads(void **state)
{
	expect_lifecycle(take_event(
		"aws.autoscaling", "EC2 Instance-terminate Lifecycle Action", "{" LIFECYCLE "}"));
	expect_lifecycle(take("{" LIFECYCLE ",\"Time\":\"2026-11-24T11:00:00Z\"}"));
	expect_lifecycle(take("{\"Type\":\"Notification\",\"Message\":\"{"
			      "\\\"LifecycleActionToken\\\":\\\"87654321-4321\\\","
			      "\\\"AutoScalingGroupName\\\":\\\"my-asg\\\","
			      "\\\"LifecycleHookName\\\":\\\"my-hook\\\","
			      "\\\"EC2InstanceId\\\":\\\"i-1234567890abcdef0\\\","
			      "\\\"LifecycleTransition\\\":\\\"autoscaling:EC2_INSTANCE_"
			      "TERMINATING\\\"}\"}"));
}

static void launch_hooks_and_test_notifications_are_nothing_to_do(void **state)
{
	assert_int_equal(take("{\"AutoScalingGroupName\":\"g\",\"Event\":\"autoscaling:TEST_"
			      "NOTIFICATION\"}"),
		0);
	assert_int_equal(take("{\"LifecycleTransition\":\"autoscaling:EC2_INSTANCE_LAUNCHING\","
			      "\"EC2InstanceId\":\"i-1\"}"),
		0);
}

static void a_health_event_is_one_notice_for_each_instance(void **state)
{
	const char *detail =
		"{\"eventArn\":\"arn:aws:health:us-east-2::event/EC2/X/X_90353408\",\"service\":"
		"\"EC2\",\"eventTypeCode\":\"AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED\","
		"\"eventTypeCategory\":\"scheduledChange\",\"startTime\":\"Thu, 27 Aug 2026 "
		"13:19:00 GMT\",\"statusCode\":\"upcoming\",\"affectedEntities\":[{"
		"\"entityValue\":\"i-1\"},{\"entityValue\":\"vol-2\"},{\"entityValue\":\"i-3\"}]}";
	assert_int_equal(take_event("aws.health", "AWS Health Event", detail), 2);
	assert_string_equal(got[1].instance_id, "i-3");
	assert_int_equal(got[0].kind, NOTICE_HEALTH);
	assert_int_equal(got[0].deadline_ms, 1787836740000);
	assert_string_equal(got[0].event_id, "arn:aws:health:us-east-2::event/EC2/X/X_90353408");
	assert_int_equal(take_event("aws.health", "AWS Health Event",
				 "{\"service\":\"RDS\",\"eventTypeCategory\":\"scheduledChange\"}"),
		0);
}

static void what_is_no_event_is_said_to_be_none(void **state)
{
	static const char *const bad[] = {"", "nonsense", "[]", "7", "{}", "{\"Message\":\"x\"}",
		"{\"detail-type\":\"" SPOT "\",\"source\":\"aws.ec2\"}",
		"{\"detail-type\":\"" SPOT "\",\"source\":\"aws.ec2\",\"detail\":[]}",
		"{\"detail-type\":\"" SPOT
		"\",\"source\":\"aws.ec2\",\"detail\":{\"instance-id\":\"../etc\"}}",
		"{\"detail-type\":\"" SPOT "\",\"source\":\"aws.ec2\",\"detail\":{\"instance-id\":"
		"\"i-000000000000000000000000000000000000\"}}"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(take(bad[i]), -EBADMSG);
		assert_int_equal(n_got, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spot_interruption_ends_two_minutes_after_its_time),
		cmocka_unit_test(the_same_interruption_by_imds_has_the_same_id),
		cmocka_unit_test(hibernation_begins_at_once),
		cmocka_unit_test(a_spot_event_without_a_time_is_two_minutes_from_now),
		cmocka_unit_test(only_states_that_end_an_instance_are_notices),
		cmocka_unit_test(other_ec2_events_are_understood),
		cmocka_unit_test(a_termination_hook_comes_by_three_roads),
		cmocka_unit_test(launch_hooks_and_test_notifications_are_nothing_to_do),
		cmocka_unit_test(a_health_event_is_one_notice_for_each_instance),
		cmocka_unit_test(what_is_no_event_is_said_to_be_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
