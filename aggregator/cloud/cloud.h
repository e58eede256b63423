// SPDX-License-Identifier: Apache-2.0
// What a cloud can be asked, whoever answers: AWS or the simulator.
//
// Every call is asynchronous and ends in exactly one on_done on the loop's thread; r is 0 or a
// negative errno with its why. Ownership: what a callback is given is borrowed for the call.
#pragma once

#include "proto/base/why.h"
#include "proto/wire/capacity.h"
#include "proto/wire/sample.h"

struct cloud_group {
	char name[NAME_MAX_BYTES];
	enum capacity_type capacity;
	bool managed;
	uint32_t min, max, desired;
	char instance_type[32];
	int64_t node_usd_micro_hour; // 0 if not known
};

struct cloud_calls { // what the caller wants to hear
	void (*on_group)(void *arg, const struct cloud_group *g);
	void (*on_done)(void *arg, int r, const struct why *why);
	void *arg;
};

struct cloud_ops {
	const char *name; // "aws", "sim"
	void (*describe_groups)(void *self, const struct cloud_calls *calls);
};

struct cloud { // one cluster's view of its cloud
	const struct cloud_ops *ops;
	void *self;
	char cluster[64];
};
