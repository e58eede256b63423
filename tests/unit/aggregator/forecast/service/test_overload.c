// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "aggregator/forecast/service/service.h"

enum { SERIES = 4 };

struct rig {
	uv_loop_t loop;
	struct store *store;
	struct store_entity *group[SERIES];
	struct service *service;
	int64_t now_ms;
};

static void live(struct rig *r, int windows)
{
	for (int i = 0; i < windows; i++) {
		struct scope s = {0};
		scope_set(&s, METRIC_DEMAND_LOW, 1000 + i % 7 * 20);
		scope_set(&s, METRIC_DEMAND_HIGH, 1200);
		r->now_ms += 10000;
		store_tick(r->store, r->now_ms);
		for (int k = 0; k < SERIES; k++)
			assert_int_equal(store_put(r->store, r->group[k], r->now_ms, 10000, &s), 0);
	}
}

static void start(struct rig *r)
{
	const struct store_options store = {.max_entities = 64, .live_seconds = 3600};
	const struct service_options service = {
		.budget_permille = 1, .max_series = SERIES, .seed = 1};
	struct why why;
	*r = (struct rig){.now_ms = 1790000040000};
	uv_loop_init(&r->loop);
	assert_int_equal(store_new(&r->store, &store, &why), 0);
	assert_int_equal(service_new(&r->service, &r->loop, r->store, &service), 0);
	store_tick(r->store, r->now_ms);
	for (int k = 0; k < SERIES; k++) {
		char name[8];
		snprintf(name, sizeof(name), "g%d", k);
		assert_int_equal(
			store_entity(r->store, "prod", ENTITY_GROUP, name, &r->group[k]), 0);
	}
	live(r, 90);
}

static void stop(struct rig *r)
{
	service_stop(r->service, NULL, NULL);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	store_free(r->store);
}

static struct service_stats tick(struct rig *r, uint64_t now_ns)
{
	struct service_stats stats;
	service_tick(r->service, r->now_ms, now_ns);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	service_stats(r->service, &stats);
	return stats;
}

static int64_t oldest(struct rig *r)
{
	int64_t least = INT64_MAX;
	for (int k = 0; k < SERIES; k++) {
		char name[8];
		struct service_outlook o;
		snprintf(name, sizeof(name), "g%d", k);
		const struct service_series which = {"prod", name, ENTITY_GROUP, SERVICE_HOUR};
		assert_int_equal(service_get(r->service, &which, &o), 0);
		if (!o.outlook)
			return 0;
		least = o.generated_ms < least ? o.generated_ms : least;
	}
	return least;
}

static void overload_lengthens_intervals_and_every_series_gets_its_turn(void **state)
{
	struct rig r;
	start(&r);
	for (int i = 0; i < 8 * SERIES; i++)
		(void)tick(&r, UINT64_MAX);
	assert_true(oldest(&r) > 0);
	live(&r, 60); // all are due again
	struct service_stats before = tick(&r, UINT64_MAX), after = before;
	assert_true(before.runs > 0 && before.worst_age_ms > 0);
	int64_t due_ms = r.now_ms;
	for (int i = 0; i < 20; i++) { // a thousandth of a core: not yet
		live(&r, 1);
		after = tick(&r, uv_hrtime());
	}
	assert_int_equal(after.runs, before.runs);
	assert_true(after.worst_age_ms > before.worst_age_ms);
	for (int i = 0; i < 8 * SERIES; i++) { // when its time has come: one run a tick, no burst
		uint64_t runs = after.runs;
		after = tick(&r, UINT64_MAX);
		assert_in_range(after.runs - runs, 0, 1);
	}
	assert_true(oldest(&r) >= due_ms);
	assert_int_equal(after.failures, 0);
	stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overload_lengthens_intervals_and_every_series_gets_its_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
