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

#include "aggregator/kube/kube.h"
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
	char scaling_group[NAME_MAX_BYTES]; // "" if not known
	char terminate_hook[64];            // "" if it has none
	char zones[8][32];                  // names of the zones it may launch in
	size_t n_zones;
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
	// what only the watch tells; watched false: it never spoke of this node
	bool watched, ready, unschedulable, deleting, managed;
	bool interruption_taint; // petrel.dev/interruption
	bool out_of_service;     // node.kubernetes.io/out-of-service
	enum kube_owner owner;
	char uid[40], zone[32];
	int64_t created_ms, ready_changed_ms, lease_ms;
	uint32_t volumes; // attached
	char *drain;      // annotation petrel.dev/drain, NULL if there is none
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
	// what only the watch tells; a watched pod stays until the watch says that it has gone
	bool watched, ready, critical, volumes;
	enum kube_controller controller;
	enum kube_phase phase;
	int32_t priority;
	uint32_t grace_s;
	int64_t deleting_ms;
	char *labels;            // for selector_match(), NULL if it has none
	struct fleet_host *host; // of its node; fleet_pod_place() keeps it
	struct fleet_pod *prev_on_node, *next_on_node;
	UT_hash_handle hh;
};

struct fleet_budget {                       // a PodDisruptionBudget
	char key[64 + 64 + NAME_MAX_BYTES]; // cluster "/" namespace "/" name
	char cluster[64], namespace_[64], name[NAME_MAX_BYTES];
	char *selector;
	int32_t allowed, healthy, desired, expected;
	bool observed, always_allow;
	struct fleet_space *space;
	struct fleet_budget *prev, *next; // of its namespace
	UT_hash_handle hh;
};

struct fleet_workload {                         // what makes pods again
	char key[64 + 64 + 4 + NAME_MAX_BYTES]; // cluster "/" namespace "/" kind "/" name
	enum kube_controller kind;
	int32_t replicas, ready;
	UT_hash_handle hh;
};
enum { FLEET_MAX_BUDGETS = 20000, FLEET_MAX_WORKLOADS = 100000 };

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
void fleet_remove_node(struct fleet *f, struct fleet_node *n);
// Puts a pod on a node ("": on none). The pods of a node are found by fleet_pods_on() (then
// ->next_on_node), whether the node itself is known or not.
int fleet_pod_place(struct fleet *f, struct fleet_pod *p, const char *node);
struct fleet_pod *fleet_pods_on(const struct fleet *f, const char *cluster, const char *node);
// A number that differs after anything about the pods of a node has changed.
uint64_t fleet_pods_change(const struct fleet *f, const char *cluster, const char *node);
void fleet_pod_changed(struct fleet *f, struct fleet_pod *p); // says so
// Heads of the uthash tables, to walk with ->hh.next.
struct fleet_cluster *fleet_clusters(struct fleet *f);
struct fleet_group *fleet_groups(struct fleet *f);
struct fleet_node *fleet_nodes(struct fleet *f);
struct fleet_pod *fleet_pods(struct fleet *f);
struct fleet_budget *fleet_budgets(struct fleet *f);

// A sample has arrived (already authenticated): keeps identity, capability report and own cost of
// its node, and its pods.
int fleet_on_sample(struct fleet *f, const struct sample *s, int64_t now_ms);
// States by silence, counts per group and cluster, forgets what is long gone. Call once a second.
void fleet_tick(struct fleet *f, int64_t now_ms);

// guests.c: budgets and workloads; find or make, as above.
struct fleet_thing { // names one of them
	const char *cluster, *namespace_, *name;
};
int fleet_budget(struct fleet *f, const struct fleet_thing *which, struct fleet_budget **ret);
struct fleet_budget *fleet_find_budget(struct fleet *f, const struct fleet_thing *which);
void fleet_remove_budget(struct fleet *f, struct fleet_budget *b);
// The budgets that select a pod, at most max of them into ret (two are already too many for an
// eviction); how many there are.
size_t fleet_budgets_of(const struct fleet *f, const struct fleet_pod *p,
	const struct fleet_budget **ret, size_t max);
int fleet_workload(struct fleet *f, const struct fleet_thing *which, enum kube_controller kind,
	struct fleet_workload **ret);
struct fleet_workload *fleet_find_workload(
	struct fleet *f, const struct fleet_thing *which, enum kube_controller kind);
void fleet_remove_workload(struct fleet *f, struct fleet_workload *w);

struct fleet_stats {
	size_t clusters, groups, nodes, pods, refused;
	size_t expected, reporting;   // agents
	int64_t oldest_sample_age_ms; // of the reporting nodes, -1 if there are none
};
// cluster NULL: all
void fleet_stats(
	const struct fleet *f, const char *cluster, int64_t now_ms, struct fleet_stats *ret);
