// SPDX-License-Identifier: Apache-2.0
// The door of the aggregator: from a frame of an authenticated peer to a record that may be
// believed.
//
// It authenticates (cluster and node in the record are those of the certificate: its URI name
// "petrel://CLUSTER/NODE", or its CN for the first cluster served), bounds, suppresses duplicates
// by (node, boot id, sequence), limits each node by a token bucket, and answers with a receipt. It
// does not look at values. A frame's age tells when it was made by our clock; where a node's clock
// is off by more than INTAKE_CLOCK_SLACK_MS its samples are placed on ours. Who floods is answered
// late, a second at a time, and loses nothing but time; who breaks the envelope loses the
// connection; a record that can never be accepted is refused in its receipt, so that the sender
// does not repeat it. Simulated samples enter by intake_accept_sample(), through the same checks
// but the frame's. Ownership: on_sample and on_notice borrow the record for the call; a sink that
// cannot keep it returns a negative errno, then it is not receipted and comes again. Limits:
// max_nodes nodes (one silent for 10 minutes makes room), all per-node memory fixed. Thread: the
// loop. Time is an argument.
#pragma once

#include "proto/base/buf.h"
#include "proto/loop/lane.h"
#include "proto/wire/notice.h"
#include "proto/wire/sample.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	INTAKE_CLOCK_SLACK_MS = 2000, // a sample's time is moved to our clock beyond this
};

enum intake_refusal {
	INTAKE_BAD_FRAME,   // envelope: truncated, magic, checksum, compression
	INTAKE_BAD_VERSION, // a future version of the envelope
	INTAKE_BAD_BODY,    // protobuf, names, values
	INTAKE_TOO_BIG,     // a limit of the record
	INTAKE_FOREIGN,     // record names another node or cluster than the certificate
	INTAKE_CLUSTER,     // a cluster this aggregator does not serve
	INTAKE_FLOOD,       // over the node's rate; told to come back later
	INTAKE_NODES,       // more nodes than max_nodes, all of them alive
	INTAKE_SINK,        // the sink did not keep it; comes again
	INTAKE_REFUSAL_COUNT,
};
const char *intake_refusal_name(enum intake_refusal r);

struct intake_counters {
	uint64_t samples, notices, hellos, unknown; // accepted, by type
	uint64_t duplicates;
	uint64_t lost;  // sequences a node gave up before we saw them
	uint64_t late;  // accepted, but older than 60 s on our clock (replayed from a spool)
	uint64_t moved; // placed on our clock
	uint64_t refused[INTAKE_REFUSAL_COUNT];
};

struct intake_options {
	const char *const
		*clusters;   // the clusters served; a certificate with only a CN speaks for the
	size_t n_clusters;   // first. 0: any cluster that a URI name proves
	unsigned max_nodes;  // 0: 20,000
	unsigned rate_per_s; // 0: 20. Frames of one node per second, in the long run
	unsigned burst;      // 0: 600. A replay after an outage may come at once
	bool insecure;       // no authentication: the record's node is believed. Shouts elsewhere
	int (*on_sample)(void *arg, const struct sample *s, int64_t now_ms);
	int (*on_notice)(void *arg, const struct notice *n, int64_t now_ms);
	void *arg;
};

struct intake_frame {
	const uint8_t *data;
	size_t len;
	int64_t now_ms; // both clocks at arrival
	uint64_t now_ns;
};

struct intake;
int intake_new(struct intake **ret, const struct intake_options *o);
void intake_free(struct intake *i);
// For a lane's on_message: see lane.h for what it returns.
int intake_message(struct intake *i, const struct lane_peer *peer, const struct intake_frame *f,
	struct buf *reply);
// A sample that did not come by wire (the simulator's). -EINVAL unless s->simulated and named;
// -EEXIST for a duplicate; -EACCES if a real node has that name; -ENOSPC, or what the sink
// returned.
int intake_accept_sample(struct intake *i, const struct sample *s, int64_t now_ms);
// A notice that did not come by wire (a queue's). -EACCES: a cluster not served.
int intake_accept_notice(struct intake *i, const struct notice *n, int64_t now_ms);
const struct intake_counters *intake_counters(const struct intake *i);

struct intake_node {
	const char *cluster, *node;
	bool simulated;
	int64_t clock_offset_ms; // our clock minus the node's
	bool clock_offset_known;
	int64_t last_ms; // our clock at the last accepted sample
	uint64_t samples, duplicates, lost, refused;
};
void intake_each_node(
	const struct intake *i, void (*each)(void *arg, const struct intake_node *n), void *arg);
size_t intake_nodes(const struct intake *i);
