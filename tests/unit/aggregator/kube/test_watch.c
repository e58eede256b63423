// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/aggregator/kube/kube_world.h"

static void pages(struct world *w, const struct http_request *q, struct http_response *r)
{
	const char *token = http_request_query(q, "continue");
	if (is_watch(q)) {
		assert_string_equal(http_request_query(q, "allowWatchBookmarks"), "true");
		assert_non_null(http_request_query(q, "timeoutSeconds"));
		open_watch(w, r);
		return;
	}
	assert_string_equal(http_request_query(q, "limit"), "500");
	w->lists++;
	if (!token)
		reply_json(r, 200,
			"{'metadata':{'resourceVersion':'7','continue':'a/b=='},'items':[" NODE(
				"n1", "3", "") "]}");
	else
		reply_json(r, 200, LIST("7", NODE("n2", "5", "")));
}

static void on_date(void *arg, int64_t date_ms, int64_t took_ms)
{
	++*(int *)arg;
}

static void it_lists_by_pages_and_goes_on_from_the_last_bookmark(void **state)
{
	struct world w;
	int dates = 0;
	world_init(
		&w, pages, (struct kube_client_options){.on_date = on_date, .on_date_arg = &dates});
	watch(&w);
	run_until(&w, &w.watches, 1);
	assert_true(w.synced);
	const int lists = dates;
	assert_true(lists > 0);
	assert_string_equal(
		w.log.data, "GET /api/v1/nodes\nGET /api/v1/nodes a/b==\nWATCH /api/v1/nodes7\n");
	assert_true(w.synced); // although volumes are forbidden
	stream_line(&w, "{'type':'ADDED','object':" NODE("n3", "8", "") "}");
	stream_line(&w, "{'type':'MODIFIED','object':" NODE("n1", "9", "'unschedulable':true") "}");
	stream_line(&w, "{'type':'DELETED','object':" NODE("n2", "10", "") "}");
	stream_line(&w, "{'type':'BOOKMARK','object':{'metadata':{'resourceVersion':'99'}}}");
	http_stream_close(w.watch);
	buf_reset(&w.log);
	run_until(&w, &w.watches, 2);
	assert_string_equal(w.log.data, "WATCH /api/v1/nodes99\n");
	assert_int_equal(dates, lists); // the end of a watch tells no time
	heard(&w, "+n1 +n2 +n3 xn1 -n2 ");
	assert_int_equal(nodes_of(&w).objects, 2);
	assert_int_equal(nodes_of(&w).relists, 0);
	world_done(&w);
}

static void gone_event(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (!is_watch(q)) {
		reply_json(r, 200,
			w->lists++ == 0 ? LIST("7", NODE("n1", "3", "") "," NODE("n2", "3", ""))
					: LIST("50", NODE("n2", "3", "")));
		return;
	}
	open_watch(w, r);
	if (w->watches == 1) {
		stream_line(w, "{'type':'ERROR','object':" STATUS(
				       "410", "too old resource version: 7 (40)") "}");
		http_stream_close(w->watch);
	}
}

static void a_410_event_leads_to_a_new_list_that_tells_what_has_gone(void **state)
{
	struct world w;
	world_init(&w, gone_event, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 2);
	assert_string_equal(w.log.data,
		"GET /api/v1/nodes\nWATCH /api/v1/nodes7\nGET /api/v1/nodes\n"
		"WATCH /api/v1/nodes50\n");
	heard(&w, "+n1 +n2 +n2 -n1 ");
	assert_int_equal(nodes_of(&w).relists, 1);
	world_done(&w);
}

static void gone_status(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (is_watch(q) && w->watches++ == 0)
		reply_json(r, 410, STATUS("410", "expired"));
	else if (is_watch(q))
		w->watch = http_reply_stream(r, "application/json", 65536, NULL, NULL);
	else if (http_request_query(q, "continue") && w->calls++ == 0)
		reply_json(r, 410, STATUS("410", "the continue token is too old"));
	else if (w->lists++ == 0)
		reply_json(
			r, 200, "{'metadata':{'resourceVersion':'1','continue':'t'},'items':[]}");
	else
		reply_json(r, 200, empty);
}

static void a_410_status_and_an_expired_page_start_the_list_over(void **state)
{
	struct world w;
	world_init(&w, gone_status, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 2);
	assert_string_equal(w.log.data,
		"GET /api/v1/nodes\nGET /api/v1/nodes t\nGET /api/v1/nodes\n"
		"WATCH /api/v1/nodes1\nGET /api/v1/nodes\nWATCH /api/v1/nodes1\n");
	world_done(&w);
}

static void silent(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (is_watch(q)) {
		open_watch(w, r);
		stream_line(w, "{'type':'BOOKMARK','object':{'metadata':{'resourceVersion':'5'}}}");
	} else {
		w->lists++;
		reply_json(r, 200, empty);
	}
}

static void a_silent_watch_is_cut_and_taken_up_again(void **state)
{
	struct world w;
	world_init(&w, silent, (struct kube_client_options){.silence_ms = 300});
	watch(&w);
	run_until(&w, &w.watches, 2);
	assert_string_equal(
		w.log.data, "GET /api/v1/nodes\nWATCH /api/v1/nodes1\nWATCH /api/v1/nodes5\n");
	assert_int_equal(nodes_of(&w).cut, 1);
	assert_int_equal(w.lists, 1);
	world_done(&w);
}

static void garbage(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (!is_watch(q)) {
		w->lists++;
		if (w->lists == 1)
			reply_json(r, 200, "{'items':7}");
		else if (w->lists == 2)
			reply_json(r, 500, "<html>");
		else
			reply_json(r, 200, empty);
		return;
	}
	open_watch(w, r);
	if (w->watches == 1)
		stream_line(w, "{'type':'ADDED','obj");
}

static void nonsense_is_survived_and_listed_again(void **state)
{
	struct world w;
	world_init(&w, garbage, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 2);
	assert_int_equal(w.lists, 4);
	assert_string_equal(nodes_of(&w).trouble, "");
	world_done(&w);
}

static void useless(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (!is_watch(q)) {
		reply_json(r, 200, empty);
		return;
	}
	open_watch(w, r);
	if (w->watches % 2)
		stream_line(w, "{'type':'ERROR','object':" STATUS("500", "storage is down") "}");
	http_stream_close(w->watch);
}

static void a_watch_that_ends_at_once_is_not_asked_for_in_a_circle(void **state)
{
	struct world w;
	world_init(&w, useless, (struct kube_client_options){0});
	watch(&w);
	run_for(&w, 1000);
	assert_in_range(w.watches, 2, 30);
	world_done(&w);
}

static void forbidden(struct world *w, const struct http_request *q, struct http_response *r)
{
	w->lists++;
	reply_json(r, 403, STATUS("403", "nodes is forbidden"));
}

static void nodes_that_may_not_be_seen_are_waited_for(void **state)
{
	struct world w;
	world_init(&w, forbidden, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.lists, 3);
	run_for(&w, 50);
	assert_false(w.synced);
	assert_true(nodes_of(&w).denied);
	assert_string_equal(nodes_of(&w).trouble, "nodes is forbidden");
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_lists_by_pages_and_goes_on_from_the_last_bookmark),
		cmocka_unit_test(a_410_event_leads_to_a_new_list_that_tells_what_has_gone),
		cmocka_unit_test(a_410_status_and_an_expired_page_start_the_list_over),
		cmocka_unit_test(a_silent_watch_is_cut_and_taken_up_again),
		cmocka_unit_test(nonsense_is_survived_and_listed_again),
		cmocka_unit_test(a_watch_that_ends_at_once_is_not_asked_for_in_a_circle),
		cmocka_unit_test(nodes_that_may_not_be_seen_are_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
