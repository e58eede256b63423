// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/act/act.h"

struct taken {
	unsigned calls;
	int answer;
};

static int take(void *self, const struct plan *p, const struct plan_step *s, struct outcome *ret)
{
	struct taken *t = self;
	t->calls++;
	ret->status = OUTCOME_DONE;
	return t->answer;
}

static struct plan *two_steps(void)
{
	struct plan *p = calloc(1, sizeof(*p));
	memcpy(p->id, "0123456789abcdef0123456789abcdef", 33);
	p->n_steps = 2;
	p->steps[0].would_act = true;
	return p;
}

static void only_steps_that_the_plan_takes_reach_the_driver(void **state)
{
	struct plan *p = two_steps();
	struct taken t = {0};
	struct outcome outcomes[2];
	const struct act_driver driver = {"test", &t, take};
	act_run(&driver, p, outcomes);
	assert_int_equal(t.calls, 1);
	assert_int_equal(outcomes[0].status, OUTCOME_DONE);
	assert_int_equal(outcomes[1].status, OUTCOME_NOT_TAKEN);
	assert_string_equal(outcomes[0].idempotency_key, "0123456789abcdef0123456789abcdef/0");
	free(p);
}

static void a_driver_that_fails_is_a_failed_step_and_the_rest_goes_on(void **state)
{
	struct plan *p = two_steps();
	struct taken t = {.answer = -EAGAIN};
	struct outcome outcomes[2];
	const struct act_driver driver = {"test", &t, take};
	p->steps[1].would_act = true;
	act_run(&driver, p, outcomes);
	assert_int_equal(t.calls, 2);
	assert_int_equal(outcomes[0].status, OUTCOME_FAILED);
	assert_int_equal(outcomes[1].status, OUTCOME_FAILED);
	free(p);
}

static void observing_calls_nothing_and_says_so(void **state)
{
	struct plan *p = two_steps();
	struct outcome outcomes[2];
	struct buf json;
	buf_init(&json, 4096);
	act_run(&act_observe, p, outcomes);
	assert_int_equal(outcomes[0].status, OUTCOME_WOULD_DO);
	outcomes_print(p, outcomes, &json);
	assert_non_null(strstr(json.data, "\"status\":\"would-do\""));
	buf_done(&json);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_steps_that_the_plan_takes_reach_the_driver),
		cmocka_unit_test(a_driver_that_fails_is_a_failed_step_and_the_rest_goes_on),
		cmocka_unit_test(observing_calls_nothing_and_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
