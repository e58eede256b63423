// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "aggregator/risk/risk.h"

static void what_is_not_known_is_said_and_not_invented(void **state)
{
	struct risk r;
	struct buf json;
	buf_init(&json, 4096);
	risk_of_node("prod", "n1", "spot", &r);
	for (int h = 0; h < RISK_HORIZON_COUNT; h++)
		assert_int_equal(r.loss_permille[h], -1);
	risk_print(&r, &json);
	assert_non_null(strstr(json.data, "\"m2\":null"));
	assert_non_null(strstr(json.data, "unknown: "));
	buf_done(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_known_is_said_and_not_invented),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
