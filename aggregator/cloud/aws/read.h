// SPDX-License-Identifier: Apache-2.0
// What is taken out of the answers of AWS. Pure, bounded, fuzzed.
//
// Every function gives -EBADMSG for an answer that is none and leaves what it was given to fill as
// it was; texts that do not fit are left out, never cut.
#pragma once

#include "aggregator/cloud/cloud.h"
#include "proto/base/buf.h"

#include <stdint.h>

struct body {
	const char *data;
	size_t len;
};

// Auto Scaling and EC2: the text of the first element at this path ("member/LifecycleState"), see
// xml_at(); -ENOENT: there is none.
int read_first(const struct body *b, const char *path, char *ret, size_t size);
// LaunchInstances: the ids with a space between; -ENOENT: none. ret_code: the first error's code.
int read_launched(const struct body *b, struct buf *ret_ids, char *ret_code, size_t size);

struct read_group { // one Auto Scaling group
	struct cloud_group group;
	char cluster_group[NAME_MAX_BYTES]; // node group by the group's tags, "" if not said
	char tag_value[256];                // of the tag that was asked for
	bool has_tag;
};
struct read_groups {
	const char *tag_key; // may be NULL
	void (*on_group)(void *arg, const struct read_group *g);
	void *arg;
};
// DescribeAutoScalingGroups: one on_group each; next: the token of the next page, "" if this is the
// last.
int read_scaling_groups(const struct body *b, const struct read_groups *r, struct buf *ret_next);
// DescribeLifecycleHooks: the first hook at termination, "" if none.
int read_terminate_hook(const struct body *b, char *ret, size_t size);

// EKS ListNodegroups: the names with a NUL after each.
int read_nodegroup_names(const struct body *b, struct buf *ret_names, struct buf *ret_next);
// EKS DescribeNodegroup: fills name, scaling_group, capacity, managed, sizes, instance_type.
int read_nodegroup(const struct body *b, struct cloud_group *ret);

// DescribeInstances: one on_text each with instance id and state's name.
struct read_texts {
	void (*on_text)(void *arg, const char *name, const char *value);
	void *arg;
};
// DescribeInstanceStatus: only those that fail, with "impaired".
int read_failed_checks(const struct body *b, const struct read_texts *r);
int read_instances(const struct body *b, const struct read_texts *r);
// DescribeTargetGroups: ARN of each that has instances as targets and a load balancer; value "".
int read_target_groups(const struct body *b, const struct read_texts *r, struct buf *ret_next);
// DescribeTargetHealth: target id and state.
int read_target_health(const struct body *b, const struct read_texts *r);
// Classic DescribeLoadBalancers: the name of each; value "".
int read_classic(const struct body *b, const struct read_texts *r, struct buf *ret_next);
// Classic DescribeInstanceHealth: instance id and state ("InService", "OutOfService", "Unknown").
int read_instance_health(const struct body *b, const struct read_texts *r);
