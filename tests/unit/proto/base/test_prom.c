// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/prom.h"

#include <math.h>

static void samples_are_written_as_prometheus_reads_them(void **state)
{
	autobuf out;
	buf_init(&out, 4096);
	struct prom p;
	prom_init(&p, &out);
	prom_family(&p, "petrel_x_total", "counter", "What it counts.");
	prom_sample(&p, PROM_LABELS({"cluster", "a"}, {"left_out", NULL}, {"node", "b"}), 3);
	prom_sample(&p, PROM_LABELS({"left_out", NULL}), 0.25);
	prom_single(&p, "petrel_y", "gauge", "Big.", 1795503030.123);
	assert_string_equal(out.data, "# HELP petrel_x_total What it counts.\n"
				      "# TYPE petrel_x_total counter\n"
				      "petrel_x_total{cluster=\"a\",node=\"b\"} 3\n"
				      "petrel_x_total 0.25\n"
				      "# HELP petrel_y Big.\n# TYPE petrel_y gauge\n"
				      "petrel_y 1795503030.123\n");
}

static void a_hostile_label_value_stays_inside_its_quotes(void **state)
{
	autobuf out;
	buf_init(&out, 4096);
	struct prom p = {.out = &out, .name = "m"};
	prom_sample(&p, PROM_LABELS({"l", "a\"} 1\nb\\"}), 1);
	assert_string_equal(out.data, "m{l=\"a\\\"} 1\\nb\\\\\"} 1\n");
}

static void what_is_not_known_is_absent(void **state)
{
	autobuf out;
	buf_init(&out, 4096);
	struct prom p = {.out = &out, .name = "m"};
	prom_sample(&p, NULL, 0, NAN);
	assert_int_equal(out.len, 0);
	prom_sample(&p, NULL, 0, INFINITY);
	assert_string_equal(out.data, "m +Inf\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_written_as_prometheus_reads_them),
		cmocka_unit_test(a_hostile_label_value_stays_inside_its_quotes),
		cmocka_unit_test(what_is_not_known_is_absent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
