// SPDX-License-Identifier: Apache-2.0
// The real cluster behind struct kube: a client of the Kubernetes API over HTTPS.
//
// kube_client_kube() is what the rest of the program sees. Its watch() begins to list and watch
// nodes, pods, budgets, workloads, attached volumes and node leases (only what the sink wants to
// hear, nodes always); without it calls still work, a node change then costs a GET first. on_node
// also comes when the node's lease was renewed (each ten seconds on EKS). What RBAC forbids of
// workloads, volumes and leases is left out, asked for again twice a minute, and shows in the
// stats; nodes, pods and budgets are waited for. All requests go through one budget (budget.h).
// Calls that change something go out only while the gate is open: right before each is written to
// the wire the client asks it (leader_is()), and what it refuses ends with -ECANCELED. Deadlines:
// 10 s a call (an eviction 20 s, a page of a list 60 s). Ownership: the client owns what it is
// given copies of. Thread: the loop.
#pragma once

#include <uv.h>

#include "aggregator/kube/budget.h"
#include "aggregator/kube/kube.h"
#include "aggregator/kube/mirror.h"
#include "proto/base/rng.h"

struct kube_client;
struct kube_client_options {
	const char *cluster;                      // kube.cluster
	const char *kubeconfig;                   // path; NULL: in the cluster
	const char *context;                      // of the kubeconfig; NULL: its current one
	const char *account_folder, *host, *port; // in the cluster: see config.h
	const char *identity; // who we are in events: the pod's name; NULL: "petrel-aggregator"
	struct budget_options budget;
	uint32_t page;       // objects per page of a list; 0: 500
	uint32_t watch_s;    // a watch lasts this and up to as long again; 0: 300
	uint32_t silence_ms; // a watch that says nothing for so long is cut; 0: 90,000 (a healthy
			     // server sends a bookmark a minute)
	struct rng rng;
	int64_t (*wall_ms)(void);
	uint64_t (*mono_ns)(void);
	// The Date of each answer, and how long ago its request was sent; may be NULL.
	void (*on_date)(void *arg, int64_t date_ms, int64_t took_ms);
	void *on_date_arg;
};

// -EINVAL, -ENOTSUP, -ENOENT…: the configuration, see why.
int kube_client_new(struct kube_client **ret, uv_loop_t *loop, const struct kube_client_options *o,
	struct why *why);
struct kube kube_client_kube(struct kube_client *c);
// may_change is asked right before each request that changes something; NULL: always open.
void kube_client_gate(struct kube_client *c, bool (*may_change)(void *arg), void *arg);
// Every call still open ends with -ECANCELED inside, watches end; then all is freed and on_stopped
// (may be NULL) comes from the loop. Not from inside a callback of the sink.
void kube_client_stop(struct kube_client *c, void (*on_stopped)(void *arg), void *arg);

enum kube_verb {
	KUBE_VERB_LIST,
	KUBE_VERB_WATCH,
	KUBE_VERB_GET,
	KUBE_VERB_PATCH,
	KUBE_VERB_EVICT,
	KUBE_VERB_DELETE,
	KUBE_VERB_EVENT,
	KUBE_VERB_LEASE,
	KUBE_VERB_REVIEW, // of our own rights
	KUBE_VERB_COUNT,
};
enum kube_result {
	KUBE_RESULT_OK,
	KUBE_RESULT_REFUSED,   // 4xx that is an answer: gone, conflict, budget, invalid
	KUBE_RESULT_DENIED,    // 401, 403
	KUBE_RESULT_THROTTLED, // 429 of the server's overload
	KUBE_RESULT_FAILED,    // 5xx
	KUBE_RESULT_LOST,      // no answer
	KUBE_RESULT_COUNT,
};
const char *kube_verb_name(enum kube_verb v);     // "list", …
const char *kube_result_name(enum kube_result r); // "ok", …
const char *mirror_kind_name(enum mirror_kind k); // "nodes", "replicasets", …

struct kube_watch_stats {
	bool wanted, synced, denied;
	uint64_t objects, lists, relists, watches, cut; // relists: after the first; cut: by silence
	uint64_t heard_ns; // monotonic, of the last line or page; 0: never
	char trouble[128]; // "" while all is well
};
struct kube_client_stats {
	uint64_t requests[KUBE_VERB_COUNT][KUBE_RESULT_COUNT];
	uint64_t refused_objects, dropped, gated, tokens_read_again;
	uint32_t waiting[BUDGET_LANE_COUNT], under_way;
	uint64_t pauses; // 429s that stopped the budget
	bool synced;     // all first lists are in
	struct kube_watch_stats watches[MIRROR_KIND_COUNT];
};
void kube_client_stats(const struct kube_client *c, struct kube_client_stats *ret);
