// SPDX-License-Identifier: Apache-2.0
#include "aggregator/cloud/aws/retry.h"

#include <math.h>

enum { QUOTA = 500, PRICE = 5, PRICE_TIMEOUT = 10, MAX_DELAY_MS = 20000 };

void retry_quota_init(struct retry_quota *q)
{
	q->left = QUOTA;
}

bool retry_again(
	struct retry_quota *q, struct retry_ask *a, struct rng *rng, uint32_t *ret_delay_ms)
{
	unsigned price = a->kind == RETRY_TIMEOUT ? PRICE_TIMEOUT : PRICE;
	if (a->kind == RETRY_NO || a->attempts >= RETRY_MAX_ATTEMPTS || q->left < price)
		return false;
	q->left -= price;
	a->paid = price;
	unsigned shift = a->attempts > 0 ? a->attempts - 1 : 0;
	uint32_t ceiling = shift < 5 ? 1000u << shift : MAX_DELAY_MS;
	*ret_delay_ms =
		(uint32_t)(rng_unit(rng) * (ceiling < MAX_DELAY_MS ? ceiling : MAX_DELAY_MS));
	return true;
}

void retry_success(struct retry_quota *q, unsigned paid)
{
	q->left += paid ? paid : 1;
	if (q->left > QUOTA)
		q->left = QUOTA;
}

static const double BETA = 0.7, SCALE = 0.4, SMOOTHING = 0.8, BUCKETS_PER_S = 2, MIN_RATE = 0.5,
		    MAX_ADJUST = 2;

static void refill(struct retry_rate *r, double now_s)
{
	if (r->filled)
		r->tokens = fmin(r->capacity, r->tokens + (now_s - r->last_fill) * r->fill_rate);
	r->filled = true;
	r->last_fill = now_s;
}

static void set_rate(struct retry_rate *r, double rate, double now_s)
{
	refill(r, now_s);
	r->fill_rate = fmax(rate, MIN_RATE);
	r->capacity = fmax(rate, 1);
	r->tokens = fmin(r->tokens, r->capacity);
}

void retry_rate_init(struct retry_rate *r, double now_s)
{
	*r = (struct retry_rate){.last_fail = now_s, .last_bucket = floor(now_s)};
	set_rate(r, 1, now_s);
}

double retry_rate_wait_s(struct retry_rate *r, double now_s)
{
	if (!r->enabled)
		return 0;
	refill(r, now_s);
	// Rounding may leave a hair's breadth missing after a wait of just the right length.
	if (r->tokens < 1 - 1e-9)
		return (1 - r->tokens) / r->fill_rate;
	r->tokens = fmax(0, r->tokens - 1);
	return 0;
}

static void measure(struct retry_rate *r, double now_s)
{
	double bucket = floor(now_s * BUCKETS_PER_S) / BUCKETS_PER_S;
	r->count++;
	if (bucket <= r->last_bucket)
		return;
	r->measured =
		r->count / (bucket - r->last_bucket) * SMOOTHING + r->measured * (1 - SMOOTHING);
	r->count = 0;
	r->last_bucket = bucket;
}

void retry_rate_answer(struct retry_rate *r, bool throttled, double now_s)
{
	double rate;
	measure(r, now_s);
	if (throttled) {
		r->w_max = r->enabled ? fmin(r->measured, r->fill_rate) : r->measured;
		r->k = cbrt(r->w_max * (1 - BETA) / SCALE);
		r->last_fail = now_s;
		r->enabled = true;
		rate = r->w_max * BETA;
	} else {
		double t = now_s - r->last_fail - r->k;
		rate = SCALE * t * t * t + r->w_max;
	}
	set_rate(r, fmin(rate, MAX_ADJUST * r->measured), now_s);
}
