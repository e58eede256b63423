// SPDX-License-Identifier: Apache-2.0
#include "agent/proc/layout.h"

#include "agent/proc/kept.h"
#include "agent/proc/parse.h"
#include "agent/proc/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[HIERARCHY_COUNT] = {
	[HIERARCHY_UNIFIED] = "unified",
	[HIERARCHY_CPU] = "cpu",
	[HIERARCHY_CPUACCT] = "cpuacct",
	[HIERARCHY_MEMORY] = "memory",
	[HIERARCHY_BLKIO] = "blkio",
	[HIERARCHY_CPUSET] = "cpuset",
};

static bool has_controller(const struct parse_hierarchy *h, const char *name)
{
	const char *at = h->controllers, *end = at + h->controllers_len;
	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t len = (size_t)((comma ? comma : end) - at);
		if (scan_is(at, len, name))
			return true;
		at += len + 1;
	}
	return false;
}

static void on_hierarchy(void *arg, const struct parse_hierarchy *h)
{
	struct layout *l = arg;
	if (h->controllers_len == 0)
		l->ids[HIERARCHY_UNIFIED] = h->id;
	for (int i = HIERARCHY_CPU; i < HIERARCHY_COUNT; i++)
		if (!l->pure_v2 && has_controller(h, names[i]))
			l->ids[i] = h->id;
}

// Two controllers in one superblock are one hierarchy.
static void find_same(struct layout *l)
{
	struct stat st[HIERARCHY_COUNT];
	for (int i = 0; i < HIERARCHY_COUNT; i++) {
		l->same[i] = (enum hierarchy)i;
		if (l->roots[i] < 0 || fstat(l->roots[i], &st[i]) < 0) {
			st[i] = (struct stat){0};
			continue;
		}
		for (int j = 0; j < i; j++) {
			if (l->roots[j] >= 0 && st[j].st_dev == st[i].st_dev &&
				st[j].st_ino == st[i].st_ino) {
				l->same[i] = (enum hierarchy)j;
				break;
			}
		}
	}
}

int layout_init(struct layout *ret, const char *cgroup_root, const char *proc_root)
{
	struct layout l = {.any_v1 = false};
	for (int i = 0; i < HIERARCHY_COUNT; i++) {
		l.roots[i] = -1;
		l.ids[i] = UINT32_MAX;
		l.same[i] = (enum hierarchy)i;
	}
	int root = open(cgroup_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	l.pure_v2 = faccessat(root, "cgroup.controllers", F_OK, 0) == 0;
	bool any = l.pure_v2;
	for (int i = 0; i < HIERARCHY_COUNT; i++) {
		l.roots[i] =
			openat(root, l.pure_v2 ? "." : names[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		any |= l.roots[i] >= 0;
		l.any_v1 |= !l.pure_v2 && i != HIERARCHY_UNIFIED && l.roots[i] >= 0;
	}
	close(root);
	if (!any)
		return -ENOENT;
	find_same(&l);
	char text[4096];
	int proc = open(proc_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ssize_t len = proc < 0 ? -1 : kept_read_once(proc, "self/cgroup", text, sizeof(text));
	if (len > 0)
		parse_self_cgroup(text, (size_t)len, on_hierarchy, &l);
	if (proc >= 0)
		close(proc);
	*ret = l;
	return 0;
}

void layout_done(struct layout *l)
{
	for (int i = 0; i < HIERARCHY_COUNT; i++) {
		if (l->roots[i] >= 0)
			close(l->roots[i]);
		l->roots[i] = -1;
	}
}

const char *layout_name(const struct layout *l)
{
	bool v2 = l->roots[HIERARCHY_UNIFIED] >= 0;
	return v2 && l->any_v1 ? "hybrid" : v2 ? "v2" : l->any_v1 ? "v1" : "none";
}

enum hierarchy layout_find(const struct layout *l, const char *controller)
{
	enum hierarchy found = HIERARCHY_UNIFIED;
	for (int i = HIERARCHY_CPU; i < HIERARCHY_COUNT; i++)
		if (strcmp(controller, names[i]) == 0)
			found = (enum hierarchy)i;
	// a controller without a v1 hierarchy of its own lives in v2
	if (l->roots[found] < 0)
		found = HIERARCHY_UNIFIED;
	return l->roots[found] < 0 ? HIERARCHY_COUNT : l->same[found];
}

enum hierarchy layout_by_id(const struct layout *l, uint32_t id)
{
	for (int i = 0; i < HIERARCHY_COUNT; i++)
		if (l->roots[i] >= 0 && l->ids[i] == id)
			return l->same[i];
	return HIERARCHY_COUNT;
}
