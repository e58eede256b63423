// SPDX-License-Identifier: Apache-2.0
// The AWS side of a real cluster: its node groups into the fleet, its calls for the drains, the
// queue of events from which notices come, and instances that vanish without one.
//
// Without aws.enabled there is none. A message of the queue is given its verdict only after the
// notice has reached the disk: aws_door_turn() after drains_flush(). Thread: the loop. Ownership:
// borrows config and fleet.
#pragma once

#include <uv.h>

#include "aggregator/act/drains.h"
#include "aggregator/cloud/cloud.h"
#include "aggregator/config.h"
#include "aggregator/fleet/fleet.h"
#include "aggregator/show/links.h"
#include "proto/wire/notice.h"

struct aws_door;
struct aws_door_doors {
	struct fleet *fleet;
	// 0: taken. -ENOENT: no node of ours has this instance. Else: not now. hook NULL: none.
	int (*on_notice)(void *arg, const struct notice *n, const struct drain_hook *hook);
	void *arg;
};
int aws_door_start(struct aws_door **ret, uv_loop_t *loop, const struct aws_door_doors *doors,
	const struct aggregator_config *config, struct why *why);
struct cloud aws_door_cloud(struct aws_door *a);
void aws_door_tick(struct aws_door *a, int64_t now_ms);            // call a few times a second
void aws_door_links(struct aws_door *a, struct link_sources *ret); // its part of them
// After what was taken has been written: its messages are deleted. Only the leader reads the queue.
// audited: it could be written; what could not stays in the queue and comes again.
void aws_door_turn(struct aws_door *a, bool leads, bool audited);
void aws_door_stop(struct aws_door *a, void (*on_stopped)(void *arg), void *arg);
