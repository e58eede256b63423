// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/show/api.h"
#include "aggregator/show/events.h"
#include "proto/base/text.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t now = INT64_C(1700000000000);
static struct world {
	struct fleet *fleet;
	struct store *store;
	struct show_status status;
	struct show_core core;
	uint64_t mono_ns;
} w;

static int64_t wall_ms(void)
{
	return now;
}

static uint64_t mono_ns(void)
{
	return w.mono_ns;
}

static void add_node(const char *cluster, const char *name, int64_t millicores, bool hists)
{
	struct sample *s;
	assert_int_equal(sample_new(&s, 1), 0);
	text_copy(s->cluster, sizeof(s->cluster), cluster);
	text_copy(s->node, sizeof(s->node), name);
	text_copy(s->group, sizeof(s->group), "g");
	s->window_ms = 2000;
	struct scope *v = &s->node_scope;
	scope_set(v, METRIC_CPU_CAPACITY, 4000);
	scope_set(v, METRIC_CPU_USAGE, millicores * 2000000);
	scope_set(v, METRIC_DEMAND_LOW, millicores);
	scope_set(v, METRIC_DEMAND_HIGH, millicores + 100);
	scope_set(v, METRIC_PSI_IO_SOME, 500000);
	if (hists) {
		v->hists_present = 1u << HIST_RUNQ_LATENCY;
		v->hists[HIST_RUNQ_LATENCY].buckets[4] = 100;
	}
	fleet_on_sample(w.fleet, s, now - 500);
	struct store_entity *e;
	assert_int_equal(store_entity(w.store, cluster, ENTITY_NODE, name, &e), 0);
	assert_int_equal(store_put(w.store, e, now - 500, 2000, v), 0);
	sample_free(s);
}

static int setup(void **state)
{
	const struct fleet_options fo = {8, 64, 1000, 1000, 15000};
	const struct store_options so = {.max_entities = 1000, .live_seconds = 600};
	const struct show_options o = {.version = "1.2.3", .wall_ms = wall_ms, .mono_ns = mono_ns};
	struct why why;
	w = (struct world){.mono_ns = 1};
	w.status = (struct show_status){.started_ms = now - 60000, .audit_ok = true};
	assert_int_equal(fleet_new(&w.fleet, &fo), 0);
	assert_int_equal(store_new(&w.store, &so, &why), 0);
	store_tick(w.store, now - 1000);
	const struct show_sources s = {.fleet = w.fleet, .store = w.store, .status = &w.status};
	assert_int_equal(core_init(&w.core, &o, &s), 0);
	add_node("east", "n1", 1000, true);
	add_node("east", "n2", 3000, false);
	add_node("west", "n1", 200, false);
	fleet_tick(w.fleet, now);
	store_tick(w.store, now);
	return 0;
}

static int teardown(void **state)
{
	core_done(&w.core);
	fleet_free(w.fleet);
	store_free(w.store);
	return 0;
}

static cJSON *ask(
	const char *method, const char *path, const char *key, const char *value, int status)
{
	struct api_request q = {.method = method, .path = path};
	struct api_answer a;
	if (key)
		q.pairs[q.n_pairs++] = (struct api_pair){key, value};
	api_answer(&w.core, &q, &a);
	assert_int_equal(a.status, status);
	assert_int_equal(a.kind, API_BODY);
	cJSON *json = cJSON_ParseWithLength(a.body.data, a.body.len);
	if (!json)
		fail_msg("%s: not JSON: %s", path, a.body.data);
	api_answer_done(&a);
	return json;
}

static const cJSON *at(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
	if (!v)
		fail_msg("no member %s", key);
	return v;
}

static double number(const cJSON *o, const char *key)
{
	assert_true(cJSON_IsNumber(at(o, key)));
	return at(o, key)->valuedouble;
}

static void status_counts_agents_and_names_the_guard(void **state)
{
	cJSON *s = ask("GET", "/api/v1/status", NULL, NULL, 200);
	assert_string_equal(at(s, "version")->valuestring, "1.2.3");
	assert_string_equal(at(s, "mode")->valuestring, "observe");
	assert_true(cJSON_IsNull(at(s, "leader")));
	assert_int_equal(number(at(s, "agents"), "expected"), 3);
	assert_int_equal(number(at(s, "agents"), "reporting"), 3);
	assert_int_equal(number(s, "coverage_permille"), 1000);
	assert_int_equal(number(s, "oldest_sample_ms"), 500);
	assert_true(cJSON_IsTrue(at(s, "safe_to_scale")));
	assert_int_equal(cJSON_GetArraySize(at(s, "clusters")), 2);
	cJSON_Delete(s);
	w.status.paused = true;
	s = ask("GET", "/api/v1/status", "cluster", "east", 200);
	assert_true(cJSON_IsFalse(at(s, "safe_to_scale")));
	assert_string_equal(at(s, "guard")->valuestring, "pause");
	assert_int_equal(number(at(s, "agents"), "expected"), 2);
	assert_int_equal(cJSON_GetArraySize(at(s, "clusters")), 1);
	cJSON_Delete(s);
}

static void nodes_show_comparable_figures_and_null_for_unknown(void **state)
{
	cJSON *l = ask("GET", "/api/v1/nodes", "cluster", "east", 200);
	assert_int_equal(cJSON_GetArraySize(at(l, "items")), 2);
	const cJSON *n = cJSON_GetArrayItem(at(l, "items"), 0);
	assert_string_equal(at(n, "node")->valuestring, "n1");
	assert_int_equal(number(n, "cpu_permille"), 250);
	assert_int_equal(number(n, "demand_high_permille"), 275);
	assert_int_equal(number(n, "psi_io_permille"), 250); // 0.5 s of 2 s
	assert_int_equal(number(n, "age_ms"), 500);
	assert_true(number(n, "runq_p99_ns") > 4096);
	assert_true(cJSON_IsNull(at(n, "mem_permille")));
	assert_true(cJSON_IsNull(at(n, "retransmits_per_s")));
	cJSON_Delete(l);
}

static void a_duty_cycled_figure_is_held_and_then_forgotten(void **state)
{
	struct node_view v;
	const struct fleet_node *n = fleet_find_node(w.fleet, "east", "n1");
	assert_int_equal(node_memory_update(&w.core.nodes, w.fleet, w.store, now), 0);
	add_node("east", "n1", 1000, false); // a window in which the programs were off
	const struct node_memory *m = node_memory_find(w.core.nodes, n->key);
	node_view_get(w.store, n, m, now + 1000, &v);
	assert_true(v.runq_p99_ns > 0);
	node_view_get(w.store, n, m, now + NODE_VIEW_HOLD_MS + 1000, &v);
	assert_int_equal(v.runq_p99_ns, -1);
}

static void a_node_has_every_value_as_a_rate(void **state)
{
	cJSON *n = ask("GET", "/api/v1/nodes/east/n2", NULL, NULL, 200);
	assert_int_equal(number(at(n, "values"), "cpu_usage_ns"), 3000000000.0);
	assert_int_equal(number(at(n, "values"), "cpu_capacity_millicores"), 4000);
	assert_null(cJSON_GetObjectItemCaseSensitive(at(n, "values"), "cpu_idle_ns"));
	cJSON_Delete(n);
	n = ask("GET", "/api/v1/nodes/west/n2", NULL, NULL, 404);
	assert_string_equal(at(at(n, "error"), "code")->valuestring, "not-found");
	cJSON_Delete(n);
}

static void groups_sum_their_nodes(void **state)
{
	cJSON *l = ask("GET", "/api/v1/groups", "cluster", "east", 200);
	assert_int_equal(cJSON_GetArraySize(at(l, "items")), 1);
	const cJSON *g = cJSON_GetArrayItem(at(l, "items"), 0);
	assert_int_equal(number(at(g, "demand"), "usage_millicores"), 4000);
	assert_int_equal(number(at(g, "demand"), "high_millicores"), 4200);
	assert_int_equal(number(g, "capacity_millicores"), 8000);
	assert_true(cJSON_IsNull(at(g, "max")));
	assert_true(cJSON_IsNull(at(g, "forecast")));
	assert_true(cJSON_IsNull(at(g, "recommendation")));
	cJSON_Delete(l);
}

static const char *host = "127.0.0.1:7480";

static int status_of(const char *method, const char *path, const char *remote, bool marked)
{
	struct api_answer a;
	const struct api_request q = {
		.method = method, .path = path, .remote = remote, .host = host, .marked = marked};
	api_answer(&w.core, &q, &a);
	api_answer_done(&a);
	return a.status;
}

static void only_this_machine_may_ask_and_no_foreign_page(void **state)
{
	static const char *const here[] = {"127.0.0.1", "::1", "::ffff:127.0.0.1"};
	static const char *const there[] = {
		NULL, "", "10.0.0.1", "::ffff:10.0.0.1", "fd00::1", "1127.0.0.1"};
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(status_of("POST", "/api/v1/drains", here[i], true), 400);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(status_of("POST", "/api/v1/drains", there[i], true), 403);
	assert_int_equal(status_of("POST", "/api/v1/notice", "127.0.0.1", false), 403);
	static const char *const foreign[] = {NULL, "", "evil.example:7480",
		"localhost.evil.example", "127.0.0.1.lol.host", "10.0.0.1"};
	for (size_t i = 0; i < 6; i++) {
		host = foreign[i];
		assert_int_equal(status_of("POST", "/api/v1/notice", "127.0.0.1", true), 403);
	}
	static const char *const ours[] = {
		"localhost", "localhost:7480", "[::1]:7480", "127.0.0.1"};
	for (size_t i = 0; i < 4; i++) {
		host = ours[i];
		assert_int_equal(status_of("POST", "/api/v1/notice", "127.0.0.1", true), 400);
	}
	assert_int_equal(status_of("OPTIONS", "/api/v1/notice", "127.0.0.1", true), 405);
	assert_int_equal(status_of("GET", "/api/v1/notice", "127.0.0.1", true), 405);
	assert_int_equal(status_of("GET", "/api/v1/drains", "10.0.0.1", false), 200);
}

static void wrong_requests_get_the_right_status(void **state)
{
	cJSON_Delete(ask("GET", "/api/v1/nodes", "cluster", "north", 404));
	cJSON_Delete(ask("GET", "/api/v1/nodes", "clutser", "east", 400));
	cJSON_Delete(ask("GET", "/api/v1/nodes", "cluster", "a b", 400));
	cJSON_Delete(ask("GET", "/api/v1/series", "cluster", "east", 400));
	cJSON_Delete(ask("GET", "/api/v1/nodes/east", NULL, NULL, 404));
	cJSON_Delete(ask("GET", "/api/v1/nodes/east/", NULL, NULL, 404));
	cJSON_Delete(ask("GET", "/api/v1/nodes/east/n1/x", NULL, NULL, 404));
	cJSON_Delete(ask("GET", "/api/v1/plans/..", NULL, NULL, 404));
	cJSON_Delete(ask("GET", "/nothing", NULL, NULL, 404));
	cJSON_Delete(ask("GET", "", NULL, NULL, 404));
	cJSON_Delete(ask("POST", "/api/v1/nodes", NULL, NULL, 405));
	cJSON_Delete(ask("DELETE", "/", NULL, NULL, 405));
	cJSON *e = ask("GET", "/api/v1/<script>alert(1)</script>", NULL, NULL, 404);
	cJSON_Delete(e);
	assert_int_equal(w.core.http.answers[4], 13);
}

static void nothing_from_outside_stands_raw_in_an_answer(void **state)
{
	struct api_request q = {.method = "GET", .path = "/api/v1/<script>\"\n"};
	struct api_answer a;
	api_answer(&w.core, &q, &a);
	assert_null(strstr(a.body.data, "<script>"));
	assert_null(strchr(a.body.data, '\n'));
	api_answer_done(&a);
}

static void health_follows_the_tick(void **state)
{
	struct api_request q = {.method = "GET", .path = "/healthz"};
	struct api_answer a;
	w.core.last_tick_ns = 1000000000;
	w.mono_ns = 3000000000;
	api_answer(&w.core, &q, &a);
	assert_int_equal(a.status, 200);
	api_answer_done(&a);
	w.mono_ns = 60000000000;
	api_answer(&w.core, &q, &a);
	assert_int_equal(a.status, 503);
	api_answer_done(&a);
	q.path = "/readyz";
	text_copy(w.status.not_ready, sizeof(w.status.not_ready), "no sample yet");
	api_answer(&w.core, &q, &a);
	assert_int_equal(a.status, 503);
	assert_string_equal(a.body.data, "no sample yet\n");
	api_answer_done(&a);
}

static struct plan *make_plan(const char *cluster, int number, size_t steps)
{
	struct plan *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	snprintf(p->id, sizeof(p->id), "%032x", (unsigned)number);
	text_copy(p->cluster, sizeof(p->cluster), cluster);
	text_copy(p->mode, sizeof(p->mode), "observe");
	p->now_ms = now + number;
	p->n_steps = steps;
	for (size_t i = 0; i < steps; i++) {
		snprintf(p->steps[i].group, sizeof(p->steps[i].group), "g%zu", i);
		p->steps[i].kind = STEP_HOLD;
	}
	return p;
}

static void add_plan(const char *cluster, int number, size_t steps)
{
	struct plan *p = make_plan(cluster, number, steps);
	assert_int_equal(core_add_plan(&w.core, p), 0);
	free(p);
}

static void plans_come_newest_first_and_by_id(void **state)
{
	add_plan("east", 1, 2);
	add_plan("west", 2, 1);
	add_plan("east", 3, 2);
	cJSON *l = ask("GET", "/api/v1/plans", "cluster", "east", 200);
	assert_int_equal(cJSON_GetArraySize(at(l, "items")), 2);
	assert_int_equal(number(cJSON_GetArrayItem(at(l, "items"), 0), "now_ms"), now + 3);
	cJSON_Delete(l);
	l = ask("GET", "/api/v1/plans/00000000000000000000000000000002", NULL, NULL, 200);
	assert_string_equal(at(l, "cluster")->valuestring, "west");
	cJSON_Delete(l);
	l = ask("GET", "/api/v1/decisions", "limit", "3", 200);
	assert_int_equal(cJSON_GetArraySize(at(l, "items")), 3);
	const cJSON *third = cJSON_GetArrayItem(at(l, "items"), 2);
	assert_string_equal(at(third, "cluster")->valuestring, "west");
	assert_string_equal(at(third, "group")->valuestring, "g0");
	cJSON_Delete(l);
	l = ask("GET", "/api/v1/decisions", "group", "g1", 200);
	assert_int_equal(cJSON_GetArraySize(at(l, "items")), 2);
	cJSON_Delete(l);
}

static void old_plans_make_room(void **state)
{
	for (int i = 0; i < SHOW_MAX_PLANS + 10; i++)
		add_plan("east", i, 1);
	assert_int_equal(w.core.n_kept, SHOW_MAX_PLANS);
	assert_null(core_plan_by_id(&w.core, "00000000000000000000000000000009"));
	assert_non_null(core_plan_by_id(&w.core, "0000000000000000000000000000000a"));
	for (int i = 0; i < 100; i++)
		add_plan("east", i, PLAN_MAX_STEPS);
	assert_true(w.core.kept_bytes <= SHOW_MAX_PLAN_BYTES);
}

static void a_refusing_guard_of_the_newest_plan_makes_it_unsafe(void **state)
{
	struct plan *p = make_plan("east", 1, 1);
	p->steps[0].n_guards = 1;
	p->steps[0].guards[0] = (struct plan_guard){"saturation", false, "3 nodes saturated"};
	assert_int_equal(core_add_plan(&w.core, p), 0);
	assert_string_equal(unsafe_guard(&w.core, "east", now), "saturation");
	assert_null(unsafe_guard(&w.core, "west", now));
	p->steps[0].guards[0].passed = true;
	assert_int_equal(core_add_plan(&w.core, p), 0);
	assert_null(unsafe_guard(&w.core, "east", now));
	free(p);
}

static size_t said(struct events *e, const char *cluster, int64_t at_ms)
{
	autobuf text;
	buf_init(&text, EVENTS_MAX_BYTES);
	node_memory_update(&w.core.nodes, w.fleet, w.store, at_ms);
	assert_int_equal(events_collect(e, &w.core, at_ms), 0);
	events_tick(e, &w.core, cluster, at_ms, &text);
	assert_false(buf_failed(&text));
	const char *line = strstr(text.data, "event: nodes\ndata: ");
	if (!line)
		return 0;
	cJSON *items = cJSON_Parse(line + strlen("event: nodes\ndata: "));
	assert_non_null(items);
	size_t n = (size_t)cJSON_GetArraySize(items);
	cJSON_Delete(items);
	return n;
}

static void streams_say_only_what_changed_visibly(void **state)
{
	struct events e = {0};
	assert_int_equal(said(&e, "", now), 3);
	assert_int_equal(said(&e, "", now), 0);
	add_node("east", "n2", 3010, false); // 2.5 permille: nobody could see it
	assert_int_equal(said(&e, "", now), 0);
	add_node("east", "n2", 3500, false);
	add_node("west", "n1", 900, false);
	assert_int_equal(said(&e, "east", now), 1);
	assert_int_equal(said(&e, "", now), 0); // was said, though that client did not hear it
	events_done(&e);
}

static void many_changes_are_said_in_turn(void **state)
{
	struct events e = {0};
	char name[16];
	for (int i = 0; i < 900; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		add_node("east", name, 100, false);
	}
	assert_int_equal(said(&e, "", now), 903); // states at once
	for (int i = 0; i < 900; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		add_node("east", name, 2000, false);
	}
	assert_int_equal(said(&e, "", now), 900);
	assert_int_equal(said(&e, "", now), 0);
	events_done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(status_counts_agents_and_names_the_guard),
		TEST(nodes_show_comparable_figures_and_null_for_unknown),
		TEST(a_duty_cycled_figure_is_held_and_then_forgotten),
		TEST(a_node_has_every_value_as_a_rate),
		TEST(groups_sum_their_nodes),
		TEST(only_this_machine_may_ask_and_no_foreign_page),
		TEST(wrong_requests_get_the_right_status),
		TEST(nothing_from_outside_stands_raw_in_an_answer),
		TEST(health_follows_the_tick),
		TEST(plans_come_newest_first_and_by_id),
		TEST(old_plans_make_room),
		TEST(a_refusing_guard_of_the_newest_plan_makes_it_unsafe),
		TEST(streams_say_only_what_changed_visibly),
		TEST(many_changes_are_said_in_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
