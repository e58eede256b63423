// SPDX-License-Identifier: Apache-2.0
// The parts of /metrics, one writer per subject. Labels are bounded: clusters, node groups, states
// and reasons, never nodes, pods or ids; hook names come from agents and are cut off at
// METRICS_MAX_HOOKS ("other").
#pragma once

#include "aggregator/show/core.h"
#include "proto/base/prom.h"

enum { METRICS_MAX_HOOKS = 32 };

void metrics_fleet(struct show_core *c, int64_t now_ms, struct prom *p);  // metrics_fleet.c
void metrics_groups(struct show_core *c, int64_t now_ms, struct prom *p); // metrics_groups.c
void metrics_forecast(struct show_core *c, struct prom *p);               // metrics_forecast.c
void metrics_door(struct show_core *c, struct prom *p);                   // metrics_door.c
void metrics_drains(struct show_core *c, int64_t now_ms, struct prom *p); // metrics_drains.c
void metrics_process(int64_t started_ms, struct prom *p);                 // metrics_process.c
