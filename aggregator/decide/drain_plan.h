// SPDX-License-Identifier: Apache-2.0
// The record "plan" of one node's drain: steps in an order, each with a time and its reasons.
//
// decide_notice() makes it, act carries it out, audit keeps it. Pods are named by their index in
// the view it was made from. Made again from the same view it is byte-equal (drain_plan_print).
// Ownership: init/done on the caller's storage; steps are allocated, at most DRAIN_MAX_STEPS.
#pragma once

#include "proto/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DRAIN_MAX_PODS = 1024, DRAIN_MAX_STEPS = DRAIN_MAX_PODS + 32, DRAIN_MAX_BLOCKING = 8 };

// Why a node is drained. The first six stand in the order of enum notice_kind.
enum drain_kind {
	DRAIN_SPOT_ITN,
	DRAIN_REBALANCE_RECOMMENDATION,
	DRAIN_SCHEDULED_EVENT,
	DRAIN_ASG_LIFECYCLE,
	DRAIN_STATE_CHANGE,
	DRAIN_HEALTH,
	DRAIN_OPERATOR,
	DRAIN_KIND_COUNT,
};
const char *drain_kind_name(enum drain_kind k);               // "SPOT_ITN", …, "OPERATOR"
int drain_kind_parse(const char *name, enum drain_kind *ret); // -EINVAL
// Which of two is the more urgent: it decides the policy where several fall on one node.
unsigned drain_kind_urgency(enum drain_kind k);
// The instance goes, whatever we do: budgets give way at the end, and a file that cannot be written
// does not stop it.
bool drain_kind_forced(enum drain_kind k);

enum drain_step_kind {
	DRAIN_STEP_MARK,    // cordon, taint, load-balancer label and annotation, in one patch
	DRAIN_STEP_LAUNCH,  // one more node, in .zone of .scaling_group
	DRAIN_STEP_DESIRED, // the same by desired + 1, where every launch before it failed
	DRAIN_STEP_EVICT,   // .pod with .grace_s
	DRAIN_STEP_DELETE,  // whatever a budget still blocks at .at_ms, with the grace that is left
	DRAIN_STEP_WAIT_LB, // until no load balancer sends to it, .at_ms at the latest
	DRAIN_STEP_FINISH,  // complete the lifecycle hook
	DRAIN_STEP_TERMINATE,      // give the drained instance back: desired - 1
	DRAIN_STEP_OUT_OF_SERVICE, // free its volumes once the instance is gone
	DRAIN_STEP_UNMARK,         // take back what MARK did
	DRAIN_STEP_KIND_COUNT,
};
const char *drain_step_kind_name(enum drain_step_kind k); // "mark", "launch", …

// What a step waits for before its time; at .at_ms it waits no longer.
enum drain_wait {
	DRAIN_WAIT_TIME,        // nothing: it starts at at_ms
	DRAIN_WAIT_REPLACEMENT, // the replacement is Ready, or cannot be had
	DRAIN_WAIT_OTHERS,      // every evicted pod of a lower class is gone
	DRAIN_WAIT_FAILED,      // the launch before it found no capacity
	DRAIN_WAIT_REFUSED,     // launching by name is not allowed, or nothing else is left
	DRAIN_WAIT_DRAINED,     // every pod that was to go is gone
	DRAIN_WAIT_GONE,        // the instance is gone; asked from at_ms on
};

// Every reason a drain's step is taken, shaped or left, each once.
#define DRAIN_REASONS(R)                                                                           \
	R(INTERRUPTED, "interrupted", "the instance is going to be taken away")                    \
	R(REBALANCE, "rebalance", "the instance has a raised risk of interruption")                \
	R(SCHEDULED, "scheduled", "maintenance of the instance is scheduled")                      \
	R(ASKED, "asked", "a person asked for it")                                                 \
	R(LIFECYCLE, "lifecycle", "its scaling group is ending it")                                \
	R(WITHDRAWN, "withdrawn", "the notice was withdrawn")                                      \
	R(DEADLINE_GUESSED, "deadline-guessed", "no deadline was given: two minutes are assumed")  \
	R(DEADLINE_PAST, "deadline-past", "the deadline has passed: what can be done is done now") \
	R(KARPENTER_OWNS, "karpenter-owns", "Karpenter owns the node and drains it itself")        \
	R(AUTOSCALER_DELETES, "autoscaler-deletes", "Cluster Autoscaler is deleting the node")     \
	R(NODE_DELETING, "node-deleting", "the node object is being deleted")                      \
	R(EKS_HANDLES, "eks-handles",                                                              \
		"EKS replaces and drains a managed spot node on a rebalance recommendation")       \
	R(BUDGET_PER_HOUR, "budget-per-hour",                                                      \
		"as many nodes of the group as allowed were replaced on recommendation this hour") \
	R(NOT_YET, "not-yet", "the drain begins near the event, not weeks before it")              \
	R(ALREADY_CORDONED, "already-cordoned", "someone else had cordoned it: it stays cordoned") \
	R(OTHER_ZONE, "other-zone", "another zone than the one that is losing the instance")       \
	R(SAME_ZONE, "same-zone", "the same zone, after the others")                               \
	R(RECENT_FAILURES, "recent-failures", "launches failed there lately: it is asked later")   \
	R(LAUNCH_FAILED, "launch-failed", "only if launching by name is not possible")             \
	R(ON_DEMAND_LAST, "on-demand-last", "only if there is no spot capacity anywhere")          \
	R(NO_REPLACEMENT, "no-replacement",                                                        \
		"without a replacement it is not drained, and un-cordoned after a while")          \
	R(NO_SCALING_GROUP, "no-scaling-group", "its scaling group is not known: no replacement")  \
	R(GROUP_REPLACES, "group-replaces", "its scaling group launches the replacement itself")   \
	R(AT_MAXIMUM, "at-maximum", "the group is at its maximum: no replacement")                 \
	R(GRACE_SHORTENED, "grace-shortened", "its own grace is longer than what is left")         \
	R(VOLUMES_EARLY, "volumes-early", "detaching its volumes takes time")                      \
	R(CRITICAL_LAST, "critical-last", "critical pods go after the others")                     \
	R(DAEMONSET, "daemonset", "a DaemonSet's pod would come back: it is left")                 \
	R(DAEMONSET_LAST, "daemonset-last", "DaemonSets' pods last, because it was asked for")     \
	R(MIRROR, "mirror", "a static pod of the node: it is left")                                \
	R(FINISHED, "finished", "it has already ended: it is left")                                \
	R(TERMINATING, "terminating", "it is already terminating")                                 \
	R(ONE_REPLICA_WAITS, "one-replica-waits",                                                  \
		"the only replica waits for the replacement node")                                 \
	R(ONE_REPLICA_NO_TIME, "one-replica-no-time",                                              \
		"the only replica cannot wait: its grace needs the time that is left")             \
	R(BUDGET_BLOCKS, "budget-blocks", "its disruption budget allows none now: asked again")    \
	R(BUDGET_UNKNOWN, "budget-unknown", "its disruption budget is not computed yet")           \
	R(TWO_BUDGETS, "two-budgets", "two disruption budgets select it: it cannot be evicted")    \
	R(DELETE_AT_END, "delete-at-end", "what a budget still blocks is deleted before the end")  \
	R(NEVER_DELETED, "never-deleted", "a voluntary drain never overrides a budget")            \
	R(REPLACEMENT_FIRST, "replacement-first",                                                  \
		"the drain starts when the replacement is Ready, "                                 \
		"or patience is over")                                                             \
	R(TOO_MANY_PODS, "too-many-pods", "more pods than a plan can hold: the rest is left out")

#define R(id, code, text) DRAIN_REASON_##id,
enum drain_reason { DRAIN_REASONS(R) DRAIN_REASON_COUNT };
#undef R
const char *drain_reason_code(enum drain_reason r);
const char *drain_reason_text(enum drain_reason r);

enum { DRAIN_NO_POD = UINT32_MAX, DRAIN_STEP_REASONS = 4 };

struct drain_step {
	enum drain_step_kind kind;
	enum drain_wait wait;
	int64_t at_ms;      // when; with wait: at the latest
	uint32_t pod;       // index in the view, DRAIN_NO_POD
	uint32_t grace_s;   // EVICT: never 0
	unsigned class;     // EVICT: lower classes go first
	int64_t gone_by_ms; // EVICT: predicted; 0: cannot be said
	enum drain_reason reasons[DRAIN_STEP_REASONS];
	size_t n_reasons;
	char zone[32], scaling_group[256]; // LAUNCH, DESIRED, FINISH
	uint32_t desired;                  // DESIRED: the absolute number
};

struct drain_left { // a pod that is not touched, and why
	uint32_t pod;
	enum drain_reason reason;
};

struct drain_plan {
	enum drain_kind kind;
	int64_t now_ms, deadline_ms; // deadline_ms 0: none
	int64_t end_ms;              // by then all is done: the deadline, unless that was past
	bool stands_back;            // there are no steps, reasons say why
	enum drain_reason reasons[DRAIN_STEP_REASONS];
	size_t n_reasons;
	struct drain_step *steps;
	size_t n_steps, cap_steps;
	struct drain_left *left;
	size_t n_left, cap_left;
	int64_t predicted_ms;                  // when all that goes will be gone; 0: cannot be said
	uint32_t blocking[DRAIN_MAX_BLOCKING]; // budgets of the view that will block
	size_t n_blocking;
	char text[256]; // the whole in one sentence
};
void drain_plan_init(struct drain_plan *p);
void drain_plan_done(struct drain_plan *p);

// What a pod is given when it is told to go at at_ms: its own or what is left, never 0.
uint32_t drain_grace_s(uint32_t own_s, int64_t at_ms, int64_t end_ms);

struct drain_view;
struct json;
// One object: kind, deadline, reasons, steps with their texts, pods left, prediction.
void drain_plan_print(const struct drain_plan *p, const struct drain_view *v, struct buf *out);
// One sentence about a step.
void drain_step_text(
	const struct drain_step *s, const struct drain_view *v, char *ret, size_t size);
