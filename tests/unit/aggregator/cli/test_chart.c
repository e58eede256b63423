// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cli/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double row[QUANTILE_COUNT] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static struct chart_fan fan(const double *y, size_t n, const double (*rows)[QUANTILE_COUNT])
{
	return (struct chart_fan){.title = "a <b> & \"c\"",
		.y = y,
		.n = n,
		.start_s = 1700000000,
		.step_s = 3600,
		.origin = n,
		.rows = rows,
		.horizon = 2,
		.width = 600,
		.height = 300,
		.alone = true};
}

static void what_comes_from_outside_is_escaped(void **state)
{
	const double y[] = {1, 2, NAN, 3};
	double rows[2][QUANTILE_COUNT];
	memcpy(rows[0], row, sizeof(row));
	memcpy(rows[1], row, sizeof(row));
	struct chart_fan c = fan(y, 4, (const double(*)[QUANTILE_COUNT])rows);
	autobuf out;
	buf_init(&out, 1 << 20);
	chart_fan(&c, &out);
	assert_non_null(strstr(out.data, "a &lt;b&gt; &amp; &quot;c&quot;"));
	assert_null(strstr(out.data, "<b>"));
	assert_null(strstr(out.data, "nan"));
	assert_non_null(strstr(out.data, "prefers-color-scheme:dark"));
	// the line breaks at the gap: two moves
	const char *truth = strstr(out.data, "<path class=\"truth\" d=\"M62");
	assert_non_null(truth);
	const char *end = strchr(truth + 24, '"');
	size_t moves = 0;
	for (const char *p = truth + 22; p < end; p++)
		moves += *p == 'M';
	assert_int_equal(moves, 2);
}

static void series_without_any_spread_have_a_picture_too(void **state)
{
	const double zero[] = {0, 0}, none[] = {NAN, NAN}, huge[] = {1e30, -1e30};
	const double *all[] = {zero, none, huge};
	double rows[2][QUANTILE_COUNT] = {0};
	for (size_t i = 0; i < 3; i++) {
		struct chart_fan c = fan(all[i], 2, (const double(*)[QUANTILE_COUNT])rows);
		autobuf out;
		buf_init(&out, 1 << 20);
		chart_fan(&c, &out);
		assert_false(buf_failed(&out));
		assert_null(strstr(out.data, "nan"));
		assert_null(strstr(out.data, "inf"));
	}
}

static void numbers_are_short(void **state)
{
	char text[16];
	assert_string_equal(chart_number(0, text), "0");
	assert_string_equal(chart_number(12.5, text), "12.5");
	assert_string_equal(chart_number(-1250, text), "-1.25k");
	assert_string_equal(chart_number(999.9, text), "1k");
	assert_string_equal(chart_number(3e9, text), "3G");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_from_outside_is_escaped),
		cmocka_unit_test(series_without_any_spread_have_a_picture_too),
		cmocka_unit_test(numbers_are_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
