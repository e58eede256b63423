// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cli/yaml.h"

#include <errno.h>

static void check(const char *json, const char *yaml)
{
	autobuf out;
	buf_init(&out, 4096);
	cJSON *parsed = cJSON_Parse(json);
	assert_non_null(parsed);
	assert_int_equal(yaml_print(parsed, &out), 0);
	cJSON_Delete(parsed);
	assert_string_equal(out.data, yaml);
}

static void json_is_told_as_yaml_in_its_order(void **state)
{
	check("{\"mode\":\"observe\",\"agents\":{\"expected\":3,\"reporting\":2.5},"
	      "\"items\":[{\"node\":\"a\",\"ok\":true},null],\"none\":[],\"map\":{}}",
		"mode: \"observe\"\nagents:\n  expected: 3\n  reporting: 2.5\nitems:\n- node: "
		"\"a\"\n"
		"  ok: true\n- null\nnone: []\nmap: {}\n");
}

static void text_that_looks_like_something_else_stays_text(void **state)
{
	check("{\"a\":\"yes\",\"b\":\"1e3\",\"c\":\"x: y\",\"d\":\"two\\nlines\",\"no\":\"\"}",
		"a: \"yes\"\nb: \"1e3\"\nc: \"x: y\"\nd: \"two\\nlines\"\n\"no\": \"\"\n");
}

static void large_numbers_keep_their_digits(void **state)
{
	check("[1795000000123,0.1,-3]", "- 1795000000123\n- 0.1\n- -3\n");
}

static void what_does_not_fit_is_an_error(void **state)
{
	autobuf out;
	buf_init(&out, 8);
	cJSON *parsed = cJSON_Parse("{\"a\":\"0123456789012345\"}");
	assert_int_equal(yaml_print(parsed, &out), -ENOSPC);
	cJSON_Delete(parsed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_told_as_yaml_in_its_order),
		cmocka_unit_test(text_that_looks_like_something_else_stays_text),
		cmocka_unit_test(large_numbers_keep_their_digits),
		cmocka_unit_test(what_does_not_fit_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
