// SPDX-License-Identifier: Apache-2.0
// Keeps a set of AWS keys fresh: environment, web identity, Pod Identity or container, IMDS role,
// then one AssumeRole hop if a role is given.
//
// A set is renewed max(5 minutes, 15 % of its life) before it ends, with 10 % of jitter, so that
// many programs do not ask at once. When that fails the old set stays in use, also past its end
// (static stability): AWS decides whether it still takes it, and asking goes on. While there is no
// set at all, whoever waits is told of the failure after three tries, at once if a person has to
// act. Thread: the loop.
#pragma once

#include <uv.h>

#include "aggregator/cloud/aws/credential_source.h"
#include "proto/loop/http_client.h"

struct credential_chain;
struct credential_options {
	struct http_client *http;                                   // borrowed
	const char *region, *sts_endpoint, *role_arn, *external_id; // copied
	struct environment env;
	int64_t (*wall_ms)(void);
	uint64_t seed;
	// There is a set now (r 0), or there is none and this is why. Never inside a call of ours.
	void (*on_change)(void *arg, int r, const struct why *why);
	void *arg;
};
struct credential_stats {
	uint64_t refreshes, failures;
};
int credential_chain_new(
	struct credential_chain **ret, uv_loop_t *loop, const struct credential_options *o);
// The set to sign with, a reference for the caller; NULL: none yet, on_change will come.
struct credentials *credential_chain_take(struct credential_chain *c);
// AWS says that the set is too old: another one is fetched (at most once a second).
void credential_chain_expired(struct credential_chain *c, const struct credentials *set);
// AWS's clock less ours, for the signature of the AssumeRole hop.
void credential_chain_skew(struct credential_chain *c, int64_t skew_ms);
void credential_chain_stats(const struct credential_chain *c, struct credential_stats *ret);
int64_t credential_chain_expires_ms(const struct credential_chain *c); // 0: never, or no set
void credential_chain_stop(struct credential_chain *c, void (*on_stopped)(void *arg), void *arg);
// How long after now a set is to be renewed; unit is a random number in [0, 1). Pure.
uint64_t credential_refresh_in_ms(int64_t now_ms, int64_t expires_ms, double unit);
