// SPDX-License-Identifier: Apache-2.0
// Whatever the kernel refuses is a line of the capability report, and the rest goes on.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/probe/privilege.h"
#include "proto/base/clock.h"
#include "tests/bpf/load.h"
#include "tests/bpf/load_probe.h"

static struct probe *new_with(const char *const *refused, const char *btf_path)
{
	struct probe_options o;
	struct probe *p = NULL;
	probe_options_init(&o);
	o.duty = DUTY_FULL;
	o.refused = refused;
	o.btf_path = btf_path;
	if (probe_new(&p, &o, NULL) < 0)
		return NULL;
	probe_tick(p, clock_mono_ns());
	return p;
}

static struct hook_status hook(struct probe *p, const char *name)
{
	struct hook_status h[16];
	size_t n = probe_hooks(p, h, 16);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(h[i].name, name) == 0)
			return h[i];
	}
	return (struct hook_status){.state = HOOK_OFF, .error = -ENOENT};
}

static int read_some(struct probe *p, enum probe_source source)
{
	struct probe_row rows[4];
	struct probe_reading r = {.rows = rows, .max_rows = 4};
	return probe_read(p, source, clock_mono_ns(), &r);
}

static void a_refused_scheduler_program_leaves_the_others_at_work(void **state)
{
	static const char *const refused[] = {"on_switch", NULL};
	struct probe *p = new_with(refused, NULL);
	assert_int_equal(hook(p, "sched").state, HOOK_REFUSED);
	assert_int_equal(hook(p, "sched").error, -EPERM);
	assert_true(strlen(hook(p, "sched").detail) > 0);
	assert_int_equal(read_some(p, PROBE_SCHED), -ENODATA);
	assert_int_equal(hook(p, "block").state, HOOK_ATTACHED);
	assert_int_equal(hook(p, "tcp").state, HOOK_ATTACHED);
	assert_int_equal(hook(p, "mem").state, HOOK_ATTACHED);
	assert_int_equal(hook(p, "cgroup").state, HOOK_ATTACHED);
	assert_int_equal(read_some(p, PROBE_TCP), 0);
	probe_free(p);
}

static void a_group_that_lost_one_program_says_which(void **state)
{
	static const char *const refused[] = {"on_retransmit", "on_victim", NULL};
	struct probe *p = new_with(refused, NULL);
	assert_int_equal(hook(p, "tcp").state, HOOK_FALLBACK);
	assert_non_null(strstr(hook(p, "tcp").detail, "3 of 4"));
	assert_non_null(strstr(hook(p, "tcp").detail, "on_retransmit"));
	assert_int_equal(hook(p, "mem").state, HOOK_FALLBACK);
	assert_int_equal(read_some(p, PROBE_TCP), 0);
	assert_int_equal(read_some(p, PROBE_MEM), 0);
	probe_free(p);
}

static void assert_nothing_works_and_nothing_breaks(struct probe *p)
{
	struct probe_losses lost;
	uint64_t ns, runs;
	for (int s = 0; s < PROBE_SOURCES; s++)
		assert_int_equal(read_some(p, (enum probe_source)s), -ENODATA);
	probe_arm(p, clock_mono_ns());
	probe_set_duty(p, DUTY_CYCLE, clock_mono_ns());
	assert_true(probe_tick(p, clock_mono_ns()) > 0);
	assert_int_equal(probe_events(p, NULL, NULL), 0);
	assert_int_equal(probe_events_fd(p), -ENODATA);
	assert_int_equal(probe_cost(p, &ns, &runs), -ENODATA);
	probe_losses(p, &lost);
	assert_int_equal(lost.events + lost.overflow + lost.missed + lost.reused, 0);
}

static void a_kernel_without_btf_is_one_line_and_no_ebpf(void **state)
{
	struct probe *p = new_with(NULL, "/nonexistent/btf");
	assert_int_equal(hook(p, "btf").state, HOOK_REFUSED);
	assert_int_equal(hook(p, "btf").error, -ENOENT);
	assert_int_equal(hook(p, "sched").state, HOOK_REFUSED);
	assert_nothing_works_and_nothing_breaks(p);
	probe_free(p);
}

static void a_broken_btf_file_is_refused_group_by_group(void **state)
{
	char path[] = "/tmp/petrel-btf-XXXXXX";
	int fd = mkstemp(path);
	assert_int_equal(write(fd, "not BTF at all", 14), 14);
	close(fd);
	struct probe *p = new_with(NULL, path);
	unlink(path);
	assert_int_equal(hook(p, "sched").state, HOOK_REFUSED);
	assert_true(hook(p, "sched").error < 0);
	assert_nothing_works_and_nothing_breaks(p);
	probe_free(p);
}

// In a child without any capability; every check is a return value, the parent asserts.
static int without_capabilities(void)
{
	if (setresgid(65532, 65532, 65532) < 0 || setresuid(65532, 65532, 65532) < 0)
		return 1;
	struct probe *p = new_with(NULL, NULL);
	if (!p)
		return 2;
	static const char *const groups[] = {"sched", "block", "tcp", "mem", "cgroup"};
	for (size_t i = 0; i < 5; i++) {
		struct hook_status h = hook(p, groups[i]);
		if (h.state != HOOK_REFUSED || h.error != -EPERM || !strstr(h.detail, "CAP_BPF")) {
			watch_print_hooks(p);
			return 3;
		}
	}
	if (hook(p, "btf").state != HOOK_ATTACHED || read_some(p, PROBE_SCHED) != -ENODATA)
		return 4;
	probe_arm(p, clock_mono_ns());
	probe_tick(p, clock_mono_ns());
	probe_free(p);
	return 0;
}

static void without_cap_bpf_every_group_says_what_it_needs(void **state)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(without_capabilities());
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void options_out_of_range_are_refused_with_words(void **state)
{
	struct probe_options o;
	struct probe *p = NULL;
	struct why why;
	probe_options_init(&o);
	o.cycle_on_ms = 20000; // longer than the cycle
	assert_int_equal(probe_new(&p, &o, &why), -EINVAL);
	assert_null(p);
	assert_true(strlen(why.text) > 0);
	probe_options_init(&o);
	o.max_cgroups = 1 << 20;
	assert_int_equal(probe_new(&p, &o, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_scheduler_program_leaves_the_others_at_work),
		cmocka_unit_test(a_group_that_lost_one_program_says_which),
		cmocka_unit_test(a_kernel_without_btf_is_one_line_and_no_ebpf),
		cmocka_unit_test(a_broken_btf_file_is_refused_group_by_group),
		cmocka_unit_test(without_cap_bpf_every_group_says_what_it_needs),
		cmocka_unit_test(options_out_of_range_are_refused_with_words),
	};
	load_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
