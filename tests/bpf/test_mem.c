// SPDX-License-Identifier: Apache-2.0
// A memory cgroup too small for what runs in it: reclaim stalls, then the OOM killer.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/load.h"
#include "tests/bpf/load_probe.h"

static char cgroup[LOAD_PATH];

struct seen {
	struct probe_event event;
	char text[64];
	size_t n;
};

static void on_event(void *arg, const struct probe_event *e)
{
	struct seen *s = arg;
	if (e->kind != PROBE_OOM || e->inode != cgroup_inode(cgroup))
		return;
	s->event = *e;
	strncpy(s->text, e->text, sizeof(s->text) - 1);
	s->n++;
}

static int limit(const char *bytes)
{
	int r = cgroup_write(cgroup, "memory.max", bytes);
	return r < 0 ? cgroup_write(cgroup, "memory.limit_in_bytes", bytes) : r;
}

static void eat(size_t bytes)
{
	char *all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < bytes; i += 4096)
		all[i] = (char)i;
}

static void the_victim_of_the_oom_killer_is_reported_with_its_cgroup(void **state)
{
	struct seen seen = {.n = 0};
	int status;
	struct probe *p = watch_new(DUTY_OFF, 0);
	assert_int_equal(limit("16777216"), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (cgroup_enter(cgroup, 0) < 0)
			_exit(1);
		eat(128 << 20);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	probe_events(p, on_event, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.event.pid, pid);
	assert_int_equal(seen.event.level, 1);
	assert_true(seen.event.controllers & PROBE_CONTROLLER_MEMORY);
	assert_string_equal(seen.text, "bpf_test_mem");
	probe_free(p);
}

// Page cache of a large file in a small cgroup: every further page needs an older one reclaimed.
static int write_much(void)
{
	static char block[1 << 16];
	char path[] = "/var/tmp/petrel-mem-XXXXXX";
	int fd = mkstemp(path);
	if (fd < 0 || cgroup_enter(cgroup, 0) < 0)
		return 1;
	unlink(path);
	for (int i = 0; i < 1024; i++) {
		if (write(fd, block, sizeof(block)) != sizeof(block))
			return 2;
	}
	return 0;
}

static void reclaim_stalls_are_timed_and_belong_to_the_memory_cgroup(void **state)
{
	int status;
	struct probe *p = watch_new(DUTY_OFF, 0);
	assert_int_equal(limit("8388608"), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(write_much());
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	const struct probe_row *row = watch_row(p, PROBE_MEM, cgroup_inode(cgroup));
	assert_true(row->values[0] > 1000);
	assert_true(row->values[0] < 60000000000u);
	assert_true(watch_hist(row, 0) > 0);
	probe_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_victim_of_the_oom_killer_is_reported_with_its_cgroup),
		cmocka_unit_test(reclaim_stalls_are_timed_and_belong_to_the_memory_cgroup),
	};
	load_need_root();
	if (cgroup_make("memory", "petrel-mem", cgroup) < 0)
		load_skip("no memory controller");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	cgroup_remove(cgroup);
	return failed;
}
