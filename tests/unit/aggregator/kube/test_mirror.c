// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/kube/mirror.h"
#include "tests/unit/aggregator/kube/kube_json.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>

struct rig {
	struct mirror *m;
	char told[4096]; // what the sink heard, a word each
	struct kube_node node;
	struct kube_pod pod;
};

static void say(struct rig *r, const char *what, const char *which)
{
	size_t n = strlen(r->told);
	snprintf(r->told + n, sizeof(r->told) - n, "%s:%s ", what, which);
}

static void on_node(void *arg, const struct kube_node *n)
{
	struct rig *r = arg;
	r->node = *n;
	r->node.drain = "";
	say(r, "node", n->name);
}
static void on_node_gone(void *arg, const char *name)
{
	say(arg, "-node", name);
}
static void on_pod(void *arg, const struct kube_pod *p)
{
	struct rig *r = arg;
	r->pod = *p;
	say(r, "pod", p->uid);
}
static void on_pod_gone(void *arg, const char *uid)
{
	say(arg, "-pod", uid);
}
static void on_budget(void *arg, const struct kube_budget *b)
{
	say(arg, "budget", b->name);
}
static void on_budget_gone(void *arg, const char *namespace_, const char *name)
{
	say(arg, "-budget", name);
}
static void on_workload(void *arg, const struct kube_workload *w)
{
	say(arg, "work", w->name);
}
static void on_workload_gone(
	void *arg, enum kube_controller kind, const char *namespace_, const char *name)
{
	assert_string_equal(namespace_, "n");
	say(arg, "-work", name);
}
static void on_volumes(void *arg, const char *node, uint32_t attached)
{
	char text[64];
	snprintf(text, sizeof(text), "%s=%u", node, attached);
	say(arg, "volumes", text);
}

static void rig_init(struct rig *r)
{
	const struct kube_sink sink = {on_node, on_node_gone, on_pod, on_pod_gone, on_budget,
		on_budget_gone, on_workload, on_workload_gone, on_volumes, NULL, r};
	*r = (struct rig){0};
	assert_int_equal(mirror_new(&r->m, &sink), 0);
}

static int take_at(struct rig *r, enum mirror_kind kind, const char *text, int64_t now_ms)
{
	cJSON *o = json_of(text);
	assert_non_null(o);
	int e = mirror_take(r->m, kind, o, now_ms);
	cJSON_Delete(o);
	return e;
}

static void take(struct rig *r, enum mirror_kind kind, const char *text)
{
	assert_int_equal(take_at(r, kind, text, 1000), 0);
}

static void removed(struct rig *r, enum mirror_kind kind, const char *text)
{
	cJSON *o = json_of(text);
	mirror_remove(r->m, kind, o);
	cJSON_Delete(o);
}

static void heard(struct rig *r, const char *what)
{
	assert_string_equal(r->told, what);
	r->told[0] = '\0';
}

#define NODE(name, version, rest)                                                                  \
	"{'metadata':{'name':'" name "','uid':'u-" name "','resourceVersion':'" version "'}" rest  \
	"}"
#define POD(uid, rest) "{'metadata':{'name':'p" uid "','namespace':'n','uid':'" uid "'" rest "}}"

static void what_a_list_no_longer_has_is_told_as_gone(void **state)
{
	struct rig r;
	rig_init(&r);
	mirror_begin(r.m, MIRROR_PODS);
	take(&r, MIRROR_PODS, POD("1", ""));
	take(&r, MIRROR_PODS, POD("2", ""));
	mirror_end(r.m, MIRROR_PODS);
	take(&r, MIRROR_PODS, POD("3", ""));
	heard(&r, "pod:1 pod:2 pod:3 ");
	mirror_begin(r.m, MIRROR_PODS);
	take(&r, MIRROR_PODS, POD("2", ""));
	take(&r, MIRROR_PODS, POD("4", ""));
	heard(&r, "pod:2 pod:4 ");
	mirror_end(r.m, MIRROR_PODS);
	heard(&r, "-pod:1 -pod:3 ");
	assert_int_equal(mirror_count(r.m, MIRROR_PODS), 2);
	removed(&r, MIRROR_PODS, POD("2", ""));
	removed(&r, MIRROR_PODS, POD("2", ""));
	heard(&r, "-pod:2 ");
	mirror_free(r.m);
}

static void a_pod_is_told_with_its_deployment(void **state)
{
	struct rig r;
	rig_init(&r);
	take(&r, MIRROR_REPLICASETS,
		"{'metadata':{'name':'web-1','namespace':'n','uid':'r','ownerReferences':[{'kind':"
		"'Deployment','name':'web','controller':true}]}}");
	heard(&r, ""); // owned: the Deployment is told
	static const char owner[] =
		POD("1", ",'labels':{'pod-template-hash':'zz'},'ownerReferences':["
			 "{'apiVersion':'apps/v1','kind':'ReplicaSet','name':"
			 "'web-1','controller':true}]");
	take(&r, MIRROR_PODS, owner);
	assert_string_equal(r.pod.workload, "web");
	assert_int_equal(r.pod.controller, KUBE_BY_DEPLOYMENT);
	take(&r, MIRROR_PODS, // its ReplicaSet has not been seen yet
		POD("2", ",'labels':{'pod-template-hash':'9'},'ownerReferences':[{'apiVersion':"
			 "'apps/v1','kind':'ReplicaSet','name':'api-9','controller':true}]"));
	assert_string_equal(r.pod.workload, "api");
	assert_int_equal(r.pod.controller, KUBE_BY_DEPLOYMENT);
	take(&r, MIRROR_REPLICASETS, "{'metadata':{'name':'own-7','namespace':'n','uid':'r2'}}");
	take(&r, MIRROR_PODS,
		POD("3", ",'labels':{'pod-template-hash':'7'},'ownerReferences':[{'apiVersion':"
			 "'apps/v1','kind':'ReplicaSet','name':'own-7','controller':true}]"));
	assert_string_equal(r.pod.workload, "own-7");
	assert_int_equal(r.pod.controller, KUBE_BY_REPLICASET);
	heard(&r, "pod:1 pod:2 work:own-7 pod:3 ");
	mirror_begin(r.m, MIRROR_REPLICASETS);
	mirror_end(r.m, MIRROR_REPLICASETS);
	heard(&r, "-work:own-7 ");
	mirror_free(r.m);
}

static void a_lease_counts_from_when_we_saw_it_change(void **state)
{
	struct rig r;
	rig_init(&r);
	static const char first[] =
		"{'metadata':{'name':'a','namespace':'kube-node-lease','uid':'l'},"
		"'spec':{'renewTime':'2020-01-01T00:00:00.000000Z'}}";
	static const char second[] =
		"{'metadata':{'name':'a','namespace':'kube-node-lease','uid':'l'},"
		"'spec':{'renewTime':'2020-01-01T00:00:10.000000Z'}}";
	take(&r, MIRROR_NODES, NODE("a", "1", ""));
	assert_int_equal(r.node.lease_ms, 0);
	take_at(&r, MIRROR_LEASES, first, 5000);
	assert_int_equal(r.node.lease_ms, 5000);
	take_at(&r, MIRROR_LEASES, first, 9000); // listed again, unchanged
	assert_int_equal(r.node.lease_ms, 5000);
	take_at(&r, MIRROR_LEASES, second, 15000);
	assert_int_equal(r.node.lease_ms, 15000);
	heard(&r, "node:a node:a node:a ");
	take_at(&r, MIRROR_LEASES,
		"{'metadata':{'name':'b','namespace':'kube-node-lease','uid':'l'},'spec':{}}",
		16000);
	heard(&r, ""); // its node comes later
	take(&r, MIRROR_NODES, NODE("b", "1", ""));
	assert_int_equal(r.node.lease_ms, 16000);
	mirror_free(r.m);
}

static void volumes_are_counted_by_node(void **state)
{
	struct rig r;
	rig_init(&r);
#define VA(name, node, is)                                                                         \
	"{'metadata':{'name':'" name "','uid':'" name "'},'spec':{'nodeName':'" node               \
	"'},'status':{'attached':" is "}}"
	take(&r, MIRROR_VOLUMES, VA("v1", "a", "false"));
	heard(&r, "");
	take(&r, MIRROR_VOLUMES, VA("v1", "a", "true"));
	take(&r, MIRROR_VOLUMES, VA("v1", "a", "true"));
	take(&r, MIRROR_VOLUMES, VA("v2", "a", "true"));
	take(&r, MIRROR_VOLUMES, VA("v3", "b", "true"));
	heard(&r, "volumes:a=1 volumes:a=2 volumes:b=1 ");
	removed(&r, MIRROR_VOLUMES, VA("v1", "a", "true"));
	take(&r, MIRROR_VOLUMES, VA("v2", "a", "false"));
	heard(&r, "volumes:a=1 volumes:a=0 ");
	mirror_begin(r.m, MIRROR_VOLUMES);
	mirror_end(r.m, MIRROR_VOLUMES);
	heard(&r, "volumes:b=0 ");
	mirror_free(r.m);
}

static void a_node_keeps_the_taints_of_others_as_they_came(void **state)
{
	struct rig r;
	rig_init(&r);
	take(&r, MIRROR_NODES,
		NODE("a", "41",
			",'spec':{'taints':[{'key':'x','effect':'NoExecute','timeAdded':"
			"'2026-01-01T00:00:00Z'}]}"));
	const struct mirror_node *n = mirror_node(r.m, "a");
	assert_string_equal(n->version, "41");
	assert_string_equal(n->taints, "[{\"key\":\"x\",\"effect\":\"NoExecute\",\"timeAdded\":"
				       "\"2026-01-01T00:00:00Z\"}]");
	take(&r, MIRROR_NODES, NODE("b", "1", ",'spec':{'taints':7}"));
	assert_null(mirror_node(r.m, "b")->taints);
	take(&r, MIRROR_NODES, NODE("b", "2", ""));
	assert_string_equal(mirror_node(r.m, "b")->taints, "[]");
	assert_null(mirror_node(r.m, "c"));
	mirror_free(r.m);
}

static void an_answer_never_overtakes_the_watch(void **state)
{
	struct rig r;
	rig_init(&r);
	take(&r, MIRROR_NODES, NODE("a", "1", ""));
	cJSON *answer = json_of(NODE("a", "2", ",'spec':{'unschedulable':true}"));
	mirror_answer(r.m, "1", answer);
	assert_string_equal(mirror_node(r.m, "a")->version, "2");
	take(&r, MIRROR_NODES, NODE("a", "3", ""));
	mirror_answer(r.m, "1", answer); // to an older question
	assert_string_equal(mirror_node(r.m, "a")->version, "3");
	assert_false(r.node.unschedulable);
	cJSON_Delete(answer);
	mirror_free(r.m);
}

static void what_cannot_be_understood_is_counted_and_never_told(void **state)
{
	struct rig r;
	rig_init(&r);
	assert_int_equal(take_at(&r, MIRROR_PODS, "{'metadata':{'name':'x'}}", 0), -EINVAL);
	assert_int_equal(take_at(&r, MIRROR_PODS, POD("9", ",'labels':{'a':7}"), 0), -EINVAL);
	assert_int_equal(
		take_at(&r, MIRROR_VOLUMES, "{'metadata':{'name':'x','uid':'y'}}", 0), -EINVAL);
	assert_int_equal(
		take_at(&r, MIRROR_BUDGETS,
			"{'metadata':{'name':'x','namespace':'n','uid':'y'},'spec':{'selector':7}}",
			0),
		-EINVAL);
	assert_int_equal(mirror_refused(r.m), 4);
	mirror_begin(r.m, MIRROR_PODS);
	mirror_end(r.m, MIRROR_PODS);
	heard(&r, "");
	assert_int_equal(mirror_count(r.m, MIRROR_PODS), 0);
	take(&r, MIRROR_PODS, POD("1", ""));
	assert_int_equal(take_at(&r, MIRROR_PODS, POD("1", ",'labels':[]"), 0), -EINVAL);
	removed(&r, MIRROR_PODS, POD("1", "")); // was told before, so its end is told
	heard(&r, "pod:1 -pod:1 ");
	mirror_free(r.m);
}

extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));
static size_t allocated(void)
{
	return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
						       : mallinfo2().uordblks;
}

static void a_pod_kept_costs_far_less_than_two_kilobytes(void **state)
{
	enum { PODS = 20000 };
	struct kube_sink deaf = {0};
	struct mirror *m;
	size_t before = allocated();
	assert_int_equal(mirror_new(&m, &deaf), 0);
	mirror_begin(m, MIRROR_PODS);
	for (int k = 0; k < PODS; k++) {
		char text[256];
		snprintf(text, sizeof(text),
			"{'metadata':{'name':'web-6d4b75cb6d-%05d','namespace':'shop','uid':"
			"'53465aed-d471-4160-9f5c-%012d','labels':{'app':'web'}}}",
			k, k);
		cJSON *o = json_of(text);
		assert_int_equal(mirror_take(m, MIRROR_PODS, o, 0), 0);
		cJSON_Delete(o);
	}
	mirror_end(m, MIRROR_PODS);
	size_t each = (allocated() - before) / PODS;
	print_message("bytes per pod kept: %zu\n", each);
	assert_int_equal(mirror_count(m, MIRROR_PODS), PODS);
	assert_in_range(each, 40, 256); // the issue allows 2,048
	mirror_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_list_no_longer_has_is_told_as_gone),
		cmocka_unit_test(a_pod_is_told_with_its_deployment),
		cmocka_unit_test(a_lease_counts_from_when_we_saw_it_change),
		cmocka_unit_test(volumes_are_counted_by_node),
		cmocka_unit_test(a_node_keeps_the_taints_of_others_as_they_came),
		cmocka_unit_test(an_answer_never_overtakes_the_watch),
		cmocka_unit_test(what_cannot_be_understood_is_counted_and_never_told),
		cmocka_unit_test(a_pod_kept_costs_far_less_than_two_kilobytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
