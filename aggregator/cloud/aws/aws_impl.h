// SPDX-License-Identifier: Apache-2.0
// What the files behind aws.h share: the cloud and the operations of struct cloud_ops.
#pragma once

#include "aggregator/cloud/aws/aws.h"

struct balancers;
struct states;
struct terminate;
struct aws_cloud {
	struct aws_client *client;
	struct balancers *balancers;
	struct states *states;
	struct terminate *terminates; // under way
	char cluster[64];
	bool checks_denied;        // DescribeInstanceStatus was not allowed when it was asked last
	char *tag_key, *tag_value; // NULL: every group of the cluster
	struct cloud_group *known; // by the last whole look at EKS and the hooks
	size_t n_known;
	uint64_t known_ns; // 0: never
	uint64_t (*mono_ns)(void);
	uv_loop_t *loop;
	void (*on_stopped)(void *arg);
	void *stopped_arg;
};

// groups.c
void aws_describe_groups(void *self, const struct cloud_calls *calls);
// operations.c
void aws_launch(void *self, const struct cloud_launch *l, const struct cloud_reply *reply);
void aws_set_desired(
	void *self, const char *scaling_group, uint32_t desired, const struct cloud_reply *reply);
void aws_lifecycle_heartbeat(
	void *self, const struct cloud_hook *h, const struct cloud_reply *reply);
void aws_lifecycle_complete(
	void *self, const struct cloud_hook *h, const struct cloud_reply *reply);
// states.c
void aws_instance_state(void *self, const char *instance_id, const struct cloud_reply *reply);
struct states *states_new(struct aws_cloud *a); // NULL: out of memory
void states_stop(struct states *s);             // every call has ended; frees
// terminate.c
void aws_terminate(void *self, const char *instance_id, bool decrement_desired,
	const struct cloud_reply *reply);
void terminates_stop(struct aws_cloud *a); // every call has ended
// balancers.c
void aws_load_balancers(void *self, const char *instance_id, const struct cloud_reply *reply);
struct balancers *balancers_new(struct aws_cloud *a); // NULL: out of memory
void balancers_stop(struct balancers *b);             // every call has ended; frees
