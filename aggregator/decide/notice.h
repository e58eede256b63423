// SPDX-License-Identifier: Apache-2.0
// From a notice to the plan of a drain in which every step has a time. Pure: no clock, no I/O.
//
// The order: mark the node (nobody is placed on it, load balancers leave it), ask for a
// replacement, evict everything in parallel that budgets permit, longest first, pods with volumes
// before pods without, critical ones after the others, DaemonSets only if asked; delete before the
// end what a budget still blocks (only where the instance goes anyway); wait for load balancers;
// complete the hook. An interruption drains while the replacement starts; a recommendation, a
// scheduled event waits for it first. A node that Karpenter owns, or that Cluster Autoscaler is
// deleting, is left to them. Eviction rules: API server 1.36 as recorded in the reference page of
// the test cluster; a grace is never 0 and never longer than the pod's own.
// The view borrows everything for the call. The same view, notice, policy and now give a byte-equal
// plan.
#pragma once

#include "aggregator/decide/drain_plan.h"

struct drain_view_pod {
	const char *namespace_, *name, *uid, *workload;
	bool daemonset, mirror, finished; // a DaemonSet's, a static pod's, has ended
	bool ready, pending, critical, volumes;
	int32_t priority;
	uint32_t grace_s;
	int64_t deleting_ms; // 0: alive
	bool lone;           // its workload has one replica
	uint32_t n_budgets;  // that select it
	uint32_t budget;     // the first of them, in the view
};

struct drain_view_budget {
	const char *namespace_, *name;
	int32_t allowed, healthy, desired;
	bool observed, always_allow;
};

struct drain_view_zone {
	char name[32];
	int64_t failed_ms; // the last launch that failed there; 0: none lately
};

struct drain_view {
	const char *cluster, *node, *uid, *instance_id, *group, *zone;
	bool karpenter, autoscaler_deletes, deleting; // whose it is
	bool managed;                                 // an EKS node group
	bool spot;
	bool unschedulable; // cordoned, by whomever
	bool marked;        // by us
	bool cordoned_by_us;
	uint32_t volumes; // attached
	// its scaling group; "" if not known
	const char *scaling_group, *hook;
	uint32_t group_desired, group_max;
	struct drain_view_zone zones[8];
	size_t n_zones;
	const char *fallback_group; // scaling group with on-demand capacity, "" if there is none
	const char *fallback_zone;
	uint32_t fallback_desired, fallback_max;
	bool group_replaces;    // the scaling group ends the instance itself, and launches another
	bool replacement_asked; // by an earlier plan of the same drain: not again
	bool replacement_ready, replacement_failed;
	uint32_t replaced_this_hour; // nodes of its group drained on recommendation
	const struct drain_view_pod *pods;
	size_t n_pods;
	const struct drain_view_budget *budgets;
	size_t n_budgets;
};

struct drain_notice {
	enum drain_kind kind; // the most urgent of what was heard
	int64_t observed_ms;
	int64_t deadline_ms; // 0: not given
	int64_t begun_ms;    // when its drain began; 0: with this plan
	bool guessed;        // the deadline is a guess
	bool withdrawn;      // everything that was heard has been taken back
};

struct drain_policy {
	bool delete_blocked_forced;           // on: an interruption deletes what a budget blocks
	bool delete_blocked_voluntary;        // off
	bool evict_daemonsets;                // off
	bool take_karpenter, take_autoscaler; // off: their nodes are left to them
	bool take_managed_rebalance; // off: EKS replaces and drains its managed spot nodes itself
	bool replace;                // on: ask for a replacement
	int64_t interruption_ms;     // 120,000: what a notice without a deadline is taken for
	int64_t delete_before_ms;    // 25,000: before the deadline
	int64_t shortest_ms; // 10,000: the shortest drain, where the end is now (hibernation) or
			     // was
	int64_t margin_ms;   // 5,000: kept free before the deadline
	int64_t launch_ms;   // 75,000: from the launch to Ready
	int64_t patience_ms; // 300,000: for a replacement, before a voluntary drain
	int64_t scheduled_window_ms; // 3,600,000: before the event
	int64_t operator_ms;         // 900,000: deadline of a drain that was asked for without one
	int64_t detach_ms;           // 15,000: of volumes
	int64_t start_ms;            // 20,000: until a moved pod is healthy, images being there
	int64_t failure_memory_ms;   // 180,000: how long a failed launch counts
	int64_t load_balancer_ms;    // 60,000: longest wait of a voluntary drain
	int64_t keep_marked_ms;      // 1,800,000: a node neither lost nor replaced is un-cordoned
	uint32_t rebalance_per_hour; // 4, of one group
};
void drain_policy_default(struct drain_policy *ret);

// ret was initialised and is filled anew. -ENOMEM.
int decide_notice(const struct drain_view *view, const struct drain_notice *notice,
	const struct drain_policy *policy, int64_t now_ms, struct drain_plan *ret);
