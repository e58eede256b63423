// SPDX-License-Identifier: Apache-2.0
// Shapes that are met (each is in the unit test, with its source):
//
//	/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<UID_>.slice/cri-containerd-<ID>.scope
//	/kubepods.slice/kubepods-pod<UID_>.slice/crio-<ID>.scope
//	/kubepods/besteffort/pod<UID>/<ID>                     cgroupfs driver
//	/kubepods/pod<UID>/crio-<ID>
//	/system.slice/containerd.service/kubepods-pod<UID_>.slice:cri-containerd:<ID>
//	/system.slice/docker-<ID>.scope   /docker/<ID>   /machine.slice/libpod-<ID>.scope   no pod
//	/system.slice/nginx.service       /user.slice/user-0.slice/session-1.scope
//
// UID_ has '_' for '-', because '-' is systemd's path separator. A static pod's UID is 32 hex
// digits.
#include "agent/proc/attribution.h"

#include "proto/base/hash.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <string.h>

enum { ID_LEN = 64, UID_LEN = 36, STATIC_UID_LEN = 32 };

struct part { // one component of the path
	const char *text;
	size_t len;
};

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool all_hex(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_hex(text[i]))
			return false;
	return true;
}

static bool ends_with(struct part p, const char *suffix)
{
	size_t n = strlen(suffix);
	return p.len > n && memcmp(p.text + p.len - n, suffix, n) == 0;
}

static bool is(struct part p, const char *text)
{
	return strlen(text) == p.len && memcmp(p.text, text, p.len) == 0;
}

// The pod UID at the beginning of text, with '-'; returns its length there, 0 if it is none.
static size_t take_uid(const char *text, size_t len, char ret[40])
{
	size_t n = 0;
	for (; n < UID_LEN && n < len; n++) {
		bool dash = n == 8 || n == 13 || n == 18 || n == 23;
		if (dash ? text[n] != '-' && text[n] != '_' : !is_hex(text[n]))
			break;
		ret[n] = dash ? '-' : text[n];
	}
	if (n < UID_LEN) {
		if (len < STATIC_UID_LEN || !all_hex(text, STATIC_UID_LEN))
			return 0;
		n = STATIC_UID_LEN;
		memcpy(ret, text, n);
	}
	ret[n] = '\0';
	return n;
}

// "pod<UID>" or "…-pod<UID>.slice", the latter perhaps followed by ":cri-containerd:<ID>". rest
// gets what stands behind.
static bool is_pod(struct part p, char uid[40], struct part *rest)
{
	for (size_t i = 0; i + 3 < p.len; i++) {
		if (memcmp(p.text + i, "pod", 3) != 0 || (i > 0 && p.text[i - 1] != '-'))
			continue;
		size_t n = take_uid(p.text + i + 3, p.len - i - 3, uid);
		if (n == 0)
			continue;
		*rest = (struct part){p.text + i + 3 + n, p.len - i - 3 - n};
		if (rest->len == 0 || is(*rest, ".slice") || strncmp(rest->text, ".slice:", 7) == 0)
			return true;
	}
	uid[0] = '\0';
	return false;
}

// "<ID>", "<runtime>-<ID>", "<runtime>-<ID>.scope". conmon is CRI-O's and podman's monitor process.
static bool is_container(struct part p, char id[72])
{
	if (ends_with(p, ".scope"))
		p.len -= 6;
	if (p.len < ID_LEN || !all_hex(p.text + p.len - ID_LEN, ID_LEN))
		return false;
	size_t before = p.len - ID_LEN;
	if (before > 0 && p.text[before - 1] != '-' && p.text[before - 1] != ':')
		return false;
	if (memmem(p.text, before, "conmon", 6))
		return false;
	memcpy(id, p.text + before, ID_LEN);
	id[ID_LEN] = '\0';
	return true;
}

// Places under which the things are, without being one.
static bool is_place(struct part p)
{
	static const char *const names[] = {"kubepods", "burstable", "besteffort", "kubelet",
		"docker", "machine", "libpod_parent", "lxc", "k8s.io", "system", "user"};
	if (ends_with(p, ".slice"))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is(p, names[i]))
			return true;
	return false;
}

static void set_name(struct attribution *a, const char *text, size_t len, const char *path)
{
	char *name = a->name;
	bool mended = len >= sizeof(a->name);
	size_t n = mended ? sizeof(a->name) - 1 : len;
	memcpy(name, text, n);
	name[n] = '\0';
	for (size_t i = 0; i < n; i++) {
		bool dots = name[i] == '.' && i > 0 && name[i - 1] == '.';
		if (dots || !text_is_name(name + i, 1, 1)) {
			name[i] = '_';
			mended = true;
		}
	}
	if (!mended)
		return;
	size_t at = n > sizeof(a->name) - 10 ? sizeof(a->name) - 10 : n;
	snprintf(name + at, sizeof(a->name) - at, "-%08x", hash_crc32c(path, strlen(path)));
}

// Looks at one component outside of any owner.
static void take_owner(struct attribution *a, const char *path, struct part p)
{
	struct part rest;
	bool at_top = p.text == path + 1;
	bool unit = ends_with(p, ".service") || ends_with(p, ".scope");
	if (is_pod(p, a->pod_uid, &rest)) {
		a->kind = is_container(rest, a->container_id) ? CGROUP_CONTAINER : CGROUP_POD;
	} else if (is_container(p, a->container_id)) {
		a->kind = CGROUP_CONTAINER;
		set_name(a, p.text, p.len, path);
	} else if (unit) {
		a->kind = CGROUP_UNIT;
		set_name(a, p.text, p.len, path);
	} else if (at_top && !is_place(p)) {
		a->kind = CGROUP_OTHER;
		set_name(a, path, p.len + 1, path);
	} else {
		return;
	}
	a->owned = true;
	a->owner_len = (size_t)(p.text + p.len - path);
}

// Read from left to right, one component after the other, so that an owner's own path has the same
// owner as every path below it.
void attribution_parse(const char *path, struct attribution *ret)
{
	*ret = (struct attribution){.kind = CGROUP_OTHER};
	const char *at = path;
	while (*at == '/') {
		struct part p = {at + 1, strcspn(at + 1, "/")};
		at = p.text + p.len;
		// Kubernetes inside a unit or a container (kind, the ":" shape): the pods are finer
		if (ret->owned && !ret->pod_uid[0] && memmem(p.text, p.len, "kubepods", 8))
			*ret = (struct attribution){.kind = CGROUP_OTHER};
		if (p.len == 0)
			continue;
		if (!ret->owned) {
			take_owner(ret, path, p);
		} else if (ret->kind == CGROUP_POD && is_container(p, ret->container_id)) {
			ret->kind = CGROUP_CONTAINER;
			ret->pod_len = ret->owner_len;
			ret->owner_len = (size_t)(at - path);
		}
	}
}
