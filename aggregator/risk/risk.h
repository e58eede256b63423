// SPDX-License-Identifier: Apache-2.0
// The record "risk": how likely a node or pool is lost within a horizon.
//
// Nothing that Petrel measures today predicts an interruption, so every answer is "unknown" with
// its reason. The record is here because decide and show already carry it; its values come with the
// spot intelligence.
#pragma once

#include "proto/base/buf.h"

#include <stdint.h>

enum risk_horizon { RISK_2_MIN, RISK_15_MIN, RISK_1_H, RISK_24_H, RISK_HORIZON_COUNT };

struct risk {
	char cluster[64];
	char subject[254];                         // node or pool
	int32_t loss_permille[RISK_HORIZON_COUNT]; // -1: unknown
	char reason[128];                          // why that answer
};

// capacity: "on-demand", "spot", "mixed", "unknown". Pure.
void risk_of_node(const char *cluster, const char *node, const char *capacity, struct risk *ret);
void risk_print(const struct risk *r, struct buf *out);
