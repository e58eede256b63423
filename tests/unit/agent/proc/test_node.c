// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/proc/node.h"
#include "tests/unit/agent/proc/folder.h"

#include <errno.h>

#define has(s, m) scope_has(&(s), METRIC_##m)
#define val(s, m) ((s).values[METRIC_##m])

struct fixture {
	struct folder f;
	struct node *node;
	char proc[128], sys[128];
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	folder_make(&x->f);
	folder_dir(&x->f, "proc");
	folder_dir(&x->f, "sys/block/vda");
	folder_dir(&x->f, "sys/block/vdb");
	folder_dir(&x->f, "sys/class/net/eth0/device");
	folder_dir(&x->f, "sys/class/net/veth1");
	snprintf(x->proc, sizeof(x->proc), "%s/proc", x->f.path);
	snprintf(x->sys, sizeof(x->sys), "%s/sys", x->f.path);
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;
	node_free(x->node);
	folder_remove(&x->f);
	free(x);
	return 0;
}

static void start(struct fixture *x)
{
	const struct node_options o = {
		.proc = x->proc, .sys = x->sys, .root = "", .ticks_per_s = 100};
	assert_int_equal(node_new(&x->node, &o), 0);
}

#define DISK(name, ios, sectors, ms) " 254 0 " name " " ios " 0 " sectors " 0 0 0 0 0 0 " ms " 0\n"

static void only_whole_disks_and_real_interfaces_count(void **state)
{
	struct fixture *x = *state;
	folder_write(&x->f, "proc/diskstats",
		DISK("vda", "10", "2", "100") DISK("vda1", "10", "2", "100")
			DISK("loop0", "10", "2", "100") DISK("dm-0", "10", "2", "100"));
	folder_write(&x->f, "proc/net/dev",
		"eth0: 5 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\nveth1: 100 0 0 0 0 0 0 0 100 0 0 0 0 0 0 "
		"0\n"
		"lo: 100 0 0 0 0 0 0 0 100 0 0 0 0 0 0 0\nens5: 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0\n");
	start(x);
	struct scope s;
	node_read(x->node, false, &s);
	assert_int_equal(val(s, DISK_IOS), 10);
	assert_int_equal(val(s, DISK_READ), 1024);
	assert_int_equal(val(s, NET_RX), 6); // ens5 is not in this /sys: judged by its name
	assert_int_equal(val(s, NET_TX), 8);
}

static void disk_time_is_that_of_the_busiest_disk_in_each_tick(void **state)
{
	struct fixture *x = *state;
	folder_write(
		&x->f, "proc/diskstats", DISK("vda", "1", "1", "500") DISK("vdb", "1", "1", "9"));
	start(x);
	struct scope s;
	node_read(x->node, false, &s);
	int64_t first = val(s, DISK_IO_TIME);
	folder_write(
		&x->f, "proc/diskstats", DISK("vda", "1", "1", "510") DISK("vdb", "1", "1", "99"));
	node_read(x->node, false, &s);
	assert_int_equal(val(s, DISK_IO_TIME) - first, 90);
	folder_write(
		&x->f, "proc/diskstats", DISK("vda", "1", "1", "540") DISK("vdb", "1", "1", "3"));
	node_read(x->node, false, &s); // vdb was exchanged: its counter went back
	assert_int_equal(val(s, DISK_IO_TIME) - first, 120);
}

static void a_missing_file_is_missing_values_and_a_hook_status(void **state)
{
	struct fixture *x = *state;
	start(x);
	struct scope s;
	node_read(x->node, true, &s);
	assert_int_equal(s.present, 0);
	struct hook_status hooks[4];
	assert_int_equal(node_hooks(x->node, hooks, 4), 2);
	assert_string_equal(hooks[0].name, "psi");
	assert_int_equal(hooks[0].state, HOOK_OFF);
	assert_int_equal(hooks[0].error, -ENOENT);
	assert_string_equal(hooks[1].name, "procfs");
	assert_int_equal(hooks[1].state, HOOK_REFUSED);
	const struct node_options none = {
		.proc = "/nonexistent", .sys = "/sys", .root = "", .ticks_per_s = 100};
	struct node *n;
	assert_int_equal(node_new(&n, &none), -ENOENT);
}

static void the_fullest_local_file_system_counts(void **state)
{
	struct fixture *x = *state;
	folder_write(&x->f, "proc/self/mountinfo",
		"1 0 8:0 / / rw - ext4 /dev/a rw\n2 1 0:5 / /proc rw - proc proc rw\n"
		"3 1 8:1 / /nowhere rw - ext4 /dev/b rw\n");
	start(x);
	struct scope s;
	node_read(x->node, false, &s);
	assert_false(has(s, FS_USED)); // not looked at yet
	node_read(x->node, true, &s);
	assert_in_range(val(s, FS_USED), 1, 1000);
	node_read(x->node, false, &s);
	assert_true(has(s, FS_USED)); // repeated
}

static void a_thousand_interfaces_of_pods_do_not_hide_a_new_real_one(void **state)
{
	struct fixture *x = *state;
	start(x);
	node_free(x->node);
	char text[65536] = "";
	size_t n = 0;
	for (int i = 0; i < 500; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"eni%d: 100 0 0 0 0 0 0 0 100 0 0 0 0 0 0 0\n", i);
	snprintf(text + n, sizeof(text) - n, "eth0: 5 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\n");
	folder_write(&x->f, "proc/net/dev", text);
	start(x);
	struct scope s;
	node_read(x->node, false, &s);
	assert_int_equal(val(s, NET_RX), 5);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(only_whole_disks_and_real_interfaces_count),
		T(disk_time_is_that_of_the_busiest_disk_in_each_tick),
		T(a_missing_file_is_missing_values_and_a_hook_status),
		T(the_fullest_local_file_system_counts),
		T(a_thousand_interfaces_of_pods_do_not_hide_a_new_real_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
