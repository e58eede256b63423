// SPDX-License-Identifier: Apache-2.0
// The simulator's nodes and pods, and the controllers that move them: the scaling group that keeps
// its size, the ReplicaSets that make pods again, the scheduler, the disruption controller.
#pragma once

#include "aggregator/kube/kube.h"
#include "aggregator/sim/node.h"

enum { SIM_MAX_PODS = 512, SIM_WORKLOADS = 2 };

struct sim_pod {
	bool exists;
	char uid[40], name[64];
	unsigned group, workload, kind; // kind: sim_pod_share()
	struct sim_node *node;          // NULL: pending
	bool ready;
	int64_t ready_ms;    // when it will be
	int64_t deleting_ms; // deletionTimestamp; 0: alive
	int64_t ends_ms;     // when it has ended, at deleting_ms at the latest
};

struct sim_world {
	const struct sim_group *groups;
	struct rng rng;
	int64_t now_ms;
	struct kube_sink sink; // what nobody wants to hear is NULL
	struct sim_node nodes[SIM_GROUPS][SIM_MAX_NODES_PER_GROUP];
	uint32_t numbers[SIM_GROUPS], desired[SIM_GROUPS];
	struct sim_pod pods[SIM_MAX_PODS];
	uint32_t pod_numbers;
	int32_t allowed[SIM_GROUPS][SIM_WORKLOADS]; // as last told
	int64_t no_capacity_until_ms[3];
	int64_t balanced_ms;
	bool told; // a watch is there
};

extern const char *const sim_zones[3], *const sim_zone_ids[3];

void world_start(struct sim_world *w); // everything up and running, nothing told
void world_tell_all(struct sim_world *w);
void world_tick(struct sim_world *w, int64_t now_ms);
void world_tell_node(struct sim_world *w, const struct sim_node *n);
struct sim_node *world_find_node(struct sim_world *w, const char *name);
struct sim_node *world_find_instance(struct sim_world *w, const char *instance_id);
struct sim_pod *world_find_pod(struct sim_world *w, const char *uid);
// A new instance, in this zone (-1: any); NULL: the group is at its limit. It joins in 60 to 90 s.
struct sim_node *world_launch(struct sim_world *w, unsigned group, int zone);
// Ends it within its grace. The ReplicaSet makes another at once.
void world_end_pod(struct sim_world *w, struct sim_pod *p, uint32_t grace_s);
int32_t world_allowed(
	const struct sim_world *w, unsigned group, unsigned workload, int32_t *ret_healthy);
int32_t world_replicas(const struct sim_world *w, unsigned group, unsigned workload);
