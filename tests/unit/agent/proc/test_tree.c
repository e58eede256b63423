// SPDX-License-Identifier: Apache-2.0
// The tree and the files of cgroups, on folders that look like v2 and like v1.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/proc/cgroup.h"
#include "agent/proc/layout.h"
#include "agent/proc/tree.h"
#include "tests/unit/agent/proc/folder.h"

#include <errno.h>

#define POD_UID   "1a2b3c4d-0000-4111-8222-123456789abc"
#define POD       "/kubepods.slice/kubepods-pod1a2b3c4d_0000_4111_8222_123456789abc.slice"
#define HEX       "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CONTAINER POD "/cri-containerd-" HEX ".scope"

struct fixture {
	struct folder f;
	struct layout layout;
	struct tree *tree;
	struct cgroups *cgroups;
};

static void start(struct fixture *x, size_t max_slots, uint32_t max_fds)
{
	assert_int_equal(layout_init(&x->layout, folder_at(&x->f, "cgroup"), x->f.path), 0);
	assert_int_equal(tree_new(&x->tree, &x->layout, max_slots), 0);
	assert_int_equal(cgroups_new(&x->cgroups, &x->layout, max_slots, max_fds), 0);
}

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	folder_make(&x->f);
	for (int h = 0; h < HIERARCHY_COUNT; h++)
		x->layout.roots[h] = -1;
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;
	cgroups_free(x->cgroups);
	tree_free(x->tree);
	layout_done(&x->layout);
	folder_remove(&x->f);
	free(x);
	return 0;
}

static void v2(struct fixture *x)
{
	folder_write(&x->f, "cgroup/cgroup.controllers", "cpu io memory\n");
	folder_write(&x->f, "self/cgroup", "0::/\n");
	folder_dir(&x->f, "cgroup" CONTAINER "/inner");
	folder_dir(&x->f, "cgroup/system.slice/nginx.service");
}

static uint64_t inode_of(const struct fixture *x, const char *path)
{
	struct stat st;
	char name[1024];
	snprintf(name, sizeof(name), "cgroup%s", path);
	assert_int_equal(stat(folder_at(&x->f, name), &st), 0);
	return st.st_ino;
}

static int slot_named(const struct fixture *x, const char *path)
{
	for (size_t i = 0; i < tree_slots(x->tree); i++)
		if (tree_slot(x->tree, i)->id && strcmp(tree_slot(x->tree, i)->path, path) == 0)
			return (int)i;
	return -1;
}

static void a_walk_finds_owners_and_what_is_below_belongs_to_them(void **state)
{
	struct fixture *x = *state;
	v2(x);
	start(x, 16, 100);
	tree_walk(x->tree);
	assert_string_equal(layout_name(&x->layout), "v2");
	assert_int_equal(tree_count(x->tree), 3);
	int pod = slot_named(x, POD), container = slot_named(x, CONTAINER);
	assert_true(pod >= 0 && container >= 0);
	assert_int_equal(tree_slot(x->tree, (size_t)container)->pod, pod);
	assert_string_equal(tree_slot(x->tree, (size_t)pod)->pod_uid, POD_UID);
	enum hierarchy h = layout_find(&x->layout, "cpu");
	assert_int_equal(h, HIERARCHY_UNIFIED);
	assert_int_equal(tree_owner(x->tree, h, inode_of(x, CONTAINER "/inner")), container);
	assert_int_equal(tree_owner(x->tree, h, inode_of(x, POD)), pod);
	assert_int_equal(tree_owner(x->tree, h, inode_of(x, "/kubepods.slice")), -1);
	assert_int_equal(tree_owner(x->tree, h, 123456789), -1);
}

static void events_add_and_remove(void **state)
{
	struct fixture *x = *state;
	v2(x);
	start(x, 16, 100);
	tree_walk(x->tree);
	assert_int_equal(
		tree_add(x->tree, HIERARCHY_UNIFIED, "/system.slice/new.service", 4711), 0);
	int slot = slot_named(x, "/system.slice/new.service");
	assert_int_equal(tree_owner(x->tree, HIERARCHY_UNIFIED, 4711), slot);
	uint64_t id = tree_slot(x->tree, (size_t)slot)->id;
	tree_remove(x->tree, HIERARCHY_UNIFIED, "/system.slice/new.service");
	assert_int_equal(tree_owner(x->tree, HIERARCHY_UNIFIED, 4711), -1);
	assert_int_equal(slot_named(x, "/system.slice/new.service"), -1);
	// made again: another thing, although it may get the same slot
	tree_add(x->tree, HIERARCHY_UNIFIED, "/system.slice/new.service", 4712);
	slot = slot_named(x, "/system.slice/new.service");
	assert_true(tree_slot(x->tree, (size_t)slot)->id > id);
	// also when the removal was never seen
	id = tree_slot(x->tree, (size_t)slot)->id;
	tree_add(x->tree, HIERARCHY_UNIFIED, "/system.slice/new.service", 4713);
	slot = slot_named(x, "/system.slice/new.service");
	assert_true(tree_slot(x->tree, (size_t)slot)->id > id);
	assert_int_equal(tree_add(x->tree, HIERARCHY_UNIFIED, "/gone", 0), -ENOENT);
	assert_int_equal(tree_add(x->tree, HIERARCHY_UNIFIED, "relative", 1), -EINVAL);
	assert_int_equal(tree_add(x->tree, HIERARCHY_COUNT, "/a", 1), -EINVAL);
	tree_remove(x->tree, HIERARCHY_COUNT, "/a");
}

static void a_pod_that_goes_takes_its_containers_link_along(void **state)
{
	struct fixture *x = *state;
	v2(x);
	start(x, 16, 100);
	tree_walk(x->tree);
	int container = slot_named(x, CONTAINER);
	tree_remove(x->tree, HIERARCHY_UNIFIED, POD);
	assert_int_equal(tree_slot(x->tree, (size_t)container)->pod, -1);
}

static void another_walk_removes_what_is_gone(void **state)
{
	struct fixture *x = *state;
	v2(x);
	start(x, 16, 100);
	tree_walk(x->tree);
	rmdir(folder_at(&x->f, "cgroup/system.slice/nginx.service"));
	folder_dir(&x->f, "cgroup/system.slice/other.service");
	tree_walk(x->tree);
	assert_int_equal(slot_named(x, "/system.slice/nginx.service"), -1);
	assert_true(slot_named(x, "/system.slice/other.service") >= 0);
	assert_int_equal(tree_count(x->tree), 3);
}

static void owners_beyond_the_bound_are_counted_and_find_room_later(void **state)
{
	struct fixture *x = *state;
	folder_write(&x->f, "cgroup/cgroup.controllers", "\n");
	for (int i = 0; i < 20; i++) {
		char name[64];
		snprintf(name, sizeof(name), "cgroup/system.slice/u%d.service", i);
		folder_dir(&x->f, name);
	}
	start(x, 8, 100);
	tree_walk(x->tree);
	assert_int_equal(tree_count(x->tree), 8);
	assert_int_equal(tree_left_out(x->tree), 12);
	for (int i = 0; i < 15; i++) {
		char name[64];
		snprintf(name, sizeof(name), "cgroup/system.slice/u%d.service", i);
		rmdir(folder_at(&x->f, name));
	}
	tree_walk(x->tree);
	assert_int_equal(tree_count(x->tree), 5);
	assert_int_equal(tree_left_out(x->tree), 0);
}

static void hybrid_keeps_an_inode_per_hierarchy(void **state)
{
	struct fixture *x = *state;
	folder_write(&x->f, "self/cgroup",
		"4:memory:/\n3:blkio:/\n2:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n");
	folder_dir(&x->f, "cgroup/cpu/a");
	folder_dir(&x->f, "cgroup/memory/a");
	folder_dir(&x->f, "cgroup/unified/a");
	assert_int_equal(symlink("cpu", folder_at(&x->f, "cgroup/cpuacct")), 0);
	start(x, 16, 100);
	tree_walk(x->tree);
	assert_string_equal(layout_name(&x->layout), "hybrid");
	assert_int_equal(layout_find(&x->layout, "cpuacct"), HIERARCHY_CPU);   // one hierarchy
	assert_int_equal(layout_find(&x->layout, "blkio"), HIERARCHY_UNIFIED); // not mounted
	assert_int_equal(layout_by_id(&x->layout, 2), HIERARCHY_CPU);
	assert_int_equal(layout_by_id(&x->layout, 0), HIERARCHY_UNIFIED);
	assert_int_equal(layout_by_id(&x->layout, 1), HIERARCHY_COUNT);
	assert_int_equal(tree_count(x->tree), 1);
	uint64_t in_cpu = inode_of(x, "/cpu/a"), in_memory = inode_of(x, "/memory/a");
	assert_int_equal(tree_owner(x->tree, HIERARCHY_CPU, in_cpu), 0);
	assert_int_equal(tree_owner(x->tree, HIERARCHY_CPU, in_memory), -1);
	tree_remove(x->tree, HIERARCHY_CPU, "/a");
	tree_remove(x->tree, HIERARCHY_MEMORY, "/a");
	assert_int_equal(tree_count(x->tree), 1);
	tree_remove(x->tree, HIERARCHY_UNIFIED, "/a");
	assert_int_equal(tree_count(x->tree), 0);
}

#define FS_POD       "/kubepods/burstable/pod" POD_UID
#define FS_CONTAINER FS_POD "/" HEX

// A node of before systemd's time: v1 only, cpu and cpuacct in one hierarchy, the cgroupfs driver.
static void v1(struct fixture *x)
{
	static const char *const controllers[] = {"cpu,cpuacct", "memory", "blkio", "cpuset"};
	folder_write(&x->f, "self/cgroup",
		"5:cpuset:/\n4:memory:/\n3:blkio:/\n2:cpu,cpuacct:/\n1:name=systemd:/\n");
	for (size_t i = 0; i < 4; i++) {
		char path[1024];
		snprintf(path, sizeof(path), "cgroup/%s%s", controllers[i], FS_CONTAINER);
		folder_dir(&x->f, path);
	}
	folder_dir(&x->f, "cgroup/cpu,cpuacct/docker/" HEX);
	assert_int_equal(symlink("cpu,cpuacct", folder_at(&x->f, "cgroup/cpu")), 0);
	assert_int_equal(symlink("cpu,cpuacct", folder_at(&x->f, "cgroup/cpuacct")), 0);
	folder_write(&x->f, "cgroup/cpu" FS_POD "/cpu.stat",
		"nr_periods 10\nnr_throttled 2\nthrottled_time 7000\n");
	folder_write(&x->f, "cgroup/cpu" FS_POD "/cpu.cfs_quota_us", "150000\n");
	folder_write(&x->f, "cgroup/cpu" FS_POD "/cpu.cfs_period_us", "100000\n");
	folder_write(&x->f, "cgroup/cpu" FS_POD "/cpuacct.usage", "5000000\n");
	folder_write(&x->f, "cgroup/memory" FS_POD "/memory.usage_in_bytes", "4096\n");
	folder_write(&x->f, "cgroup/memory" FS_POD "/memory.limit_in_bytes", "8192\n");
	folder_write(&x->f, "cgroup/memory" FS_CONTAINER "/memory.usage_in_bytes", "1024\n");
	folder_write(&x->f, "cgroup/memory" FS_CONTAINER "/memory.limit_in_bytes",
		"9223372036854771712\n"); // v1's way to say none
	folder_write(&x->f, "cgroup/cpuset" FS_POD "/cpuset.effective_cpus", "0-1\n");
}

static void a_v1_node_with_the_cgroupfs_driver_has_its_pods_and_their_values(void **state)
{
	struct fixture *x = *state;
	struct scope raw;
	v1(x);
	start(x, 16, 100);
	tree_walk(x->tree);
	assert_string_equal(layout_name(&x->layout), "v1");
	assert_int_equal(layout_find(&x->layout, "cpu"), HIERARCHY_CPU);
	assert_int_equal(layout_find(&x->layout, ""), HIERARCHY_COUNT); // no v2 to find sockets in
	assert_int_equal(layout_by_id(&x->layout, 4), HIERARCHY_MEMORY);
	assert_int_equal(tree_count(x->tree), 3); // pod, container, and one of docker's own
	int pod = slot_named(x, FS_POD), container = slot_named(x, FS_CONTAINER);
	assert_true(pod >= 0 && container >= 0);
	const struct tree_slot *p = tree_slot(x->tree, (size_t)pod);
	const struct tree_slot *c = tree_slot(x->tree, (size_t)container);
	assert_int_equal(p->kind, CGROUP_POD);
	assert_string_equal(p->pod_uid, POD_UID);
	assert_int_equal(c->kind, CGROUP_CONTAINER);
	assert_string_equal(c->pod_uid, POD_UID);
	assert_string_equal(c->container_id, HEX);
	assert_int_equal(c->pod, pod);
	assert_int_equal(
		tree_owner(x->tree, HIERARCHY_CPU, inode_of(x, "/cpu" FS_CONTAINER)), container);
	assert_int_equal(tree_owner(x->tree, HIERARCHY_MEMORY, inode_of(x, "/memory" FS_POD)), pod);
	unsigned all = CGROUP_FAST | CGROUP_SLOW;
	assert_int_equal(cgroups_read(x->cgroups, (size_t)pod, p, all, &raw), 0);
	assert_int_equal(raw.values[METRIC_CPU_USAGE], 5000000);
	assert_int_equal(raw.values[METRIC_CPU_CAPACITY], 1500);
	assert_int_equal(raw.values[METRIC_CPU_THROTTLED_PERIODS], 2);
	assert_int_equal(raw.values[METRIC_MEM_USED], 4096);
	assert_int_equal(raw.values[METRIC_MEM_LIMIT], 8192);
	assert_false(scope_has(&raw, METRIC_PSI_CPU_SOME)); // pressure is v2's
	assert_int_equal(cgroups_cpus(x->cgroups, (size_t)pod), 2);
	assert_int_equal(cgroups_read(x->cgroups, (size_t)container, c, all, &raw), 0);
	assert_int_equal(raw.values[METRIC_MEM_USED], 1024);
	assert_false(scope_has(&raw, METRIC_MEM_LIMIT));
	assert_false(scope_has(&raw, METRIC_CPU_USAGE)); // no such file there
}

// The same driver on v2: minikube, kubeadm without systemd, k3s.
static void the_cgroupfs_driver_on_v2_has_the_same_pods(void **state)
{
	struct fixture *x = *state;
	folder_write(&x->f, "cgroup/cgroup.controllers", "cpu io memory\n");
	folder_write(&x->f, "self/cgroup", "0::/\n");
	folder_dir(&x->f, "cgroup" FS_CONTAINER);
	folder_dir(&x->f, "cgroup/kubepods/pod9d3f0c1b2a39485766778899aabbccdd/crio-" HEX);
	start(x, 16, 100);
	tree_walk(x->tree);
	assert_int_equal(tree_count(x->tree), 4);
	int pod = slot_named(x, FS_POD), container = slot_named(x, FS_CONTAINER);
	assert_true(pod >= 0 && container >= 0);
	assert_int_equal(tree_slot(x->tree, (size_t)container)->pod, pod);
	assert_int_equal(slot_named(x, "/kubepods/burstable"), -1);
	int fixed = slot_named(x, "/kubepods/pod9d3f0c1b2a39485766778899aabbccdd"); // a static pod
	assert_true(fixed >= 0);
	assert_string_equal(
		tree_slot(x->tree, (size_t)fixed)->pod_uid, "9d3f0c1b2a39485766778899aabbccdd");
}

static void write_v2_files(struct fixture *x)
{
	folder_write(&x->f, "cgroup" POD "/cpu.stat",
		"usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_periods 1\n"
		"nr_throttled 1\nthrottled_usec 7\n");
	folder_write(
		&x->f, "cgroup" POD "/cpu.pressure", "some avg10=0.00 total=9\nfull total=8\n");
	folder_write(&x->f, "cgroup" POD "/memory.current", "4096\n");
	folder_write(&x->f, "cgroup" POD "/memory.max", "8192\n");
	folder_write(&x->f, "cgroup" POD "/cpu.max", "150000 100000\n");
	folder_write(&x->f, "cgroup" POD "/cpuset.cpus.effective", "0-3\n");
}

static void files_are_read_fast_and_slow(void **state)
{
	struct fixture *x = *state;
	v2(x);
	write_v2_files(x);
	start(x, 16, 100);
	tree_walk(x->tree);
	int pod = slot_named(x, POD);
	const struct tree_slot *s = tree_slot(x->tree, (size_t)pod);
	struct scope raw;
	assert_int_equal(cgroups_read(x->cgroups, (size_t)pod, s, CGROUP_FAST, &raw), 0);
	assert_int_equal(raw.values[METRIC_CPU_USAGE], 5000000);
	assert_int_equal(raw.values[METRIC_PSI_CPU_FULL], 8);
	assert_int_equal(raw.values[METRIC_CPU_CAPACITY], 1500);
	assert_false(scope_has(&raw, METRIC_MEM_USED));
	assert_int_equal(cgroups_cpus(x->cgroups, (size_t)pod), 4);
	assert_int_equal(cgroups_read(x->cgroups, (size_t)pod, s, CGROUP_SLOW, &raw), 0);
	assert_int_equal(raw.values[METRIC_MEM_USED], 4096);
	assert_int_equal(raw.values[METRIC_MEM_LIMIT], 8192);
	assert_false(scope_has(&raw, METRIC_CPU_USAGE));
	assert_int_equal(cgroups_fds(x->cgroups), 3);
	// limits are remembered until they are asked for again
	folder_write(&x->f, "cgroup" POD "/cpu.max", "max 100000\n");
	cgroups_read(x->cgroups, (size_t)pod, s, CGROUP_FAST, &raw);
	assert_int_equal(raw.values[METRIC_CPU_CAPACITY], 1500);
	cgroups_read(x->cgroups, (size_t)pod, s, CGROUP_FAST | CGROUP_LIMITS, &raw);
	assert_false(scope_has(&raw, METRIC_CPU_CAPACITY));
}

static void without_descriptors_to_keep_the_values_are_the_same(void **state)
{
	struct fixture *x = *state;
	v2(x);
	write_v2_files(x);
	start(x, 16, 1);
	tree_walk(x->tree);
	int pod = slot_named(x, POD);
	const struct tree_slot *s = tree_slot(x->tree, (size_t)pod);
	struct scope raw;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			cgroups_read(x->cgroups, (size_t)pod, s, CGROUP_FAST | CGROUP_SLOW, &raw),
			0);
		assert_int_equal(raw.values[METRIC_CPU_USAGE], 5000000);
		assert_int_equal(raw.values[METRIC_PSI_CPU_SOME], 9);
		assert_int_equal(raw.values[METRIC_MEM_USED], 4096);
		assert_int_equal(cgroups_fds(x->cgroups), 1);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_walk_finds_owners_and_what_is_below_belongs_to_them),
		T(events_add_and_remove),
		T(a_pod_that_goes_takes_its_containers_link_along),
		T(another_walk_removes_what_is_gone),
		T(owners_beyond_the_bound_are_counted_and_find_room_later),
		T(hybrid_keeps_an_inode_per_hierarchy),
		T(a_v1_node_with_the_cgroupfs_driver_has_its_pods_and_their_values),
		T(the_cgroupfs_driver_on_v2_has_the_same_pods),
		T(files_are_read_fast_and_slow),
		T(without_descriptors_to_keep_the_values_are_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
