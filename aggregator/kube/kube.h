// SPDX-License-Identifier: Apache-2.0
// What a Kubernetes cluster tells and can be asked to do, whoever answers: an API server or the
// simulator.
//
// A watch first tells everything that exists, then on_synced, then every change; after a break it
// tells everything again and names what has gone meanwhile. Calls are asynchronous: each ends in
// exactly one on_done on the loop's thread, never inside the call, also when the client stops
// (-ECANCELED). Calls of KUBE_INTERRUPTION overtake all others in the client's one budget. What a
// callback is given is borrowed for the call; what a call is given is copied. All times are ms
// since the epoch.
#pragma once

#include "proto/base/why.h"
#include "proto/wire/capacity.h"
#include "proto/wire/sample.h"

enum kube_owner { // of a node: who else may end it
	KUBE_OWNER_NONE,
	KUBE_OWNER_KARPENTER,          // karpenter.sh/nodepool label
	KUBE_OWNER_CLUSTER_AUTOSCALER, // being deleted: ToBeDeletedByClusterAutoscaler taint
};

struct kube_node {
	char name[NAME_MAX_BYTES], uid[40];
	char group[NAME_MAX_BYTES]; // from the node group label; "" if none
	char instance_id[32];       // the last segment of providerID; "" if it has none
	char instance_type[32], zone_id[32], zone[32];
	enum capacity_type capacity;
	enum kube_owner owner;
	bool managed; // has eks.amazonaws.com/nodegroup: EKS drains it too
	bool ready, unschedulable, deleting;
	bool interruption_taint; // ours: petrel.dev/interruption
	bool out_of_service;     // the taint node.kubernetes.io/out-of-service, whoever set it
	int64_t created_ms, ready_changed_ms;
	int64_t lease_ms; // when its lease was last seen to change; 0: never seen
	int64_t allocatable_millicores, allocatable_mem_bytes;
	const char *drain; // annotation petrel.dev/drain, "" if none; borrowed
};

enum kube_controller { // what made a pod, and would make it again
	KUBE_BY_NONE,
	KUBE_BY_DEPLOYMENT, // through its ReplicaSet
	KUBE_BY_REPLICASET,
	KUBE_BY_STATEFULSET,
	KUBE_BY_DAEMONSET,
	KUBE_BY_JOB,
	KUBE_BY_NODE, // a mirror pod
	KUBE_BY_OTHER,
};
enum kube_phase { KUBE_PENDING, KUBE_RUNNING, KUBE_SUCCEEDED, KUBE_FAILED };

struct kube_pod {
	char uid[40], namespace_[64], name[NAME_MAX_BYTES];
	char workload[NAME_MAX_BYTES]; // its controller's name (the Deployment's, where there is
				       // one); its own if it has none
	char node[NAME_MAX_BYTES];     // "" while unscheduled
	enum kube_controller controller;
	enum kube_phase phase;
	bool ready, critical; // priority class system-*-critical
	bool volumes;         // has a PersistentVolumeClaim: detaching takes time
	int32_t priority;
	uint32_t grace_s;    // terminationGracePeriodSeconds; its default 30
	int64_t deleting_ms; // deletionTimestamp, 0 while it lives
	int64_t request_millicores, request_mem_bytes;
	const char *labels; // "key=value\n"…, sorted; for selector_match(); borrowed
};

struct kube_budget { // a PodDisruptionBudget
	char namespace_[64], name[NAME_MAX_BYTES];
	const char *selector; // for selector_match(); borrowed
	int32_t allowed;      // disruptionsAllowed
	int32_t healthy, desired, expected;
	bool observed;     // status is of the present generation
	bool always_allow; // unhealthyPodEvictionPolicy AlwaysAllow
};

struct kube_workload { // a Deployment, ReplicaSet without owner, or StatefulSet
	char namespace_[64], name[NAME_MAX_BYTES];
	enum kube_controller kind;
	int32_t replicas, ready;
};

struct kube_sink { // NULL: not interested
	void (*on_node)(void *arg, const struct kube_node *n);
	void (*on_node_gone)(void *arg, const char *name);
	void (*on_pod)(void *arg, const struct kube_pod *p);
	void (*on_pod_gone)(void *arg, const char *uid);
	void (*on_budget)(void *arg, const struct kube_budget *b);
	void (*on_budget_gone)(void *arg, const char *namespace_, const char *name);
	void (*on_workload)(void *arg, const struct kube_workload *w);
	void (*on_workload_gone)(
		void *arg, enum kube_controller kind, const char *namespace_, const char *name);
	// Volumes that are attached to a node by the attach/detach controller.
	void (*on_volumes)(void *arg, const char *node, uint32_t attached);
	void (*on_synced)(void *arg);
	void *arg;
};

enum kube_priority { KUBE_INTERRUPTION, KUBE_VOLUNTARY, KUBE_REPORT };

struct kube_reply {
	// r 0: done. -ENOENT WHY_GONE: it is not there. -ESTALE WHY_GONE: another object has this
	// name now. -EBUSY WHY_THROTTLED: a disruption budget allows none now (why names it).
	// -EAGAIN WHY_THROTTLED: ask again after retry_ms (429, budget not computed yet, our own
	// queue is full, the namespace is ending). -ECANCELED: the client stops or may not act.
	// -ENOTSUP WHY_DENIED: two budgets over one pod. -EACCES WHY_DENIED: RBAC. -ETIMEDOUT,
	// -ECONNREFUSED, -EIO… WHY_RETRY. -EINVAL WHY_BUG.
	void (*on_done)(void *arg, int r, const struct why *why, int64_t retry_ms);
	void *arg;
	enum kube_priority priority;
};

struct kube_pair {
	const char *key, *value; // value NULL: taken off
};
enum kube_cordon { KUBE_CORDON_KEEP, KUBE_CORDON_SET, KUBE_CORDON_UNSET };
struct kube_node_change { // all in one patch that loses nobody else's change
	enum kube_cordon cordon;
	const char *taint_key, *taint_value, *taint_effect; // NULL key: taints stay; NULL effect:
							    // the taint with this key comes off
	struct kube_pair labels[2];                         // NULL key: unused
	struct kube_pair annotations[2];                    // NULL key: unused
	// For the leader to read, by a replica that does not lead: the gate lets it pass, and it is
	// written only if nobody has changed the node meanwhile (else -EIO WHY_RETRY).
	bool request;
};

struct kube_pod_ref {
	const char *namespace_, *name, *uid; // a pod of this uid or none
};

struct kube_event {                  // events.k8s.io/v1
	const char *node, *node_uid; // regarding
	const char *reason, *action, *note;
	bool warning;
};

struct kube_ops {
	const char *name;                                       // "apiserver", "sim"
	int (*watch)(void *self, const struct kube_sink *sink); // the sink is copied
	void (*change_node)(void *self, const char *node, const struct kube_node_change *c,
		const struct kube_reply *reply);
	// grace_s: never 0; the caller has taken the smaller of the pod's own and what is left.
	void (*evict_pod)(void *self, const struct kube_pod_ref *pod, uint32_t grace_s,
		bool dry_run, const struct kube_reply *reply);
	void (*delete_pod)(void *self, const struct kube_pod_ref *pod, uint32_t grace_s,
		const struct kube_reply *reply);
	void (*tell)(void *self, const struct kube_event *e, const struct kube_reply *reply);
};

struct kube { // one cluster
	const struct kube_ops *ops;
	void *self;
	char cluster[64];
};
