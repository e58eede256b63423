// SPDX-License-Identifier: Apache-2.0
// A probe under test, and a look at single rows of it.
#pragma once

#include "agent/probe/probe.h"

// Loaded and ticked once; every group must be attached, or the test stops with its report.
struct probe *watch_new(enum duty_mode mode, uint32_t max_cgroups);
// Row of inode at this moment, zeroed if there is none. Static storage, until the next call.
const struct probe_row *watch_row(struct probe *p, enum probe_source source, uint64_t inode);
size_t watch_all(struct probe *p, enum probe_source source, const struct probe_row **ret);
uint64_t watch_hist(const struct probe_row *row, int hist); // sum of its buckets
void watch_print_hooks(const struct probe *p);
void sleep_ms(unsigned ms);
