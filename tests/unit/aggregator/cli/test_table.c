// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cli/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *cleaned(const char *text)
{
	static char ret[64];
	return printable(text, ret, sizeof(ret));
}

static void a_terminal_never_gets_a_control_character(void **state)
{
	assert_string_equal(cleaned("a\033[2Jb"), "a?[2Jb");
	assert_string_equal(cleaned("a\nb\tc\rd\x7f"), "a?b?c?d?");
	assert_string_equal(cleaned("\xc2\x9b"
				    "31m"),
		"?31m"); // the one-character form of ESC [
	assert_string_equal(cleaned("\xff\xfe ok"), "?? ok");
	assert_string_equal(cleaned("\xe2\x82"), "??"); // the end is missing
	assert_string_equal(cleaned("z\xc3\xbcrich \xe2\x82\xac"), "z\xc3\xbcrich \xe2\x82\xac");
}

static void a_text_is_cut_between_characters(void **state)
{
	char ret[4];
	assert_string_equal(printable("ab\xe2\x82\xac", ret, sizeof(ret)), "ab");
	assert_string_equal(printable("\xe2\x82\xac"
				      "b",
				    ret, sizeof(ret)),
		"\xe2\x82\xac");
}

static void columns_line_up_and_wide_ones_stay_hidden(void **state)
{
	static const struct column columns[] = {COLUMN("NAME", .most = 6),
		COLUMN("N", .right = true), COLUMN("MORE", .wide = true)};
	struct table t;
	autobuf out;
	buf_init(&out, 4096);
	table_init(&t, columns, 3, false, false);
	table_cell(&t, STYLE_BAD, "abcdefgh");
	table_cell(&t, STYLE_PLAIN, "%d", 7);
	table_cell(&t, STYLE_PLAIN, "hidden");
	table_cell(&t, STYLE_PLAIN, "\xc3\xbc");
	table_cell(&t, STYLE_PLAIN, "%d", 1234);
	table_cell(&t, STYLE_PLAIN, "hidden");
	table_print(&t, &out);
	assert_string_equal(out.data, "NAME       N\n"
				      "abcde\xe2\x80\xa6     7\n"
				      "\xc3\xbc       1234\n");
	buf_reset(&out);
	t.wide = t.color = true;
	table_print(&t, &out);
	assert_non_null(strstr(out.data, "hidden"));
	assert_non_null(strstr(out.data, "\033[31mabcde\xe2\x80\xa6\033[0m"));
	table_done(&t);
}

static void figures_are_short_and_carry_their_unit(void **state)
{
	char r[FIGURE_BYTES];
	assert_string_equal(figure_percent(433, r), "43%");
	assert_string_equal(figure_percent(NAN, r), "-");
	assert_string_equal(figure_cores(1250, r), "1.25");
	assert_string_equal(figure_bytes(0, r), "0 B");
	assert_string_equal(figure_bytes(1536, r), "1.5 KiB");
	assert_string_equal(figure_bytes(16.0 * (1 << 30), r), "16 GiB");
	assert_string_equal(figure_duration(235000, r), "235 us");
	assert_string_equal(figure_duration(4.25e6, r), "4.2 ms");
	assert_string_equal(figure_duration(192e9, r), "3m 12s");
	assert_string_equal(figure_duration(7500e9, r), "2h 5m");
	assert_string_equal(figure_duration(300e12, r), "3d 11h");
	assert_string_equal(figure_duration(-1, r), "-");
	assert_string_equal(figure_duration(NAN, r), "-");
	assert_string_equal(figure_usd(192000, r), "$0.192/h");
	assert_string_equal(figure_clock(1700000000000, r), "22:13:20Z");
	assert_string_equal(figure_date(1700000000000, r), "2023-11-14 22:13Z");
	assert_string_equal(figure_date(NAN, r), "-");
	figure_duration(INFINITY, r);
	figure_bytes(INFINITY, r);
	figure_date(1e300, r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_never_gets_a_control_character),
		cmocka_unit_test(a_text_is_cut_between_characters),
		cmocka_unit_test(columns_line_up_and_wide_ones_stay_hidden),
		cmocka_unit_test(figures_are_short_and_carry_their_unit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
