// SPDX-License-Identifier: Apache-2.0
// A simulated cluster with its cloud on a virtual clock: the demo fleet.
//
// 24 nodes in three node groups (on-demand, spot, mixed) replay recorded production load; spot
// nodes are reclaimed now and then, two minutes after a notice, and their group replaces them. It
// implements struct cloud and struct kube in full: what is evicted ends within its grace, respects
// budgets, is made again and scheduled elsewhere; what is launched joins after 60 to 90 seconds.
// Its samples go through the same intake as real ones and its notices through the same door. What
// it knows of time is what sim_tick() tells, so a week can be run in seconds; the same seed and the
// same ticks give the same fleet. Answers of kube and cloud calls come out of sim_turn() and
// sim_tick(). Ownership: the caller's loop calls everything; samples and events are borrowed for
// the call.
#pragma once

#include "aggregator/cloud/cloud.h"
#include "aggregator/kube/kube.h"
#include "proto/wire/notice.h"
#include "proto/wire/sample.h"

enum {
	SIM_GROUPS = 3,
	SIM_NODES_PER_GROUP = 8,
	SIM_MAX_NODES_PER_GROUP = 16,
	SIM_PODS_PER_NODE = 6,
	SIM_MAX_PODS_PER_NODE = 16,
	SIM_NOTICE_MS = 120000, // from the notice to the end of a spot node
};

struct sim_options {
	const char *cluster; // its name; nothing in it may look real
	uint64_t seed;
	void (*on_sample)(void *arg, const struct sample *s);
	void (*on_notice)(void *arg, const struct notice *n); // may be NULL
	void *arg;
};

struct sim;
int sim_new(struct sim **ret, const struct sim_options *o);
void sim_free(struct sim *s); // what is still to be answered is, with -ECANCELED
// Advances to now_ms: nodes leave and join, pods end and start, and one sample per node with an
// agent covers the time since the last tick (at most 60 s of it). with_pods false leaves the pods'
// cgroups out, for fast-forwarding through history.
void sim_tick(struct sim *s, int64_t now_ms, bool with_pods);
void sim_turn(struct sim *s); // answers what has been asked; between ticks
// Reclaims a node at deadline_ms (0: in two minutes), with a notice now. -ENOENT.
int sim_interrupt(struct sim *s, const char *node, int64_t deadline_ms);
// Launches in this zone fail for want of capacity until then; for tests and what-if.
void sim_no_capacity(struct sim *s, const char *zone, int64_t until_ms);
struct cloud sim_cloud(struct sim *s);
struct kube sim_kube(struct sim *s);
