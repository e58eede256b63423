// SPDX-License-Identifier: Apache-2.0
// A lane: request and receipt between agents and aggregators (nng REQ/REP over TLS 1.3).
//
// Why REQ/REP: a sent message is not a stored one (a killed receiver of PUSH lost 1,481 of 8,000);
// here every request is answered by a receipt, and nng repeats it until then. A lane carries opaque
// messages; what is in them is proto/wire's business.
// Limits: a message is at most max_message_bytes, a client has one request under way (and each that
// shares its connection one more), the server answers `contexts` at the same time and stops reading
// beyond. A peer that breaks a rule loses its connection and is counted; nobody else notices.
// Ownership: data is borrowed for the call, a peer until on_peer(false) has returned. Thread: all
// functions and callbacks on the loop; nng's threads only push into the inbox. nng 1.5.2 must not
// close sockets while it runs (c-stack 1.9): lanes live as long as the process, _stop() is for its
// end and for tests.
#pragma once

#include "proto/base/buf.h"
#include "proto/loop/inbox.h"
#include "proto/loop/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LANE_MAX_MESSAGE_BYTES = 1 << 20,
	LANE_MAX_REPLY_BYTES = 4096,
	LANE_MAX_PENDING = 8, // requests of one connection not yet answered; more costs it
};

struct lane_peer {
	uint32_t pipe;          // id of the connection, never reused within hours
	bool authenticated;     // false only on an insecure lane
	struct tls_identity id; // empty on an insecure lane
	char address[64];       // "10.0.3.7:41822"
	void *user;             // the application's, NULL at first
};

enum lane_refusal {
	LANE_REFUSED_MESSAGE,   // on_message said so
	LANE_REFUSED_OVERSIZED, // longer than max_message_bytes: counted for all lanes together
	LANE_REFUSED_FLOOD,     // too many requests unanswered, or too many answers held
	LANE_REFUSED_PEERS,     // more connections than max_peers
	LANE_REFUSED_REVOKED,   // certificate revoked while connected
	LANE_REFUSED_IDLE,      // no message for idle_ms: the peer is taken for dead
	LANE_REFUSAL_COUNT,
};
const char *lane_refusal_name(enum lane_refusal r);

struct lane_counters {
	uint64_t connected, disconnected; // since the start
	uint64_t messages, bytes, replies;
	uint64_t held;      // replies that were held back
	uint64_t saturated; // times that all contexts were busy at once
	uint64_t revived;   // times that a dead listener was replaced
	uint64_t refused[LANE_REFUSAL_COUNT];
};

struct lane_server;
struct lane_server_options {
	// "tls+tcp://0.0.0.0:7450"; "tcp://…" with tls NULL is the insecure lane. Borrowed for the
	// server's life.
	const char *url;
	struct tls *tls;          // referenced
	unsigned contexts;        // 1..1024
	unsigned max_peers;       // 0: 20,000
	size_t max_message_bytes; // 0: LANE_MAX_MESSAGE_BYTES
	uint32_t idle_ms;         // 0: 90,000. TCP may not notice a vanished node for days
	uint32_t canary_ms; // 0: 30,000. So often the listener is tried, and replaced if it is dead
	// A message. The answer goes into reply (empty at the call, at most LANE_MAX_REPLY_BYTES).
	// Return the milliseconds to hold the answer back (0: now; this slows down just this peer),
	// or a negative errno: the peer gets no answer and loses its connection.
	int (*on_message)(void *arg, struct lane_peer *peer, const uint8_t *data, size_t len,
		struct buf *reply);
	void (*on_peer)(void *arg, struct lane_peer *peer, bool up); // may be NULL
	void *arg;
};
int lane_server_start(struct lane_server **ret, struct inbox *inbox,
	const struct lane_server_options *o, struct why *why);
// Port in force (useful with port 0).
uint16_t lane_server_port(const struct lane_server *s);
const struct lane_counters *lane_server_counters(struct lane_server *s);
size_t lane_server_peers(struct lane_server *s);
// Closes connections whose certificate is on the CRL in force; call after tls_reload().
void lane_server_drop_revoked(struct lane_server *s);
void lane_server_stop(struct lane_server *s, void (*on_stopped)(void *arg), void *arg);

struct lane_client;
struct lane_client_options {
	const char *url;    // "tls+tcp://aggregator-0:7450"
	struct tls *tls;    // referenced; its peer_name is what the server's certificate must carry
	uint32_t resend_ms; // 0: 5,000. Repeats an unanswered request after this time
	uint32_t dead_ms;   // 0: 20,000. No receipt for so long: the connection is renewed
	uint32_t reconnect_min_ms; // 0: 500. Redials wait a random time (full jitter) below a bound
	uint32_t reconnect_max_ms; // 0: 30,000. that doubles from min to max
	size_t max_message_bytes;  // 0: LANE_MAX_MESSAGE_BYTES
	// May send the next one. data NULL: nng lost the request, send it again.
	void (*on_receipt)(void *arg, const uint8_t *data, size_t len);
	void (*on_connected)(void *arg, bool up); // may be NULL
	void *arg;
};
struct lane_client_state {
	bool connected;           // a connection stands; says nothing about the application behind
	bool busy;                // a request is under way
	uint64_t last_receipt_ns; // monotonic, 0: never
	uint64_t sent, receipts, connects, disconnects;
};
// Starts dialing in the background; an address that does not answer is not an error.
int lane_client_start(struct lane_client **ret, struct inbox *inbox,
	const struct lane_client_options *o, struct why *why);
// A second client over the connection of another one: its requests do not wait for those of the
// other, and there is no second handshake and no second connection's memory. Of o only resend_ms,
// max_message_bytes, on_receipt and arg count. Stopped before the other.
int lane_client_share(struct lane_client **ret, struct lane_client *of,
	const struct lane_client_options *o, struct why *why);
// Copies the message and sends it as soon as a connection stands. -EBUSY: one is under way;
// -EMSGSIZE: over max_message_bytes, never sent.
int lane_client_send(struct lane_client *c, const void *data, size_t len);
const struct lane_client_state *lane_client_state(struct lane_client *c);
void lane_client_stop(struct lane_client *c, void (*on_stopped)(void *arg), void *arg);
