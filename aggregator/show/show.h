// SPDX-License-Identifier: Apache-2.0
// What people and programs see: the HTTP API v1, server-sent events, /metrics, health, the embedded
// dashboard.
//
// Read only: what a person asks for (a drain, a notice to a simulated node) is passed on, to
// whoever asks from this machine. It borrows the other modules' objects (struct show_sources) and
// asks them when a request comes; what changes goes to the event streams once a second by
// show_publish_tick(). The API is described by openapi.json beside this file; a test holds the two
// together. Ownership: show owns its server, its streams and the plans it was given (as printed
// text, bounded); the sources outlive it. Thread: the loop. Limits: answers of at most
// SHOW_MAX_ANSWER_BYTES, streams of at most SHOW_MAX_STREAMS clients with bounded queues, and
// SHOW_MAX_PLANS plans.
#pragma once

#include "aggregator/decide/plan.h"
#include "aggregator/fleet/fleet.h"
#include "aggregator/store/store.h"
#include "proto/base/buf.h"
#include "proto/base/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct drain;
struct intake_counters;
struct lane_counters;
struct outlook;
struct said;
struct said_one;
struct policy;
struct prom;
struct show;

enum {
	SHOW_MAX_ANSWER_BYTES = 32 << 20,
	SHOW_MAX_STREAMS = 64,
	SHOW_MAX_PLANS = 512,
	SHOW_MAX_PLAN_BYTES = 16 << 20, // all plans together, as text
};

// What only the line knows. The line keeps one, up to date; show reads it at every request.
struct show_status {
	enum petrel_mode mode; // of the aggregator; clusters have their own
	char leader[128];      // "" if there is none
	bool paused;
	bool ready;         // what /readyz says
	char not_ready[96]; // why not, for people
	int64_t started_ms;
	bool audit_ok; // the audit file can be written
	// counters since the start, for /metrics
	uint64_t ticks, plans, plan_us, forecasts, forecasts_failed, forecast_us, audit_entries;
	uint64_t feed_lines, feed_dropped;
	uint64_t audit_lost; // lines
};

// The forecast of one series, as the line keeps it; borrowed until the next turn of the loop.
struct show_forecast {
	const struct outlook *outlook; // NULL: none yet, then why says why
	const struct said *said;       // what earlier ones said; NULL: not kept
	char why[96];
	enum metric metric;
	int64_t generated_ms;
	int32_t coverage80_permille; // how often the truth lay within the 80 % band; -1 unknown
	uint64_t scored;             // forecasts compared with the truth so far
};
enum show_horizon { SHOW_HOUR, SHOW_DAY, SHOW_MONTH, SHOW_HORIZON_COUNT };
enum { SHOW_LEVELS = 9, SHOW_MEMBERS_MAX = 32 };
struct show_forecast_stats { // all series of one horizon
	uint64_t outlooks, gated, scored;
	double mase, loss_ratio; // means over scored series; NAN: none
	double pinball[SHOW_LEVELS], coverage[SHOW_LEVELS];
	uint64_t alarms, rejected, full, refreshed, carried; // since the start
	double fit_seconds, overdue_seconds;
	struct {
		char name[16];
		double weight;
		uint64_t in, idle;
	} members[SHOW_MEMBERS_MAX];
	size_t n_members;
};
struct show_series { // which forecast
	const char *cluster;
	enum entity_kind kind;
	const char *name;
	enum show_horizon horizon;
};

struct show_audit_entry {
	uint64_t seq;
	int64_t ts_ms;
	const char *kind, *cluster, *id, *text;
	const char *hash; // hex
};

enum show_link_state { SHOW_LINK_OFF, SHOW_LINK_OK, SHOW_LINK_BROKEN, SHOW_LINK_WARN };
struct show_link {        // something outside that the aggregator hangs on
	char name[24];    // "kubernetes", "leader", "aws", "queue", "webhook"
	char cluster[64]; // "" if it is not of one cluster
	enum show_link_state state;
	char text[192];   // in plain words: what works, or what does not
	char advice[192]; // what to do about it; "" if nothing
};
enum { SHOW_MAX_LINKS = 32 };

// What a person asks for; show passes it on and changes nothing itself.
struct show_notice {                       // something happens to a node of a simulated cluster
	const char *cluster, *node, *kind; // kind: a notice_kind's name
	int64_t deadline_ms;               // 0: as such notices usually have
};
struct show_drain {
	const char *cluster, *node;
	int64_t deadline_ms; // 0: by policy
	bool dry_run;        // only planned: nothing is done or kept
};

// All borrowed; NULL where the program does not have one.
struct show_sources {
	struct fleet *fleet;              // must be there
	struct store *store;              // must be there
	const struct show_status *status; // must be there
	const struct policy *policy;      // thresholds for "safe to scale"; NULL: the defaults
	const struct intake_counters *intake;
	const struct lane_counters *data_lane, *urgent_lane;
	// 0, or -ENOENT for a series that is not forecast at all.
	int (*forecast)(void *arg, const struct show_series *series, struct show_forecast *ret);
	void (*forecast_stats)(void *arg, enum show_horizon h, struct show_forecast_stats *ret);
	// What was said at a time: q10, q50, q90. -ENOENT, -ENOMEM; free(ret->q).
	int (*forecast_then)(
		void *arg, const struct show_series *series, int64_t at_ms, struct said_one *ret);
	// Newest first, at most limit; stops when on_entry returns nonzero.
	int (*each_audit)(void *arg, size_t limit,
		int (*on_entry)(void *on_arg, const struct show_audit_entry *e), void *on_arg);
	// Fills at most SHOW_MAX_LINKS; how many.
	size_t (*links)(void *arg, struct show_link *ret);
	// The newest drain, then ->next; NULL if there is none.
	const struct drain *(*drains)(void *arg);
	// ret_id: of the drain it led to, "" if none yet. -EPERM: the cluster is real, -ENOENT: no
	// such node, -EAGAIN: not yet.
	int (*notice)(void *arg, const struct show_notice *n, char ret_id[33]);
	// ret is good until the next turn of the loop. -ENOENT: no such node.
	int (*drain)(void *arg, const struct show_drain *d, const struct drain **ret);
	// Writes further families to /metrics.
	void (*metrics)(void *arg, struct prom *p);
	void *arg;
};

struct show_options {
	const char *address; // "127.0.0.1"
	uint16_t port;       // 0: any, see show_port()
	const char *version; // of the program
	// The clocks, as main.c has them (a test gives its own).
	int64_t (*wall_ms)(void);
	uint64_t (*mono_ns)(void);
};
int show_new(struct show **ret, uv_loop_t *loop, const struct show_options *o,
	const struct show_sources *s, struct why *why);
uint16_t show_port(const struct show *s);
// A plan was decided: kept (as text, bounded), shown, and pushed to the streams. Borrows p.
void show_add_plan(struct show *s, const struct plan *p);
// Pushes what changed since the last call to the event streams. Call once a second.
void show_publish_tick(struct show *s, int64_t now_ms);
// Closes the server and all streams, frees s, then calls on_stopped (may be NULL).
void show_stop(struct show *s, void (*on_stopped)(void *arg), void *arg);
