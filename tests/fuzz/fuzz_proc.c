// SPDX-License-Identifier: Apache-2.0
// Any bytes as any file of /proc or cgroupfs; the first byte says which. Nothing negative may come
// out, and nothing may be read past the end (the text is not NUL-terminated here).
#include "agent/proc/parse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void on_disk(void *arg, const struct parse_disk *d)
{
	assert(d->name_len > 0);
	++*(unsigned *)arg;
}

static void on_interface(void *arg, const struct parse_interface *i)
{
	assert(i->name_len > 0);
	++*(unsigned *)arg;
}

static void on_mount(void *arg, const struct parse_mount *m)
{
	assert(memchr(m->path, 0, sizeof(m->path)) && memchr(m->type, 0, sizeof(m->type)));
	++*(unsigned *)arg;
}

static void on_hierarchy(void *arg, const struct parse_hierarchy *h)
{
	assert(h->controllers_len == 0 || h->controllers[0] != ':');
	++*(unsigned *)arg;
}

static void parse_node_file(unsigned which, const char *text, size_t len, struct scope *s)
{
	unsigned lines = 0;
	switch (which) {
	case 0: parse_stat(text, len, 100, s); break;
	case 1: parse_meminfo(text, len, s); break;
	case 2: parse_vmstat(text, len, s); break;
	case 3: parse_sockstat(text, len, s); break;
	case 4: parse_snmp(text, len, s); break;
	case 5: parse_pressure(text, len, METRIC_PSI_IO_SOME, METRIC_PSI_IO_FULL, s); break;
	case 6: parse_diskstats(text, len, on_disk, &lines); break;
	case 7: parse_net_dev(text, len, on_interface, &lines); break;
	case 8: parse_mountinfo(text, len, on_mount, &lines); break;
	default: parse_self_cgroup(text, len, on_hierarchy, &lines); break;
	}
	assert(lines <= len + 1);
}

static void parse_cgroup_file(unsigned which, const char *text, size_t len, struct scope *s)
{
	switch (which) {
	case 0: parse_cpu_stat(text, len, s); break;
	case 1: parse_cpuacct_usage(text, len, s); break;
	case 2: parse_memory_current(text, len, s); break;
	case 3: parse_memory_events(text, len, s); break;
	case 4: parse_memory_max(text, len, s); break;
	case 5: parse_io_stat(text, len, s); break;
	case 6: parse_blkio_bytes(text, len, s); break;
	case 7: parse_blkio_ios(text, len, s); break;
	case 8: parse_cpu_max(text, len, s); break;
	case 9: parse_cfs_quota(text, len / 2, text + len / 2, len - len / 2, s); break;
	default: assert(parse_cpu_list(text, len) <= 65536); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *text = malloc(size); // exactly as long, so that one byte too far is seen
	memcpy(text, data + 1, size - 1);
	struct scope s = {0};
	unsigned which = data[0] % 21;
	if (which < 10)
		parse_node_file(which, text, size - 1, &s);
	else
		parse_cgroup_file(which - 10, text, size - 1, &s);
	for (int m = 0; m < METRIC_COUNT; m++)
		assert(!scope_has(&s, (enum metric)m) || s.values[m] >= 0);
	free(text);
	return 0;
}
