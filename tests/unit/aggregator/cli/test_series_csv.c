// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/cli/series_csv.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct why why;

static int read_bytes(const char *data, size_t len, int64_t step_s, struct series_csv *ret)
{
	char path[] = "/tmp/petrel-csv-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
	why = (struct why){0};
	int r = series_csv_read(path, step_s, ret, &why);
	unlink(path);
	return r;
}

static int read_text(const char *text, int64_t step_s, struct series_csv *ret)
{
	return read_bytes(text, strlen(text), step_s, ret);
}

static void a_plain_file_is_read_as_it_is(void **state)
{
	struct series_csv s;
	assert_int_equal(read_text("timestamp,value\n3600,1.5\n7200,\n10800,-2e3\n", 3600, &s), 0);
	assert_int_equal(s.start_s, 3600);
	assert_int_equal(s.n, 3);
	assert_true(s.y[0] == 1.5 && isnan(s.y[1]) && s.y[2] == -2000);
	assert_int_equal(s.missing, 1);
	struct buf b;
	buf_init(&b, 1000);
	series_csv_repairs(&s, &b);
	assert_int_equal(b.len, 0);
	buf_done(&b);
	series_csv_done(&s);
}

static void a_gap_becomes_missing_values(void **state)
{
	struct series_csv s;
	assert_int_equal(read_text("t,v\n0,1\n60,2\n300,3\n", 0, &s), 0);
	assert_int_equal(s.step_s, 60);
	assert_int_equal(s.n, 6);
	assert_true(s.y[1] == 2 && isnan(s.y[2]) && isnan(s.y[4]) && s.y[5] == 3);
	series_csv_done(&s);
}

static void finer_rows_are_averaged_in_bins_aligned_to_the_epoch_and_it_is_said(void **state)
{
	struct series_csv s;
	assert_int_equal(read_text("t,v\n330,1\n390,3\n600,5\n660,NA\n", 300, &s), 0);
	assert_int_equal(s.start_s, 300);
	assert_int_equal(s.n, 2);
	assert_true(s.y[0] == 2 && s.y[1] == 5);
	struct buf b;
	buf_init(&b, 1000);
	series_csv_repairs(&s, &b);
	assert_non_null(strstr(b.data, "4 rows averaged into 2 bins of 300 s"));
	buf_done(&b);
	series_csv_done(&s);
}

static void times_of_people_are_read_as_utc(void **state)
{
	struct series_csv s;
	assert_int_equal(read_text("timestamp,value\n\"2014-02-14 14:30:00\",1\r\n"
				   "2014-02-14T15:30:00Z,2\r\n1392395400.0,3\n",
				 3600, &s),
		0);
	assert_int_equal(s.start_s, 1392388200);
	assert_int_equal(s.n, 3);
	assert_true(s.y[2] == 3);
	series_csv_done(&s);
}

static void an_exact_repetition_counts_once(void **state)
{
	struct series_csv s;
	assert_int_equal(read_text("t,v\n0,1\n60,2\n60,2\n120,3\n", 60, &s), 0);
	assert_int_equal(s.repeated, 1);
	assert_int_equal(s.first_repeated_line, 4);
	assert_true(s.n == 3 && s.y[1] == 2);
	series_csv_done(&s);
}

static void refused(const char *text, const char *place)
{
	struct series_csv s;
	assert_int_equal(read_text(text, 60, &s), -EBADMSG);
	if (!strstr(why.text, place))
		fail_msg("'%s' lacks '%s'", why.text, place);
}

static void what_cannot_be_understood_is_refused_with_its_line(void **state)
{
	refused("t,v\n0,1\n60,two\n", "line 3: not a finite number 'two'");
	refused("t,v\n0,1\n60,inf\n", "line 3: not a finite number 'inf'");
	refused("t,v\n0,1e999\n", "line 2: not a finite number");
	refused("t,v\nyesterday,1\n", "line 2: not a timestamp 'yesterday'");
	refused("t,v\n0,1\n60\n", "line 3: a row needs two fields");
	refused("t,v\n0,1,2\n", "line 2: more than two fields");
	refused("t,v\n60,1\n0,2\n", "line 3: timestamps must ascend");
	refused("t,v\n60,1\n60,2\n", "line 3: the same timestamp");
	refused("t,v\n0,1\n99999999999,2\n", "line 3: the timestamps span more");
	refused("t,v\n99999999999999,2\n", "line 2: timestamp out of range");
	refused("just words\n", "line 1: the header");
	refused("t,v\n0,1\n60,-inf\n", "line 3: not a finite number '-inf'");
	refused("t,v\n0,1\n60,2e30\n", "line 3: larger than 1e30");
	refused("t,v\n1700000000000,2\n", "line 2: timestamp out of range (seconds");
	refused("t,v\r0,1\r60,2\r", "line 1: a carriage return inside");
	refused("\xff\xfet\n", "line 1: UTF-16");
	refused("t;v\n0;1\n", "line 1: the header must be timestamp,value");
	struct series_csv s;
	assert_int_equal(read_bytes("t,v\n0,1\n6\0,2\n", 13, 60, &s), -EBADMSG);
	assert_non_null(strstr(why.text, "line 3"));
	char *lots = malloc(10001);
	memset(lots, '1', 10000);
	lots[10000] = '\0';
	assert_int_equal(read_text(lots, 60, &s), -EBADMSG);
	assert_non_null(strstr(why.text, "line 1: line too long"));
	free(lots);
	assert_int_equal(series_csv_read("/nonexistent/file", 60, &s, &why), -ENOENT);
	assert_int_equal(series_csv_read("/tmp", 60, &s, &why), -EIO);
}

static void what_editors_leave_around_the_text_changes_nothing(void **state)
{
	struct series_csv s;
	assert_int_equal(read_text("\xef\xbb\xbftimestamp,value\r\n0,1\r\n60,2\r\n", 0, &s), 0);
	assert_true(s.n == 2 && s.y[0] == 1 && s.y[1] == 2);
	series_csv_done(&s);
	// no header: the mark must not make a header of the first row
	assert_int_equal(read_text("\xef\xbb\xbf"
				   "0,1\n60,2\n\n  \n120,3",
				 0, &s),
		0);
	assert_true(s.n == 3 && s.y[0] == 1 && s.y[2] == 3);
	series_csv_done(&s);
	assert_int_equal(read_text("\"0\",\"1\"\n\"60\",\"2\"\n", 0, &s), 0);
	assert_true(s.n == 2 && s.y[0] == 1 && s.y[1] == 2);
	series_csv_done(&s);
}

static void rows_off_the_grid_move_to_their_bin_and_the_first_is_named(void **state)
{
	struct series_csv s;
	struct buf b;
	buf_init(&b, 1000);
	assert_int_equal(read_text("t,v\n0,1\n60,2\n125,3\n180,4\n", 60, &s), 0);
	assert_true(s.n == 4 && s.y[2] == 3 && s.moved == 1);
	series_csv_repairs(&s, &b);
	assert_non_null(strstr(b.data, "1 rows moved to the grid of 60 s (first at line 4)"));
	series_csv_done(&s);
	buf_done(&b);
}

static void a_step_far_below_the_rows_distance_is_said(void **state)
{
	struct series_csv s;
	struct buf b;
	buf_init(&b, 1000);
	assert_int_equal(read_text("t,v\n0,1\n3600,2\n7200,3\n", 60, &s), 0);
	series_csv_repairs(&s, &b);
	assert_non_null(
		strstr(b.data, "rows are 3600 s apart, so 118 of 121 steps of 60 s are missing"));
	series_csv_done(&s);
	buf_done(&b);
}

static void an_empty_file_is_an_empty_series(void **state)
{
	struct series_csv s;
	assert_int_equal(read_text("", 60, &s), 0);
	assert_int_equal(s.n, 0);
	series_csv_done(&s);
	assert_int_equal(read_text("timestamp,value\n", 60, &s), 0);
	assert_int_equal(s.n, 0);
	series_csv_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_file_is_read_as_it_is),
		cmocka_unit_test(a_gap_becomes_missing_values),
		cmocka_unit_test(
			finer_rows_are_averaged_in_bins_aligned_to_the_epoch_and_it_is_said),
		cmocka_unit_test(times_of_people_are_read_as_utc),
		cmocka_unit_test(an_exact_repetition_counts_once),
		cmocka_unit_test(what_cannot_be_understood_is_refused_with_its_line),
		cmocka_unit_test(what_editors_leave_around_the_text_changes_nothing),
		cmocka_unit_test(rows_off_the_grid_move_to_their_bin_and_the_first_is_named),
		cmocka_unit_test(a_step_far_below_the_rows_distance_is_said),
		cmocka_unit_test(an_empty_file_is_an_empty_series),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
