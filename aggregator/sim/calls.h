// SPDX-License-Identifier: Apache-2.0
// The simulator as struct kube and struct cloud: what is asked happens at once in the simulated
// world, the answer is owed until the next turn.
#pragma once

#include "aggregator/cloud/cloud.h"
#include "aggregator/sim/world.h"

struct owed; // an answer

struct sim_calls {
	struct sim_world *world;
	char cluster[64];
	struct owed *owed;
};
void calls_done(struct sim_calls *c);   // answers what is owed with -ECANCELED
void calls_answer(struct sim_calls *c); // what has been asked before this call
struct kube calls_kube(struct sim_calls *c);
struct cloud calls_cloud(struct sim_calls *c);
