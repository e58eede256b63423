// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cloud/cloud.h"

#include <string.h>

enum cloud_instance_state cloud_instance_state_parse(const char *ec2_name)
{
	static const struct {
		const char *name;
		enum cloud_instance_state state;
	} names[] = {
		{"pending", CLOUD_INSTANCE_PENDING},
		{"running", CLOUD_INSTANCE_RUNNING},
		{"impaired", CLOUD_INSTANCE_IMPAIRED},
		{"shutting-down", CLOUD_INSTANCE_STOPPING},
		{"stopping", CLOUD_INSTANCE_STOPPING},
		{"stopped", CLOUD_INSTANCE_GONE},
		{"terminated", CLOUD_INSTANCE_GONE},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i].name, ec2_name) == 0)
			return names[i].state;
	return CLOUD_INSTANCE_UNKNOWN;
}
