// SPDX-License-Identifier: Apache-2.0
// Whose cgroup is this? From the path alone.
//
// Kubernetes: pod UID and container id, for containerd, CRI-O and docker, with the systemd and the
// cgroupfs driver, also nested (kind, k3s, docker in docker). Plain machine: a systemd unit, or a
// container without a pod, is what a pod is there; whatever else stands at the top is "other",
// named by its path. Slices and their like are only places: nothing is attributed to them. Below an
// owner everything belongs to it (a cgroup that a container made inside itself). Pure, no
// allocation. The path is hostile: names that could not travel (proto/base/text.h, text_is_name)
// are mended and get a checksum of the whole path, so that two of them stay two.
#pragma once

#include "proto/wire/sample.h"

#include <stdbool.h>
#include <stddef.h>

struct attribution {
	bool owned;       // false: a place, everything else is empty
	size_t owner_len; // path[0 .. owner_len) is the owner's own cgroup; the whole path if it is
			  // it
	size_t pod_len;   // of a container: its pod's cgroup; 0 if it has none of its own
	enum cgroup_kind kind;
	char name[CGROUP_MAX_BYTES]; // "" for pods and containers of pods
	char pod_uid[40];
	char container_id[72];
};

// path: inside its hierarchy, "/kubepods.slice/…"; "/" is a place.
void attribution_parse(const char *path, struct attribution *ret);
