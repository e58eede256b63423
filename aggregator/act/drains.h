// SPDX-License-Identifier: Apache-2.0
// Every drain of every cluster: from the first word of it to its last audit line.
//
// One node has one drain, by whichever road the news comes and in whatever order: kinds merge, the
// most urgent decides the policy, the earliest deadline counts. A drain is a plan (decide_notice)
// and a state machine over its steps that calls struct kube and struct cloud. Before each mutating
// call its intent is in the audit file (one write and fsync for all that start in the same turn),
// after it its outcome. Only who may_act() calls; a follower keeps the same drains and follows the
// watch, so it can go on at once. The state that a successor needs stands on the Node (annotation
// petrel.dev/drain, see act/mark.h) and in the pods' deletionTimestamp.
// Whether anything is really done is the drivers' business (dry.h), never an `if` in here.
// Ownership: drains borrow fleet, kube and cloud, which outlive every call they have accepted.
// Thread: the loop. Limits: max_drains (the oldest ended ones make room), DRAIN_MAX_PODS each.
#pragma once

#include "aggregator/cloud/cloud.h"
#include "aggregator/decide/notice.h"
#include "aggregator/fleet/fleet.h"
#include "aggregator/kube/kube.h"
#include "proto/base/why.h"
#include "proto/wire/notice.h"

enum drain_phase {
	DRAIN_PLANNED, // nothing called yet: not the leader, not yet time, or it stands back
	DRAIN_MARKING,
	DRAIN_REPLACING, // waits for the replacement before it evicts
	DRAIN_EVICTING,
	DRAIN_WAITING, // all are gone: load balancers
	DRAIN_FINISHING,
	DRAIN_DONE,
	DRAIN_WITHDRAWN,
	DRAIN_FAILED,
};
const char *drain_phase_name(enum drain_phase p); // "planned", …
bool drain_phase_ended(enum drain_phase p);

enum drain_pod_state {
	DRAIN_POD_WAITING,
	DRAIN_POD_EVICTING, // asked, no answer yet
	DRAIN_POD_BLOCKED,  // a budget allows none now; asked again
	DRAIN_POD_TERMINATING,
	DRAIN_POD_GONE,
	DRAIN_POD_LEFT, // not touched, why says why
};
const char *drain_pod_state_name(enum drain_pod_state s); // "waiting", …

struct drain_pod {
	char *namespace_, *name, *uid, *workload; // one allocation, owned by the drain
	enum drain_pod_state state;
	unsigned class;
	enum drain_wait wait;
	int64_t planned_ms, asked_ms, done_ms, gone_by_ms;
	int64_t again_ms; // not to be asked before
	uint32_t grace_s; // what it was or will be given
	uint32_t own_grace_s;
	bool accepted; // its eviction or deletion: never asked again
	bool deleted;  // past a budget, at the end
	char why[160];
};

enum drain_step_state {
	DRAIN_STEP_PLANNED,
	DRAIN_STEP_DOING,
	DRAIN_STEP_DONE,
	DRAIN_STEP_FAILED,
	DRAIN_STEP_SKIPPED
};
const char *drain_step_state_name(enum drain_step_state s); // "planned", …

struct drain_act { // one step that is not a pod's
	struct drain_step step;
	enum drain_step_state state;
	int64_t begun_ms, done_ms, again_ms;
	unsigned tries, number;
	char text[192];
};
enum { DRAIN_MAX_ACTS = 24 };

enum drain_replacement_state {
	DRAIN_REPLACEMENT_NONE,
	DRAIN_REPLACEMENT_ASKED,
	DRAIN_REPLACEMENT_LAUNCHED,
	DRAIN_REPLACEMENT_READY,
	DRAIN_REPLACEMENT_FAILED
};
const char *drain_replacement_state_name(enum drain_replacement_state s); // "none", …

struct drain_replacement {
	enum drain_replacement_state state;
	char instance[32], node[NAME_MAX_BYTES], zone[32];
	char text[192];
};

struct drain_blocking { // a budget that blocks now, or will
	char namespace_[64], name[NAME_MAX_BYTES], text[192];
};

struct drain_times { // ms since the epoch, 0: not yet
	int64_t notice_ms, seen_ms, receipted_ms, tainted_ms, first_eviction_ms, drained_ms,
		replacement_ready_ms, completed_ms;
};

struct drain { // read it, change nothing
	char id[33];
	char cluster[64], node[NAME_MAX_BYTES], node_uid[40], instance[32], group[NAME_MAX_BYTES],
		zone[32];
	enum drain_kind kind;
	uint32_t kinds;  // every kind that was heard and not withdrawn, bit by bit
	char source[16]; // of the first news
	bool dry_run;    // the drivers say what would be done
	bool guessed;
	enum drain_phase phase;
	int64_t observed_ms, deadline_ms, started_ms, ended_ms, predicted_ms;
	struct drain_pod *pods;
	size_t n_pods, n_left; // n_left: that are still to go
	struct drain_act acts[DRAIN_MAX_ACTS];
	size_t n_acts;
	struct drain_blocking blocking[DRAIN_MAX_BLOCKING];
	size_t n_blocking;
	struct drain_replacement replacement;
	struct drain_times times;
	char text[256];
	uint64_t change;           // grows with every change of what is shown
	uint64_t number;           // order of arrival
	struct drain_inner *inner; // drains.c's own
	struct drain *prev, *next; // newest first
};
struct json;
void drain_print(const struct drain *d, struct json *j); // the object of API v1

struct drain_entry {      // one audit line
	const char *kind; // "notice", "drain-plan", "intent", "outcome", "drain"
	const char *cluster, *id, *json;
};

struct drain_telling { // for webhooks: at the moment of the notice and at each phase
	const struct drain *drain;
	const char *reason; // the node termination handler's names: "SpotInterruption", …
	const char *note;
	bool warning;
};

struct drains_options {
	struct fleet *fleet;
	struct drain_policy policy;
	size_t max_drains;
	const char *owner;             // this replica
	int64_t (*wall_ms)(void *arg); // the clock, for the moments of answers
	// Asked right before each call.
	bool (*may_act)(void *arg, const char *cluster);
	// All entries, in their order, on the disk when it returns 0.
	int (*audit)(void *arg, const struct drain_entry *entries, size_t n);
	void (*on_telling)(void *arg, const struct drain_telling *t);        // may be NULL
	void (*on_change)(void *arg, const struct drain *d, int64_t now_ms); // may be NULL
	void *arg;
};

struct drains;
int drains_new(struct drains **ret, const struct drains_options *o);
// Calls that are under way are answered into nothing.
void drains_free(struct drains *ds);
// How a cluster is acted upon; cloud.ops NULL: there is none. dry_run: shown with each drain.
int drains_cluster(
	struct drains *ds, const struct kube *kube, const struct cloud *cloud, bool dry_run);

// A notice has arrived: a new drain, or one that is there learns from it. ret may be NULL. -ENOENT
// if the node is not known (it is journaled, kept and tried again for two minutes from the first
// list on), -EAGAIN if it is the queue's and there is no list yet (kept, but it must come again),
// -ENOSPC (the same, if there is room for that).
int drains_notice(
	struct drains *ds, const struct notice *n, int64_t now_ms, const struct drain **ret);

struct drain_hook { // what the event of a lifecycle hook says of it
	const char *scaling_group, *name, *token;
};
// After drains_notice() of it: its drain keeps that action alive and completes it.
void drains_hook(struct drains *ds, const struct notice *n, const struct drain_hook *h);

struct drain_request { // of a person
	const char *cluster, *node;
	int64_t deadline_ms; // 0: by policy
	bool dry_run;        // only planned: nothing is kept
};
// Where a drain of the node runs already, that one is returned. On a replica that does not lead the
// drain is written to the node, for the leader to do it, and then shown here as the watch tells.
// dry_run: ret is good until the next drains_ call and is in no list.
int drains_request(
	struct drains *ds, const struct drain_request *r, int64_t now_ms, const struct drain **ret);

// The watch of a cluster has told everything: drains that a predecessor has left on nodes go on.
void drains_synced(struct drains *ds, const char *cluster, int64_t now_ms);
// A node has changed: another replica may have begun to drain it. For fleet_watch.on_node.
void drains_on_node(struct drains *ds, const struct fleet_node *n, int64_t now_ms);
// What the journal of this replica still knows of calls, and of notices whose drains have not
// ended (drains_synced() takes those again), before the first drains_synced(); entries newest
// first, as audit_tail() gives them.
void drains_recall(struct drains *ds, const char *kind, const char *id, const char *json);

// Every 250 ms or so: time passes, the fleet has changed.
void drains_tick(struct drains *ds, int64_t now_ms);
// At the end of each turn of the loop: intents to the disk, then the calls. Cheap if there is none.
void drains_flush(struct drains *ds, int64_t now_ms);

const struct drain *drains_first(const struct drains *ds); // newest first; then ->next
const struct drain *drains_find(const struct drains *ds, const char *id);
const struct drain *drains_of_node(struct drains *ds, const char *cluster, const char *node);

struct drains_stats {
	size_t active, ended;
	uint64_t started, done, withdrawn, failed, refused;
	uint64_t evicted, deleted, calls, calls_failed, unaudited;
	// The last call that somebody's policy did not allow; NULL: none, or allowed again since.
	const char *refused_call; // "launch", "mark", …
	char refused_why[160];
};
void drains_stats(const struct drains *ds, struct drains_stats *ret);
