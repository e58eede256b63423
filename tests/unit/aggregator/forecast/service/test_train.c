// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/forecast/service/train.h"
#include "proto/base/rng.h"

enum { STEP_MS = 300000, DAY_STEPS = 288, HOUR_MS = 3600000 };
static const int64_t t0 = 1789948800000; // a midnight

struct rig {
	uv_loop_t loop;
	struct store *store;
	struct train *train;
	int64_t now_ms;
};

static void start(struct rig *r)
{
	const struct train_options o = {.budget_permille = 10, .passes = 1, .seed = 1};
	uv_loop_init(&r->loop);
	assert_int_equal(train_new(&r->train, &r->loop, r->store, &o), 0);
}

static void stop(struct rig *r)
{
	train_stop(r->train, NULL, NULL);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&r->loop), 0);
}

static void restart(struct rig *r)
{
	stop(r);
	start(r);
}

// Days of jobs that run for exactly seven steps, whenever they begin.
static void begin(struct rig *r, int days)
{
	const struct store_options store = {
		.max_entities = 64, .live_seconds = 3600, .retention_10s_ms = 30 * 86400000ll};
	struct store_entity *e[2];
	struct rng rng;
	struct why why;
	rng_init(&rng, 1);
	r->now_ms = t0;
	assert_int_equal(store_new(&r->store, &store, &why), 0);
	store_tick(r->store, t0);
	assert_int_equal(store_entity(r->store, "prod", ENTITY_GROUP, "web", &e[0]), 0);
	assert_int_equal(store_entity(r->store, "prod", ENTITY_WORKLOAD, "shop/cart", &e[1]), 0);
	int on[2] = {0}, rest[2] = {0};
	for (int i = 0; i < days * DAY_STEPS; i++) {
		r->now_ms += STEP_MS;
		store_tick(r->store, r->now_ms);
		for (int k = 0; k < 2; k++) {
			struct scope s = {0};
			if (on[k] > 0 && --on[k] == 0)
				rest[k] = 4 + (int)rng_below(&rng, 9);
			else if (on[k] == 0 && rest[k]-- <= 0)
				on[k] = 7;
			scope_set(&s, METRIC_DEMAND_LOW,
				1000 + (on[k] > 0 ? 9000 : 0) + (int64_t)rng_below(&rng, 50));
			scope_set(&s, METRIC_SATURATED, 0);
			assert_int_equal(store_put(r->store, e[k], r->now_ms, STEP_MS, &s), 0);
		}
	}
	for (int i = 0; i < 60; i++) { // what is due goes on behind the tick
		r->now_ms += 1000;
		store_tick(r->store, r->now_ms);
		store_flush(r->store);
	}
	struct store_stats stats;
	store_stats(r->store, &stats);
	assert_int_equal(stats.dropped_bins, 0);
	start(r);
}

static void end(struct rig *r)
{
	stop(r);
	store_free(r->store);
}

static struct train_status status(struct rig *r)
{
	struct train_status s = {0};
	train_status(r->train, 0, &s);
	return s;
}

static void tick(struct rig *r)
{
	r->now_ms += 1000;
	train_tick(r->train, r->now_ms, UINT64_MAX); // the budget never holds it back
}

// Until it has come to an end, or so many ticks.
static int run(struct rig *r, int ticks)
{
	int i = 0;
	do {
		tick(r);
		uv_run(&r->loop, UV_RUN_DEFAULT);
	} while (++i < ticks && status(r).record.tried_ms == 0);
	return i;
}

static void a_cluster_is_trained_in_slices_and_its_weights_outlive_a_restart(void **state)
{
	struct rig r;
	struct train_stats stats;
	begin(&r, 6);
	assert_null(train_take(r.train, "prod"));
	run(&r, 10000);
	train_stats(r.train, &stats);
	struct train_status s = status(&r);
	print_message("%s; %llu slices, %llu steps, %llu ms\n", s.text,
		(unsigned long long)stats.slices, (unsigned long long)stats.steps,
		(unsigned long long)stats.cpu_us / 1000);
	assert_int_equal(s.won, 1);
	assert_int_equal(s.version, 1);
	assert_int_equal(s.record.result.copies, 2); // six days of hours are too few for a lesson
	assert_int_equal(stats.steps, 3 * 40);
	assert_true(stats.slices > 3 && stats.bytes == 0);
	const struct lstm_weights *w = train_take(r.train, "prod"), kept = *w;
	assert_int_equal(w->version, 1);
	train_give(r.train, w);
	restart(&r);
	assert_int_equal(run(&r, 3), 1); // known to have been tried: from the store
	w = train_take(r.train, "prod");
	assert_non_null(w);
	assert_memory_equal(w, &kept, sizeof(kept));
	train_give(r.train, w);
	train_stats(r.train, &stats);
	assert_int_equal(stats.trainings, 0);
	end(&r);
}

static void weights_that_are_damaged_in_the_store_are_refused_and_said(void **state)
{
	struct rig r;
	struct train_stats stats;
	begin(&r, 1);
	assert_int_equal(store_document_put(r.store, "lstm/prod", "PTRTUNE and no more", 20), 0);
	assert_null(train_take(r.train, "prod"));
	struct train_status s = status(&r);
	assert_non_null(strstr(s.text, "refused (cut short); the pre-trained ones serve"));
	train_stats(r.train, &stats);
	assert_int_equal(stats.refused, 1);
	end(&r);
}

static void stopped_in_the_middle_it_leaves_nothing_behind(void **state)
{
	struct rig r;
	begin(&r, 5);
	for (int i = 0; i < 6; i++) {
		while (status(&r).stage != TRAIN_TRAINING)
			tick(&r);
		for (int k = 0; k < i; k++) {
			tick(&r);
			uv_run(&r.loop, UV_RUN_DEFAULT);
		}
		tick(&r); // on the pool now
		restart(&r);
		void *data;
		size_t len;
		assert_int_equal(store_document_get(r.store, "lstm/prod", &data, &len), -ENOENT);
		assert_null(train_take(r.train, "prod"));
	}
	while (status(&r).stage != TRAIN_GATHERING)
		tick(&r);
	end(&r);
}

static void too_little_history_is_said_and_not_tried_again_at_once(void **state)
{
	struct rig r;
	begin(&r, 2);
	run(&r, 100);
	assert_non_null(strstr(status(&r).text, "too little history"));
	int64_t tried_ms = status(&r).record.tried_ms;
	for (int i = 0; i < 50; i++) {
		tick(&r);
		uv_run(&r.loop, UV_RUN_DEFAULT);
		r.now_ms += 60000;
	}
	assert_int_equal(status(&r).record.tried_ms, tried_ms); // fifty minutes
	r.now_ms += 24 * HOUR_MS;
	for (int i = 0; i < 50; i++) {
		tick(&r);
		uv_run(&r.loop, UV_RUN_DEFAULT);
	}
	assert_true(status(&r).record.tried_ms > tried_ms);
	end(&r);
}

static void the_budget_spaces_the_slices(void **state)
{
	struct rig r;
	struct train_stats stats;
	begin(&r, 5);
	while (status(&r).stage != TRAIN_TRAINING)
		tick(&r);
	for (int i = 0; i < 1000; i++) { // all within a second of the real clock
		train_tick(r.train, r.now_ms, uv_hrtime());
		uv_run(&r.loop, UV_RUN_DEFAULT);
	}
	train_stats(r.train, &stats);
	assert_int_equal(stats.slices, 1);
	end(&r);
}

static void shares_count_where_the_lstm_is_used_and_where_it_is_best(void **state)
{
	struct train_share s = {0};
	struct outlook o = {.n_members = 2, .members = {{"ets", 0.5, 0.9}, {"lstm v3", 0.5, 0.8}}};
	train_share_add(&s, &o);
	o.members[1].loss = 0.95;
	o.members[1].weight = 0;
	train_share_add(&s, &o);
	o.members[1].loss = NAN; // not tried
	train_share_add(&s, &o);
	assert_int_equal(s.outlooks, 2);
	assert_int_equal(s.weight, 1);
	assert_int_equal(s.wins, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cluster_is_trained_in_slices_and_its_weights_outlive_a_restart),
		cmocka_unit_test(weights_that_are_damaged_in_the_store_are_refused_and_said),
		cmocka_unit_test(stopped_in_the_middle_it_leaves_nothing_behind),
		cmocka_unit_test(too_little_history_is_said_and_not_tried_again_at_once),
		cmocka_unit_test(the_budget_spaces_the_slices),
		cmocka_unit_test(shares_count_where_the_lstm_is_used_and_where_it_is_best),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
