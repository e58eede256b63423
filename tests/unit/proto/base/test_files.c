// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/files.h"

#include <sys/resource.h>

static void the_soft_limit_becomes_the_hard_one(void **state)
{
	struct rlimit l;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = 64;
	l.rlim_max = 512;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
	assert_int_equal(files_limit(), 64);
	assert_int_equal(files_raise(), 512);
	assert_int_equal(files_limit(), 512);
	assert_int_equal(files_raise(), 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_soft_limit_becomes_the_hard_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
