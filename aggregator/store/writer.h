// SPDX-License-Identifier: Apache-2.0
// The thread that owns the file, its bounded queue, and what it does when the file fails.
//
// The loop gives it batches and never waits for the disk (except store_writer_wait, a brake for a
// simulator that runs faster than the disk). A disk that is full or fails: the batch is kept and
// tried again every second or so, newer ones queue up to a bound, past it the oldest bins are
// dropped and counted. A corrupted file is moved to PATH.corrupt (the one before it is replaced)
// and a new one begun. Thread: all functions for the loop.
#pragma once

#include "aggregator/store/write.h"

#include "proto/base/why.h"

struct store_writer;
struct store_writer_state {
	bool storing;
	int error;      // negative errno of the last attempt, 0 when fine
	uint32_t files; // how many files were begun or opened: readers open anew when it changes
	uint32_t moved_aside;
	uint64_t written; // number of the newest batch on disk
	uint64_t dropped_bins;
	struct store_write_counters counters;
	char text[192]; // of the error, or of what was moved aside
};

// Opens the file (moving a corrupted one aside; then 0 and why says so). A disk that is full or
// fails is no error here: the writer tries on. -EBUSY if another process has it; -EACCES, -ENOENT…
// if it cannot be made.
int store_writer_new(
	struct store_writer **ret, const struct store_write_options *o, struct why *why);
// Before store_writer_start() the loop may read the file through this; NULL if it is not open.
struct store_write *store_writer_file(struct store_writer *w);
int store_writer_start(struct store_writer *w);
void store_writer_push(struct store_writer *w, struct store_batch *b); // takes
// Waits until at most `most` batches are queued, while storing, at most wait_ms.
void store_writer_wait(struct store_writer *w, size_t most, unsigned wait_ms);
void store_writer_get(struct store_writer *w, struct store_writer_state *ret);
// Writes what is queued if the disk takes it, ends the thread, frees.
void store_writer_free(struct store_writer *w);
