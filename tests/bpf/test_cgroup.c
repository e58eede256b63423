// SPDX-License-Identifier: Apache-2.0
// Events of cgroups: which, in what order, with which inode and path; and what happens when nobody
// reads them.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bpf/load.h"
#include "tests/bpf/load_probe.h"

struct seen {
	uint64_t inode; // of interest
	enum probe_event_kind kinds[16];
	size_t n;
	char path[LOAD_PATH];
	uint32_t level, hierarchy;
	size_t any;
};

static void on_event(void *arg, const struct probe_event *e)
{
	struct seen *s = arg;
	s->any++;
	if (e->inode != s->inode || !strstr(e->text, "petrel-") || s->n == 16)
		return;
	s->kinds[s->n++] = e->kind;
	s->level = e->level;
	s->hierarchy = e->hierarchy;
	snprintf(s->path, sizeof(s->path), "%s", e->text);
}

static void the_life_of_a_cgroup_is_told_in_order(void **state)
{
	static const enum probe_event_kind story[] = {
		PROBE_MKDIR, PROBE_POPULATED, PROBE_EMPTY, PROBE_RMDIR};
	char parent[LOAD_PATH], child[LOAD_PATH + 16];
	struct seen seen = {.n = 0};
	struct load l;
	struct probe *p = watch_new(DUTY_OFF, 0);
	struct pollfd fd = {.fd = probe_events_fd(p), .events = POLLIN};
	assert_true(fd.fd >= 0);
	assert_int_equal(cgroup_make("", "petrel-life", parent), 0);
	snprintf(child, sizeof(child), "%s/petrel-child", parent);
	assert_int_equal(mkdir(child, 0755), 0);
	seen.inode = cgroup_inode(child);
	const char *const in[] = {child, NULL};
	load_start(&l, 1, -1, false, in);
	sleep_ms(50);
	load_stop(&l);
	cgroup_remove(child);
	cgroup_remove(parent);
	assert_int_equal(poll(&fd, 1, 1000), 1);
	assert_true(probe_events(p, on_event, &seen) >= 4);
	assert_int_equal(seen.n, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(seen.kinds[i], story[i]);
	assert_string_equal(seen.path, "/petrel-life/petrel-child");
	assert_int_equal(seen.level, 2);
	assert_int_equal(seen.hierarchy, 0);
	assert_int_equal(poll(&fd, 1, 0), 0); // all read: the loop may sleep
	probe_free(p);
}

static void events_that_nobody_reads_are_lost_and_counted(void **state)
{
	char path[LOAD_PATH];
	struct probe_losses lost;
	struct seen seen = {.n = 0};
	struct probe *p = watch_new(DUTY_OFF, 0);
	for (int i = 0; i < 600; i++) { // two events each
		assert_int_equal(cgroup_make("", "petrel-flood", path), 0);
		cgroup_remove(path);
	}
	probe_losses(p, &lost);
	assert_true(lost.events > 0);
	int n = probe_events(p, on_event, &seen);
	assert_in_range(n, 300, 1199);
	assert_int_equal(seen.any, n);
	assert_true(n + lost.events >= 1200);
	// and the ring works again
	cgroup_make("", "petrel-flood", path);
	cgroup_remove(path);
	assert_true(probe_events(p, on_event, &seen) >= 2);
	probe_free(p);
}

static void a_very_long_path_is_cut_and_stays_text(void **state)
{
	char path[LOAD_PATH], name[LOAD_PATH + 256];
	struct seen seen = {.n = 0};
	struct probe *p = watch_new(DUTY_OFF, 0);
	assert_int_equal(cgroup_make("", "petrel-long", path), 0);
	snprintf(name, sizeof(name), "%s/%0200d", path, 1);
	assert_int_equal(mkdir(name, 0755), 0);
	seen.inode = 0;
	size_t len = strlen(name);
	snprintf(name + len, sizeof(name) - len, "/%0100d", 2);
	assert_int_equal(mkdir(name, 0755), 0);
	seen.inode = cgroup_inode(name);
	probe_events(p, on_event, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(strlen(seen.path), 255);
	rmdir(name);
	name[len] = '\0';
	rmdir(name);
	cgroup_remove(path);
	probe_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_life_of_a_cgroup_is_told_in_order),
		cmocka_unit_test(events_that_nobody_reads_are_lost_and_counted),
		cmocka_unit_test(a_very_long_path_is_cut_and_stays_text),
	};
	load_need_root();
	char path[LOAD_PATH];
	if (cgroup_make("", "petrel-here", path) < 0)
		load_skip("no v2 cgroup hierarchy is mounted");
	cgroup_remove(path);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
