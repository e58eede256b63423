// SPDX-License-Identifier: Apache-2.0
#include "agent/proc/node.h"

#include "agent/proc/kept.h"
#include "agent/proc/parse.h"
#include "agent/proc/scan.h"
#include "proto/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum file {
	F_STAT,
	F_MEMINFO,
	F_VMSTAT,
	F_DISKSTATS,
	F_NET_DEV,
	F_SOCKSTAT,
	F_SNMP,
	F_PSI_CPU,
	F_PSI_MEM,
	F_PSI_IO,
	F_COUNT,
};
static const char *const file_names[F_COUNT] = {
	[F_STAT] = "stat",
	[F_MEMINFO] = "meminfo",
	[F_VMSTAT] = "vmstat",
	[F_DISKSTATS] = "diskstats",
	[F_NET_DEV] = "net/dev",
	[F_SOCKSTAT] = "net/sockstat",
	[F_SNMP] = "net/snmp",
	[F_PSI_CPU] = "pressure/cpu",
	[F_PSI_MEM] = "pressure/memory",
	[F_PSI_IO] = "pressure/io",
};

// Whether a device counts is asked of /sys once, not at every tick.
struct device {
	char name[32];
	bool counts;
	uint64_t io_ms; // disks: last io_ms
};

struct node;
struct devices {
	bool (*counts)(const struct node *n, const char *name);
	struct device items[NODE_MAX_DEVICES];
	unsigned n;
};

struct mount {
	char path[512];
};

struct node {
	int proc, sys;
	char root[256];
	uint64_t ticks_per_s;
	int fds[F_COUNT]; // or the negative errno of opening
	struct devices disks, interfaces;
	struct mount mounts[NODE_MAX_MOUNTS];
	unsigned n_mounts;
	unsigned reads_with_files;
	int64_t fs_used_permille; // -1: unknown
	int psi_error;
	uint64_t io_ms; // sum over the ticks of the busiest disk's increase
	// the tick under way
	struct scope *out;
	uint64_t busiest_io_ms, read_bytes, write_bytes, ios, rx_bytes, tx_bytes;
	bool any_disk, any_interface;
	char text[128 << 10];
};

void node_free(struct node *n)
{
	if (!n)
		return;
	for (int f = 0; f < F_COUNT; f++)
		if (n->fds[f] >= 0)
			close(n->fds[f]);
	if (n->proc >= 0)
		close(n->proc);
	if (n->sys >= 0)
		close(n->sys);
	free(n);
}

// Length of the text, 0 if there is none. What did not fit is read as far as it did.
static size_t read_file(struct node *n, enum file f)
{
	if (n->fds[f] < 0)
		return 0;
	bool psi = f == F_PSI_CPU || f == F_PSI_MEM || f == F_PSI_IO;
	ssize_t len = kept_read(n->fds[f], n->text, sizeof(n->text), psi);
	if (psi && len < 0)
		n->psi_error = (int)len;
	return len == -E2BIG ? sizeof(n->text) - 1 : len < 0 ? 0 : (size_t)len;
}

static bool exists(int dir, const char *folder, const char *name, const char *behind)
{
	char path[96];
	snprintf(path, sizeof(path), "%s/%s%s", folder, name, behind);
	return dir >= 0 && faccessat(dir, path, F_OK, 0) == 0;
}

static bool begins(const char *name, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (strncmp(name, *prefixes, strlen(*prefixes)) == 0)
			return true;
	return false;
}

static bool disk_counts(const struct node *n, const char *name)
{
	static const char *const stacked[] = {"loop", "ram", "zram", "dm-", "md", "sr", "fd", NULL};
	// a partition has no directory of its own in /sys/block
	return !begins(name, stacked) && (n->sys < 0 || exists(n->sys, "block", name, ""));
}

static bool interface_counts(const struct node *n, const char *name)
{
	static const char *const virtual[] = {"lo", "veth", "eni", "cni", "docker", "br-", "virbr",
		"ifb", "dummy", "tun", "tap", "cali", "flannel", "vxlan", "geneve", "kube", NULL};
	if (exists(n->sys, "class/net", name, ""))
		return exists(n->sys, "class/net", name, "/device");
	return !begins(name, virtual);
}

int node_new(struct node **ret, const struct node_options *o)
{
	struct node *n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->ticks_per_s = o->ticks_per_s ? o->ticks_per_s : 100;
	n->fs_used_permille = -1;
	n->disks.counts = disk_counts;
	n->interfaces.counts = interface_counts;
	n->sys = open(o->sys, O_PATH | O_DIRECTORY | O_CLOEXEC);
	n->proc = open(o->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = n->proc < 0 ? -errno : 0;
	for (int f = 0; f < F_COUNT; f++)
		n->fds[f] = r < 0 ? r : kept_open(n->proc, file_names[f]);
	if (r == 0 && !text_copy(n->root, sizeof(n->root), o->root))
		r = -ENAMETOOLONG;
	if (r < 0) {
		node_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

// Pods come and go, and their interfaces with them: forgets those that do not count.
static void forget_others(struct devices *list)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < list->n; i++)
		if (list->items[i].counts)
			list->items[kept++] = list->items[i];
	list->n = kept;
}

static struct device *find_device(
	const struct node *n, struct devices *list, const char *name, size_t len)
{
	for (unsigned i = 0; i < list->n; i++)
		if (scan_is(name, len, list->items[i].name))
			return &list->items[i];
	if (list->n == NODE_MAX_DEVICES)
		forget_others(list);
	if (list->n == NODE_MAX_DEVICES || len >= sizeof(list->items->name))
		return NULL;
	struct device *d = &list->items[list->n++];
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	d->counts = list->counts(n, d->name);
	d->io_ms = UINT64_MAX;
	return d;
}

static void on_disk(void *arg, const struct parse_disk *disk)
{
	struct node *n = arg;
	struct device *d = find_device(n, &n->disks, disk->name, disk->name_len);
	if (!d || !d->counts)
		return;
	n->any_disk = true;
	n->read_bytes += disk->read_bytes;
	n->write_bytes += disk->write_bytes;
	n->ios += disk->ios;
	// the busiest disk of this tick; a counter that went back says nothing
	if (disk->io_ms > d->io_ms && disk->io_ms - d->io_ms > n->busiest_io_ms)
		n->busiest_io_ms = disk->io_ms - d->io_ms;
	d->io_ms = disk->io_ms;
}

static void on_interface(void *arg, const struct parse_interface *i)
{
	struct node *n = arg;
	struct device *d = find_device(n, &n->interfaces, i->name, i->name_len);
	if (!d || !d->counts)
		return;
	n->any_interface = true;
	n->rx_bytes += i->rx_bytes;
	n->tx_bytes += i->tx_bytes;
}

static void on_mount(void *arg, const struct parse_mount *m)
{
	struct node *n = arg;
	static const char *const local[] = {
		"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "overlay", NULL};
	if (n->n_mounts == NODE_MAX_MOUNTS || !begins(m->type, local))
		return;
	// in a container the root is an overlay of the node's own file system; other overlays are
	// other containers' roots on that same one
	if (strcmp(m->type, "overlay") == 0 && strcmp(m->path, "/") != 0)
		return;
	text_copy(n->mounts[n->n_mounts++].path, sizeof(n->mounts->path), m->path);
}

static void look_at_files(struct node *n)
{
	if (n->reads_with_files++ % 6 == 0) {
		n->n_mounts = 0;
		ssize_t len = kept_read_once(n->proc, "self/mountinfo", n->text, sizeof(n->text));
		if (len == -E2BIG)
			len = sizeof(n->text) - 1;
		if (len > 0)
			parse_mountinfo(n->text, (size_t)len, on_mount, n);
	}
	n->fs_used_permille = -1;
	for (unsigned i = 0; i < n->n_mounts; i++) {
		char path[sizeof(n->root) + sizeof(n->mounts->path)];
		struct statvfs fs;
		snprintf(path, sizeof(path), "%s%s", n->root, n->mounts[i].path);
		if (statvfs(path, &fs) < 0 || fs.f_blocks == 0 || fs.f_bfree > fs.f_blocks)
			continue;
		// as df: what is reserved for root is neither used nor free
		uint64_t used = fs.f_blocks - fs.f_bfree, all = used + fs.f_bavail;
		int64_t permille = all ? (int64_t)((double)used / (double)all * 1000.0) : 0;
		if (permille > n->fs_used_permille)
			n->fs_used_permille = permille;
	}
}

static void read_devices(struct node *n)
{
	n->busiest_io_ms = n->read_bytes = n->write_bytes = n->ios = 0;
	n->rx_bytes = n->tx_bytes = 0;
	n->any_disk = n->any_interface = false;
	parse_diskstats(n->text, read_file(n, F_DISKSTATS), on_disk, n);
	parse_net_dev(n->text, read_file(n, F_NET_DEV), on_interface, n);
	if (n->any_disk) {
		n->io_ms += n->busiest_io_ms;
		scope_set(n->out, METRIC_DISK_IO_TIME, (int64_t)n->io_ms);
		scope_set(n->out, METRIC_DISK_READ, (int64_t)(n->read_bytes & INT64_MAX));
		scope_set(n->out, METRIC_DISK_WRITE, (int64_t)(n->write_bytes & INT64_MAX));
		scope_set(n->out, METRIC_DISK_IOS, (int64_t)(n->ios & INT64_MAX));
	}
	if (n->any_interface) {
		scope_set(n->out, METRIC_NET_RX, (int64_t)(n->rx_bytes & INT64_MAX));
		scope_set(n->out, METRIC_NET_TX, (int64_t)(n->tx_bytes & INT64_MAX));
	}
}

void node_read(struct node *n, bool with_files, struct scope *ret)
{
	ret->present = 0;
	ret->hists_present = 0;
	n->out = ret;
	parse_stat(n->text, read_file(n, F_STAT), n->ticks_per_s, ret);
	parse_meminfo(n->text, read_file(n, F_MEMINFO), ret);
	parse_vmstat(n->text, read_file(n, F_VMSTAT), ret);
	parse_sockstat(n->text, read_file(n, F_SOCKSTAT), ret);
	parse_snmp(n->text, read_file(n, F_SNMP), ret);
	parse_pressure(
		n->text, read_file(n, F_PSI_CPU), METRIC_PSI_CPU_SOME, METRIC_PSI_CPU_FULL, ret);
	parse_pressure(
		n->text, read_file(n, F_PSI_MEM), METRIC_PSI_MEM_SOME, METRIC_PSI_MEM_FULL, ret);
	parse_pressure(
		n->text, read_file(n, F_PSI_IO), METRIC_PSI_IO_SOME, METRIC_PSI_IO_FULL, ret);
	read_devices(n);
	if (with_files)
		look_at_files(n);
	if (n->fs_used_permille >= 0)
		scope_set(ret, METRIC_FS_USED, n->fs_used_permille);
}

static void set_hook(struct hook_status *h, const char *name, enum hook_state state, int error,
	const char *detail)
{
	*h = (struct hook_status){.state = state, .error = error};
	text_copy(h->name, sizeof(h->name), name);
	text_copy(h->detail, sizeof(h->detail), detail);
}

size_t node_hooks(const struct node *n, struct hook_status *ret, size_t max)
{
	size_t count = 0;
	int psi = n->fds[F_PSI_CPU] < 0 ? n->fds[F_PSI_CPU] : n->psi_error;
	if (count < max)
		set_hook(&ret[count++], "psi", psi ? HOOK_OFF : HOOK_ATTACHED, psi,
			psi == -EOPNOTSUPP ? "pressure is off in this kernel (boot with psi=1)"
			: psi ? "no pressure files: saturation is seen by wait and throttling only"
			      : "");
	int stat = n->fds[F_STAT] < 0 ? n->fds[F_STAT] : 0;
	if (count < max)
		set_hook(&ret[count++], "procfs", stat ? HOOK_REFUSED : HOOK_ATTACHED, stat,
			stat ? "no /proc/stat: no CPU figures of the node" : "");
	return count;
}
