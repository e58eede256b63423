// SPDX-License-Identifier: Apache-2.0
// The debug feed: lines "topic SP json LF" for whoever listens (nng PUB, made for nngcat --sub).
//
// Never blocks and never waits for a subscriber: nng drops the oldest of a slow one. PUB filters at
// the subscriber, so each gets everything on the wire: the rate is capped, and what passes the cap
// is dropped and counted. Insecure by design (no identity asked on loopback): no secrets in it;
// with a struct tls it is a mutual TLS listener like the lanes. Thread: the loop.
#pragma once

#include "proto/loop/tls.h"

#include <stddef.h>
#include <stdint.h>

enum { PUBLISH_MAX_LINE_BYTES = 64 << 10 };

struct publish;
// url: "tcp://127.0.0.1:7452". bytes_per_s 0: 4 MB/s (burst: one second of it).
int publish_start(struct publish **ret, const char *url, struct tls *tls, uint64_t bytes_per_s,
	struct why *why);
// topic: no blanks or control characters (-EINVAL). json: any text; line ends inside become blanks.
// 0; -EAGAIN dropped by the rate cap; -E2BIG over PUBLISH_MAX_LINE_BYTES.
int publish_line(
	struct publish *p, const char *topic, const char *json, size_t len, uint64_t now_ns);
uint16_t publish_port(const struct publish *p);
uint64_t publish_sent(const struct publish *p);
uint64_t publish_dropped(const struct publish *p);
void publish_stop(struct publish *p);
