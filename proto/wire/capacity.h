// SPDX-License-Identifier: Apache-2.0
// How capacity is bought: the word that kube, cloud, fleet and the simulator share.
#pragma once

enum capacity_type { CAPACITY_UNKNOWN, CAPACITY_ON_DEMAND, CAPACITY_SPOT, CAPACITY_MIXED };
const char *capacity_type_name(enum capacity_type c); // "unknown", "on-demand", "spot", "mixed"
