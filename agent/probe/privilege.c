// SPDX-License-Identifier: Apache-2.0
#include "agent/probe/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (1ull << (capability))
#define KEPT            (BIT(CAP_BPF) | BIT(CAP_PERFMON))

static int get_caps(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	return syscall(SYS_capget, &head, data) < 0 ? -errno : 0;
}

static int set_caps(uint64_t effective, uint64_t permitted)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = (uint32_t)effective, .permitted = (uint32_t)permitted},
		{.effective = (uint32_t)(effective >> 32),
			.permitted = (uint32_t)(permitted >> 32)},
	};
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

int privilege_read(struct privileges *ret)
{
	struct __user_cap_data_struct data[2];
	int r = get_caps(data);
	if (r < 0)
		return r;
	*ret = (struct privileges){
		.effective = data[0].effective | (uint64_t)data[1].effective << 32,
		.permitted = data[0].permitted | (uint64_t)data[1].permitted << 32,
		.inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32,
		.uid = geteuid(),
		.gid = getegid(),
		.no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
	};
	for (int c = 0; c < 64; c++) {
		int has = prctl(PR_CAPBSET_READ, c, 0, 0, 0);
		if (has < 0)
			break; // past the last one this kernel knows
		if (has)
			ret->bounding |= BIT(c);
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1)
			ret->ambient |= BIT(c);
	}
	return 0;
}

static int drop_bounding(uint64_t bounding)
{
	for (int c = 0; c < 64; c++) {
		if ((bounding & BIT(c)) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

static int change_user(uid_t uid, gid_t gid)
{
	if (geteuid() == uid && getegid() == gid && getuid() == uid && getgid() == gid)
		return 0;
	// Without it the kernel takes all permitted capabilities away with uid 0.
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 ? -errno : 0;
}

int privilege_drop(uid_t uid, gid_t gid, struct why *why)
{
	struct privileges p;
	int r = privilege_read(&p);
	if (r < 0)
		return why_set(why, r, WHY_BUG, "cannot read capabilities: %s", strerror(-r));
	if (p.effective & BIT(CAP_SETPCAP)) {
		r = drop_bounding(p.bounding);
		if (r < 0)
			return why_set(why, r, WHY_DENIED, "cannot empty the bounding set: %s",
				strerror(-r));
	}
	r = change_user(uid, gid);
	if (r < 0)
		return why_set(why, r, WHY_DENIED, "cannot become uid %u: %s", uid, strerror(-r));
	uint64_t kept = p.permitted & KEPT;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	r = set_caps(kept, kept);
	if (r < 0)
		return why_set(why, r, WHY_DENIED, "cannot drop capabilities: %s", strerror(-r));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return why_set(why, -errno, WHY_BUG, "no_new_privs: %s", strerror(errno));
	r = privilege_read(&p);
	if (r < 0 || p.permitted != kept || p.effective != kept || p.inheritable || p.ambient ||
		p.uid != uid || p.gid != gid || p.no_new_privs != 1)
		return why_set(why, -EIO, WHY_BUG, "rights are not what was asked for");
	return 0;
}

void privilege_text(const struct privileges *p, char *ret, size_t size)
{
	static const struct {
		int capability;
		const char *name;
	} names[] = {{CAP_BPF, "CAP_BPF"}, {CAP_PERFMON, "CAP_PERFMON"},
		{CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}, {CAP_NET_ADMIN, "CAP_NET_ADMIN"}};
	uint64_t left = p->effective;
	size_t len = 0;
	ret[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(left & BIT(names[i].capability)) || len >= size)
			continue;
		left &= ~BIT(names[i].capability);
		len += (size_t)snprintf(
			ret + len, size - len, "%s%s", len ? "," : "", names[i].name);
	}
	if (left && len < size)
		snprintf(ret + len, size - len, "%s%d more", len ? "," : "",
			__builtin_popcountll(left));
	else if (len == 0)
		snprintf(ret, size, "none");
}
