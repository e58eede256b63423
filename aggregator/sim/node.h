// SPDX-License-Identifier: Apache-2.0
// One simulated node: what it is, and the sample its agent would send.
#pragma once

#include "proto/base/rng.h"
#include "proto/wire/capacity.h"
#include "proto/wire/sample.h"

struct sim_group { // constant
	const char *name;
	enum capacity_type capacity;
	const char *instance_type;
	int64_t millicores, mem_bytes, usd_micro_hour;
	double peak_share; // of the group's capacity that the recorded peak needs
	const char *workloads[2];
};

struct sim_node {
	char name[64];
	uint32_t number; // counts up within its group, never reused
	enum capacity_type capacity;
	bool up;
	int64_t back_at_ms; // when its replacement joins, while down
	double skew;        // this node's share of the load, around 1
	double noise;       // slowly wandering
	uint8_t boot_id[16];
	uint64_t sequence;
};

// demand: what the node's pods want, in millicores; more than the node has means waiting.
void sim_node_fill(struct sample *ret, const struct sim_group *g, struct sim_node *n,
	double demand_millicores, struct rng *rng);
// The share of the node's demand that pod p (0..SIM_PODS_PER_NODE-1) has.
double sim_pod_share(unsigned p);
void sim_pod_uid(const struct sim_node *n, unsigned p, char ret[40]);
