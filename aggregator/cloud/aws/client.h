// SPDX-License-Identifier: Apache-2.0
// Calls AWS services: credentials, signature, retries and the client's own rate limit in one place.
//
// Every call ends in exactly one on_done on the loop's thread, never inside aws_call(). The SDKs'
// rules decide what is sent again (retry.h); a call marked once is never sent again after it may
// have been received. A clock that AWS finds wrong is corrected from the answer's Date, once a
// call. Ownership: what a call is given is copied, what on_done is given is borrowed. Limits: an
// answer of AWS_MAX_ANSWER_BYTES, AWS_MAX_CALLS at a time. Secrets appear in no text.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "proto/base/why.h"

enum aws_service {
	AWS_STS,
	AWS_EC2,
	AWS_AUTOSCALING,
	AWS_EKS,
	AWS_ELB,
	AWS_ELBV2,
	AWS_SQS,
	AWS_SERVICE_COUNT
};
enum { AWS_MAX_ANSWER_BYTES = 8 << 20, AWS_MAX_CALLS = 8192, AWS_MAX_PARAMS = 256 };

struct aws_param {
	const char *name, *value;
};
struct aws_answer {
	int status; // 0 if there was none
	const char *body;
	size_t body_len;
	const char *code;    // AWS's error code, "" if none: "ScalingActivityInProgress"
	const char *message; // what AWS says with it, printable and cut; "" if nothing
	bool maybe_done;     // failed, but the service may have received and done it
};
struct aws_call {
	enum aws_service service;
	const char *operation;          // "DescribeInstances"
	const struct aws_param *params; // query and ec2 protocols, without Action and Version
	size_t n_params;
	const char *path, *query; // rest-json: "/clusters/demo/node-groups", "maxResults=100"
	const char *json;         // body of the json protocol
	const char *endpoint;     // NULL: the service's; "https://host[:port]" of an SQS queue
	bool once;                // not idempotent: never repeated blindly
	bool unsigned_call;       // AssumeRoleWithWebIdentity
	uint32_t hold_ms;         // the service may hold the answer so long (long poll)
	void (*on_done)(void *arg, int r, const struct why *why, const struct aws_answer *a);
	void *arg;
};

struct aws_client;
struct aws_client_options {
	const char *region, *endpoint_url, *role_arn, *external_id;
	const char *(*env)(const char *name);
	int64_t (*wall_ms)(void);
	uint64_t (*mono_ns)(void);
	uint64_t seed;
};
int aws_client_new(struct aws_client **ret, uv_loop_t *loop, const struct aws_client_options *o,
	struct why *why);
// r: see aggregator/cloud/cloud.h. Past AWS_MAX_CALLS: -EBUSY WHY_RETRY, in on_done as well.
void aws_call(struct aws_client *c, const struct aws_call *call);
const char *aws_client_region(const struct aws_client *c);

struct aws_stats {
	uint64_t calls, attempts, throttled, failed;
	uint64_t credential_refreshes, credential_failures;
	int64_t credentials_expire_ms; // 0: never, or none yet
	int64_t clock_skew_ms;         // AWS's clock less ours, as corrected
};
void aws_client_stats(const struct aws_client *c, struct aws_stats *ret);
// Calls under way end with -ECANCELED inside; then on_stopped (may be NULL), later.
void aws_client_stop(struct aws_client *c, void (*on_stopped)(void *arg), void *arg);
