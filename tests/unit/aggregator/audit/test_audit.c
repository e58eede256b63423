// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/audit/audit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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
	DIR *d = opendir(dir);
	char name[400];
	for (struct dirent *e; (e = readdir(d));) {
		snprintf(name, sizeof(name), "%s/%s", dir, e->d_name);
		unlink(name);
	}
	closedir(d);
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
	assert_int_equal(audit_verify((const char *const[]){path}, 1, NULL, &report), 0);
	assert_int_equal(report.entries, 4);
	int fd = open(path, O_RDWR);
	size_t len = (size_t)read(fd, text, sizeof(text) - 1);
	text[len] = '\0';
	change(text, &len);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, len, 0), len);
	close(fd);
	assert_int_equal(audit_verify((const char *const[]){path}, 1, NULL, &report), -EBADMSG);
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

static int64_t later_ms; // added to the clock

static int64_t moving_ms(void)
{
	return 1700000000123 + later_ms;
}

static struct audit *opened_signed(uint64_t max_bytes)
{
	static char key[128];
	struct audit *a;
	struct why why = {0};
	snprintf(key, sizeof(key), "%s/key", dir);
	const struct audit_options o = {
		.path = path, .key_path = key, .max_bytes = max_bytes, .wall_ms = moving_ms};
	if (audit_open(&a, &o, &why))
		fail_msg("%s", why.text);
	return a;
}

static int verify_signed(const char *const *paths, size_t n, struct audit_report *report)
{
	char public[128];
	snprintf(public, sizeof(public), "%s/key.pub", dir);
	return audit_verify(paths, n, public, report);
}

static void append_plans(struct audit *a, int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(
			audit_append(a, ENTRY("plan", "c", "p", "{\"cost\":100}"), NULL), 0);
}

static void many_lines_are_one_append(void **state)
{
	struct audit *a = opened();
	const struct audit_entry good = *ENTRY("intent", "c", "p", "{}");
	const struct audit_entry lines[] = {good, good, good};
	const struct audit_entry with_bad[] = {good, *ENTRY("intent", "c", "p", "{")};
	struct audit_report report;
	assert_int_equal(audit_append_all(a, lines, 3, NULL), 0);
	assert_int_equal(audit_append_all(a, with_bad, 2, NULL), -EINVAL);
	assert_int_equal(audit_seq(a), 3);
	audit_close(a);
	assert_int_equal(audit_verify((const char *const[]){path}, 1, NULL, &report), 0);
	assert_int_equal(report.last_seq, 3);
}

static void checkpoints_are_signed_by_count_and_by_time(void **state)
{
	struct audit *a = opened_signed(0);
	struct audit_report report;
	append_plans(a, 256); // and the 257th is the checkpoint
	assert_int_equal(audit_seq(a), 257);
	later_ms += 60000;
	append_plans(a, 1);
	assert_int_equal(audit_seq(a), 259);
	audit_close(a);
	assert_int_equal(verify_signed((const char *const[]){path}, 1, &report), 0);
	assert_int_equal(report.checkpoints, 2);
	assert_int_equal(report.signed_seq, 259);
	assert_true(report.head_checked);
}

static void whole_lines_cut_off_the_end_are_found(void **state)
{
	struct audit *a = opened_signed(0);
	struct audit_report report;
	struct stat st;
	append_plans(a, 3);
	assert_int_equal(stat(path, &st), 0);
	append_plans(a, 2);
	audit_close(a);
	assert_int_equal(truncate(path, st.st_size), 0);
	assert_int_equal(audit_verify((const char *const[]){path}, 1, NULL, &report), 0);
	assert_int_equal(verify_signed((const char *const[]){path}, 1, &report), -EBADMSG);
	assert_non_null(strstr(report.text, "missing at the end"));
}

static void a_chain_made_again_is_not_signed(void **state)
{
	struct audit *a = opened_signed(0);
	struct audit_report report;
	append_plans(a, 3);
	audit_close(a);
	unlink(path); // the forger writes a whole new chain of as many lines
	a = opened();
	for (int i = 0; i < 3; i++)
		assert_int_equal(audit_append(a, ENTRY("plan", "c", "p", "{}"), NULL), 0);
	audit_close(a);
	assert_int_equal(verify_signed((const char *const[]){path}, 1, &report), -EBADMSG);
}

static void another_key_proves_nothing(void **state)
{
	struct audit *a = opened_signed(0);
	struct audit_report report;
	char key[128];
	append_plans(a, 300);
	audit_close(a);
	snprintf(key, sizeof(key), "%s/key", dir);
	unlink(key);
	a = opened_signed(0); // makes a new key
	audit_close(a);
	snprintf(key, sizeof(key), "%s.head", path);
	unlink(key);
	assert_int_equal(verify_signed((const char *const[]){path}, 1, &report), -EBADMSG);
	assert_int_equal(report.bad_line, 257);
}

static void limit_files(rlim_t most)
{
	struct rlimit l;
	getrlimit(RLIMIT_FSIZE, &l);
	l.rlim_cur = most;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

// A limit of the file's size does here what a full disk does: a write beyond it fails.
static void lines_that_found_no_room_are_a_gap_that_the_file_tells_of(void **state)
{
	struct audit *a = opened();
	struct audit_report r;
	struct why why;
	struct stat st;
	const char *const paths[] = {path};
	signal(SIGXFSZ, SIG_IGN);
	append_plans(a, 2);
	stat(path, &st);
	limit_files((rlim_t)st.st_size);
	for (int i = 0; i < 3; i++)
		assert_int_equal(audit_append(a, ENTRY("plan", "c", "lost", "{}"), &why), -EFBIG);
	audit_mend(a);
	assert_false(audit_ok(a));
	assert_int_equal(audit_lost(a), 3);
	limit_files(RLIM_INFINITY);
	audit_mend(a);
	assert_true(audit_ok(a));
	assert_int_equal(audit_append(a, ENTRY("plan", "c", "kept", "{}"), &why), 0);
	audit_close(a);
	assert_int_equal(audit_verify(paths, 1, NULL, &r), 0);
	assert_int_equal(r.entries, 4);
	assert_int_equal(r.gaps, 1);
	assert_int_equal(r.lost, 3);
	assert_non_null(strstr(r.gap, "File too large"));
}

static void a_large_file_is_moved_and_the_chain_goes_on(void **state)
{
	struct audit *a = opened_signed(2000);
	struct audit_report report;
	char moved[128];
	while (access(path, F_OK) == 0 && audit_seq(a) < 100) {
		struct stat st;
		append_plans(a, 1);
		assert_int_equal(stat(path, &st), 0);
		if (st.st_size == 0)
			break;
	}
	snprintf(moved, sizeof(moved), "%s.%d", path, (int)audit_seq(a));
	assert_int_equal(access(moved, F_OK), 0);
	uint64_t before = audit_seq(a);
	audit_close(a); // right after the move, before any line of the new file
	a = opened_signed(2000);
	assert_int_equal(audit_seq(a), before);
	append_plans(a, 2);
	audit_close(a);
	assert_int_equal(verify_signed((const char *const[]){moved, path}, 2, &report), 0);
	assert_int_equal(report.last_seq, before + 2);
	assert_int_equal(verify_signed((const char *const[]){path, moved}, 2, &report), -EBADMSG);
}

static void the_private_key_is_for_its_owner_only(void **state)
{
	struct stat st;
	char key[128];
	audit_close(opened_signed(0));
	snprintf(key, sizeof(key), "%s/key", dir);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_lines_are_one_append),
		TEST(checkpoints_are_signed_by_count_and_by_time),
		TEST(whole_lines_cut_off_the_end_are_found),
		TEST(a_chain_made_again_is_not_signed),
		TEST(another_key_proves_nothing),
		TEST(a_large_file_is_moved_and_the_chain_goes_on),
		TEST(lines_that_found_no_room_are_a_gap_that_the_file_tells_of),
		TEST(the_private_key_is_for_its_owner_only),
		TEST(lines_come_back_newest_first),
		cmocka_unit_test_setup_teardown(
			what_is_no_json_or_too_large_is_refused_and_not_written, make_dir,
			drop_dir),
		TEST(an_unfinished_last_line_is_cut_off_and_told),
		TEST(a_changed_last_line_is_refused_and_left_alone),
		TEST(an_edit_is_found),
		TEST(a_removed_line_is_found),
		TEST(swapped_lines_are_found),
		TEST(a_cut_line_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
