// SPDX-License-Identifier: Apache-2.0
// The line of DESIGN 2, the only place that knows every module: what enters, what follows from it,
// in which order.
//
// sample → fleet, store → (every 10 s) roll-ups → outlooks → (every decide.every) view → plan →
// audit → act → audit → show. Thread: the loop. line_start() opens everything, line_stop() closes
// it in the opposite order and calls on_stopped when the loop has nothing of it left.
#pragma once

#include <uv.h>

#include "aggregator/config.h"
#include "proto/base/why.h"

struct line;
int line_start(struct line **ret, uv_loop_t *loop, const struct aggregator_config *config,
	struct why *why);
// Reads certificates and the revocation list again.
void line_reload(struct line *l);
void line_stop(struct line *l, void (*on_stopped)(void *arg), void *arg);
