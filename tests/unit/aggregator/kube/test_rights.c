// SPDX-License-Identifier: Apache-2.0
// An API server that reviews what we may do.
#include "tests/unit/aggregator/kube/kube_world.h"

#include "aggregator/kube/rights.h"

// body of the review that came in last; calls counts them
static void reviews(struct world *w, const struct http_request *q, struct http_response *r)
{
	bool may = !strstr(w->body, "\"verb\":\"patch\"") && !strstr(w->body, "eviction");
	w->calls++;
	if (w->may)
		reply_json(r, 403, STATUS("403", "who are you"));
	else
		reply_json(r, 201,
			may ? "{'status':{'allowed':true}}" : "{'status':{'allowed':false}}");
}

static void what_is_not_allowed_is_named_in_the_order_of_its_weight(void **state)
{
	struct world w;
	struct kube_rights *rights;
	struct kube_rights_stats s;
	world_init(&w, reviews, (struct kube_client_options){0});
	assert_int_equal(kube_rights_new(&rights, w.client, "petrel", "petrel-aggregator"), 0);
	kube_rights_stats(rights, &s);
	assert_int_equal(s.rounds, 0);
	kube_rights_ask(rights);
	kube_rights_ask(rights); // one round at a time
	run_until(&w, &w.calls, 19);
	run_for(&w, 50);
	kube_rights_stats(rights, &s);
	assert_int_equal(w.calls, 19);
	assert_int_equal(s.rounds, 1);
	assert_int_equal(s.asked, 19);
	assert_int_equal(s.missing, 2);
	assert_string_equal(s.first, "patch nodes");
	assert_string_equal(s.all, "patch nodes, create pods/eviction");
	assert_non_null(strstr(s.without, "cordoned"));
	assert_non_null(strstr(w.body, "\"namespace\":\"petrel\",\"name\":\"petrel-aggregator\""));

	w.may = true; // nobody answers any more: the last answer stands
	kube_rights_ask(rights);
	run_until(&w, &w.calls, 20);
	run_for(&w, 50);
	kube_rights_stats(rights, &s);
	assert_int_equal(s.rounds, 1);
	assert_int_equal(s.missing, 2);
	world_done(&w);
	kube_rights_free(rights);
}

static void a_round_that_is_cut_short_ends_quietly(void **state)
{
	struct world w;
	struct kube_rights *rights;
	world_init(&w, reviews, (struct kube_client_options){0});
	assert_int_equal(kube_rights_new(&rights, w.client, "petrel", "petrel-aggregator"), 0);
	kube_rights_ask(rights);
	world_done(&w);
	kube_rights_free(rights);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_allowed_is_named_in_the_order_of_its_weight),
		cmocka_unit_test(a_round_that_is_cut_short_ends_quietly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
