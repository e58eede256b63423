// SPDX-License-Identifier: Apache-2.0
// The files of /proc about the whole node, read once a tick.
//
// Counts only what is real: disks that have no disk below them, interfaces that have a device
// behind them (a bridge, a veth or the loopback would count bytes twice), local file systems. Roots
// come from outside: in a container the host's /sys may be elsewhere. Descriptors are kept; after
// node_new() nothing is allocated. A file that is not there is a line of node_hooks(), not an
// error. Thread: the loop.
#pragma once

#include "proto/wire/sample.h"

#include <stdint.h>

enum { NODE_MAX_DEVICES = 128, NODE_MAX_MOUNTS = 32 };

struct node_options {
	const char *proc;     // "/proc"
	const char *sys;      // "/sys"
	const char *root;     // prefix of mount points for the fill of file systems, "" normally
	uint64_t ticks_per_s; // sysconf(_SC_CLK_TCK)
};

struct node;
int node_new(struct node **ret, const struct node_options *o); // -ENOENT etc. only for proc itself
void node_free(struct node *n);
// Fills ret with raw counters and gauges. with_files: also the fill of file systems (statvfs),
// which need not be looked at each second; in between the last value is repeated.
void node_read(struct node *n, bool with_files, struct scope *ret);
// "psi" (of the node) and "procfs".
size_t node_hooks(const struct node *n, struct hook_status *ret, size_t max);
