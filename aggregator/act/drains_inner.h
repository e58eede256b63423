// SPDX-License-Identifier: Apache-2.0
// What the files of the drains share. The line of calls: drains.c (news in, time) → drain_view.c
// (what is known) → decide → drain_merge.c (plan into the drain) → drain_run.c (what is due) →
// drain_calls.c (intents, calls, answers) → drain_answer.c (what an answer means).
#pragma once

#include <uthash.h>
#include <utlist.h>

#include "aggregator/act/drains.h"
#include "proto/base/buf.h"

#define DRAIN_TAINT      "petrel.dev/interruption"
#define DRAIN_ANNOTATION "petrel.dev/drain"
#define DRAIN_LB_LABEL   "node.kubernetes.io/exclude-from-external-load-balancers"
#define DRAIN_OOS_TAINT  "node.kubernetes.io/out-of-service"

enum { DRAINS_MAX_UNPLACED = 4096, DRAINS_MAX_RECALLED = 200000 };
enum { DRAIN_LOST_AFTER_MS = 60000 }; // past its end nobody waits for pods, and no drain begins

struct drains_cluster { // how one cluster is acted upon
	char name[64];
	struct kube kube;
	struct cloud cloud;
	bool dry_run, synced;
	UT_hash_handle hh;
};

struct drain_inner {
	struct drains *ds;
	struct drains_cluster *cluster;
	int64_t deadlines[DRAIN_KIND_COUNT]; // as heard, by kind; 0: none given
	bool marked, cordoned;               // by us
	bool asked_before;                   // a predecessor may have asked for a replacement
	bool stands_back, replan, told, told_unaudited;
	int64_t begin_ms, end_ms, delete_ms; // of the plan; delete_ms 0: never
	int64_t replan_ms;                   // when a plan is due again, 0: not
	// as the event told them, "" if none did: else those of the node group
	char hook[256], hook_group[256], hook_token[64]; // the token is emptied when it is refused
	char hook_told[64], hook_refused[64];            // the token as told last; one that died
	int64_t pass_on_ms; // a follower was asked for it: when the leader is to be told; 0: not
	bool ask_seen;      // by the watch: that is on the node
	bool mark_seen;     // by the watch: the drain's mark is, or was, on the node
	int64_t ask_state_ms, replacement_asked_ms;
	int64_t heartbeat_ms;  // when the next is due; INT64_MAX: one is under way
	int64_t in_service_ms; // when the out-of-service taint is to be taken off again, at the
			       // earliest; 0: at once, INT64_MAX: under way
	bool instance_gone, node_gone;
	bool fell_silent; // seen not Ready with the out-of-service taint on
	uint64_t pods_change;
	unsigned in_flight, busy; // busy: of them those that a drain waits for (no Events)
	unsigned act_numbers;
	UT_hash_handle hh_id, hh_node;
	char node_key[64 + NAME_MAX_BYTES]; // cluster "/" node
	struct drain *drain;
};

enum call_kind {
	CALL_MARK,
	CALL_UNMARK,
	CALL_CLOSE, // the annotation says that it is over
	CALL_ASK,   // a follower leaves on the node, for the leader, what a person asked it for
	CALL_EVICT,
	CALL_DELETE,
	CALL_LAUNCH,
	CALL_DESIRED,
	CALL_TERMINATE,
	CALL_COMPLETE,
	CALL_HEARTBEAT,
	CALL_OUT_OF_SERVICE,
	CALL_IN_SERVICE, // takes that taint off again
	CALL_BALANCERS,  // these two only ask
	CALL_STATE,
	CALL_TELL, // an Event: not audited
	CALL_KIND_COUNT,
};

struct call {
	struct drains *ds; // NULL: the drains are gone, the answer is for nobody
	struct drain *drain;
	enum call_kind kind;
	uint32_t pod; // index, where it is a pod's
	uint32_t act; // its number, where it is an act's
	uint32_t grace_s;
	int64_t begun_ms;
	const char *reason; // CALL_TELL
	bool warning;
	char note[192];
	struct call *prev, *next;
};

struct drain_unplaced { // a notice for a node that is not known yet
	struct notice notice;
	int64_t since_ms;
	struct drain_unplaced *prev, *next;
};

struct drain_recalled { // what the journal knows of a pod's eviction
	char uid[40];
	bool accepted; // else: asked, the answer is not known
	UT_hash_handle hh;
};

struct drain_recalled_notice {          // how a node stands by the journal
	char key[NAME_MAX_BYTES + 128]; // of a node or an instance; of its notices with their kind
	struct notice notice;
	bool over; // its drain has ended, or the notice was withdrawn
	UT_hash_handle hh;
};

struct drain_zone_failure {
	char key[NAME_MAX_BYTES + 32]; // scaling group "/" zone
	int64_t at_ms;
	UT_hash_handle hh;
};

struct entry { // of the audit file, waiting for the next flush
	const char *kind;
	char cluster[64], id[33];
	char *json;
};

struct drains {
	struct drains_options o;
	struct drains_cluster *clusters;
	struct drain *list;          // newest first
	struct drain_inner *by_id;   // all
	struct drain_inner *by_node; // those that run
	struct drain_unplaced *unplaced;
	size_t n_unplaced;
	struct drain_recalled *recalled;
	struct drain_recalled_notice *recalled_notices;
	struct drain_zone_failure *failures;
	struct call *queued, *in_flight;
	struct entry *entries;
	size_t n_entries, cap_entries;
	bool entries_urgent; // an intent is among them
	bool unaudited;      // the last append failed
	int64_t now_ms;      // of the call that is being served
	uint64_t numbers;
	int64_t placed_ms; // when what came late was looked at last
	struct drain *dry; // of the last request that was only to be planned
	struct drains_stats stats;
	struct buf text;
};

// drain_recall.c
void drains_take_recalled(struct drains *ds, const char *cluster, int64_t now_ms);
void drains_forget_recalled(struct drains *ds);

// drains.c
struct drains_cluster *drains_find_cluster(const struct drains *ds, const char *name);
struct drain *drain_running_on(struct drains *ds, const char *cluster, const char *node);
struct drain *drain_new(struct drains *ds, const struct fleet_node *n);
int drain_start(struct drains *ds, struct drain *d, int64_t now_ms); // takes d, also on failure
void drain_reopen(struct drains *ds, struct drain *d); // one that has ended, and been counted so

struct fleet_node *drain_node_of(const struct drains *ds, const struct notice *n); // or NULL
// Into the drain of its node, which may begin by it. *ret is set if that follows it now.
int drain_place(
	struct drains *ds, const struct fleet_node *f, const struct notice *n, struct drain **ret);
void drain_notice_entry(struct drains *ds, const struct drain *d, const struct notice *n);

// drain_unplaced.c
// -ENOENT; -EAGAIN: of the queue, whose it is cannot be known yet; -ENOSPC; 0: it is withdrawn.
int drains_keep_unplaced(struct drains *ds, const struct notice *n, int64_t now_ms);
void drains_place_late(struct drains *ds, int64_t now_ms); // those that can be placed by now

// drain_follow.c
void drain_follow(struct drains *ds, struct drain *d, int64_t now_ms); // another replica leads

// drain_resume.c
void drains_give_back_survivors(struct drains *ds, int64_t now_ms);

// drain_view.c: everything decide_notice() wants to know, borrowed until the next call of it.
struct drain_seen {
	struct drain_view view;
	struct drain_view_pod *pods;
	struct drain_view_budget *budgets;
};
int drain_see(struct drains *ds, const struct drain *d, struct drain_seen *ret);
void drain_seen_done(struct drain_seen *s);

// drain_merge.c: decides again and takes the plan into the drain. -ENOMEM.
int drain_plan_again(struct drains *ds, struct drain *d, int64_t now_ms);
void drain_free(struct drain *d);
struct drain_pod *drain_find_pod(const struct drain *d, const char *uid);

// drain_run.c
void drain_observe(struct drains *ds, struct drain *d, int64_t now_ms); // the watch's news
void drain_observe_mark(struct drains *ds, struct drain *d, const struct fleet_node *n);
void drain_advance(struct drains *ds, struct drain *d, int64_t now_ms); // starts what is due
struct drain_act *drain_find_act(struct drain *d, enum drain_step_kind k);

// drain_end.c: what follows when the pods are gone, or time is up.
void drain_advance_end(struct drains *ds, struct drain *d, int64_t now_ms);
void drain_conclude(struct drains *ds, struct drain *d, enum drain_phase phase, const char *text);

// drain_calls.c
// Queues it; without memory, the state of what it was for goes back and it is due again in a
// second.
void drain_call(struct drains *ds, const struct call *c);
void drain_entry(struct drains *ds, const struct drain *d, const char *kind, struct buf *json);
void drains_write_rest(struct drains *ds); // outcomes that no intent has taken along
void drains_drop_calls(struct drains *ds);
bool drain_may_act(const struct drains *ds, const struct drain *d);
struct drain_act *drain_act_of(const struct call *c);
const char *call_kind_name(enum call_kind k);
// Tells people: an Event on the node, and whoever on_telling() is.
void drain_tell(struct drains *ds, struct drain *d, const char *reason, const char *note);
void drain_tell_warning(struct drains *ds, struct drain *d, const char *reason, const char *note);

void drain_tell_news(struct drains *ds, struct drain *d); // once

// drain_answer.c
struct answer {
	int r;
	const struct why *why;
	int64_t retry_ms;
	const char *text;
};
void drain_answer(struct drains *ds, struct call *c, const struct answer *a);
int64_t drain_backoff_ms(uint32_t tries); // of calls to AWS: 2 s, doubled to 32 s

// drain_replace.c
void drain_advance_replacement(struct drains *ds, struct drain *d, int64_t now_ms);
void drain_answer_replacement(struct drains *ds, struct call *c, const struct answer *a);
void drain_inherit_replacement(struct drains *ds, struct drain *d); // of one loss there is one
void drains_watch_replacements(struct drains *ds, int64_t now_ms);
int64_t drains_zone_failed_ms(const struct drains *ds, const char *scaling_group, const char *zone);

// Sets and counts a change that people see.
void drain_changed(struct drains *ds, struct drain *d);
// Under way from now; the call goes out after its intent is on the disk.
void drain_start_act(struct drains *ds, struct drain *d, struct drain_act *a, enum call_kind k);
void drain_set_phase(struct drains *ds, struct drain *d, enum drain_phase phase);
void drain_set_text(struct drain *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
