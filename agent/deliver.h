// SPDX-License-Identifier: Apache-2.0
// From the configuration to the replicas: certificates, lanes and the spool of the agent.
//
// Opened in two steps, because certificates are read with the rights the agent starts with and
// nng's threads must begin with those it keeps. Certificates are read again when their files have
// changed; connections stay. Thread: the loop.
#pragma once

#include "agent/config.h"
#include "agent/send/send.h"
#include "proto/base/why.h"

#include <uv.h>

struct deliver;
// Reads the certificates. *ret is NULL where no aggregator is configured.
int deliver_open(struct deliver **ret, const struct agent_config *c, struct why *why);
int deliver_start(struct deliver *d, uv_loop_t *loop, struct why *why);
// All of these take NULL: nothing is sent.
int deliver_sample(struct deliver *d, struct sample *s, uint64_t now_ns);
int deliver_notice(struct deliver *d, const struct notice *n, uint64_t now_ns);
bool deliver_status(const struct deliver *d, struct send_status *ret); // false: nobody to send to
int deliver_reload(struct deliver *d, struct why *why);
void deliver_stop(struct deliver *d); // frees when the last handle is closed
