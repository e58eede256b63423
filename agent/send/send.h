// SPDX-License-Identifier: Apache-2.0
// Sends the agent's records to every aggregator replica, and keeps them until they are receipted.
//
// Samples: encoded and compressed once, then spooled in bounded memory (spool_bytes, at most
// spool_ms old); the oldest are dropped first and counted (spool_dropped in later samples; the gap
// is visible by sequence). Each replica has its own cursor and gets everything after its last
// receipt, one frame under way at a time, as fast as receipts and their credit allow. Notices:
// their own small queue, never dropped for samples: a notice is kept until every replica has it or
// its deadline passed long ago; a full queue refuses (-ENOSPC) instead of forgetting. Nothing
// blocks the loop. Thread: the loop.
// A notice goes at once over the data lane's connection, beside the sample that may be under way
// there. The urgent lane is dialed when that connection is down or has given no receipt after
// SEND_URGENT_MS; then the notice goes both ways, the first receipt counts, and the lane stays.
// Why not a standing one: it would cost the aggregator 46 KiB per agent and a second handshake per
// agent after its restart, for years, for an event that most nodes see once; and when the data
// connection is dead without a word, an urgent one of the same age likely is, too, while a fresh
// dial is not. Why not at once: 1,000 nodes that all dial keep two cores busy for a second, and the
// notices that have arrived wait behind the handshakes; this way half of 1,000 are there in 18 ms.
#pragma once

#include "proto/base/why.h"
#include "proto/loop/inbox.h"
#include "proto/loop/tls.h"
#include "proto/wire/notice.h"
#include "proto/wire/sample.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	SEND_MAX_REPLICAS = 4,
	SEND_MAX_NOTICES = 256,
	SEND_URGENT_MS = 300,
};

struct send_replica {
	const char *data_url;   // "tls+tcp://aggregator-0:7450"
	const char *urgent_url; // "tls+tcp://aggregator-0:7451"
	struct tls *tls;        // NULL: insecure
};
struct send_options {
	struct send_replica replicas[SEND_MAX_REPLICAS];
	unsigned n_replicas;
	uint8_t boot_id[16];  // random, of this process
	uint64_t spool_bytes; // 0: 4 MiB
	uint64_t spool_ms;    // 0: 600,000
	uint32_t resend_ms;   // 0: lane.h's
};

struct send;
int send_start(
	struct send **ret, struct inbox *inbox, const struct send_options *o, struct why *why);
// Gives the sample its boot id, sequence and spool_dropped, encodes it (borrowed for the call) and
// spools it. Too big a sample is refused (-E2BIG): send fewer cgroups. It allocates only while the
// spool's memory warms up.
int send_sample(struct send *s, struct sample *sample, uint64_t now_ns);
int send_notice(struct send *s, const struct notice *n, uint64_t now_ns); // -ENOSPC

struct send_replica_status {
	bool connected;
	uint64_t last_receipt_ns; // monotonic, 0: never
	uint64_t contiguous;      // receipted up to this sequence
	int64_t clock_offset_ms;  // aggregator's clock minus ours
	bool clock_offset_known;
	uint64_t refused; // frames it refused for good
};
struct send_status {
	uint64_t sequence;             // last one given out
	uint64_t spooled, spool_bytes; // frames not yet receipted by all, and their memory
	uint64_t dropped;              // samples dropped before any replica had them
	unsigned notices;              // not yet receipted by all
	struct send_replica_status replicas[SEND_MAX_REPLICAS];
	unsigned n_replicas;
};
void send_status(const struct send *s, struct send_status *ret);
void send_stop(struct send *s, void (*on_stopped)(void *arg), void *arg);
