// SPDX-License-Identifier: Apache-2.0
// One EKS cluster's view of AWS: the interface of aggregator/cloud/cloud.h over the real services.
//
// Node groups come from EKS (managed) and from the Auto Scaling groups tagged
// kubernetes.io/cluster/NAME (self-managed); calls go to STS, EKS, Auto Scaling, EC2 and the two
// load balancing services, signed and retried by client.h. What the environment holds (AWS_REGION,
// AWS_ROLE_ARN, AWS_ENDPOINT_URL…) is asked through an argument. Ownership: the options' texts are
// copied. Every call that is under way when aws_cloud_stop() is called ends with -ECANCELED first.
// Thread: the loop.
#pragma once

#include <uv.h>

#include "aggregator/cloud/aws/client.h"
#include "aggregator/cloud/cloud.h"

struct aws_cloud;
struct aws_options {
	const char *region;       // NULL: AWS_REGION, then AWS_DEFAULT_REGION
	const char *cluster;      // the EKS cluster's name, at most 63 characters
	const char *endpoint_url; // for every service; NULL: AWS_ENDPOINT_URL_<SERVICE>,
				  // AWS_ENDPOINT_URL, else AWS's own
	const char *role_arn;     // one more hop by AssumeRole, NULL: none
	const char *external_id;  // of that hop, NULL: none
	const char *tag_key,
		*tag_value; // only scaling groups with this tag; NULL: all the cluster's
	const char *(*env)(const char *name); // getenv() in programs; NULL: an empty environment
	int64_t (*wall_ms)(void);
	uint64_t (*mono_ns)(void);
	uint64_t seed; // of jitter
};
// -EINVAL WHY_DENIED: no region, no cluster, a bad endpoint; -ENOMEM. Asks nothing of AWS yet.
int aws_cloud_new(
	struct aws_cloud **ret, uv_loop_t *loop, const struct aws_options *o, struct why *why);
void aws_cloud_get(
	struct aws_cloud *a, struct cloud *ret);          // borrowed: valid until aws_cloud_stop()
struct aws_client *aws_cloud_client(struct aws_cloud *a); // borrowed: for the queue
// The role may not ask for EC2's status checks (ec2:DescribeInstanceStatus): done without.
bool aws_cloud_checks_denied(const struct aws_cloud *a);
// STS GetCallerIdentity, for "petrel doctor"; text: the ARN that AWS sees.
void aws_cloud_identity(struct aws_cloud *a, const struct cloud_reply *reply);
// on_stopped (may be NULL) when everything is closed and freed. Stop the queue first.
void aws_cloud_stop(struct aws_cloud *a, void (*on_stopped)(void *arg), void *arg);
