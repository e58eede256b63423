// SPDX-License-Identifier: Apache-2.0
// Semantics: k8s.io/apimachinery pkg/labels selector_test.go, pkg/apis/meta/v1 helpers_test.go.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/kube/selector.h"
#include "tests/unit/aggregator/kube/kube_json.h"

#include <errno.h>

static bool matches(const char *selector, const char *labels)
{
	autobuf s, l;
	buf_init(&s, 4096);
	buf_init(&l, 4096);
	cJSON *a = json_of(selector), *b = json_of(labels);
	assert_int_equal(selector_compile(a, &s), 0);
	assert_int_equal(labels_print(b, &l), 0);
	bool yes = selector_match(s.data, l.data);
	cJSON_Delete(a);
	cJSON_Delete(b);
	return yes;
}

static void an_empty_selector_matches_all_and_none_matches_nothing(void **state)
{
	assert_true(matches("{}", "{}"));
	assert_true(matches("{}", "{'a':'b'}"));
	assert_true(matches("{'matchLabels':{},'matchExpressions':[]}", "{'a':'b'}"));
	assert_false(matches("null", "{'a':'b'}"));
	autobuf s;
	buf_init(&s, 64);
	assert_int_equal(selector_compile(NULL, &s), 0);
	assert_false(selector_match(s.data, ""));
}

static void labels_must_all_be_there_with_their_values(void **state)
{
	static const char two[] = "{'matchLabels':{'app':'web','tier':'front'}}";
	assert_true(matches(two, "{'tier':'front','app':'web','x':'y'}"));
	assert_false(matches(two, "{'app':'web'}"));
	assert_false(matches(two, "{'app':'web','tier':'fron'}"));
	assert_false(matches(two, "{'app':'web','tier':'front2'}"));
	assert_false(matches(two, "{}"));
	assert_true(matches("{'matchLabels':{'a':''}}", "{'a':''}"));
	assert_false(matches("{'matchLabels':{'a':''}}", "{'a':'x'}"));
	assert_false(matches("{'matchLabels':{'a':''}}", "{}"));
	assert_false(matches("{'matchLabels':{'pp':'web'}}", "{'app':'web'}"));
}

static void expressions_follow_their_operators(void **state)
{
	static const char in[] =
		"{'matchExpressions':[{'key':'a','operator':'In','values':['x','','zz']}]}";
	assert_true(matches(in, "{'a':'x'}"));
	assert_true(matches(in, "{'a':''}"));
	assert_true(matches(in, "{'a':'zz'}"));
	assert_false(matches(in, "{'a':'z'}"));
	assert_false(matches(in, "{'b':'x'}"));
	static const char not_in[] =
		"{'matchExpressions':[{'key':'a','operator':'NotIn','values':['x']}]}";
	assert_true(matches(not_in, "{'b':'x'}"));
	assert_true(matches(not_in, "{'a':'y'}"));
	assert_false(matches(not_in, "{'a':'x'}"));
	assert_true(matches("{'matchExpressions':[{'key':'a','operator':'Exists'}]}", "{'a':''}"));
	assert_false(
		matches("{'matchExpressions':[{'key':'a','operator':'Exists'}]}", "{'ab':''}"));
	static const char absent[] = "{'matchExpressions':[{'key':'a','operator':'DoesNotExist'}]}";
	assert_true(matches(absent, "{}"));
	assert_false(matches(absent, "{'a':''}"));
	static const char both[] = "{'matchLabels':{'k':'v'},'matchExpressions':["
				   "{'key':'a','operator':'Exists'}]}";
	assert_true(matches(both, "{'k':'v','a':'1'}"));
	assert_false(matches(both, "{'k':'v'}"));
}

static void what_is_no_selector_is_refused(void **state)
{
	static const char *const bad[] = {"[]", "'x'", "{'matchLabels':[1]}",
		"{'matchLabels':{'a':1}}", "{'matchLabels':{'a b':'c'}}",
		"{'matchLabels':{'a':'b\\n= c d'}}", "{'matchLabels':{'':'c'}}",
		"{'matchExpressions':[{'key':'a','operator':'Gt'}]}",
		"{'matchExpressions':[{'key':'a','operator':'In'}]}",
		"{'matchExpressions':[{'key':'a','operator':'In','values':[]}]}",
		"{'matchExpressions':[{'key':'a','operator':'Exists','values':['x']}]}",
		"{'matchExpressions':[{'operator':'Exists'}]}",
		"{'matchExpressions':[{'key':'a','operator':'In','values':['x y']}]}"};
	for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
		autobuf s;
		buf_init(&s, 4096);
		cJSON *a = json_of(bad[k]);
		assert_int_equal(selector_compile(a, &s), -EINVAL);
		cJSON_Delete(a);
	}
	autobuf l;
	buf_init(&l, 16);
	cJSON *labels = json_of("{'a':'0123456789abcdef'}");
	assert_int_equal(labels_print(labels, &l), -ENOSPC);
	cJSON_Delete(labels);
	labels = json_of("{'a':'x\\ny=z'}");
	assert_int_equal(labels_print(labels, &l), -EINVAL);
	cJSON_Delete(labels);
}

static void labels_are_printed_sorted(void **state)
{
	autobuf l;
	buf_init(&l, 4096);
	cJSON *labels = json_of("{'b':'2','a':'1','app.kubernetes.io/name':''}");
	assert_int_equal(labels_print(labels, &l), 0);
	assert_string_equal(l.data, "a=1\napp.kubernetes.io/name=\nb=2\n");
	cJSON_Delete(labels);
	buf_reset(&l);
	assert_int_equal(labels_print(NULL, &l), 0);
	assert_string_equal(l.data, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_selector_matches_all_and_none_matches_nothing),
		cmocka_unit_test(labels_must_all_be_there_with_their_values),
		cmocka_unit_test(expressions_follow_their_operators),
		cmocka_unit_test(what_is_no_selector_is_refused),
		cmocka_unit_test(labels_are_printed_sorted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
