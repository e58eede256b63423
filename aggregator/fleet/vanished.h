// SPDX-License-Identifier: Apache-2.0
// An instance that is gone without a notice.
//
// AWS gives its two minutes on a best-effort basis, and a host can simply fail. A node whose lease
// is silent and whose agent does not report either is looked up in the cloud; when the instance is
// on its way out or gone there, or EC2's own status checks of it fail, that is a notice
// (STATE_CHANGE, source "watch") like any other, so that its pods move at once instead of after
// Kubernetes' five minutes. The cloud is asked only about such nodes, each at most every
// ask_every_ms and at most max_in_flight at a time; without an answer nothing is concluded. One
// notice per instance. Ownership: borrows the fleet and the clouds, which must have ended every
// call (-ECANCELED) before vanished_free(). Thread: the loop.
#pragma once

#include "aggregator/cloud/cloud.h"
#include "aggregator/fleet/fleet.h"
#include "proto/wire/notice.h"

struct vanished;
struct vanished_options {
	struct fleet *fleet;
	int64_t silent_after_ms; // 0: 20,000. A kubelet renews its lease every 10 s
	int64_t ask_every_ms;    // 0: 10,000
	size_t max_in_flight;    // 0: 16
	int64_t (*wall_ms)(void);
	const struct cloud *(*cloud_of)(void *arg, const char *cluster); // NULL: there is none
	void (*on_notice)(void *arg, const struct notice *n);
	void *arg;
};
int vanished_new(struct vanished **ret, const struct vanished_options *o);
void vanished_free(struct vanished *v);                 // NULL is fine
void vanished_tick(struct vanished *v, int64_t now_ms); // call once a second

struct vanished_stats {
	uint64_t asked, found, unanswered;
	size_t silent; // nodes that are silent now
};
void vanished_stats(const struct vanished *v, struct vanished_stats *ret);
