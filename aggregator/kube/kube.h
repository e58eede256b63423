// SPDX-License-Identifier: Apache-2.0
// What a Kubernetes cluster tells, whoever answers: an API server or the simulator.
//
// A watch first tells everything that exists, then on_synced, then every change. on_gone names what
// has disappeared. All calls on the loop's thread; what a callback is given is borrowed for the
// call.
#pragma once

#include "proto/base/why.h"
#include "proto/wire/capacity.h"
#include "proto/wire/sample.h"

struct kube_node {
	char name[NAME_MAX_BYTES], uid[40];
	char group[NAME_MAX_BYTES]; // from the node group label; "" if none
	char instance_id[32], instance_type[32], zone_id[32];
	enum capacity_type capacity;
	bool ready, unschedulable;
	int64_t allocatable_millicores, allocatable_mem_bytes;
};

struct kube_pod {
	char uid[40], namespace_[64], name[NAME_MAX_BYTES];
	char workload[NAME_MAX_BYTES]; // its controller's name; its own if it has none
	char node[NAME_MAX_BYTES];     // "" while unscheduled
	int64_t request_millicores, request_mem_bytes;
};

struct kube_sink {
	void (*on_node)(void *arg, const struct kube_node *n);
	void (*on_node_gone)(void *arg, const char *name);
	void (*on_pod)(void *arg, const struct kube_pod *p);
	void (*on_pod_gone)(void *arg, const char *uid);
	void (*on_synced)(void *arg);
	void *arg;
};

struct kube_ops {
	const char *name;                                       // "apiserver", "sim"
	int (*watch)(void *self, const struct kube_sink *sink); // the sink is copied
};

struct kube { // one cluster
	const struct kube_ops *ops;
	void *self;
	char cluster[64];
};
