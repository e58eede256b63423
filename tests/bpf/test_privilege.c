// SPDX-License-Identifier: Apache-2.0
// uid 65532 with CAP_BPF + CAP_PERFMON and nothing else is enough for everything the probe does.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/probe/privilege.h"
#include "proto/base/clock.h"
#include "tests/bpf/load.h"
#include "tests/bpf/load_probe.h"

#define BIT(capability) (1ull << (capability))
#define BOTH            (BIT(CAP_BPF) | BIT(CAP_PERFMON))

static int in_child(int (*run)(void))
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(run());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

// All groups work, and go on working after a detach and re-attach.
static int use_probe(void)
{
	struct hook_status h[16];
	struct probe_row rows[8];
	struct probe_reading r = {.rows = rows, .max_rows = 8};
	struct probe *p = watch_new(DUTY_FULL, 0);
	probe_set_duty(p, DUTY_OFF, clock_mono_ns());
	probe_set_duty(p, DUTY_FULL, clock_mono_ns());
	sleep_ms(100);
	size_t n = probe_hooks(p, h, 16);
	for (size_t i = 0; i < n; i++) {
		if (h[i].state != HOOK_ATTACHED)
			return 20;
	}
	if (probe_read(p, PROBE_SCHED, clock_mono_ns(), &r) < 0 || r.n_rows == 0)
		return 21;
	if (probe_read(p, PROBE_TCP, clock_mono_ns(), &r) < 0)
		return 22;
	probe_free(p);
	return 0;
}

static int check_rights(void)
{
	struct privileges p;
	char text[64];
	if (privilege_read(&p) < 0)
		return 10;
	if (p.effective != BOTH || p.permitted != BOTH || p.inheritable || p.ambient)
		return 11;
	if (p.uid != PRIVILEGE_UID || p.gid != PRIVILEGE_UID || getuid() != PRIVILEGE_UID)
		return 12;
	if (p.no_new_privs != 1)
		return 13;
	privilege_text(&p, text, sizeof(text));
	if (strcmp(text, "CAP_BPF,CAP_PERFMON") != 0)
		return 14;
	return setuid(0) == 0 ? 15 : 0;
}

static int from_root(void)
{
	struct privileges p;
	struct why why;
	if (privilege_drop(PRIVILEGE_UID, PRIVILEGE_UID, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	if (privilege_read(&p) < 0 || p.bounding != 0)
		return 2; // root may empty it, so it must be empty
	int r = check_rights();
	return r ? r : use_probe();
}

static void root_drops_to_the_two_and_all_programs_load(void **state)
{
	assert_int_equal(in_child(from_root), 0);
}

// As in the container: already 65532, the two capabilities ambient, no CAP_SETPCAP.
static int from_ambient(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	struct why why;
	data[CAP_BPF / 32].permitted = data[CAP_BPF / 32].inheritable =
		data[CAP_BPF / 32].effective = (uint32_t)(BOTH >> 32);
	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (setresgid(65532, 65532, 65532) < 0 || setresuid(65532, 65532, 65532) < 0)
		return 3;
	if (syscall(SYS_capset, &head, data) < 0)
		return 4;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_BPF, 0, 0) < 0 ||
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_PERFMON, 0, 0) < 0)
		return 5;
	if (privilege_drop(PRIVILEGE_UID, PRIVILEGE_UID, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		return 6;
	}
	int r = check_rights();
	return r ? r : use_probe();
}

static void a_container_with_ambient_capabilities_drops_the_rest_and_all_programs_load(void **state)
{
	assert_int_equal(in_child(from_ambient), 0);
}

static int from_nobody(void)
{
	struct privileges p;
	char text[64];
	if (setresgid(65532, 65532, 65532) < 0 || setresuid(65532, 65532, 65532) < 0)
		return 1;
	if (privilege_drop(PRIVILEGE_UID, PRIVILEGE_UID, NULL) < 0)
		return 2; // nothing to keep is no failure: the probe reports what it misses
	if (privilege_read(&p) < 0 || p.effective || p.permitted)
		return 3;
	privilege_text(&p, text, sizeof(text));
	if (strcmp(text, "none") != 0)
		return 4;
	return privilege_drop(1234, 1234, NULL) < 0 ? 0 : 5; // not allowed to change the user
}

static void who_has_no_rights_keeps_none_and_cannot_change_the_user(void **state)
{
	assert_int_equal(in_child(from_nobody), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_drops_to_the_two_and_all_programs_load),
		cmocka_unit_test(
			a_container_with_ambient_capabilities_drops_the_rest_and_all_programs_load),
		cmocka_unit_test(who_has_no_rights_keeps_none_and_cannot_change_the_user),
	};
	load_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
