// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Life of cgroups: made, removed, first process in, last one out; with inode and path, so that the
// agent keeps its inode -> pod table without walking the tree again. Rare events, through a ring.
#include "bpf/tally.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, CGROUP_RING_BYTES);
} events SEC(".maps");

static __always_inline int report(enum event_kind kind, struct cgroup *cgroup, const char *path)
{
	struct kernel_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	long len;

	if (!e) {
		LOST(events);
		return 0;
	}
	e->kind = kind;
	e->hierarchy = cgroup->root->hierarchy_id;
	e->controllers = controllers_of(cgroup->root);
	e->level = cgroup->level;
	e->inode = cgroup->kn->id;
	e->pid = 0;
	len = bpf_probe_read_kernel_str(e->path, sizeof(e->path), path);
	e->path_len = len > 0 ? len : 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(on_mkdir, struct cgroup *cgroup, const char *path)
{
	return report(EVENT_MKDIR, cgroup, path);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_rmdir, struct cgroup *cgroup, const char *path)
{
	return report(EVENT_RMDIR, cgroup, path);
}

SEC("tp_btf/cgroup_notify_populated")
int BPF_PROG(on_populated, struct cgroup *cgroup, const char *path, int populated)
{
	return report(populated ? EVENT_POPULATED : EVENT_EMPTY, cgroup, path);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
