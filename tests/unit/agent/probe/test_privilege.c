// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/capability.h>
#include <string.h>
#include <unistd.h>

#include "agent/probe/privilege.h"

static void capabilities_are_named_and_the_rest_is_counted(void **state)
{
	struct privileges p = {.effective = 0};
	char text[64];
	privilege_text(&p, text, sizeof(text));
	assert_string_equal(text, "none");
	p.effective = 1ull << CAP_BPF | 1ull << CAP_PERFMON;
	privilege_text(&p, text, sizeof(text));
	assert_string_equal(text, "CAP_BPF,CAP_PERFMON");
	p.effective |= 1ull << CAP_CHOWN | 1ull << CAP_KILL;
	privilege_text(&p, text, sizeof(text));
	assert_string_equal(text, "CAP_BPF,CAP_PERFMON,2 more");
	p.effective = 1ull << CAP_KILL;
	privilege_text(&p, text, sizeof(text));
	assert_string_equal(text, "1 more");
}

static void a_small_buffer_is_not_overrun(void **state)
{
	struct privileges p = {.effective = ~0ull};
	char text[16];
	memset(text, 'x', sizeof(text));
	privilege_text(&p, text, 8);
	assert_true(memchr(text, '\0', 8) != NULL);
	assert_int_equal(text[8], 'x');
}

static void what_is_read_is_about_this_process(void **state)
{
	struct privileges p;
	assert_int_equal(privilege_read(&p), 0);
	assert_int_equal(p.uid, geteuid());
	assert_int_equal(p.gid, getegid());
	assert_int_equal(p.effective & ~p.permitted, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_are_named_and_the_rest_is_counted),
		cmocka_unit_test(a_small_buffer_is_not_overrun),
		cmocka_unit_test(what_is_read_is_about_this_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
