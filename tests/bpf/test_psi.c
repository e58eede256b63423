// SPDX-License-Identifier: Apache-2.0
// Pressure triggers of this kernel: they fire under load, die with their cgroup, and say so.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/probe/psi.h"
#include "tests/bpf/load.h"
#include "tests/bpf/load_probe.h"

static char cgroup[LOAD_PATH], pressure[LOAD_PATH + 32];

static int wait_for(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLPRI};
	int n = poll(&p, 1, timeout_ms);
	return n == 1 ? psi_event(p.revents) : 0;
}

static void crowding_a_cpu_fires_the_trigger_at_most_once_per_window(void **state)
{
	struct load l;
	const char *const in[] = {cgroup, NULL};
	int fd = psi_open(pressure, false, 100, 2000);
	assert_true(fd >= 0);
	assert_int_equal(wait_for(fd, 100), 0); // nobody is in the cgroup
	load_start(&l, 4, 0, true, in);
	assert_int_equal(wait_for(fd, 30000),
		1); // entering a cgroup alone may take seconds on a busy machine
	assert_int_equal(wait_for(fd, 500), 0);
	load_stop(&l);
	psi_close(&fd);
	assert_int_equal(fd, -1);
}

static void a_trigger_whose_cgroup_is_gone_says_that_it_is_dead(void **state)
{
	char path[LOAD_PATH], file[LOAD_PATH + 32];
	assert_int_equal(cgroup_make("", "petrel-psi-gone", path), 0);
	snprintf(file, sizeof(file), "%s/cpu.pressure", path);
	int fd = psi_open(file, false, 20, 2000);
	assert_true(fd >= 0);
	cgroup_remove(path);
	assert_int_equal(wait_for(fd, 3000), -ENODEV);
	psi_close(&fd);
}

static void a_user_without_capabilities_may_have_windows_of_two_seconds(void **state)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (setresgid(65532, 65532, 65532) < 0 || setresuid(65532, 65532, 65532) < 0)
			_exit(1);
		bool may_write = access("/proc/pressure/cpu", W_OK) == 0; // 0644 on old kernels
		_exit(may_write && psi_open("/proc/pressure/cpu", false, 20, 2000) < 0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crowding_a_cpu_fires_the_trigger_at_most_once_per_window),
		cmocka_unit_test(a_trigger_whose_cgroup_is_gone_says_that_it_is_dead),
		cmocka_unit_test(a_user_without_capabilities_may_have_windows_of_two_seconds),
	};
	load_need_root();
	if (cgroup_make("", "petrel-psi", cgroup) < 0)
		load_skip("no v2 cgroup hierarchy is mounted");
	snprintf(pressure, sizeof(pressure), "%s/cpu.pressure", cgroup);
	int fd = psi_open(pressure, false, 20, 2000);
	if (fd < 0) {
		cgroup_remove(cgroup);
		load_skip("the kernel has no pressure files (psi=0)");
	}
	psi_close(&fd);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	cgroup_remove(cgroup);
	return failed;
}
