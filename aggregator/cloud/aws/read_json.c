// SPDX-License-Identifier: Apache-2.0
// The answers of EKS.
#include "aggregator/cloud/aws/read.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "proto/base/text.h"

enum { MAX_NAMES = 1000 };

static const cJSON *get(const cJSON *o, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(o, key);
}

static bool take(char *ret, size_t size, const cJSON *o)
{
	const char *t = cJSON_GetStringValue(o);
	if (!t || strlen(t) >= size)
		return false;
	return text_copy(ret, size, t);
}

int read_nodegroup_names(const struct body *b, struct buf *ret_names, struct buf *ret_next)
{
	cJSON *o = cJSON_ParseWithLength(b->data, b->len);
	const cJSON *names = get(o, "nodegroups"), *name;
	const char *next = cJSON_GetStringValue(get(o, "nextToken"));
	size_t n = 0;
	bool ok = cJSON_IsArray(names);
	cJSON_ArrayForEach (name, names) {
		const char *t = cJSON_GetStringValue(name);
		if (t && *t && n++ < MAX_NAMES)
			buf_append(ret_names, t, strlen(t) + 1);
	}
	buf_text(ret_next, next ? next : "");
	cJSON_Delete(o);
	return ok && !buf_failed(ret_names) && !buf_failed(ret_next) ? 0 : -EBADMSG;
}

static uint32_t number(const cJSON *o, const char *key)
{
	const cJSON *v = get(o, key);
	return cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble <= UINT32_MAX
		       ? (uint32_t)v->valuedouble
		       : 0;
}

int read_nodegroup(const struct body *b, struct cloud_group *ret)
{
	cJSON *root = cJSON_ParseWithLength(b->data, b->len);
	const cJSON *o = get(root, "nodegroup"), *size = get(o, "scalingConfig");
	const cJSON *groups = get(get(o, "resources"), "autoScalingGroups");
	const char *capacity = cJSON_GetStringValue(get(o, "capacityType"));
	struct cloud_group g = {.managed = true, .capacity = CAPACITY_ON_DEMAND};
	bool ok = take(g.name, sizeof(g.name), get(o, "nodegroupName")) && g.name[0];
	take(g.scaling_group, sizeof(g.scaling_group), get(cJSON_GetArrayItem(groups, 0), "name"));
	take(g.instance_type, sizeof(g.instance_type),
		cJSON_GetArrayItem(get(o, "instanceTypes"), 0));
	if (capacity && strcmp(capacity, "SPOT") == 0)
		g.capacity = CAPACITY_SPOT;
	g.min = number(size, "minSize");
	g.max = number(size, "maxSize");
	g.desired = number(size, "desiredSize");
	cJSON_Delete(root);
	if (!ok)
		return -EBADMSG;
	*ret = g;
	return 0;
}
