// SPDX-License-Identifier: Apache-2.0
// One simulated node: what it is, and the sample its agent would send.
#pragma once

#include "aggregator/sim/sim.h"
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
	uint32_t grace_s[2]; // of their pods
	int budget[2];       // maxUnavailable of their disruption budget, 0: none
	bool stateful[2];    // a StatefulSet with volumes
};

struct sim_guest { // a pod that runs on a node, as its sample shows it
	const char *uid;
	double share; // of a full node's load
};

struct sim_node {
	char name[64], uid[40], instance_id[32];
	uint32_t number; // counts up within its group, never reused
	uint32_t place;  // in its name: the next instance may have it again, as on EC2
	enum capacity_type capacity;
	unsigned group, zone;
	bool exists;      // an instance, starting or running
	bool up;          // its node is Ready
	int64_t joins_ms; // when it will be up
	int64_t created_ms;
	int64_t ends_ms; // when it will be taken; 0: not known
	bool replaced;   // it ends without its group making it again
	// what was written on its node
	bool cordoned, tainted, excluded;
	char drain[1024]; // annotation petrel.dev/drain
	double skew;      // this node's share of the load, around 1
	double noise;     // slowly wandering
	uint8_t boot_id[16];
	uint64_t sequence;
	struct sim_guest guests[SIM_MAX_PODS_PER_NODE];
	size_t n_guests;
};

// demand: what the node's pods want, in millicores; more than the node has means waiting.
void sim_node_fill(struct sample *ret, const struct sim_group *g, struct sim_node *n,
	double demand_millicores, struct rng *rng);
// The share of a node's demand that a pod of kind p (0..SIM_PODS_PER_NODE-1) has.
double sim_pod_share(unsigned p);
// A UUID made of what it names, so that the same run has the same.
void sim_uid(const char *what, uint32_t number, char ret[40]);
