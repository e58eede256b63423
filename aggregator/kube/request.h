// SPDX-License-Identifier: Apache-2.0
// One request to the API server: queued by lane, sent when the budget allows, answered once.
//
// Part of the client. It adds the credentials, asks once more with a fresh token after a 401,
// counts, and slows the budget down after the server's own 429. on_done never runs inside
// kube_request_start(). Ownership: what a request is given is copied. Thread: the loop.
#pragma once

#include "aggregator/kube/answer.h"
#include "aggregator/kube/client.h"
#include "proto/loop/http_client.h"

struct kube_request_options {
	enum kube_verb verb;
	enum budget_lane lane;
	const char *method;       // NULL: GET
	const char *path;         // with its query; what came from outside is escaped
	const char *content_type; // NULL: no body
	const char *body;
	size_t body_len, max_body; // max_body 0: 4 MiB
	uint32_t deadline_ms;      // 0: 10 s, of a watch none
	bool again;                // follows a request that had its turn: before those that wait
	bool gated;                // changes something: asks the gate
	bool (*on_line)(void *arg, const char *line, size_t len); // a watch; false ends it
	void (*on_done)(void *arg, const struct kube_answer *a);
	void *arg;
};
struct kube_request;
// -ENOMEM, -ESHUTDOWN: then on_done does not run. ret may be NULL; valid until on_done.
int kube_request_start(
	struct kube_request **ret, struct kube_client *c, const struct kube_request_options *o);
void kube_request_cancel(struct kube_request *q); // on_done runs inside, with -ECANCELED, or soon
