// SPDX-License-Identifier: Apache-2.0
// What exists: clusters, node groups, nodes and pods, as known from samples, the Kubernetes watch
// and the simulator.
//
// One table for every cluster; a thing is found by (cluster, name). A node appears with its first
// sample or its first watch event, and is NODE_SILENT when neither has spoken for its time-out; it
// is forgotten an hour after it is GONE. Ownership: the fleet owns everything; pointers are
// borrowed until the next fleet_ call that changes it. Thread: the loop. Bounds: max_nodes,
// max_pods; what passes them is refused and counted.
#pragma once

#include "proto/wire/capacity.h"
#include "proto/wire/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

enum node_state { NODE_READY, NODE_NOT_READY, NODE_SILENT, NODE_DRAINING, NODE_GONE };
const char *node_state_name(
	enum node_state s); // "ready", "not-ready", "silent", "draining", "gone"
enum petrel_mode { MODE_OBSERVE, MODE_RECOMMEND, MODE_ACT };
const char *petrel_mode_name(enum petrel_mode m); // "observe", "recommend", "act"

struct fleet_cluster {
	char name[64];
	char region[32], account[16];
	bool simulated;
	enum petrel_mode mode;
	size_t expected_agents; // nodes that should report: those known from Kubernetes or the
				// simulator, else those seen
	UT_hash_handle hh;
};

struct fleet_group {
	char key[64 + NAME_MAX_BYTES]; // cluster "/" name
	char cluster[64], name[NAME_MAX_BYTES];
	enum capacity_type capacity;
	bool managed;               // EKS managed node group
	uint32_t min, max, desired; // 0,0,0 if not known (no cloud)
	char instance_type[32];
	int64_t node_millicores, node_mem_bytes; // allocatable of one more node
	int64_t node_usd_micro_hour;             // price of one node, 0 if not known
	uint32_t nodes, nodes_ready, pods;       // counted by fleet_tick()
	UT_hash_handle hh;
};

struct fleet_node {
	char key[64 + NAME_MAX_BYTES];
	char cluster[64], name[NAME_MAX_BYTES], group[NAME_MAX_BYTES];
	char instance_id[32], instance_type[32], zone_id[32], version[32];
	enum capacity_type capacity;
	enum node_state state;
	bool simulated, has_agent;
	int64_t allocatable_millicores, allocatable_mem_bytes; // 0 if not known
	int64_t first_seen_ms, last_sample_ms;                 // aggregator's clock
	int64_t clock_offset_ms; // agent's clock - ours; kept by the line
	uint32_t duty_on_ms, window_ms;
	enum duty_mode duty;
	uint64_t self_cpu_ns, self_rss_bytes, self_lost_events;
	struct hook_status hooks[SAMPLE_MAX_HOOKS];
	size_t n_hooks;
	uint32_t pods;
	UT_hash_handle hh;
};

struct fleet_pod {
	char key[64 + 40]; // cluster "/" uid, or node "/" unit on a plain machine
	char cluster[64], uid[40];
	char namespace_[64], name[NAME_MAX_BYTES],
		workload[NAME_MAX_BYTES]; // "" until Kubernetes tells; a unit's name on a plain
					  // machine
	char node[NAME_MAX_BYTES];
	int64_t request_millicores, request_mem_bytes;
	int64_t last_seen_ms;
	UT_hash_handle hh;
};

struct fleet;
struct fleet_options {
	size_t max_clusters, max_groups, max_nodes, max_pods;
	int64_t silent_after_ms; // 15,000
};
int fleet_new(struct fleet **ret, const struct fleet_options *o);
void fleet_free(struct fleet *f);

// Finds or makes; -ENOSPC over the bound, -EINVAL for a name that is none.
int fleet_cluster(struct fleet *f, const char *name, struct fleet_cluster **ret);
int fleet_group(struct fleet *f, const char *cluster, const char *name, struct fleet_group **ret);
int fleet_node(struct fleet *f, const char *cluster, const char *name, struct fleet_node **ret);
int fleet_pod(struct fleet *f, const char *cluster, const char *uid, struct fleet_pod **ret);
struct fleet_cluster *fleet_find_cluster(struct fleet *f, const char *name);
struct fleet_group *fleet_find_group(struct fleet *f, const char *cluster, const char *name);
struct fleet_node *fleet_find_node(struct fleet *f, const char *cluster, const char *name);
struct fleet_pod *fleet_find_pod(struct fleet *f, const char *cluster, const char *uid);
// The uid under which a systemd unit of a plain machine stands in the table of pods: "unit-" and 32
// hex digits of SHA-256(node, unit), because unit names may be longer than a uid and two machines
// may have the same unit.
void fleet_unit_uid(const char *node, const char *unit, char ret[40]);
void fleet_remove_pod(struct fleet *f, struct fleet_pod *p);
// Heads of the uthash tables, to walk with ->hh.next.
struct fleet_cluster *fleet_clusters(struct fleet *f);
struct fleet_group *fleet_groups(struct fleet *f);
struct fleet_node *fleet_nodes(struct fleet *f);
struct fleet_pod *fleet_pods(struct fleet *f);

// A sample has arrived (already authenticated): keeps identity, capability report and own cost of
// its node, and its pods.
int fleet_on_sample(struct fleet *f, const struct sample *s, int64_t now_ms);
// States by silence, counts per group and cluster, forgets what is long gone. Call once a second.
void fleet_tick(struct fleet *f, int64_t now_ms);

struct fleet_stats {
	size_t clusters, groups, nodes, pods, refused;
	size_t expected, reporting;   // agents
	int64_t oldest_sample_age_ms; // of the reporting nodes, -1 if there are none
};
// cluster NULL: all
void fleet_stats(
	const struct fleet *f, const char *cluster, int64_t now_ms, struct fleet_stats *ret);
