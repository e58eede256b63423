// SPDX-License-Identifier: Apache-2.0
// From a request to an answer, without a socket: routing, checking, and the writers of each path.
//
// api_answer() is total: whatever comes in, an answer comes out, with the right HTTP status and
// (for the API) a JSON body. It reads the core and its sources and changes nothing. Thread: the
// loop.
#pragma once

#include "aggregator/show/core.h"
#include "aggregator/show/query.h"
#include "aggregator/show/web/web.h"
#include "proto/base/json.h"

enum { API_MAX_ARGUMENTS = 16 };
// A header that every request must have that asks for something: a browser lets no page of another
// origin send it without asking here first, and that is refused.
#define API_MARK "Petrel-Request"

struct api_pair {
	const char *key, *value;
};
struct api_request {
	const char *method, *path; // decoded
	struct api_pair pairs[API_MAX_ARGUMENTS];
	size_t n_pairs;            // more than API_MAX_ARGUMENTS: there were more, refused
	const char *if_none_match; // NULL if absent
	const char *remote;        // address of who asks
	const char *host;          // the Host header
	bool marked;               // API_MARK is there: no foreign web page has sent it
};

enum api_kind { API_BODY, API_ASSET, API_STREAM };
struct api_answer {
	enum api_kind kind;
	int status;
	const char *type;
	struct buf body;               // API_BODY; whoever serves takes it
	const struct web_asset *asset; // API_ASSET
	char cluster[64];              // API_STREAM: only this one; "" all
	const char *allow;             // with status 405; NULL: GET and HEAD
	bool cacheable;                // else "Cache-Control: no-store"
};
void api_answer(struct show_core *c, const struct api_request *q, struct api_answer *ret);
void api_answer_done(struct api_answer *a);

// What a writer of a path works with. It appends one JSON value to j and returns 0, or returns
// negative with the problem set.
struct api_call {
	struct show_core *core;
	struct query query;
	char path_cluster[64], path_name[NAME_MAX_BYTES]; // the {…} of the path
	int64_t now_ms;
	struct json *j;
	struct problem *problem;
};
int api_status(struct api_call *a); // api_status.c
int api_clusters(struct api_call *a);
int api_groups(struct api_call *a); // api_groups.c
int api_nodes(struct api_call *a);  // api_nodes.c
int api_node(struct api_call *a);
int api_pods(struct api_call *a);   // api_pods.c
int api_series(struct api_call *a); // api_history.c
int api_hist(struct api_call *a);
int api_forecast(struct api_call *a); // api_forecast.c
int api_risk(struct api_call *a);
int api_plans(struct api_call *a); // api_plans.c
int api_plan(struct api_call *a);
int api_decisions(struct api_call *a);
int api_audit(struct api_call *a);
int api_drains(struct api_call *a); // api_drains.c
int api_drain(struct api_call *a);
int api_ask_drain(struct api_call *a); // POST
int api_ask_notice(struct api_call *a);

// Helpers of the writers.
void put_known(struct json *j, const char *key, int64_t value);   // negative is null
void put_name(struct json *j, const char *key, const char *name); // "" is null
void element_number(struct json *j, double value);                // at most 7 digits; NAN is null
void put_number(struct json *j, const char *key, double value);
void put_metric(struct json *j, enum metric m);   // "metric", "unit", "kind_of_value"
void items_open(struct json *j);                  // {"items":[
void items_close(struct json *j, int64_t now_ms); // ],"now_ms":…}
int not_found(struct problem *p, const char *what, const char *name);
// The query's cluster as an argument of the other modules: NULL is all. -EINVAL (404) if it does
// not exist.
int call_cluster(struct api_call *a, const char **ret);
bool call_wants_cluster(const struct api_call *a, const char *cluster);
// The guard that makes it unsafe to scale now, NULL if none does. cluster NULL: any.
const char *unsafe_guard(const struct show_core *c, const char *cluster, int64_t now_ms);
// The compact item of a node, also the event streams': see openapi.json, CompactNode.
void compact_node(struct json *j, const struct fleet_node *n, const struct node_said *said);
void node_say(const struct fleet_node *n, const struct node_view *v, struct node_said *ret);
// A group's item, also the event streams'.
struct group_sum;
int each_group(struct show_core *c, const char *cluster, int64_t now_ms,
	void (*on_group)(void *arg, const struct fleet_group *g, const struct group_sum *sum),
	void *arg);
struct group_sum { // over the nodes of a group; -1 unknown
	int64_t usage_millicores, low_millicores, high_millicores, capacity_millicores;
	uint32_t saturated_nodes;
};
void put_group(struct show_core *c, struct json *j, const struct fleet_group *g,
	const struct group_sum *sum);
void put_status(struct show_core *c, struct json *j, const char *cluster, int64_t now_ms);
void metrics_write(struct show_core *c, int64_t now_ms, struct buf *out); // metrics.c
