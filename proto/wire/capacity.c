// SPDX-License-Identifier: Apache-2.0
#include "proto/wire/capacity.h"

const char *capacity_type_name(enum capacity_type c)
{
	static const char *const names[] = {"unknown", "on-demand", "spot", "mixed"};
	return (unsigned)c < 4 ? names[c] : "unknown";
}
