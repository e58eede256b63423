// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/forecast/service/history.h"
#include "aggregator/forecast/service/service.h"

static const int64_t t0 = 1790000040000; // a whole minute

struct rig {
	uv_loop_t loop;
	struct store *store;
	struct store_entity *group;
	struct service *service;
	int64_t now_ms;
	const char *path; // of the store; NULL: in memory only
};

static void open_rig(struct rig *r, int64_t now_ms)
{
	const struct store_options store = {
		.path = r->path, .max_entities = 64, .live_seconds = 3600};
	const struct service_options service = {
		.budget_permille = 1000, .max_series = 2, .seed = 1};
	struct why why;
	uv_loop_init(&r->loop);
	assert_int_equal(store_new(&r->store, &store, &why), 0);
	assert_int_equal(service_new(&r->service, &r->loop, r->store, &service), 0);
	r->now_ms = now_ms;
	store_tick(r->store, now_ms);
	assert_int_equal(store_entity(r->store, "prod", ENTITY_GROUP, "web", &r->group), 0);
}

static void start(struct rig *r)
{
	r->path = NULL;
	open_rig(r, t0);
}

static void stop(struct rig *r)
{
	service_stop(r->service, NULL, NULL);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	store_free(r->store);
}

// Ten-second windows of a demand, saturated in the last of every six.
static void live(struct rig *r, int windows, double millicores)
{
	for (int i = 0; i < windows; i++) {
		struct scope s = {0};
		scope_set(&s, METRIC_DEMAND_LOW, (int64_t)millicores + i % 5);
		scope_set(&s, METRIC_DEMAND_HIGH, (int64_t)millicores + 100);
		scope_set(&s, METRIC_SATURATED, i % 6 == 5);
		r->now_ms += 10000;
		store_tick(r->store, r->now_ms);
		assert_int_equal(store_put(r->store, r->group, r->now_ms, 10000, &s), 0);
	}
}

static const struct service_series web = {"prod", "web", ENTITY_GROUP, SERVICE_HOUR};

static void run(struct rig *r)
{
	for (int i = 0; i < 4; i++) {
		service_tick(r->service, r->now_ms, UINT64_MAX); // never too early
		uv_run(&r->loop, UV_RUN_DEFAULT);
	}
}

static void a_young_series_says_how_much_is_missing(void **state)
{
	struct rig r;
	struct service_outlook o;
	start(&r);
	const struct service_series nobody = {"prod", "nobody", ENTITY_GROUP, SERVICE_HOUR};
	assert_int_equal(service_get(r.service, &nobody, &o), -ENOENT);
	assert_int_equal(service_get(r.service, &web, &o), 0); // known, but silent so far
	assert_null(o.outlook);
	assert_non_null(strstr(o.why, "no values yet"));
	live(&r, 12, 1000); // two minutes
	run(&r);
	assert_int_equal(service_get(r.service, &web, &o), 0);
	assert_null(o.outlook);
	assert_non_null(strstr(o.why, "too little history"));
	stop(&r);
}

static void enough_history_gives_an_outlook_with_a_band(void **state)
{
	struct rig r;
	struct service_outlook o;
	start(&r);
	live(&r, 90, 1000); // a quarter of an hour
	run(&r);
	assert_int_equal(service_get(r.service, &web, &o), 0);
	assert_non_null(o.outlook);
	assert_int_equal(o.outlook->horizon, 60); // minutes, while the series is young
	assert_true(o.outlook->quantiles[0][1] <= o.outlook->quantiles[0][7]);
	assert_true(o.outlook->quantiles[0][4] > 500 && o.outlook->quantiles[0][4] < 2000);
	assert_int_equal(o.coverage80_permille, -1); // no truth yet
	stop(&r);
}

static void issued_steps_are_scored_when_their_truth_arrives(void **state)
{
	struct rig r;
	struct service_outlook o;
	start(&r);
	live(&r, 90, 1000);
	run(&r);
	live(&r, 60, 1000); // ten minutes later
	run(&r);
	assert_int_equal(service_get(r.service, &web, &o), 0);
	assert_in_range(o.scored, 8, 10);
	assert_in_range(o.coverage80_permille, 0, 1000);
	struct service_horizon_stats h;
	service_horizon_stats(r.service, SERVICE_HOUR, &h);
	assert_int_equal(h.series, 1);
	assert_int_equal(h.outlooks, 1);
	assert_int_equal(h.full + h.refreshed + h.carried, 2);
	assert_int_equal(h.scored, 0); // a sixth of every minute was saturated: no truth
	assert_true(isnan(h.mase) && h.cpu_us > 0);
	stop(&r);
}

static void steady(struct rig *r, int minutes)
{
	for (int i = 0; i < 6 * minutes; i++) {
		struct scope s = {0};
		scope_set(&s, METRIC_DEMAND_LOW, 1000 + i % 7 * 20);
		scope_set(&s, METRIC_DEMAND_HIGH, 1200);
		scope_set(&s, METRIC_SATURATED, 0);
		r->now_ms += 10000;
		store_tick(r->store, r->now_ms);
		assert_int_equal(store_put(r->store, r->group, r->now_ms, 10000, &s), 0);
	}
}

// What /metrics shows of them.
static void check_stats(struct rig *r)
{
	struct service_horizon_stats h;
	double weights = 0;
	service_horizon_stats(r->service, SERVICE_HOUR, &h);
	assert_int_equal(h.scored, 1);
	assert_true(h.mase > 0 && h.loss_ratio > 0 && h.pinball[4] > 0 && h.cpu_us > 0);
	assert_int_equal(h.full + h.refreshed + h.carried, 15);
	for (int i = 1; i < QUANTILE_COUNT; i++)
		assert_true(h.coverage[i] >= h.coverage[i - 1] && h.coverage[i] <= 1);
	for (size_t k = 0; k < h.n_members; k++) {
		weights += h.members[k].weight;
		assert_int_equal(h.members[k].in + h.members[k].idle, 1);
	}
	assert_true(h.n_members > 2 && fabs(weights - 1) < 1e-6);
}

static void what_was_said_and_scored_survives_a_restart(void **state)
{
	char dir[] = "/tmp/petrel-service-XXXXXX", path[64], file[96];
	struct rig r = {0};
	struct service_outlook o;
	struct said_one then;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/store.db", dir);
	r.path = path;
	open_rig(&r, t0);
	steady(&r, 15);
	run(&r);
	int64_t first_ms = r.now_ms;
	for (int i = 0; i < 14; i++) { // over the two hours after which the next is kept
		steady(&r, 10);
		run(&r);
	}
	assert_int_equal(service_get(r.service, &web, &o), 0);
	double median = (double)o.said->one[0].q[3][1];
	struct forecast_score before = o.score;
	uint64_t scored = o.scored, generation = o.outlook->generation;
	assert_true(before.steps > 60 && scored > 60);
	check_stats(&r);
	stop(&r);

	open_rig(&r, r.now_ms);
	steady(&r, 1);
	run(&r);
	assert_int_equal(service_get(r.service, &web, &o), 0);
	assert_int_equal(o.said->n, 2);
	assert_int_equal(o.said->one[0].generated_ms, first_ms);
	assert_true(fabs((double)o.said->one[0].q[3][1] - median) < 1);
	assert_true(o.score.steps >= before.steps && o.scored >= scored);
	assert_true(fabs(o.score.mase - before.mase) < .1 * before.mase);
	assert_int_equal(o.outlook->generation, generation + 1);
	assert_int_equal(service_then(r.service, &web, first_ms + 60000, &then), 0);
	assert_int_equal(then.generated_ms, first_ms);
	free(then.q);
	assert_int_equal(service_then(r.service, &web, first_ms - 1, &then), -ENOENT);
	stop(&r);

	open_rig(&r, r.now_ms + 40 * 86400000ll); // the store deletes by date
	for (int i = 0; i < 50; i++) {
		r.now_ms += 10000;
		store_tick(r.store, r.now_ms);
	}
	store_flush(r.store);
	assert_int_equal(service_then(r.service, &web, first_ms + 60000, &then), -ENOENT);
	stop(&r);
	const char *const ends[] = {"", "-wal", "-shm", ".lock"};
	for (int i = 0; i < 4; i++) {
		snprintf(file, sizeof(file), "%s%s", path, ends[i]);
		unlink(file);
	}
	rmdir(dir);
}

static void what_was_saturated_is_marked_with_its_upper_bound(void **state)
{
	struct rig r;
	struct history h;
	size_t marked = 0;
	start(&r);
	live(&r, 90, 1000);
	assert_int_equal(history_read(&h, r.store, r.group, HISTORY_HOUR, r.now_ms), 0);
	for (size_t i = 0; i < h.n; i++) {
		marked += h.saturated[i] > 0;
		assert_in_range(h.saturated[i], 0, 100);
		if (h.saturated[i] > 0) // one window of six
			assert_in_range(h.saturated[i], 10, 40);
		assert_true(isnan(h.y[i]) || h.high[i] >= h.y[i]);
	}
	assert_true(marked > 0); // one window of six is enough to hide demand
	history_done(&h);
	stop(&r);
}

static void the_number_of_series_is_bounded(void **state)
{
	struct rig r;
	struct service_stats stats;
	const char *const names[] = {"web", "b", "c"};
	start(&r);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			store_entity(r.store, "prod", ENTITY_GROUP, names[i], &r.group), 0);
		live(&r, 1, 1000);
	}
	run(&r);
	service_stats(r.service, &stats);
	assert_int_equal(stats.series, 2);
	assert_true(stats.series_refused > 0);
	int without = 0;
	for (int i = 0; i < 3; i++) {
		struct service_outlook o;
		const struct service_series s = {"prod", names[i], ENTITY_GROUP, SERVICE_HOUR};
		assert_int_equal(service_get(r.service, &s, &o), 0);
		without += strstr(o.why, "not among the 2 series") != NULL;
	}
	assert_int_equal(without, 1);
	stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_young_series_says_how_much_is_missing),
		cmocka_unit_test(enough_history_gives_an_outlook_with_a_band),
		cmocka_unit_test(issued_steps_are_scored_when_their_truth_arrives),
		cmocka_unit_test(what_was_said_and_scored_survives_a_restart),
		cmocka_unit_test(what_was_saturated_is_marked_with_its_upper_bound),
		cmocka_unit_test(the_number_of_series_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
