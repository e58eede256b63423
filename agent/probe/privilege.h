// SPDX-License-Identifier: Apache-2.0
// Gives up every right that the agent does not need.
//
// The agent needs CAP_BPF + CAP_PERFMON (load, and re-attach for the duty cycle) and nothing else:
// no root, no CAP_SYS_ADMIN, no CAP_NET_ADMIN. They are kept permitted, effective and ambient-free;
// no_new_privs makes the loss final, for children too.
// Thread: before any other thread exists, because the kernel's call is per thread.
#pragma once

#include "proto/base/why.h"

#include <stdint.h>
#include <sys/types.h>

enum { PRIVILEGE_UID = 65532 }; // "nonroot" of distroless images

struct privileges {
	uint64_t effective, permitted, inheritable, bounding, ambient; // bit n = capability n
	uid_t uid;
	gid_t gid;
	int no_new_privs;
};

// Drops to uid and gid (unless already there) and to those of CAP_BPF and CAP_PERFMON that are
// permitted now; empties the bounding set if it may; sets no_new_privs. -EPERM if it cannot change
// the user, -EIO if the kernel said yes and a look afterwards says otherwise.
int privilege_drop(uid_t uid, gid_t gid, struct why *why);
int privilege_read(struct privileges *ret); // of this thread; negative errno
// Names of the effective capabilities, comma-separated: "CAP_BPF,CAP_PERFMON"; "none".
void privilege_text(const struct privileges *p, char *ret, size_t size);
