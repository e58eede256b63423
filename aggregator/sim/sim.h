// SPDX-License-Identifier: Apache-2.0
// A simulated cluster with its cloud on a virtual clock: the demo fleet.
//
// 24 nodes in three node groups (on-demand, spot, mixed) replay recorded production load; spot
// nodes are reclaimed now and then and replaced. It implements struct cloud and struct kube, and
// its samples go through the same intake as real ones. What it knows of time is what sim_tick()
// tells, so a week can be run in seconds; the same seed and the same ticks give the same fleet.
// Ownership: the caller's loop calls everything; samples and events are borrowed for the call.
#pragma once

#include "aggregator/cloud/cloud.h"
#include "aggregator/kube/kube.h"
#include "proto/wire/sample.h"

enum { SIM_GROUPS = 3, SIM_NODES_PER_GROUP = 8, SIM_PODS_PER_NODE = 6 };

struct sim_options {
	const char *cluster; // its name; nothing in it may look real
	uint64_t seed;
	void (*on_sample)(void *arg, const struct sample *s);
	void *arg;
};

struct sim;
int sim_new(struct sim **ret, const struct sim_options *o);
void sim_free(struct sim *s);
// Advances to now_ms: nodes leave and join, and one sample per node with an agent covers the time
// since the last tick (at most 60 s of it). with_pods false leaves the pods' cgroups out, for
// fast-forwarding through history.
void sim_tick(struct sim *s, int64_t now_ms, bool with_pods);
struct cloud sim_cloud(struct sim *s);
struct kube sim_kube(struct sim *s);
