// SPDX-License-Identifier: Apache-2.0
// Any bytes as the path of a cgroup: whatever is attributed can travel, and points into the path.
#include "agent/proc/attribution.h"
#include "proto/base/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check(const char *path, const struct attribution *a)
{
	size_t len = strlen(path), name = strlen(a->name);
	assert(a->owner_len <= len && a->pod_len <= a->owner_len);
	if (!a->owned) {
		assert(!name && !a->pod_uid[0] && !a->container_id[0] && !a->owner_len);
		return;
	}
	assert(a->owner_len > 0 && path[0] == '/');
	assert(path[a->owner_len] == '/' || path[a->owner_len] == '\0');
	assert(name ? text_is_name(a->name, name, sizeof(a->name) - 1) : a->pod_uid[0] != 0);
	assert(!a->pod_uid[0] || text_is_name(a->pod_uid, strlen(a->pod_uid), 39));
	assert((a->kind == CGROUP_CONTAINER) == (a->container_id[0] != 0));
	assert(!a->container_id[0] || strlen(a->container_id) == 64);
	assert(a->kind != CGROUP_POD || a->pod_uid[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *path = strndup((const char *)data, size);
	struct attribution a, owner;
	attribution_parse(path, &a);
	check(path, &a);
	if (a.owned) { // the owner's own path has the same owner, and so the same name
		path[a.owner_len] = '\0';
		attribution_parse(path, &owner);
		check(path, &owner);
		assert(owner.owned && owner.owner_len == a.owner_len);
	}
	free(path);
	return 0;
}
