// SPDX-License-Identifier: Apache-2.0
// The limiter against a history that botocore's went through (tests/golden/aws/rate.csv, made by
// make_rate.py), and the quota's arithmetic.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cloud/aws/retry.h"
#include "proto/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double number(const char *text)
{
	double v;
	if (text_to_double(text, &v) < 0)
		fail_msg("no number: %s", text);
	return v;
}

static void the_rate_is_botocores_number_for_number(void **state)
{
	FILE *f = fopen(TEST_SOURCE_DIR "/tests/golden/aws/rate.csv", "r");
	assert_non_null(f);
	char line[256];
	struct retry_rate rate = {0};
	int answers = 0, sends = 0, n = 0;
	while (fgets(line, sizeof(line), f)) {
		char *save, *at = strtok_r(line, ",\n", &save);
		char *event = strtok_r(NULL, ",\n", &save),
		     *throttled = strtok_r(NULL, ",\n", &save);
		double now = number(at), value = number(strtok_r(NULL, ",\n", &save));
		n++;
		if (strcmp(event, "start") == 0) {
			retry_rate_init(&rate, now);
		} else if (strcmp(event, "answer") == 0) {
			retry_rate_answer(&rate, *throttled == '1', now);
			if (fabs(rate.fill_rate - value) > 1e-9 * value)
				fail_msg("line %d: %.12g, not %.12g", n, rate.fill_rate, value);
			answers++;
		} else {
			bool sent = retry_rate_wait_s(&rate, now) <= 0;
			if (sent != (value > 0))
				fail_msg("line %d: sent %d", n, sent);
			sends++;
		}
	}
	fclose(f);
	assert_true(answers > 500 && sends > 500);
}

static void before_the_first_throttle_nothing_waits(void **state)
{
	struct retry_rate rate;
	retry_rate_init(&rate, 5);
	for (int i = 0; i < 1000; i++)
		assert_true(retry_rate_wait_s(&rate, 5) <= 0);
	retry_rate_answer(&rate, true, 5.1);
	assert_true(retry_rate_wait_s(&rate, 5.1) > 0);
}

static void retries_are_paid_for_until_nothing_is_left(void **state)
{
	struct retry_quota q;
	struct rng rng;
	uint32_t delay;
	int n = 0;
	retry_quota_init(&q);
	rng_init(&rng, 1);
	for (;;) {
		struct retry_ask a = {.attempts = 1, .kind = RETRY_TRANSIENT};
		if (!retry_again(&q, &a, &rng, &delay))
			break;
		assert_true(delay <= 1000 && a.paid == 5);
		n++;
	}
	assert_int_equal(n, 100);
	retry_success(&q, 5);
	assert_int_equal(q.left, 5);
	retry_success(&q, 0);
	assert_int_equal(q.left, 6);
	struct retry_ask timeout = {.attempts = 1, .kind = RETRY_TIMEOUT};
	assert_false(retry_again(&q, &timeout, &rng, &delay)); // costs 10
}

static void a_call_is_sent_three_times_at_most(void **state)
{
	struct retry_quota q;
	struct rng rng;
	uint32_t delay;
	retry_quota_init(&q);
	rng_init(&rng, 1);
	struct retry_ask a = {.attempts = 2, .kind = RETRY_THROTTLED};
	assert_true(retry_again(&q, &a, &rng, &delay));
	assert_true(delay <= 2000);
	a.attempts = 3;
	assert_false(retry_again(&q, &a, &rng, &delay));
	a = (struct retry_ask){.attempts = 1, .kind = RETRY_NO};
	assert_false(retry_again(&q, &a, &rng, &delay));
	for (int i = 0; i < 1000; i++)
		retry_success(&q, 10);
	assert_int_equal(q.left, 500);
}

// Three callers that never give up, each answer after 30 ms, everything throttled: half a request a
// second goes through.
static void ten_minutes_of_throttling_are_no_storm(void **state)
{
	struct retry_rate rate;
	unsigned sent = 0, first = 0;
	retry_rate_init(&rate, 0);
	for (double now = 0; now < 600; now += 0.03) {
		for (int caller = 0; caller < 3; caller++)
			if (retry_rate_wait_s(&rate, now) <= 0) {
				retry_rate_answer(&rate, true, now + 0.03);
				sent++;
			}
		first = now < 10 ? sent : first;
	}
	assert_in_range(first, 1, 25);
	assert_in_range(sent, 200, 600 / 2 + 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_is_botocores_number_for_number),
		cmocka_unit_test(before_the_first_throttle_nothing_waits),
		cmocka_unit_test(retries_are_paid_for_until_nothing_is_left),
		cmocka_unit_test(a_call_is_sent_three_times_at_most),
		cmocka_unit_test(ten_minutes_of_throttling_are_no_storm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
