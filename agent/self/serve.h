// SPDX-License-Identifier: Apache-2.0
// The agent's HTTP endpoints: /metrics, /healthz, /readyz, /version. Read only, a handful of
// connections, everything bounded by agent/self/answer.h.
// Ownership: fill is called for each request and fills a report; what it points to lives as long as
// the server. Thread: the loop.
#pragma once

#include "agent/self/report.h"
#include "proto/base/why.h"

#include <stdint.h>
#include <uv.h>

struct serve;
int serve_start(
	struct serve **ret, uv_loop_t *loop, const char *address, uint16_t port, struct why *why);
void serve_set_source(struct serve *s, void (*fill)(void *arg, struct report *ret), void *arg);
uint16_t serve_port(const struct serve *s);
void serve_stop(struct serve *s); // NULL is fine; done when the loop has run its closing callbacks
