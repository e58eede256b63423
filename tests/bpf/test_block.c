// SPDX-License-Identifier: Apache-2.0
// The block program with a known number of direct I/Os from a cgroup of its own.
//
// Some hardened kernels run no tracing program in the context of certain tasks: a completion that
// interrupts one of them is not seen. That can only take away, so the best of several short rounds
// must be exact and no round may show too much.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/load.h"
#include "tests/bpf/load_probe.h"

enum { READ, WRITE, IOS, ROUNDS = 20, PER_ROUND = 100 };

static char cgroup[LOAD_PATH];
static struct disk disk;

static void one_round(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(cgroup_enter(cgroup, 0) < 0 || disk_run(&disk, PER_ROUND) < 0);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static void each_io_is_counted_once_with_its_bytes_and_latency(void **state)
{
	struct probe *p = watch_new(DUTY_FULL, 0);
	uint64_t inode = cgroup_inode(cgroup), best = 0, total = 0;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t before = watch_row(p, PROBE_BLOCK, inode)->values[IOS];
		one_round();
		uint64_t ios = watch_row(p, PROBE_BLOCK, inode)->values[IOS] - before;
		assert_true(ios <= PER_ROUND);
		best = ios > best ? ios : best;
		total += ios;
	}
	assert_int_equal(best, PER_ROUND);
	const struct probe_row *row = watch_row(p, PROBE_BLOCK, inode);
	assert_int_equal(row->values[READ] + row->values[WRITE], total * 4096);
	assert_in_range(row->values[READ], total * 4096 / 4, total * 4096 / 4 * 3);
	assert_int_equal(watch_hist(row, 0), total);
	assert_int_equal(watch_hist(row, 1), total);
	assert_true(hist_quantile(HIST_BLOCK_LATENCY, &(struct hist){.buckets = {0}}, 500) == 0);
	struct hist latency;
	for (int b = 0; b < HIST_BUCKETS; b++)
		latency.buckets[b] = row->hists[0][b];
	assert_in_range(hist_quantile(HIST_BLOCK_LATENCY, &latency, 500), 2000, 2000000000);
	probe_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_io_is_counted_once_with_its_bytes_and_latency),
	};
	load_need_root();
	if (cgroup_make("blkio", "petrel-block", cgroup) < 0)
		load_skip("no blkio or io controller");
	if (disk_open(&disk, "/var/tmp") < 0)
		load_skip("/var/tmp is on no block device that takes O_DIRECT");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	disk_close(&disk);
	cgroup_remove(cgroup);
	return failed;
}
