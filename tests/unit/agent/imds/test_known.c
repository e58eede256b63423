// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/imds/known.h"

static struct notice a_notice(const char *event_id, int64_t deadline_ms)
{
	struct notice n = {.kind = NOTICE_SPOT_ITN,
		.action = NOTICE_TERMINATE,
		.deadline_ms = deadline_ms,
		.instance_id = "i-1"};
	snprintf(n.event_id, sizeof(n.event_id), "%s", event_id);
	notice_make_id(n.instance_id, n.kind, n.event_id, n.id);
	return n;
}

static void a_notice_is_told_once_and_a_slid_time_is_told_as_a_change(void **state)
{
	struct known k = {0};
	struct notice n = a_notice("", 1000);
	assert_true(known_take(&k, 0, &n));
	assert_false(known_take(&k, 0, &n));
	n.deadline_ms = 2000;
	assert_true(known_take(&k, 0, &n));
	assert_int_equal(k.n, 1);
}

static void a_guess_never_replaces_what_is_known_and_is_corrected(void **state)
{
	struct known k = {0};
	struct notice guess = a_notice("", 5000), good = a_notice("", 4000);
	guess.guessed = true;
	assert_true(known_take(&k, 0, &guess));
	guess.deadline_ms = 6000; // the same broken body a second later
	assert_false(known_take(&k, 0, &guess));
	assert_true(known_take(&k, 0, &good));
	assert_false(known_take(&k, 0, &guess));
	assert_true(k.items[0].notice.deadline_ms == 4000);
}

static void what_no_question_shows_any_more_is_withdrawn_once(void **state)
{
	struct known k = {0};
	struct notice n = a_notice("", 1000), gone;
	known_take(&k, 0, &n);
	known_take(&k, 4, &n); // the legacy path shows it too
	assert_false(known_missing(&k, &(struct known_shown){.question = 0}, 500, &gone));
	assert_true(known_missing(&k, &(struct known_shown){.question = 4}, 600, &gone));
	assert_true(gone.withdrawn);
	assert_true(gone.observed_ms == 600);
	assert_false(known_missing(&k, &(struct known_shown){.question = 4}, 700, &gone));
	assert_true(known_take(&k, 0, &n)); // it is back
}

static void a_question_that_still_shows_it_withdraws_nothing(void **state)
{
	struct known k = {0};
	struct notice a = a_notice("a", 1), b = a_notice("b", 2), gone;
	known_take(&k, 3, &a);
	known_take(&k, 3, &b);
	assert_true(known_missing(&k, &(struct known_shown){3, &a, 1}, 9, &gone));
	assert_string_equal(gone.event_id, "b");
	assert_false(known_missing(&k, &(struct known_shown){3, &a, 1}, 9, &gone));
}

static void the_memory_of_notices_is_bounded(void **state)
{
	struct known k = {0};
	for (int i = 0; i < 1000; i++) {
		char id[16];
		snprintf(id, sizeof(id), "%d", i);
		struct notice n = a_notice(id, i);
		assert_true(known_take(&k, 3, &n));
	}
	assert_int_equal(k.n, KNOWN_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_notice_is_told_once_and_a_slid_time_is_told_as_a_change),
		cmocka_unit_test(a_guess_never_replaces_what_is_known_and_is_corrected),
		cmocka_unit_test(what_no_question_shows_any_more_is_withdrawn_once),
		cmocka_unit_test(a_question_that_still_shows_it_withdraws_nothing),
		cmocka_unit_test(the_memory_of_notices_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
