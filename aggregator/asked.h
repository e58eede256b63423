// SPDX-License-Identifier: Apache-2.0
// What show asks the line for: forecasts, the audit file, drains, and notices for simulated nodes.
//
// The functions have the signatures of struct show_sources; arg is a struct asked, which borrows
// all it names. Thread: the loop.
#pragma once

#include "aggregator/audit/audit.h"
#include "aggregator/demo.h"
#include "aggregator/forecast/service/service.h"
#include "aggregator/interruption.h"
#include "aggregator/show/show.h"

struct asked {
	struct service *service;
	struct audit *audit;
	struct demo *demo; // NULL: none
	struct interruption *interruption;
};

int asked_forecast(
	void *arg, const struct show_series *series, struct show_forecast *ret); // -ENOENT
void asked_forecast_stats(void *arg, enum show_horizon h, struct show_forecast_stats *ret);
int asked_forecast_then(void *arg, const struct show_series *series, int64_t at_ms,
	struct said_one *ret); // -ENOENT
int asked_audit(void *arg, size_t limit,
	int (*on_entry)(void *on_arg, const struct show_audit_entry *e), void *on_arg);
void asked_metrics(void *arg, struct prom *p);
size_t asked_links(void *arg, struct show_link *ret);
// POST /api/v1/notice: something happens to a node of a simulated cluster. kind: a notice_kind's
// name; deadline_ms 0: as such notices usually have. -EPERM: the cluster is real, -EINVAL: no such
// kind, -ENOENT: no such node, -EAGAIN: its history is still made.
int asked_notice(void *arg, const struct show_notice *n, char ret_id[33]);
const struct drain *asked_drains(void *arg);
int asked_drain(void *arg, const struct show_drain *d, const struct drain **ret); // -ENOENT
