// SPDX-License-Identifier: Apache-2.0
// What Petrel saw, thought, did and got, as JSON lines that nobody can change unnoticed.
//
// Each line carries the SHA-256 of the line before it and its own; a line is on the disk (fsync)
// when audit_append() returns, so an intent is written before the call it announces. A file that
// cannot be written is a state, not a crash: every further append says so until it can again, and
// the caller does nothing voluntary meanwhile. Line:
//   {"seq":7,"ts_ms":…,"prev":"<hex>","kind":"plan","cluster":"…","id":"…","body":{…},"hash":"<hex>"}
// where hash is over all bytes before `,"hash"` and prev is the hash of line seq - 1 (zeros before
// the first). Signed checkpoints (Ed25519) stand in the chain as lines of their own every
// checkpoint_every lines, and the newest one also in PATH.head after every line, so that a cut of
// the end is found too. Past rotate_bytes the file becomes PATH.1 (.2, …, never overwritten) and
// the chain goes on in a new one. After a crash an unfinished last line, which nobody was told of,
// is cut off and a line "recovered" says how long it was. One process per file (flock).
// Thread: the loop. Blocks for one write and fsync (0.1 to 10 ms): for plans and acts, not samples.
#pragma once

#include "proto/base/buf.h"
#include "proto/base/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AUDIT_MAX_BODY_BYTES = 1 << 20, AUDIT_MAX_NAME_BYTES = 255, AUDIT_HASH_TEXT = 65 };

struct audit;
struct audit_options {
	const char *path;
	int64_t (*wall_ms)(void);  // the clock; must be given
	uint64_t rotate_bytes;     // 0: never
	const char *key_path;      // Ed25519 private key, PEM; made (mode 0600) when it is not
				   // there; NULL: unsigned, only the chain protects
	uint32_t checkpoint_every; // lines between signed checkpoints; 0: 100
};
// Opens or makes; checks the last line. -EBUSY if another process has it, -EBADMSG if the end of
// the file is not a line of ours (it is left as it is: look at it, move it away), or what open(2)
// gave.
int audit_open(struct audit **ret, const struct audit_options *o, struct why *why);
void audit_close(struct audit *a); // NULL is fine

// Writes a line and waits for the disk. kind: a name ("plan", "intent", "outcome", …); cluster and
// id: text; json: one JSON value. -EINVAL for what is none, -E2BIG, or the errno of the disk; then
// nothing was written and audit_ok() is false (after an error of the disk) until an append succeeds
// again.
int audit_append(struct audit *a, const char *kind, const char *cluster, const char *id,
	const char *json, struct why *why);
bool audit_ok(const struct audit *a);
uint64_t audit_seq(const struct audit *a); // of the last line, 0 if there is none

struct audit_entry { // borrowed for the call
	uint64_t seq;
	int64_t ts_ms;
	const char *kind, *cluster, *id, *json;
	const char *hash; // hex
};
// The newest lines of the current file, newest first, at most limit; stops when on_entry returns
// nonzero.
int audit_tail(struct audit *a, size_t limit,
	int (*on_entry)(void *arg, const struct audit_entry *e), void *arg);
