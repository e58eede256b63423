// SPDX-License-Identifier: Apache-2.0
// What Petrel saw, thought, did and got, as JSON lines that nobody can change unnoticed.
//
// Each line carries the SHA-256 of the line before it and its own; a line is on the disk (fsync)
// when audit_append() returns, so an intent is written before the call it announces. A file that
// cannot be written is a state, not a crash: every further append says so until it can again, and
// the caller does nothing voluntary meanwhile. Line:
//   {"seq":7,"ts_ms":…,"prev":"<hex>","kind":"plan","cluster":"…","id":"…","body":{…},"hash":"<hex>"}
// where hash is over all bytes before `,"hash"` and prev is the hash of line seq - 1 (zeros before
// the first). With a key, every 256 lines and every minute of appending a line "checkpoint" carries
// an Ed25519 signature over the line before it, and PATH.head says, signed, how far the file
// reaches. A file over max_bytes is moved to PATH.SEQ (its last line's number) and the chain goes
// on in a new one. After a crash an unfinished last line, which nobody was told of, is cut off and
// a line "recovered" says how long it was. Lines that could not be written (a full disk) are lost,
// but not silently: the first line afterwards is a "gap" that says how many, since when and why.
// One process per file (flock). Thread: the loop. Blocks for one write and fsync (0.1 to 10 ms):
// for plans and acts, not samples.
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
	const char *key_path;     // private key, made with PATH.pub if missing; NULL: no signatures
	uint64_t max_bytes;       // 0: never moved away
	int64_t (*wall_ms)(void); // the clock; must be given
};
// Opens or makes; checks the last line. A full disk is no reason to fail once the file and the key
// are there: audit_ok() is false then. -EBUSY if another process has it, -EBADMSG if the end of
// the file is not a line of ours (it is left as it is: look at it, move it away), or what open(2)
// gave.
int audit_open(struct audit **ret, const struct audit_options *o, struct why *why);
void audit_close(struct audit *a); // NULL is fine

struct audit_entry {   // borrowed for the call
	uint64_t seq;  // given by audit_append()
	int64_t ts_ms; // as seq
	const char *kind, *cluster, *id, *json;
	const char *hash; // hex; as seq
};

// Writes a line and waits for the disk. kind: a name ("plan", "intent", "outcome", …); cluster and
// id: text; json: one JSON value. -EINVAL for what is none, -E2BIG, or the errno of the disk; then
// nothing was written and audit_ok() is false (after an error of the disk) until an append succeeds
// again.
int audit_append(struct audit *a, const struct audit_entry *e, struct why *why);
// The same for many lines with one wait for the disk: all are written or none.
int audit_append_all(struct audit *a, const struct audit_entry *entries, size_t n, struct why *why);
bool audit_ok(const struct audit *a);
// While it is not ok: tries to write the line "gap", so that it is ok again as soon as there is
// room (64 KiB), also where nobody has anything to append. Cheap; once a second will do.
void audit_mend(struct audit *a);
uint64_t audit_lost(const struct audit *a); // lines that could not be written since the start
uint64_t audit_seq(const struct audit *a);  // of the last line, 0 if there is none

// The newest lines of the current file, newest first, at most limit; stops when on_entry returns
// nonzero.
int audit_tail(struct audit *a, size_t limit,
	int (*on_entry)(void *arg, const struct audit_entry *e), void *arg);

struct audit_report {
	uint64_t entries, first_seq, last_seq;
	uint64_t checkpoints; // signatures that were proven
	uint64_t signed_seq;  // the last line under a proven signature; 0: none
	bool head_checked;    // PATH.head was there and proven: nothing is missing at the end
	uint64_t gaps;        // times that the file could not be written, and
	uint64_t lost;        // how many lines are missing for that: said by the chain itself
	char gap[160];        // the newest of them, for people
	uint64_t bad_line;    // number of the first line that breaks the chain; 0: none
	char text[192];       // what is wrong, with the file's name
};
// Reads whole files, oldest first, as one chain and checks every line. public_key_path NULL:
// signatures are not looked at. 0: whole; -EBADMSG: see the report; -errno of the file system
// (text names the file). Without a head, a cut of whole lines at the end cannot be seen.
int audit_verify(const char *const *paths, size_t n_paths, const char *public_key_path,
	struct audit_report *ret);
