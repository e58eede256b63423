// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/proc/attribution.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <string.h>

#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UID "1a2b3c4d-0000-4111-8222-123456789abc"
#define U_D "1a2b3c4d_0000_4111_8222_123456789abc"
#define MAN "9d3f0c1b2a39485766778899aabbccdd" // a static pod's

struct shape {
	const char *path;
	enum cgroup_kind kind;
	const char *uid, *id, *name;
	const char *owner; // path of the owner, NULL: the path itself
	const char *pod;   // path of the pod, for containers
};

static const struct shape shapes[] = {
	// containerd, systemd driver, v2: EKS (AL2023, Bottlerocket)
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" U_D ".slice", CGROUP_POD,
		UID, "", "", NULL, NULL},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" U_D
	 ".slice/cri-containerd-" ID ".scope",
		CGROUP_CONTAINER, UID, ID, "", NULL,
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" U_D ".slice"},
	// guaranteed: no class in between
	{"/kubepods.slice/kubepods-pod" U_D ".slice/cri-containerd-" ID ".scope", CGROUP_CONTAINER,
		UID, ID, "", NULL, "/kubepods.slice/kubepods-pod" U_D ".slice"},
	// static pod
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" MAN ".slice",
		CGROUP_POD, MAN, "", "", NULL, NULL},
	// CRI-O; its monitor belongs to the pod
	{"/kubepods.slice/kubepods-pod" U_D ".slice/crio-" ID ".scope", CGROUP_CONTAINER, UID, ID,
		"", NULL, "/kubepods.slice/kubepods-pod" U_D ".slice"},
	{"/kubepods.slice/kubepods-pod" U_D ".slice/crio-conmon-" ID ".scope", CGROUP_POD, UID, "",
		"", "/kubepods.slice/kubepods-pod" U_D ".slice", NULL},
	// docker (cri-dockerd), systemd driver
	{"/kubepods.slice/kubepods-pod" U_D ".slice/docker-" ID ".scope", CGROUP_CONTAINER, UID, ID,
		"", NULL, "/kubepods.slice/kubepods-pod" U_D ".slice"},
	// cgroupfs driver
	{"/kubepods/burstable/pod" UID, CGROUP_POD, UID, "", "", NULL, NULL},
	{"/kubepods/burstable/pod" UID "/" ID, CGROUP_CONTAINER, UID, ID, "", NULL,
		"/kubepods/burstable/pod" UID},
	{"/kubepods/pod" UID "/crio-" ID, CGROUP_CONTAINER, UID, ID, "", NULL, "/kubepods/pod" UID},
	// systemd driver of the kubelet, cgroupfs in containerd
	{"/system.slice/containerd.service/kubepods-burstable-pod" U_D ".slice:cri-containerd:" ID,
		CGROUP_CONTAINER, UID, ID, "", NULL, ""},
	// kind: a node inside a docker container
	{"/system.slice/docker-" ID ".scope/kubelet.slice/kubelet-kubepods.slice/"
	 "kubelet-kubepods-pod" U_D ".slice/cri-containerd-" ID ".scope",
		CGROUP_CONTAINER, UID, ID, "", NULL,
		"/system.slice/docker-" ID
		".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" U_D ".slice"},
	// what a container makes inside itself is the container's
	{"/kubepods/pod" UID "/" ID "/init.scope", CGROUP_CONTAINER, UID, ID, "",
		"/kubepods/pod" UID "/" ID, "/kubepods/pod" UID},
	{"/kubepods/pod" UID "/" ID "/" ID, CGROUP_CONTAINER, UID, ID, "",
		"/kubepods/pod" UID "/" ID, "/kubepods/pod" UID},
	// containers without pods
	{"/system.slice/docker-" ID ".scope", CGROUP_CONTAINER, "", ID, "docker-" ID ".scope", NULL,
		""},
	{"/docker/" ID, CGROUP_CONTAINER, "", ID, ID, NULL, ""},
	{"/machine.slice/libpod-" ID ".scope/container", CGROUP_CONTAINER, "", ID,
		"libpod-" ID ".scope", "/machine.slice/libpod-" ID ".scope", ""},
	{"/machine.slice/libpod-conmon-" ID ".scope", CGROUP_UNIT, "", "",
		"libpod-conmon-" ID ".scope", NULL, NULL},
	// plain machine
	{"/system.slice/nginx.service", CGROUP_UNIT, "", "", "nginx.service", NULL, NULL},
	{"/system.slice/system-getty.slice/getty@tty1.service", CGROUP_UNIT, "", "",
		"getty@tty1.service", NULL, NULL},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", CGROUP_UNIT, "", "",
		"user@1000.service", "/user.slice/user-1000.slice/user@1000.service", NULL},
	{"/user.slice/user-0.slice/session-3.scope", CGROUP_UNIT, "", "", "session-3.scope", NULL,
		NULL},
	{"/init.scope", CGROUP_UNIT, "", "", "init.scope", NULL, NULL},
	{"/bench", CGROUP_OTHER, "", "", "/bench", NULL, NULL},
	{"/bench/a/b", CGROUP_OTHER, "", "", "/bench", "/bench", NULL},
};

static void every_known_shape_names_its_owner(void **state)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape *s = &shapes[i];
		struct attribution a;
		attribution_parse(s->path, &a);
		const char *owner = s->owner ? s->owner : s->path;
		bool good = a.owned && a.kind == s->kind && strcmp(a.pod_uid, s->uid) == 0 &&
			    strcmp(a.container_id, s->id) == 0 && strcmp(a.name, s->name) == 0 &&
			    a.owner_len == strlen(owner) &&
			    (s->kind != CGROUP_CONTAINER || a.pod_len == strlen(s->pod));
		if (!good)
			fail_msg("%s: kind %d uid \"%s\" id \"%s\" name \"%s\" owner %zu pod %zu",
				s->path, a.kind, a.pod_uid, a.container_id, a.name, a.owner_len,
				a.pod_len);
	}
}

static void places_own_nothing(void **state)
{
	static const char *const places[] = {"/", "", "x", "/kubepods.slice",
		"/kubepods.slice/kubepods-burstable.slice", "/kubepods/burstable", "/system.slice",
		"/docker", "/system.slice/containerd.service/kubepods", "/user.slice/user-0.slice"};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct attribution a;
		attribution_parse(places[i], &a);
		if (a.owned)
			fail_msg("%s is owned by \"%s\"", places[i], a.name);
	}
}

static void almost_a_pod_is_none(void **state)
{
	static const char *const paths[] = {
		"/kubepods/pod1a2b3c4d-0000-4111-8222-123456789ab",  // one digit short
		"/kubepods/pod1A2B3C4D-0000-4111-8222-123456789ABC", // not as Kubernetes writes it
		"/kubepods/xpod" UID, "/kubepods/pod" UID "x", "/kubepods/pod"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct attribution a;
		attribution_parse(paths[i], &a);
		assert_string_equal(a.pod_uid, "");
		assert_false(a.owned);
	}
}

static void hostile_names_can_travel_and_stay_different(void **state)
{
	struct attribution a, b;
	attribution_parse("/a\nb<script>", &a);
	attribution_parse("/a\tb<script>", &b);
	assert_true(text_is_name(a.name, strlen(a.name), CGROUP_MAX_BYTES - 1));
	assert_memory_equal(a.name, "/a_b_script_-", 13);
	assert_string_not_equal(a.name, b.name);
	attribution_parse("/system.slice/dev-disk\\x2dlabel..x.service", &a);
	assert_true(text_is_name(a.name, strlen(a.name), CGROUP_MAX_BYTES - 1));
	char path[1024] = "/";
	memset(path + 1, 'n', 1000);
	attribution_parse(path, &a);
	assert_int_equal(strlen(a.name), CGROUP_MAX_BYTES - 1);
	assert_true(text_is_name(a.name, strlen(a.name), CGROUP_MAX_BYTES - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_known_shape_names_its_owner),
		cmocka_unit_test(places_own_nothing),
		cmocka_unit_test(almost_a_pod_is_none),
		cmocka_unit_test(hostile_names_can_travel_and_stay_different),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
