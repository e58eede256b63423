// SPDX-License-Identifier: Apache-2.0
// What the aggregator hangs on outside, said in plain words for `petrel status` and `petrel
// doctor`.
//
// Pure over the counters of the clients: what works, what does not, and what an operator does about
// it. A part that is not configured is "off" and says what it would be good for.
#pragma once

#include "aggregator/act/webhook.h"
#include "aggregator/cloud/queue.h"
#include "aggregator/kube/client.h"
#include "aggregator/show/show.h"

struct drains_stats;
struct kube_rights_stats;
struct link_sources { // NULL: not configured
	const char *cluster;
	const struct kube_client_stats *kube;
	const char *leader;       // who holds the Lease, "" nobody
	bool leads;               // this replica
	bool acts;                // mode act
	const char *aws_identity; // the ARN that AWS sees; "" not answered yet
	const char *aws_trouble;  // why AWS refused; "" or NULL: it did not
	const struct queue_stats *queue;
	bool queue_read; // by this replica: the leader alone reads
	const struct webhook_stats *webhook;
	struct fleet *fleet;               // what the watch knows of the cluster
	const struct drains_stats *drains; // calls that were refused
	const struct kube_rights_stats *rights;
	bool checks_denied; // EC2's status checks may not be read
	bool audit_broken;
	uint64_t audit_lost;    // lines
	int64_t clock_ahead_ms; // of the API server's clock; 0: they agree
	int64_t now_ms;
};
size_t links_print(const struct link_sources *s, struct show_link ret[SHOW_MAX_LINKS]);
