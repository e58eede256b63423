// SPDX-License-Identifier: Apache-2.0
// How nng's threads hand something to the loop.
//
// One inbox per loop, shared by all lanes. It is bounded at birth: whoever will push reserves its
// items when it is created, so a push cannot fail, and the number of messages under way can never
// pass the number of reserved items. Back-pressure follows from that: a lane's context is armed for
// the next message only after its last one was answered; with all of them under way nng stops
// reading and TCP slows the senders. Ownership: items stay their owner's; an item is in the inbox
// at most once. Thread: inbox_push() on any, everything else on the loop. Items are handed over in
// the order they came, in batches of INBOX_BATCH between which the loop runs its timers.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum { INBOX_BATCH = 256 };

struct inbox_item {
	void (*on_loop)(struct inbox_item *item); // set before the first push
	struct inbox_item *next;                  // the inbox's
};

struct inbox;
int inbox_new(struct inbox **ret, uv_loop_t *loop, size_t capacity);
int inbox_reserve(struct inbox *i, size_t items); // -ENOSPC past the capacity
void inbox_release(struct inbox *i, size_t items);
void inbox_push(struct inbox *i, struct inbox_item *item);
// Takes an item out that may be waiting; for its owner's end.
void inbox_remove(struct inbox *i, struct inbox_item *item);
size_t inbox_len(struct inbox *i);     // waiting now
size_t inbox_max_len(struct inbox *i); // most that ever waited
uv_loop_t *inbox_loop(struct inbox *i);
// Closes the handle; what still waits is dropped (its owner has stopped before). Frees itself in
// the close callback, then calls on_stopped (may be NULL).
void inbox_stop(struct inbox *i, void (*on_stopped)(void *arg), void *arg);
