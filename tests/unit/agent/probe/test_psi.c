// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/probe/psi.h"

static void windows_that_the_kernel_would_refuse_are_refused_here(void **state)
{
	assert_int_equal(psi_open("/proc/pressure/cpu", false, 50, 1000), -EINVAL);
	assert_int_equal(psi_open("/proc/pressure/cpu", false, 50, 0), -EINVAL);
	assert_int_equal(psi_open("/proc/pressure/cpu", false, 0, 2000), -EINVAL);
	assert_int_equal(psi_open("/proc/pressure/cpu", false, 2000, 2000), -EINVAL);
	assert_int_equal(psi_open("/nonexistent/cpu.pressure", false, 50, 2000), -ENOENT);
}

static void the_trigger_is_written_in_microseconds(void **state)
{
	char path[] = "/tmp/petrel-psi-XXXXXX", text[64] = {0};
	close(mkstemp(path));
	int fd = psi_open(path, true, 150, 4000);
	assert_true(fd >= 0);
	assert_true(pread(fd, text, sizeof(text), 0) > 0);
	assert_string_equal(text, "full 150000 4000000");
	psi_close(&fd);
	assert_int_equal(fd, -1);
	psi_close(&fd);
	unlink(path);
}

static void an_error_from_poll_is_the_end_of_the_trigger(void **state)
{
	assert_int_equal(psi_event(POLLPRI), 1);
	assert_int_equal(psi_event(0), 0);
	assert_int_equal(psi_event(POLLERR | POLLPRI), -ENODEV);
	assert_int_equal(psi_event(POLLNVAL), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_that_the_kernel_would_refuse_are_refused_here),
		cmocka_unit_test(the_trigger_is_written_in_microseconds),
		cmocka_unit_test(an_error_from_poll_is_the_end_of_the_trigger),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
