// SPDX-License-Identifier: Apache-2.0
// The running agent: one loop, one tick a second, everything wired in the order of the line.
//
// probe ─► proc ─► window (collect.h) ─► print, send. It listens to nobody: the only things that
// reach it from outside are the kernel's files, receipts, and GET requests on the loopback.
// Whatever part cannot start (no BPF, no PSI, a taken port) is logged and reported, and the rest
// goes on.
#pragma once

#include "agent/config.h"
#include "proto/base/why.h"

// Runs until SIGTERM or SIGINT. Negative: it could not start (why says so), or could not stop
// cleanly.
int agent_run(const struct agent_config *config, struct why *why);
