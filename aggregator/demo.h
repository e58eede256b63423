// SPDX-License-Identifier: Apache-2.0
// The demo fleet: a simulated cluster, its watch and its cloud, wired to the same doors as real
// ones.
//
// At the first start it is given a history by running its virtual clock from demo.history ago to
// now, so that forecasts and pages have something to stand on; at later starts only the gap since
// the last stored hour is run.
#pragma once

#include "aggregator/fleet/fleet.h"
#include "aggregator/store/store.h"

#define DEMO_CLUSTER "demo"

struct demo_doors { // where its samples and its clock go
	int (*on_sample)(void *arg, const struct sample *s, int64_t now_ms); // intake
	void (*on_clock)(void *arg, int64_t now_ms,
		uint32_t window_ms); // virtual time has advanced (history only)
	void *arg;
	struct fleet *fleet;
	struct store *store;
};

struct demo;
int demo_new(
	struct demo **ret, const struct demo_doors *doors, uint64_t history_ms, int64_t now_ms);
void demo_free(struct demo *d);
// Runs up to steps of the history that is still missing; true when it has caught up with now_ms.
bool demo_catch_up(struct demo *d, int64_t now_ms, unsigned steps);
void demo_tick(struct demo *d, int64_t now_ms); // once a second, after it has caught up
// Share of the history that has been run, in permille.
unsigned demo_progress_permille(const struct demo *d, int64_t now_ms);
