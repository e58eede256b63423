// SPDX-License-Identifier: Apache-2.0
// The scheduler program on this kernel, with cgroups and processes of known behaviour.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "tests/bpf/load.h"
#include "tests/bpf/load_probe.h"

enum { WAIT, ONCPU, INVOLUNTARY, FOREIGN }; // columns of PROBE_SCHED

static void make(const char *name, char path[LOAD_PATH])
{
	assert_int_equal(cgroup_make("cpu", name, path), 0);
}

static void spinners_on_one_cpu_wait_for_each_other(void **state)
{
	char path[LOAD_PATH];
	const char *const in[] = {path, NULL};
	struct load l;
	struct probe *p = watch_new(DUTY_FULL, 0);
	make("petrel-spin", path);
	assert_int_equal(load_start(&l, 3, 0, true, in), 0);
	sleep_ms(1500);
	uint64_t waited = load_schedstat(&l, 1);
	load_stop(&l);
	const struct probe_row *row = watch_row(p, PROBE_SCHED, cgroup_inode(path));
	assert_true(waited > 1000000000u); // two of three always wait
	assert_true(row->values[WAIT] > waited / 100 * 95);
	assert_true(row->values[WAIT] < waited / 100 * 105);
	assert_true(row->values[ONCPU] > 100000000u);
	assert_true(row->values[INVOLUNTARY] > 20);
	// each waits again, but for the last time of each: they died waiting
	assert_true(watch_hist(row, 0) + 3 >= row->values[INVOLUNTARY]);
	assert_true(watch_hist(row, 1) >= row->values[INVOLUNTARY]);
	uint64_t long_waits = 0; // a wait behind another spinner is at least a tick or so
	for (unsigned b = hist_bucket(HIST_RUNQ_LATENCY, 1000000); b < HIST_BUCKETS; b++)
		long_waits += row->hists[0][b];
	assert_true(long_waits > 20);
	cgroup_remove(path);
	probe_free(p);
}

static void a_neighbour_in_another_cgroup_shows_as_foreign_preemptions(void **state)
{
	char mine[LOAD_PATH], theirs[LOAD_PATH];
	const char *const in_mine[] = {mine, NULL}, *const in_theirs[] = {theirs, NULL};
	struct load a, b;
	struct probe *p = watch_new(DUTY_FULL, 0);
	make("petrel-mine", mine);
	make("petrel-theirs", theirs);
	load_start(&a, 1, 0, true, in_mine);
	load_start(&b, 1, 0, true, in_theirs);
	sleep_ms(1000);
	load_stop(&a);
	load_stop(&b);
	const struct probe_row *row = watch_row(p, PROBE_SCHED, cgroup_inode(mine));
	assert_true(row->values[FOREIGN] > 10);
	assert_true(row->values[FOREIGN] <= row->values[INVOLUNTARY]);
	cgroup_remove(mine);
	cgroup_remove(theirs);
	probe_free(p);
}

// A child that computes for about a millisecond in the cgroup, is switched out once, and dies.
static void run_briefly(const char *path)
{
	pid_t pid = fork();
	if (pid == 0) {
		uint64_t end = clock_mono_ns() + 1000000;
		cgroup_enter(path, 0);
		while (clock_mono_ns() < end)
			continue;
		usleep(1);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void a_css_id_that_is_used_again_starts_from_zero(void **state)
{
	char path[LOAD_PATH];
	struct probe_losses lost;
	struct probe *p = watch_new(DUTY_FULL, 0);
	for (int i = 0; i < 150; i++) {
		char name[32];
		snprintf(name, sizeof(name), "petrel-reuse-%d", i);
		make(name, path);
		run_briefly(path);
		const struct probe_row *row = watch_row(p, PROBE_SCHED, cgroup_inode(path));
		assert_true(row->values[ONCPU] > 0);
		assert_true(row->values[ONCPU] < 30000000u); // what one could do, not what all did
		cgroup_remove(path);
	}
	probe_losses(p, &lost);
	assert_true(lost.reused > 0); // else this test has tested nothing
	assert_int_equal(lost.overflow, 0);
	probe_free(p);
}

// One child that goes through all of them: two thousand forks would take a minute here.
static void visit(char paths[][LOAD_PATH], size_t n)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < n; i++) {
			if (cgroup_enter(paths[i], 0) < 0)
				_exit(1);
			usleep(1);
		}
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static size_t count_known(struct probe *p, const uint64_t *inodes, size_t n)
{
	const struct probe_row *rows;
	size_t n_rows = watch_all(p, PROBE_SCHED, &rows), found = 0;
	for (size_t i = 0; i < n; i++) {
		for (size_t r = 0; r < n_rows; r++) {
			if (rows[r].inode == inodes[i] && rows[r].values[ONCPU] > 0) {
				found++;
				break;
			}
		}
	}
	return found;
}

static void two_thousand_cgroups_have_a_row_each_and_a_small_table_counts_its_overflow(void **state)
{
	enum { MANY = 2000, SMALL = 510 };
	static char paths[MANY][LOAD_PATH];
	static uint64_t inodes[MANY];
	struct probe_losses lost;
	struct probe *large = watch_new(DUTY_FULL, 4094), *small = watch_new(DUTY_FULL, SMALL);
	for (size_t i = 0; i < MANY; i++) {
		char name[32];
		snprintf(name, sizeof(name), "petrel-many-%zu", i);
		make(name, paths[i]);
		inodes[i] = cgroup_inode(paths[i]);
	}
	visit(paths, MANY);
	// a switch can go unseen (this kernel runs no tracing program while certain tasks are
	// current)
	for (int again = 0; again < 5 && count_known(large, inodes, MANY) < MANY; again++)
		visit(paths, MANY);
	assert_int_equal(count_known(large, inodes, MANY), MANY);
	probe_losses(large, &lost);
	assert_int_equal(lost.overflow, 0);

	size_t known = count_known(small, inodes, MANY);
	assert_in_range(known, 1, SMALL); // low ids may be taken, also by cgroups on their way out
	const struct probe_row *rest = watch_row(small, PROBE_SCHED, PROBE_OVERFLOW);
	assert_true(rest->values[ONCPU] > 0);
	assert_true(watch_hist(rest, 0) >= MANY - known);
	probe_losses(small, &lost);
	assert_true(lost.overflow >= MANY - known);
	for (size_t i = 0; i < MANY; i++)
		cgroup_remove(paths[i]);
	probe_free(large);
	probe_free(small);
}

static void rows_that_do_not_fit_are_counted(void **state)
{
	struct probe *p = watch_new(DUTY_FULL, 0);
	char path[LOAD_PATH];
	struct probe_row row;
	struct probe_reading r = {.rows = &row, .max_rows = 1};
	make("petrel-second", path);
	run_briefly(path);
	assert_int_equal(probe_read(p, PROBE_SCHED, clock_mono_ns(), &r), 0);
	assert_int_equal(r.n_rows, 1);
	assert_true(r.left_out >= 1);
	cgroup_remove(path);
	probe_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spinners_on_one_cpu_wait_for_each_other),
		cmocka_unit_test(a_neighbour_in_another_cgroup_shows_as_foreign_preemptions),
		cmocka_unit_test(a_css_id_that_is_used_again_starts_from_zero),
		cmocka_unit_test(
			two_thousand_cgroups_have_a_row_each_and_a_small_table_counts_its_overflow),
		cmocka_unit_test(rows_that_do_not_fit_are_counted),
	};
	load_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
