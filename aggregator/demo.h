// SPDX-License-Identifier: Apache-2.0
// The demo fleet: a simulated cluster, its watch and its cloud, wired to the same doors as real
// ones.
//
// At the first start it is given a history by running its virtual clock from demo.history ago to
// now, so that forecasts and pages have something to stand on; at later starts only the gap since
// the last stored hour is run. Its spot nodes are reclaimed as real ones are: with a notice, two
// minutes before, through the same door (in history the nodes just go).
#pragma once

#include "aggregator/cloud/cloud.h"
#include "aggregator/fleet/fleet.h"
#include "aggregator/kube/kube.h"
#include "aggregator/store/store.h"
#include "proto/wire/notice.h"

#define DEMO_CLUSTER "demo"

struct demo_doors { // where its samples, its notices and its clock go
	int (*on_sample)(void *arg, const struct sample *s, int64_t now_ms); // intake
	int (*on_notice)(void *arg, const struct notice *n, int64_t now_ms);
	void (*on_clock)(void *arg, int64_t now_ms,
		uint32_t window_ms); // virtual time has advanced (history only)
	void (*on_node)(void *arg, const struct fleet_node *n); // after the fleet has taken it
	void *arg;
	struct fleet *fleet;
	struct store *store;
};

struct demo;
int demo_new(
	struct demo **ret, const struct demo_doors *doors, uint64_t history_ms, int64_t now_ms);
void demo_free(struct demo *d);
struct kube demo_kube(struct demo *d);
struct cloud demo_cloud(struct demo *d);
// Runs up to steps of the history that is still missing; true when it has caught up with now_ms.
bool demo_catch_up(struct demo *d, int64_t now_ms, unsigned steps);
void demo_tick(struct demo *d, int64_t now_ms); // once a second, after it has caught up
void demo_turn(struct demo *d);                 // each turn of the loop: answers come
// What happens to a node of it: a spot interruption takes it at the deadline (0: in two minutes),
// anything else is only news. -ENOENT, -EAGAIN while its history is made.
int demo_interrupt(struct demo *d, const char *node, enum notice_kind kind, int64_t deadline_ms);
// Share of the history that has been run, in permille.
unsigned demo_progress_permille(const struct demo *d, int64_t now_ms);
