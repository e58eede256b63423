// SPDX-License-Identifier: Apache-2.0
#include "agent/proc/cgroup.h"

#include "agent/proc/kept.h"
#include "agent/proc/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum file {
	F_CPU_STAT,
	F_CPUACCT_USAGE,
	F_PSI_CPU,
	F_MEM_CURRENT,
	F_MEM_EVENTS,
	F_PSI_MEM,
	F_PSI_IO,
	F_IO_BYTES,
	F_IO_IOS,
	F_COUNT,
};

// Where something stands in each layout. NULL: there it does not exist.
struct place {
	const char *v2, *v1;
	enum hierarchy hierarchy; // of v1
};

// PSI stands in v2 also on hybrid.
static const struct {
	struct place place;
	unsigned what;
} files[F_COUNT] = {
	[F_CPU_STAT] = {{"cpu.stat", "cpu.stat", HIERARCHY_CPU}, CGROUP_FAST},
	[F_CPUACCT_USAGE] = {{NULL, "cpuacct.usage", HIERARCHY_CPUACCT}, CGROUP_FAST},
	[F_PSI_CPU] = {{"cpu.pressure", "cpu.pressure", HIERARCHY_UNIFIED}, CGROUP_FAST},
	[F_MEM_CURRENT] = {{"memory.current", "memory.usage_in_bytes", HIERARCHY_MEMORY},
		CGROUP_SLOW},
	[F_MEM_EVENTS] = {{"memory.events", "memory.oom_control", HIERARCHY_MEMORY}, CGROUP_SLOW},
	[F_PSI_MEM] = {{"memory.pressure", "memory.pressure", HIERARCHY_UNIFIED}, CGROUP_SLOW},
	[F_PSI_IO] = {{"io.pressure", "io.pressure", HIERARCHY_UNIFIED}, CGROUP_SLOW},
	[F_IO_BYTES] = {{"io.stat", "blkio.throttle.io_service_bytes", HIERARCHY_BLKIO},
		CGROUP_SLOW},
	[F_IO_IOS] = {{NULL, "blkio.throttle.io_serviced", HIERARCHY_BLKIO}, CGROUP_SLOW},
};
static const struct place cpu_max = {"cpu.max", "cpu.cfs_quota_us", HIERARCHY_CPU},
			  cpu_period = {NULL, "cpu.cfs_period_us", HIERARCHY_CPU},
			  memory_max = {"memory.max", "memory.limit_in_bytes", HIERARCHY_MEMORY},
			  cpuset = {"cpuset.cpus.effective", "cpuset.effective_cpus",
				  HIERARCHY_CPUSET};

enum { UNOPENED = -1, TRANSIENT = INT32_MIN }; // other negatives: the errno of opening

struct cgroup {
	uint64_t id; // of the slot when the descriptors were opened
	int fds[F_COUNT];
	unsigned n_cpus;
	int64_t cpu_limit, mem_limit; // -1: none
};

struct cgroups {
	const struct layout *layout;
	struct cgroup *items;
	size_t max_slots;
	uint32_t n_fds, max_fds;
	char text[16384];
};

int cgroups_new(
	struct cgroups **ret, const struct layout *layout, size_t max_slots, uint32_t max_fds)
{
	struct cgroups *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->layout = layout;
	c->max_slots = max_slots;
	c->max_fds = max_fds;
	c->items = calloc(max_slots, sizeof(*c->items));
	if (!c->items) {
		free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

static void close_files(struct cgroups *c, struct cgroup *g)
{
	for (int f = 0; f < F_COUNT && g->id; f++) {
		if (g->fds[f] >= 0) {
			close(g->fds[f]);
			c->n_fds--;
		}
		g->fds[f] = UNOPENED;
	}
}

void cgroups_free(struct cgroups *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->max_slots; i++)
		close_files(c, &c->items[i]);
	free(c->items);
	free(c);
}

struct located {
	int root;
	char name[TREE_MAX_PATH + 64]; // relative to root
};

// False if this layout has no such file.
static bool locate(
	const struct layout *l, const char *path, const struct place *p, struct located *ret)
{
	bool old = !l->pure_v2 && p->v1 && l->roots[p->hierarchy] >= 0;
	const char *name = old ? p->v1 : p->v2;
	ret->root = l->roots[old ? p->hierarchy : HIERARCHY_UNIFIED];
	if (!name || ret->root < 0)
		return false;
	int n = snprintf(ret->name, sizeof(ret->name), "%s/%s", path + 1, name);
	return n > 0 && (size_t)n < sizeof(ret->name);
}

static int open_file(struct cgroups *c, struct cgroup *g, const char *path, enum file f)
{
	struct located at;
	if (!locate(c->layout, path, &files[f].place, &at))
		return g->fds[f] = -ENOENT;
	int fd = kept_open(at.root, at.name);
	if (fd == -EMFILE || fd == -ENFILE || (fd >= 0 && c->n_fds >= c->max_fds)) {
		if (fd >= 0)
			close(fd);
		return g->fds[f] = TRANSIENT;
	}
	if (fd >= 0)
		c->n_fds++;
	return g->fds[f] = fd == UNOPENED ? -EACCES : fd; // -EPERM is taken
}

static ssize_t read_file(struct cgroups *c, struct cgroup *g, const char *path, enum file f)
{
	int fd = g->fds[f] == UNOPENED ? open_file(c, g, path, f) : g->fds[f];
	if (fd >= 0)
		return kept_read(fd, c->text, sizeof(c->text), true);
	struct located at;
	if (fd != TRANSIENT || !locate(c->layout, path, &files[f].place, &at))
		return fd;
	return kept_read_once(at.root, at.name, c->text, sizeof(c->text));
}

static void parse(struct cgroups *c, enum file f, size_t len, struct scope *ret)
{
	switch (f) {
	case F_CPU_STAT: parse_cpu_stat(c->text, len, ret); break;
	case F_CPUACCT_USAGE: parse_cpuacct_usage(c->text, len, ret); break;
	case F_PSI_CPU:
		parse_pressure(c->text, len, METRIC_PSI_CPU_SOME, METRIC_PSI_CPU_FULL, ret);
		break;
	case F_MEM_CURRENT: parse_memory_current(c->text, len, ret); break;
	case F_MEM_EVENTS: parse_memory_events(c->text, len, ret); break;
	case F_PSI_MEM:
		parse_pressure(c->text, len, METRIC_PSI_MEM_SOME, METRIC_PSI_MEM_FULL, ret);
		break;
	case F_PSI_IO:
		parse_pressure(c->text, len, METRIC_PSI_IO_SOME, METRIC_PSI_IO_FULL, ret);
		break;
	case F_IO_BYTES:
		if (c->layout->pure_v2 || c->layout->roots[HIERARCHY_BLKIO] < 0)
			parse_io_stat(c->text, len, ret);
		else
			parse_blkio_bytes(c->text, len, ret);
		break;
	case F_IO_IOS: parse_blkio_ios(c->text, len, ret); break;
	case F_COUNT: break;
	}
}

// Length, 0 if there is no such file.
static size_t read_limit(struct cgroups *c, const char *path, const struct place *p, char text[64])
{
	struct located at;
	if (!locate(c->layout, path, p, &at))
		return 0;
	ssize_t n = kept_read_once(at.root, at.name, text, 64);
	return n < 0 ? 0 : (size_t)n;
}

// Also the time to try again what was not there: hierarchies get their directories one by one.
static void read_limits(struct cgroups *c, struct cgroup *g, const char *path)
{
	for (int f = 0; f < F_COUNT; f++)
		if (g->fds[f] < 0 && g->fds[f] != TRANSIENT)
			g->fds[f] = UNOPENED;
	struct scope s = {0};
	char text[64], period[64];
	size_t n = read_limit(c, path, &cpu_max, text);
	if (!c->layout->pure_v2 && c->layout->roots[HIERARCHY_CPU] >= 0)
		parse_cfs_quota(text, n, period, read_limit(c, path, &cpu_period, period), &s);
	else
		parse_cpu_max(text, n, &s);
	n = read_limit(c, path, &memory_max, text);
	parse_memory_max(text, n, &s);
	n = read_limit(c, path, &cpuset, text);
	g->n_cpus = parse_cpu_list(text, n);
	g->cpu_limit = scope_get(&s, METRIC_CPU_CAPACITY, -1);
	g->mem_limit = scope_get(&s, METRIC_MEM_LIMIT, -1);
}

static bool is_due(const struct cgroups *c, const struct cgroup *g, enum file f, unsigned what)
{
	// v1's cpu.stat has nothing but throttling, which needs a limit
	bool v1 = !c->layout->pure_v2 && c->layout->roots[HIERARCHY_CPU] >= 0;
	return files[f].what & what && !(f == F_CPU_STAT && v1 && g->cpu_limit < 0);
}

int cgroups_read(
	struct cgroups *c, size_t slot, const struct tree_slot *s, unsigned what, struct scope *ret)
{
	struct cgroup *g = &c->items[slot];
	ret->present = 0;
	ret->hists_present = 0;
	if (g->id != s->id) {
		close_files(c, g);
		*g = (struct cgroup){.id = s->id};
		for (int f = 0; f < F_COUNT; f++)
			g->fds[f] = UNOPENED;
		what |= CGROUP_LIMITS;
	}
	if (what & CGROUP_LIMITS)
		read_limits(c, g, s->path);
	bool gone = false;
	for (int f = 0; f < F_COUNT && !gone; f++) {
		if (!is_due(c, g, (enum file)f, what))
			continue;
		ssize_t n = read_file(c, g, s->path, (enum file)f);
		gone = n == -ENODEV;
		if (n >= 0)
			parse(c, (enum file)f, (size_t)n, ret);
	}
	if (gone) {
		close_files(c, g);
		ret->present = 0;
		return -ENODEV;
	}
	if (what & CGROUP_FAST && g->cpu_limit >= 0)
		scope_set(ret, METRIC_CPU_CAPACITY, g->cpu_limit);
	if (what & CGROUP_SLOW && g->mem_limit >= 0)
		scope_set(ret, METRIC_MEM_LIMIT, g->mem_limit);
	return 0;
}

unsigned cgroups_cpus(const struct cgroups *c, size_t slot)
{
	return c->items[slot].n_cpus;
}

uint32_t cgroups_fds(const struct cgroups *c)
{
	return c->n_fds;
}
