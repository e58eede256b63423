// SPDX-License-Identifier: Apache-2.0
// The answers were recorded from kube-apiserver 1.36.2; the overload's from its filter.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/kube/answer.h"
#include "tests/unit/aggregator/kube/kube_json.h"

#include <errno.h>

struct judged {
	int r;
	enum why_class class;
	int64_t retry_ms;
	char text[192];
	bool overload;
};

static struct judged judge(int status, int64_t retry_after_ms, const char *body)
{
	char *text = unquoted(body);
	struct kube_answer a = {.status = status,
		.body = text,
		.body_len = strlen(text),
		.error_text = "",
		.retry_after_ms = retry_after_ms};
	struct why why = {0};
	struct judged j = {0};
	j.r = kube_answer_judge(&a, &why, &j.retry_ms);
	j.class = why.class;
	memcpy(j.text, why.text, sizeof(j.text));
	j.overload = kube_answer_is_overload(&a);
	free(text);
	return j;
}

#define FAILURE "{'kind':'Status','apiVersion':'v1','metadata':{},'status':'Failure',"

static void a_good_status_is_success(void **state)
{
	assert_int_equal(judge(200, -1, "{}").r, 0);
	assert_int_equal(judge(201, -1, "").r, 0);
}

static void a_budget_that_is_used_up_is_busy_and_named(void **state)
{
	struct judged j = judge(429, -1,
		FAILURE
		"'message':'Cannot evict pod as it would violate the pod\\u0027s disruption "
		"budget.','reason':'TooManyRequests','details':{'causes':[{'reason':"
		"'DisruptionBudget','message':'The disruption budget b needs 2 healthy "
		"pods and has 2 currently'}]},'code':429}");
	assert_int_equal(j.r, -EBUSY);
	assert_int_equal(j.class, WHY_THROTTLED);
	assert_int_equal(j.retry_ms, 0);
	assert_non_null(strstr(j.text, "budget b needs 2"));
	assert_false(j.overload);
}

static void a_budget_not_yet_computed_says_when_to_come_back(void **state)
{
	struct judged j = judge(429, 10000,
		FAILURE
		"'message':'Cannot evict pod','reason':'TooManyRequests','details':{'causes':"
		"[{'reason':'DisruptionBudget','message':'The disruption budget b is still "
		"being processed by the server.'}],'retryAfterSeconds':10},'code':429}");
	assert_int_equal(j.r, -EAGAIN);
	assert_int_equal(j.retry_ms, 10000);
	assert_false(j.overload);
}

static void an_overloaded_server_is_told_from_a_budget(void **state)
{
	struct judged j = judge(429, 1000, "Too many requests, please try again later.\n");
	assert_int_equal(j.r, -EAGAIN);
	assert_int_equal(j.class, WHY_THROTTLED);
	assert_int_equal(j.retry_ms, 1000);
	assert_true(j.overload);
	j = judge(429, -1,
		FAILURE "'message':'too many requests','reason':'TooManyRequests','code':429}");
	assert_int_equal(j.retry_ms, 1000);
	assert_true(j.overload);
}

static void two_budgets_are_for_good(void **state)
{
	struct judged j = judge(500, -1,
		FAILURE
		"'message':'This pod has more than one PodDisruptionBudget, which the eviction "
		"subresource does not support.','code':500}");
	assert_int_equal(j.r, -ENOTSUP);
	assert_int_equal(j.class, WHY_DENIED);
}

static void conflicts_are_told_apart(void **state)
{
	struct judged j = judge(409, -1,
		FAILURE
		"'message':'Operation cannot be fulfilled on Pod: the UID in the precondition "
		"(0) does not match the UID in record (1).','reason':'Conflict','code':409}");
	assert_int_equal(j.r, -ESTALE);
	assert_int_equal(j.class, WHY_GONE);
	j = judge(409, -1,
		FAILURE "'message':'Operation cannot be fulfilled on nodes: the object has been "
			"modified; please apply your changes to the latest version and try again',"
			"'reason':'Conflict','code':409}");
	assert_int_equal(j.r, -EDEADLK);
	assert_int_equal(j.class, WHY_RETRY);
	assert_int_equal(judge(409, -1, FAILURE "'reason':'AlreadyExists','code':409}").r, -EEXIST);
}

static void denials_need_a_person(void **state)
{
	struct judged j = judge(403, -1,
		FAILURE "'message':'pods is forbidden: User u cannot list resource','reason':"
			"'Forbidden','details':{'kind':'pods'},'code':403}");
	assert_int_equal(j.r, -EACCES);
	assert_int_equal(j.class, WHY_DENIED);
	assert_int_equal(judge(401, -1, FAILURE "'message':'Unauthorized','code':401}").r, -EACCES);
	j = judge(422, -1,
		FAILURE
		"'message':'nodes w is forbidden: ValidatingAdmissionPolicy p denied request: "
		"only its own node','reason':'Invalid','code':422}");
	assert_int_equal(j.r, -EACCES);
	j = judge(403, -1,
		FAILURE
		"'message':'poddisruptionbudgets.policy b is forbidden: pdb disruptions allowed "
		"is negative','reason':'Forbidden','details':{'kind':'poddisruptionbudgets'},"
		"'code':403}");
	assert_int_equal(j.r, -EBUSY);
	assert_int_equal(j.class, WHY_THROTTLED);
}

static void a_namespace_that_ends_lets_its_pods_go_by_itself(void **state)
{
	struct judged j = judge(403, -1,
		FAILURE
		"'message':'unable to create new content in namespace x because it is being "
		"terminated','reason':'Forbidden','details':{'causes':[{'reason':"
		"'NamespaceTerminating','message':'namespace x is being terminated'}]},"
		"'code':403}");
	assert_int_equal(j.r, -EAGAIN);
	assert_int_equal(j.class, WHY_THROTTLED);
	assert_int_equal(j.retry_ms, 1000);
}

static void the_rest_is_gone_broken_or_our_bug(void **state)
{
	assert_int_equal(judge(404, -1, FAILURE "'code':404}").r, -ENOENT);
	assert_int_equal(judge(404, -1, "not json").class, WHY_GONE);
	assert_int_equal(judge(400, -1, FAILURE "'code':400}").class, WHY_BUG);
	assert_int_equal(judge(422, -1, FAILURE "'message':'bad','code':422}").r, -EINVAL);
	assert_int_equal(judge(415, -1, "").r, -EINVAL);
	assert_int_equal(judge(504, 1000, FAILURE "'code':504}").r, -ETIMEDOUT);
	assert_int_equal(judge(504, 1000, FAILURE "'code':504}").retry_ms, 1000);
	assert_int_equal(judge(503, -1, "").class, WHY_RETRY);
	assert_int_equal(judge(302, -1, "").r, -EIO);
	struct kube_answer lost = {.error = -ECONNREFUSED, .error_text = "refused", .body = ""};
	struct why why;
	int64_t retry_ms;
	assert_int_equal(kube_answer_judge(&lost, &why, &retry_ms), -ECONNREFUSED);
	assert_int_equal(why.class, WHY_RETRY);
	assert_string_equal(why.text, "refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_status_is_success),
		cmocka_unit_test(a_budget_that_is_used_up_is_busy_and_named),
		cmocka_unit_test(a_budget_not_yet_computed_says_when_to_come_back),
		cmocka_unit_test(an_overloaded_server_is_told_from_a_budget),
		cmocka_unit_test(two_budgets_are_for_good),
		cmocka_unit_test(conflicts_are_told_apart),
		cmocka_unit_test(denials_need_a_person),
		cmocka_unit_test(a_namespace_that_ends_lets_its_pods_go_by_itself),
		cmocka_unit_test(the_rest_is_gone_broken_or_our_bug),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
