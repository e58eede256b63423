// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/aggregator/kube/kube_world.h"

// ---- changes

static void conflicts(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (is_watch(q)) {
		open_watch(w, r);
	} else if (is(q, "PATCH")) {
		assert_string_equal(
			http_request_header(q, "Content-Type"), "application/merge-patch+json");
		w->patches++;
		if (w->patches <= w->calls)
			reply_json(r, 409, STATUS("409", "the object has been modified"));
		else
			reply_json(r, 200,
				NODE("n1", "20",
					"'unschedulable':true,'taints':[{'key':'node.kubernetes.io/"
					"unschedulable','effect':'NoSchedule'}]"));
	} else if (strcmp(http_request_path(q), "/api/v1/nodes") == 0) {
		reply_json(r, 200,
			LIST("7", NODE("n1", "3",
					  "'taints':[{'key':'theirs','effect':"
					  "'NoExecute'},{'key':'petrel.dev/"
					  "interruption','effect':'NoSchedule'}]")));
	} else {
		w->gets++;
		reply_json(
			r, 200, NODE("n1", "9", "'taints':[{'key':'new','effect':'NoSchedule'}]"));
	}
}

static void a_change_is_one_patch_from_what_the_watch_knows(void **state)
{
	struct world w;
	world_init(&w, conflicts, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 1);
	taint(&w, "n1");
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, 0);
	assert_int_equal(w.patches, 1);
	assert_int_equal(w.gets, 0);
	char *want =
		unquoted("{'metadata':{'resourceVersion':'3','labels':{'l':'v'},'annotations':{"
			 "'a':'{\\'x\\':1}','b':null}},'spec':{'unschedulable':true,'taints':["
			 "{'key':'theirs','effect':'NoExecute'},"
			 "{'key':'node.kubernetes.io/unschedulable','effect':'NoSchedule'},"
			 "{'key':'petrel.dev/interruption',"
			 "'value':'spot','effect':'NoSchedule'}]}}");
	assert_string_equal(w.body, want);
	free(want);
	buf_reset(&w.told);
	// the answer is known at once, so the next change is one request too
	const struct kube_node_change back = {
		.cordon = KUBE_CORDON_UNSET, .taint_key = "petrel.dev/interruption"};
	struct kube_reply r = reply(&w);
	w.kube.ops->change_node(w.kube.self, "n1", &back, &r);
	run_until(&w, &w.done, 2);
	want = unquoted(
		"{'metadata':{'resourceVersion':'20'},'spec':{'unschedulable':null,'taints':[]}}");
	assert_string_equal(w.body, want);
	free(want);
	world_done(&w);
}

static void a_conflict_reads_the_node_again(void **state)
{
	struct world w;
	world_init(&w, conflicts, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 1);
	w.calls = 2;
	taint(&w, "n1");
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, 0);
	assert_int_equal(w.patches, 3);
	assert_int_equal(w.gets, 2);
	assert_non_null(strstr(w.body, "\"resourceVersion\":\"9\""));
	assert_non_null(strstr(w.body, "{\"key\":\"new\",\"effect\":\"NoSchedule\"}"));
	assert_null(strstr(w.body, "theirs"));
	w.calls = 1000; // somebody else always wins
	taint(&w, "n1");
	run_until(&w, &w.done, 2);
	assert_int_equal(w.last_r, -EIO);
	assert_int_equal(w.last_class, WHY_RETRY);
	assert_int_equal(w.patches, 3 + 8);
	world_done(&w);
}

static void moved(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (is(q, "PATCH") && w->patches == 0) { // the watch says so before the answer does
		stream_line(w, "{'type':'MODIFIED','object':" NODE("n1", "4",
				       "'taints':[{'key':'new','effect':'NoExecute'}]") "}");
		w->calls = 1;
	}
	conflicts(w, q, r);
}

static void a_conflict_that_the_watch_explains_costs_no_reading(void **state)
{
	struct world w;
	world_init(&w, moved, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 1);
	taint(&w, "n1");
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, 0);
	assert_int_equal(w.patches, 2);
	assert_in_range(w.gets, 0, 1); // the event may still be on its way
	if (w.gets == 0) {
		assert_non_null(strstr(w.body, "\"resourceVersion\":\"4\""));
		assert_non_null(strstr(w.body, "{\"key\":\"new\",\"effect\":\"NoExecute\"}"));
	}
	world_done(&w);
}

static void a_node_that_is_not_watched_is_read_first(void **state)
{
	struct world w;
	world_init(&w, conflicts, (struct kube_client_options){0});
	taint(&w, "n1");
	run_until(&w, &w.done, 1);
	assert_string_equal(w.log.data, "GET /api/v1/nodes/n1\nPATCH /api/v1/nodes/n1\n");
	const struct kube_node_change label = {.labels = {{"only", "label"}}};
	struct kube_reply r = reply(&w);
	w.kube.ops->change_node(w.kube.self, "n1", &label, &r);
	run_until(&w, &w.done, 2);
	assert_int_equal(w.gets, 1); // a label needs no version
	char *want = unquoted("{'metadata':{'labels':{'only':'label'}},'spec':{}}");
	assert_string_equal(w.body, want);
	free(want);
	world_done(&w);
}

static void another(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (is_watch(q))
		open_watch(w, r);
	else if (is(q, "PATCH"))
		reply_json(r, 409, STATUS("409", "the object has been modified"));
	else if (strcmp(http_request_path(q), "/api/v1/nodes") == 0)
		reply_json(r, 200, LIST("7", NODE("n1", "3", "")));
	else
		reply_json(r, 200,
			"{'metadata':{'name':'n1','uid':'other','resourceVersion':'9'},'spec':{}}");
}

static void a_new_node_of_the_same_name_is_left_alone(void **state)
{
	struct world w;
	world_init(&w, another, (struct kube_client_options){0});
	watch(&w);
	run_until(&w, &w.watches, 1);
	taint(&w, "n1");
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, -ESTALE);
	assert_int_equal(w.last_class, WHY_GONE);
	world_done(&w);
}

// ---- calls

static void throttled(struct world *w, const struct http_request *q, struct http_response *r)
{
	if (w->calls++ == 0) {
		http_response_header(r, "Retry-After", "1");
		http_reply(r, 429, "text/plain", "Too many requests", 17);
	} else {
		reply_json(r, 201, "{}");
	}
}

static void an_overloaded_server_stops_the_budget_for_as_long_as_it_says(void **state)
{
	struct world w;
	struct kube_client_stats s;
	world_init(&w, throttled, (struct kube_client_options){0});
	evict(&w);
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, -EAGAIN);
	assert_int_equal(w.last_class, WHY_THROTTLED);
	assert_int_equal(w.last_retry_ms, 1000);
	evict(&w);
	run_for(&w, 700);
	assert_int_equal(w.calls, 1);
	run_until(&w, &w.done, 2);
	assert_int_equal(w.last_r, 0);
	kube_client_stats(w.client, &s);
	assert_int_equal(s.pauses, 1);
	assert_int_equal(s.requests[KUBE_VERB_EVICT][KUBE_RESULT_THROTTLED], 1);
	assert_int_equal(s.requests[KUBE_VERB_EVICT][KUBE_RESULT_OK], 1);
	world_done(&w);
}

static void unauthorized(struct world *w, const struct http_request *q, struct http_response *r)
{
	reply_json(r, w->calls++ == 0 || w->calls > 2 ? 401 : 201, STATUS("401", "Unauthorized"));
}

static void after_a_401_the_request_is_made_once_more(void **state)
{
	struct world w;
	world_init(&w, unauthorized, (struct kube_client_options){0});
	evict(&w);
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, 0);
	assert_int_equal(w.calls, 2);
	evict(&w);
	run_until(&w, &w.done, 2);
	assert_int_equal(w.last_r, -EACCES);
	assert_int_equal(w.last_class, WHY_DENIED);
	assert_int_equal(w.calls, 4);
	world_done(&w);
}

static void accepted(struct world *w, const struct http_request *q, struct http_response *r)
{
	w->calls++;
	reply_json(r, 201, "{}");
}

static void an_eviction_names_the_uid_and_never_kills_at_once(void **state)
{
	struct world w;
	world_init(&w, accepted, (struct kube_client_options){0});
	evict(&w); // with a grace of 0
	run_until(&w, &w.done, 1);
	assert_string_equal(w.log.data, "POST /api/v1/namespaces/ns/pods/pod/eviction\n");
	char *want =
		unquoted("{'apiVersion':'policy/v1','kind':'Eviction','metadata':{'name':'pod',"
			 "'namespace':'ns'},'deleteOptions':{'gracePeriodSeconds':1,"
			 "'preconditions':{'uid':'uid-1'}}}");
	assert_string_equal(w.body, want);
	free(want);
	world_done(&w);
}

static void behind_a_closed_gate_nothing_goes_out(void **state)
{
	struct world w;
	struct kube_client_stats s;
	world_init(&w, accepted, (struct kube_client_options){0});
	kube_client_gate(w.client, may_change, &w);
	evict(&w);
	taint(&w, "n1"); // its GET may go, its PATCH may not
	w.done = 0;
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, -ECANCELED);
	const struct kube_pod_ref p = {"ns", "pod", "uid-1"};
	struct kube_reply r = reply(&w);
	w.kube.ops->evict_pod(w.kube.self, &p, 5, true, &r); // a dry run changes nothing
	run_until(&w, &w.done, 3);
	kube_client_stats(w.client, &s);
	assert_int_equal(s.requests[KUBE_VERB_EVICT][KUBE_RESULT_OK], 1);
	assert_int_equal(s.requests[KUBE_VERB_PATCH][KUBE_RESULT_OK], 0);
	w.may = true;
	evict(&w);
	run_until(&w, &w.done, 4);
	assert_int_equal(w.last_r, 0);
	world_done(&w);
}

static void what_is_no_name_ends_as_our_bug(void **state)
{
	struct world w;
	static const char *const bad[] = {"", "a/b", "../x", "a b", "a?b", "n\n"};
	world_init(&w, accepted, (struct kube_client_options){0});
	for (int k = 0; k < 6; k++) {
		const struct kube_pod_ref p = {"ns", bad[k], "uid"};
		struct kube_reply r = reply(&w);
		w.inside = true;
		taint(&w, bad[k]);
		w.inside = true;
		w.kube.ops->delete_pod(w.kube.self, &p, 5, &r);
		w.inside = false;
		run_until(&w, &w.done, 2 * (k + 1));
		assert_int_equal(w.last_r, -EINVAL);
		assert_int_equal(w.last_class, WHY_BUG);
	}
	assert_int_equal(w.calls, 0);
	world_done(&w);
}

static void hanging(struct world *w, const struct http_request *q, struct http_response *r)
{
	w->calls++;
	http_reply_stream(r, "application/json", 65536, NULL, NULL);
}

static void the_end_cancels_every_call_once(void **state)
{
	struct world w;
	world_init(&w, hanging, (struct kube_client_options){.budget = {.slots = 3}});
	for (int k = 0; k < 5; k++)
		evict(&w); // one slot is kept for the mark of a node
	run_until(&w, &w.calls, 2);
	assert_int_equal(w.done, 0);
	world_done(&w);
	assert_int_equal(w.done, 5);
	assert_int_equal(w.last_r, -ECANCELED);
}

static void too_many_waiting_calls_are_refused(void **state)
{
	struct world w;
	struct kube_client_stats s;
	world_init(&w, hanging, (struct kube_client_options){.budget = {.slots = 1, .queue = 2}});
	for (int k = 0; k < 5; k++)
		evict(&w);
	run_until(&w, &w.done, 2);
	assert_int_equal(w.last_r, -EAGAIN);
	assert_int_equal(w.last_class, WHY_THROTTLED);
	kube_client_stats(w.client, &s);
	assert_int_equal(s.dropped, 2);
	run_until(&w, &w.calls, 1);
	world_done(&w);
	assert_int_equal(w.done, 5);
}

static void put_ca(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static void a_new_authority_is_used_for_new_calls_only(void **state)
{
	struct world w;
	char ca[64];
	snprintf(ca, sizeof(ca), "/tmp/petrel-kube-ca-%d", getpid());
	put_ca(ca, "one");
	world_ca = ca;
	world_init(&w, hanging, (struct kube_client_options){0});
	world_ca = NULL;
	evict(&w);
	run_until(&w, &w.calls, 1);
	put_ca(ca, "another one");
	world_ahead_ns += 61 * 1000000000ULL;
	w.script = accepted;
	evict(&w);
	run_until(&w, &w.done, 1);
	assert_int_equal(w.last_r, 0);
	run_for(&w, 50);
	assert_int_equal(w.done, 1); // the first is still under way, on the old one
	evict(&w);
	run_until(&w, &w.done, 2);
	unlink(ca);
	world_done(&w);
	assert_int_equal(w.done, 3);
	assert_int_equal(w.last_r, -ECANCELED);
}

static void an_event_is_about_the_node_and_well_formed(void **state)
{
	struct world w;
	world_init(&w, accepted, (struct kube_client_options){.identity = "petrel-0"});
	const struct kube_event e = {.node = "n1",
		.node_uid = "u1",
		.reason = "SpotInterruption",
		.note = "two minutes",
		.warning = true};
	struct kube_reply r = reply(&w);
	w.kube.ops->tell(w.kube.self, &e, &r);
	run_until(&w, &w.done, 1);
	assert_string_equal(w.log.data, "POST /apis/events.k8s.io/v1/namespaces/default/events\n");
	cJSON *o = cJSON_Parse(w.body);
	const char *time = cJSON_GetStringValue(cJSON_GetObjectItem(o, "eventTime"));
	assert_int_equal(strlen(time), strlen("2026-11-24T06:12:14.123000Z"));
	assert_string_equal(time + strlen(time) - 4, "000Z");
	assert_string_equal(
		cJSON_GetStringValue(cJSON_GetObjectItem(o, "action")), "SpotInterruption");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, "type")), "Warning");
	assert_string_equal(
		cJSON_GetStringValue(cJSON_GetObjectItem(o, "reportingInstance")), "petrel-0");
	cJSON_Delete(o);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_one_patch_from_what_the_watch_knows),
		cmocka_unit_test(a_conflict_reads_the_node_again),
		cmocka_unit_test(a_conflict_that_the_watch_explains_costs_no_reading),
		cmocka_unit_test(a_node_that_is_not_watched_is_read_first),
		cmocka_unit_test(a_new_node_of_the_same_name_is_left_alone),
		cmocka_unit_test(an_overloaded_server_stops_the_budget_for_as_long_as_it_says),
		cmocka_unit_test(after_a_401_the_request_is_made_once_more),
		cmocka_unit_test(an_eviction_names_the_uid_and_never_kills_at_once),
		cmocka_unit_test(behind_a_closed_gate_nothing_goes_out),
		cmocka_unit_test(what_is_no_name_ends_as_our_bug),
		cmocka_unit_test(the_end_cancels_every_call_once),
		cmocka_unit_test(too_many_waiting_calls_are_refused),
		cmocka_unit_test(a_new_authority_is_used_for_new_calls_only),
		cmocka_unit_test(an_event_is_about_the_node_and_well_formed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
