// SPDX-License-Identifier: Apache-2.0
// What an answer of the API server means for the caller. Pure.
//
// The one place that knows the server's words: which 429 is a disruption budget, which one its
// own overload; that two budgets over one pod are a 500 without a reason; which 409 is another
// object of the same name. Recorded from kube-apiserver 1.36; each is asked again of the real
// server in tests/e2e/test_kube_client.py.
#pragma once

#include "proto/base/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kube_answer {
	int error;  // a negative errno: there is no status
	int status; // HTTP
	const char *body;
	size_t body_len;
	const char *error_text;
	int64_t retry_after_ms; // header Retry-After; -1: none
};

// 0 for 2xx, else as struct kube_reply says; *ret_retry_ms is 0 where there is nothing to wait
// for. -EDEADLK WHY_RETRY: a conflict with another writer (409): read again, do it again.
int kube_answer_judge(const struct kube_answer *a, struct why *why, int64_t *ret_retry_ms);
// The server itself is overloaded (429 that is not about a disruption budget): slow down.
bool kube_answer_is_overload(const struct kube_answer *a);
