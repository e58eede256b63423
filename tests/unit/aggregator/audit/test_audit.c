// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/audit/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY(k, c, i, j)                                                                          \
	(&(struct audit_entry){.kind = (k), .cluster = (c), .id = (i), .json = (j)})

static int64_t wall_ms(void)
{
	return 1700000000123;
}

static char dir[64], path[96];

static int make_dir(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/petrel-audit-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/audit.jsonl", dir);
	return 0;
}

static int drop_dir(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static struct audit *opened(void)
{
	struct audit *a;
	struct why why = {0};
	int r = audit_open(&a, &(struct audit_options){.path = path, .wall_ms = wall_ms}, &why);
	if (r)
		fail_msg("%s", why.text);
	return a;
}

static int collect(void *arg, const struct audit_entry *e)
{
	char *out = arg;
	assert_int_equal(e->ts_ms, 1700000000123);
	snprintf(out + strlen(out), 200, "%d %s %s %s %s;", (int)e->seq, e->kind, e->cluster, e->id,
		e->json);
	return 0;
}

static void lines_come_back_newest_first(void **state)
{
	struct audit *a = opened();
	char got[500] = "";
	assert_int_equal(audit_append(a, ENTRY("plan", "c1", "p1", "{\"a\":\n1}"), NULL), 0);
	assert_int_equal(
		audit_append(a, ENTRY("outcome", "c\"<1>", ",\"body\":\"", "[1,\"x\\n\"]"), NULL),
		0);
	assert_int_equal(audit_tail(a, 10, collect, got), 0);
	assert_string_equal(
		got, "2 outcome c\"<1> ,\"body\":\" [1,\"x\\n\"];1 plan c1 p1 {\"a\": 1};");
	audit_close(a);
	a = opened(); // and after a restart
	got[0] = 0;
	assert_int_equal(audit_append(a, ENTRY("plan", "c1", "p2", "3"), NULL), 0);
	assert_int_equal(audit_tail(a, 1, collect, got), 0);
	assert_string_equal(got, "3 plan c1 p2 3;");
	audit_close(a);
}

static void what_is_no_json_or_too_large_is_refused_and_not_written(void **state)
{
	struct audit *a = opened();
	struct why why;
	assert_int_equal(audit_append(a, ENTRY("plan", "c", "i", "{"), &why), -EINVAL);
	assert_int_equal(audit_append(a, ENTRY("plan", "c", "i", "{} x"), &why), -EINVAL);
	assert_int_equal(audit_append(a, ENTRY("", "c", "i", "{}"), &why), -E2BIG);
	char *large = calloc(1, AUDIT_MAX_BODY_BYTES + 2);
	memset(large, '1', AUDIT_MAX_BODY_BYTES + 1);
	assert_int_equal(audit_append(a, ENTRY("plan", "c", "i", large), &why), -E2BIG);
	free(large);
	assert_int_equal(audit_seq(a), 0);
	assert_true(audit_ok(a));
	audit_close(a);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void an_unfinished_last_line_is_cut_off_and_told(void **state)
{
	struct audit *a = opened();
	char got[500] = "";
	assert_int_equal(audit_append(a, ENTRY("plan", "c", "p", "{}"), NULL), 0);
	audit_close(a);
	int fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "{\"seq\":2,", 9), 9);
	close(fd);
	a = opened();
	assert_int_equal(audit_tail(a, 5, collect, got), 0);
	assert_string_equal(got, "2 recovered   {\"torn_bytes\":9};1 plan c p {};");
	audit_close(a);
}

static void a_changed_last_line_is_refused_and_left_alone(void **state)
{
	struct audit *a = opened(), *b;
	struct why why;
	assert_int_equal(audit_append(a, ENTRY("plan", "c", "p", "{\"cost\":100}"), NULL), 0);
	assert_int_equal(
		audit_open(&b, &(struct audit_options){.path = path, .wall_ms = wall_ms}, &why),
		-EBUSY);
	audit_close(a);
	int fd = open(path, O_RDWR);
	char text[400] = "";
	ssize_t len = read(fd, text, sizeof(text) - 1);
	char *digit = strstr(text, "100");
	assert_int_equal(pwrite(fd, "900", 3, digit - text), 3);
	assert_int_equal(
		audit_open(&b, &(struct audit_options){.path = path, .wall_ms = wall_ms}, &why),
		-EBADMSG);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, len);
	close(fd);
}

// Four lines, changed in one way; expects the chain to break at that line.
static void expect_broken(void (*change)(char *text, size_t *len), uint64_t line)
{
	struct audit *a = opened();
	struct audit_report report;
	char text[4096];
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			audit_append(a, ENTRY("plan", "c", "p", "{\"cost\":100}"), NULL), 0);
	audit_close(a);
	assert_int_equal(audit_verify(path, &report), 0);
	assert_int_equal(report.entries, 4);
	int fd = open(path, O_RDWR);
	size_t len = (size_t)read(fd, text, sizeof(text) - 1);
	text[len] = '\0';
	change(text, &len);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, len, 0), len);
	close(fd);
	assert_int_equal(audit_verify(path, &report), -EBADMSG);
	assert_int_equal(report.bad_line, line);
}

static char *second_line(char *text)
{
	return strchr(text, '\n') + 1;
}

static void edit_second(char *text, size_t *len)
{
	memcpy(strstr(second_line(text), "100"), "900", 3);
}

static void remove_second(char *text, size_t *len)
{
	char *second = second_line(text), *third = second_line(second);
	memmove(second, third, strlen(third) + 1);
	*len = strlen(text);
}

static void swap_second_and_third(char *text, size_t *len)
{
	char *second = second_line(text), *third = second_line(second),
	     *fourth = second_line(third), copy[1024];
	size_t n = (size_t)(third - second), m = (size_t)(fourth - third);
	memcpy(copy, second, n);
	memmove(second, third, m);
	memcpy(second + m, copy, n);
}

static void cut_the_end(char *text, size_t *len)
{
	*len -= 10;
}

static void an_edit_is_found(void **state)
{
	expect_broken(edit_second, 2);
}

static void a_removed_line_is_found(void **state)
{
	expect_broken(remove_second, 2);
}

static void swapped_lines_are_found(void **state)
{
	expect_broken(swap_second_and_third, 2);
}

static void a_cut_line_is_found(void **state)
{
	expect_broken(cut_the_end, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_come_back_newest_first, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
			what_is_no_json_or_too_large_is_refused_and_not_written, make_dir,
			drop_dir),
		cmocka_unit_test_setup_teardown(
			an_unfinished_last_line_is_cut_off_and_told, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
			a_changed_last_line_is_refused_and_left_alone, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(an_edit_is_found, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(a_removed_line_is_found, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(swapped_lines_are_found, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(a_cut_line_is_found, make_dir, drop_dir),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
