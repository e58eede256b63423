// SPDX-License-Identifier: Apache-2.0
// What a cloud tells and can be asked to do, whoever answers: AWS or the simulator.
//
// Every call is asynchronous and ends in exactly one on_done on the loop's thread, never inside the
// call; r is 0 or a negative errno with its why: -ENOSPC WHY_RETRY there is no capacity in what was
// asked for (try another pool), -EAGAIN WHY_THROTTLED, -EACCES WHY_DENIED, -ENOTSUP WHY_DENIED the
// operation is not known or not allowed here (fall back), -ENOENT WHY_GONE, -EBUSY WHY_RETRY
// another activity is in progress, else WHY_RETRY or WHY_BUG. Retries inside the SDK's rules are
// made below this interface. Ownership: what a callback is given is borrowed for the call; what a
// call is given is copied.
#pragma once

#include "proto/base/why.h"
#include "proto/wire/capacity.h"
#include "proto/wire/sample.h"

struct cloud_group {
	char name[NAME_MAX_BYTES];          // the node group's, as its nodes' label says
	char scaling_group[NAME_MAX_BYTES]; // the Auto Scaling group behind it
	enum capacity_type capacity;
	bool managed;
	uint32_t min, max, desired;
	char instance_type[32];
	int64_t node_usd_micro_hour; // 0 if not known
	char zones[8][32];           // names of the zones it may launch in
	size_t n_zones;
	char terminate_hook[64]; // lifecycle hook at termination, "" if none
};

struct cloud_calls { // what the caller wants to hear
	void (*on_group)(void *arg, const struct cloud_group *g);
	void (*on_done)(void *arg, int r, const struct why *why);
	void *arg;
};

struct cloud_reply {
	// text: what was made (instance ids with a space between) or found; "" otherwise
	void (*on_done)(void *arg, int r, const struct why *why, const char *text);
	void *arg;
};

struct cloud_launch { // one more node, in this zone
	const char *scaling_group, *zone;
	const char *token; // idempotency: at most 64 characters
};

struct cloud_hook { // the lifecycle action of an instance that its scaling group is ending
	const char *scaling_group, *hook, *instance_id;
	const char *token; // of the event that told it; "": found by the instance alone
};

enum cloud_instance_state { // of EC2
	CLOUD_INSTANCE_UNKNOWN,
	CLOUD_INSTANCE_PENDING,
	CLOUD_INSTANCE_RUNNING,
	CLOUD_INSTANCE_IMPAIRED, // running, but EC2's own checks of host or system fail
	CLOUD_INSTANCE_STOPPING, // shutting-down, stopping
	CLOUD_INSTANCE_GONE,     // terminated, stopped, not known any more
};

struct cloud_ops {
	const char *name; // "aws", "sim"
	void (*describe_groups)(void *self, const struct cloud_calls *calls);
	// LaunchInstances: at once, in this zone, desired grows by it. -ENOSPC: next zone.
	void (*launch)(void *self, const struct cloud_launch *l, const struct cloud_reply *reply);
	// SetDesiredCapacity to an absolute number.
	void (*set_desired)(void *self, const char *scaling_group, uint32_t desired,
		const struct cloud_reply *reply);
	// TerminateInstanceInAutoScalingGroup; never repeated blindly after a time-out.
	void (*terminate)(void *self, const char *instance_id, bool decrement_desired,
		const struct cloud_reply *reply);
	// RecordLifecycleActionHeartbeat and CompleteLifecycleAction CONTINUE. -ENOENT: no such
	// action (any more), or another token than this one.
	void (*lifecycle_heartbeat)(
		void *self, const struct cloud_hook *h, const struct cloud_reply *reply);
	void (*lifecycle_complete)(
		void *self, const struct cloud_hook *h, const struct cloud_reply *reply);
	// text: enum cloud_instance_state's EC2 name ("running", "terminated", …), "impaired" where
	// a running one fails EC2's status checks
	void (*instance_state)(
		void *self, const char *instance_id, const struct cloud_reply *reply);
	// text: "0" when no load balancer sends to the instance any more, else how many do
	void (*load_balancers)(
		void *self, const char *instance_id, const struct cloud_reply *reply);
};
enum cloud_instance_state cloud_instance_state_parse(const char *ec2_name);

struct cloud { // one cluster's view of its cloud
	const struct cloud_ops *ops;
	void *self;
	char cluster[64];
};
