// SPDX-License-Identifier: Apache-2.0
// When a call to AWS is sent again, and how fast calls may be sent: the SDKs' rules. Pure.
//
// "Standard": three attempts, full jitter up to 2^n seconds (20 at most), and a token bucket per
// service that retries are paid from (500; a retry 5, after a time-out 10; a success gives the
// retry's price back, or 1), so that an outage is not fed by retries. "Adaptive": after the first
// throttle the sending rate follows CUBIC (beta 0.7, C 0.4, measured in half-second buckets
// smoothed by 0.8, at most twice the measured rate, at least 0.5/s). Source: botocore/retries
// (standard.py before its 2026 mode, adaptive.py, throttling.py, bucket.py), to which the limiter
// is equal number for number.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/rng.h"

enum { RETRY_MAX_ATTEMPTS = 3 };
enum retry_kind { RETRY_NO, RETRY_TRANSIENT, RETRY_TIMEOUT, RETRY_THROTTLED };

struct retry_quota {
	unsigned left; // of 500
};
void retry_quota_init(struct retry_quota *q);
struct retry_ask {
	unsigned attempts; // made so far, this call
	enum retry_kind kind;
	unsigned paid; // in and out: the price of the call's last retry
};
// True: send it again after *ret_delay_ms; the price is taken. False: the failure stands.
bool retry_again(
	struct retry_quota *q, struct retry_ask *a, struct rng *rng, uint32_t *ret_delay_ms);
void retry_success(struct retry_quota *q, unsigned paid); // paid 0: no retry was needed

struct retry_rate { // all times in seconds, monotonic
	bool enabled;
	double w_max, k, last_fail;
	double measured, last_bucket, count;
	double fill_rate, capacity, tokens, last_fill;
	bool filled;
};
void retry_rate_init(struct retry_rate *r, double now_s);
// 0: sent now, the token is taken; else how long to wait before asking again.
double retry_rate_wait_s(struct retry_rate *r, double now_s);
void retry_rate_answer(struct retry_rate *r, bool throttled, double now_s);
