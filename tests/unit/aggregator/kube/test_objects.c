// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "aggregator/kube/objects.h"
#include "aggregator/kube/selector.h"
#include "tests/unit/aggregator/kube/kube_json.h"

#include <errno.h>
#include <stdio.h>

static int node(const char *text, struct kube_node *ret)
{
	cJSON *o = json_of(text);
	int r = object_node(o, ret);
	ret->drain = "";
	cJSON_Delete(o);
	return r;
}

static void a_managed_spot_node_is_read_whole(void **state)
{
	cJSON *o = json_of(
		"{'metadata':{'name':'ip-10-0-1-2.ec2.internal','uid':'u-1','resourceVersion':'7',"
		"'creationTimestamp':'2026-11-24T06:12:14Z','labels':{"
		"'eks.amazonaws.com/nodegroup':'web','eks.amazonaws.com/capacityType':'SPOT',"
		"'node.kubernetes.io/instance-type':'m6i.large',"
		"'topology.k8s.aws/zone-id':'use1-az4','topology.kubernetes.io/zone':'us-east-1a'},"
		"'annotations':{'petrel.dev/drain':'{}'}},"
		"'spec':{'providerID':'aws:///us-east-1a/i-0123456789abcdef0','unschedulable':true,"
		"'taints':[{'key':'petrel.dev/"
		"interruption','value':'spot','effect':'NoSchedule'}]},"
		"'status':{'allocatable':{'cpu':'1930m','memory':'7244720Ki'},'conditions':["
		"{'type':'MemoryPressure','status':'False'},"
		"{'type':'Ready','status':'True','lastTransitionTime':'2026-11-24T06:13:00Z'}]}}");
	struct kube_node n;
	assert_int_equal(object_node(o, &n), 0);
	assert_string_equal(n.name, "ip-10-0-1-2.ec2.internal");
	assert_string_equal(n.uid, "u-1");
	assert_string_equal(n.group, "web");
	assert_true(n.managed);
	assert_int_equal(n.capacity, CAPACITY_SPOT);
	assert_string_equal(n.instance_id, "i-0123456789abcdef0");
	assert_string_equal(n.instance_type, "m6i.large");
	assert_string_equal(n.zone_id, "use1-az4");
	assert_string_equal(n.zone, "us-east-1a");
	assert_int_equal(n.owner, KUBE_OWNER_NONE);
	assert_true(n.ready && n.unschedulable && n.interruption_taint && !n.deleting);
	assert_int_equal(n.created_ms, 1795500734000);
	assert_int_equal(n.ready_changed_ms, 1795500780000);
	assert_int_equal(n.allocatable_millicores, 1930);
	assert_int_equal(n.allocatable_mem_bytes, 7244720LL * 1024);
	assert_string_equal(n.drain, "{}");
	cJSON_Delete(o);
}

static void groups_and_owners_come_from_the_labels_of_each_tool(void **state)
{
	struct kube_node n;
	assert_int_equal(
		node("{'metadata':{'name':'a','uid':'u','labels':{"
		     "'alpha.eksctl.io/nodegroup-name':'self','node.kubernetes.io/lifecycle':"
		     "'spot'}}}",
			&n),
		0);
	assert_string_equal(n.group, "self");
	assert_false(n.managed);
	assert_int_equal(n.capacity, CAPACITY_SPOT);
	assert_int_equal(node("{'metadata':{'name':'a','uid':'u','labels':{"
			      "'karpenter.sh/nodepool':'default','karpenter.sh/capacity-type':"
			      "'on-demand'}}}",
				 &n),
		0);
	assert_string_equal(n.group, "default");
	assert_int_equal(n.owner, KUBE_OWNER_KARPENTER);
	assert_int_equal(n.capacity, CAPACITY_ON_DEMAND);
	assert_int_equal(
		node("{'metadata':{'name':'a','uid':'u'},'spec':{'taints':[{'key':"
		     "'ToBeDeletedByClusterAutoscaler','value':'17','effect':'NoSchedule'}]}}",
			&n),
		0);
	assert_int_equal(n.owner, KUBE_OWNER_CLUSTER_AUTOSCALER);
	assert_string_equal(n.group, "");
	assert_int_equal(n.capacity, CAPACITY_UNKNOWN);
	assert_string_equal(n.instance_id, "");
}

static void nonsense_in_a_node_is_absent_and_a_wrong_name_refuses_it(void **state)
{
	struct kube_node n;
	assert_int_equal(
		node("{'metadata':{'name':'a','uid':'u','creationTimestamp':'yesterday','labels':{"
		     "'eks.amazonaws.com/nodegroup':'x\\ny','node.kubernetes.io/instance-type':7,"
		     "'topology.k8s.aws/zone-id':'0123456789012345678901234567890123456789'}},"
		     "'spec':{'providerID':'aws:///a/<b>','taints':'x','unschedulable':'yes'},"
		     "'status':{'allocatable':{'cpu':'lots','memory':4096},'conditions':7}}",
			&n),
		0);
	assert_string_equal(n.group, "");
	assert_string_equal(n.instance_type, "");
	assert_string_equal(n.zone_id, "");
	assert_string_equal(n.instance_id, "");
	assert_int_equal(n.created_ms, 0);
	assert_int_equal(n.allocatable_millicores, 0);
	assert_int_equal(n.allocatable_mem_bytes, 4096);
	assert_false(n.unschedulable || n.managed || n.ready);
	static const char *const bad[] = {"{}", "[]", "7", "{'metadata':{'name':'a'}}",
		"{'metadata':{'uid':'a'}}", "{'metadata':{'name':'','uid':'a'}}",
		"{'metadata':{'name':'a b','uid':'u'}}", "{'metadata':{'name':'a/../b','uid':'u'}}",
		"{'metadata':{'name':'a','uid':'0123456789012345678901234567890123456789'}}"};
	for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++)
		assert_int_equal(node(bad[k], &n), -EINVAL);
}

static int pod(const char *text, struct kube_pod *ret)
{
	autobuf scratch;
	cJSON *o = json_of(text);
	buf_init(&scratch, 4096);
	int r = object_pod(o, &scratch, ret);
	ret->labels = "";
	cJSON_Delete(o);
	return r;
}

#define POD "{'metadata':{'name':'p','namespace':'n','uid':'u'"

static void a_pod_of_a_stateful_set_with_a_claim(void **state)
{
	autobuf scratch;
	buf_init(&scratch, 4096);
	cJSON *o = json_of(POD
		",'labels':{'b':'2','a':'1'},'deletionTimestamp':'2026-11-24T06:12:14Z',"
		"'ownerReferences':[{'apiVersion':'v1','kind':'X','name':'no'},"
		"{'apiVersion':'apps/v1','kind':'StatefulSet','name':'db','controller':true}]},"
		"'spec':{'nodeName':'node-1','priorityClassName':'system-cluster-critical',"
		"'priority':2000000000,'terminationGracePeriodSeconds':90,"
		"'volumes':[{'emptyDir':{}},{'persistentVolumeClaim':{'claimName':'c'}}]},"
		"'status':{'phase':'Running','conditions':[{'type':'Ready','status':'True'}]}}");
	struct kube_pod p;
	assert_int_equal(object_pod(o, &scratch, &p), 0);
	assert_string_equal(p.workload, "db");
	assert_int_equal(p.controller, KUBE_BY_STATEFULSET);
	assert_string_equal(p.node, "node-1");
	assert_true(p.critical && p.volumes && p.ready);
	assert_int_equal(p.priority, 2000000000);
	assert_int_equal(p.grace_s, 90);
	assert_int_equal(p.phase, KUBE_RUNNING);
	assert_int_equal(p.deleting_ms, 1795500734000);
	assert_string_equal(p.labels, "a=1\nb=2\n");
	cJSON_Delete(o);
}

static void what_made_a_pod_is_told_apart(void **state)
{
	static const struct {
		const char *api, *kind;
		enum kube_controller is;
	} cases[] = {{"apps/v1", "ReplicaSet", KUBE_BY_REPLICASET},
		{"apps/v1", "DaemonSet", KUBE_BY_DAEMONSET}, {"batch/v1", "Job", KUBE_BY_JOB},
		{"v1", "Node", KUBE_BY_NODE}, {"argoproj.io/v1", "ReplicaSet", KUBE_BY_OTHER},
		{"v1", "ReplicationController", KUBE_BY_OTHER}};
	struct kube_pod p;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		char text[512];
		snprintf(text, sizeof(text),
			POD ",'ownerReferences':[{'apiVersion':'%s','kind':'%s','name':'o',"
			    "'controller':true}]}}",
			cases[k].api, cases[k].kind);
		assert_int_equal(pod(text, &p), 0);
		assert_int_equal(p.controller, cases[k].is);
		assert_string_equal(p.workload, cases[k].is == KUBE_BY_NODE ? "p" : "o");
	}
	assert_int_equal(pod(POD "}}", &p), 0);
	assert_int_equal(p.controller, KUBE_BY_NONE);
	assert_string_equal(p.workload, "p");
	assert_int_equal(p.grace_s, 30);
	assert_int_equal(p.phase, KUBE_PENDING);
	assert_int_equal(pod(POD ",'annotations':{'kubernetes.io/config.mirror':'x'}}}", &p), 0);
	assert_int_equal(p.controller, KUBE_BY_NODE);
}

// k8s.io/component-helpers resource/helpers_test.go, by hand
static void requests_are_what_the_scheduler_counts(void **state)
{
	struct kube_pod p;
	assert_int_equal(
		pod(POD "},'spec':{'overhead':{'cpu':'10m'},'containers':["
			"{'resources':{'requests':{'cpu':'100m','memory':'64Mi'}}},"
			"{'resources':{'requests':{'cpu':'200m'}}},{}],"
			"'initContainers':["
			"{'resources':{'requests':{'cpu':'250m'}}},"
			"{'restartPolicy':'Always','resources':{'requests':{'cpu':'50m'}}},"
			"{'resources':{'requests':{'cpu':'1','memory':'1Mi'}}}]}}",
			&p),
		0);
	assert_int_equal(p.request_millicores, 1060); // 1000 beside the sidecar's 50, and overhead
	assert_int_equal(p.request_mem_bytes, 64 << 20);
	assert_int_equal(pod(POD "},'spec':{'resources':{'requests':{'cpu':'2'}},'containers':["
				 "{'resources':{'requests':{'cpu':'100m','memory':'1Ki'}}}]}}",
				 &p),
		0);
	assert_int_equal(p.request_millicores, 2000);
	assert_int_equal(p.request_mem_bytes, 1024);
	assert_int_equal(
		pod(POD "},'spec':{'containers':[{'resources':{'requests':{'memory':'7Ei'}}},"
			"{'resources':{'requests':{'memory':'7Ei'}}}]}}",
			&p),
		0);
	assert_int_equal(p.request_mem_bytes, INT64_MAX);
}

static void a_deployment_is_known_by_its_pods_hash(void **state)
{
	char name[NAME_MAX_BYTES];
	assert_true(object_deployment_of(
		"web-6d4b75cb6d", "app=web\npod-template-hash=6d4b75cb6d\n", name));
	assert_string_equal(name, "web");
	assert_true(object_deployment_of("a-b-x1", "pod-template-hash=x1\nz=1\n", name));
	assert_string_equal(name, "a-b");
	assert_false(object_deployment_of("web-abc", "app=web\n", name));
	assert_false(object_deployment_of("web-abc", "pod-template-hash=abd\n", name));
	assert_false(object_deployment_of("abc", "pod-template-hash=abc\n", name));
	assert_false(object_deployment_of("-abc", "pod-template-hash=abc\n", name));
	assert_false(object_deployment_of("web-abc", "x-pod-template-hash=abc\n", name));
	assert_false(object_deployment_of("web-", "pod-template-hash=\n", name));
}

static void a_budget_says_whether_its_status_is_of_now(void **state)
{
	autobuf scratch;
	struct kube_budget b;
	buf_init(&scratch, 4096);
	cJSON *o = json_of(
		"{'metadata':{'name':'b','namespace':'n','uid':'u','generation':2},'spec':{"
		"'minAvailable':1,'selector':{'matchLabels':{'app':'x'}},"
		"'unhealthyPodEvictionPolicy':'AlwaysAllow'},'status':{'observedGeneration':2,"
		"'disruptionsAllowed':1,'currentHealthy':3,'desiredHealthy':2,'expectedPods':3}}");
	assert_int_equal(object_budget(o, &scratch, &b), 0);
	assert_true(b.observed && b.always_allow);
	assert_int_equal(b.allowed, 1);
	assert_int_equal(b.healthy, 3);
	assert_int_equal(b.desired, 2);
	assert_int_equal(b.expected, 3);
	assert_true(selector_match(b.selector, "app=x\n"));
	assert_false(selector_match(b.selector, "app=y\n"));
	cJSON_SetNumberHelper(
		cJSON_GetObjectItem(cJSON_GetObjectItem(o, "metadata"), "generation"), 3);
	assert_int_equal(object_budget(o, &scratch, &b), 0);
	assert_false(b.observed);
	cJSON_Delete(o);
}

static void a_replica_set_names_its_deployment(void **state)
{
	struct kube_workload w;
	const char *owner;
	cJSON *o = json_of(
		"{'metadata':{'name':'web-1','namespace':'n','uid':'u','ownerReferences':[{"
		"'kind':'Deployment','name':'web','controller':true}]},'spec':{'replicas':3},"
		"'status':{'readyReplicas':2}}");
	assert_int_equal(object_workload(o, KUBE_BY_REPLICASET, &w, &owner), 0);
	assert_string_equal(owner, "web");
	assert_int_equal(w.replicas, 3);
	assert_int_equal(w.ready, 2);
	cJSON_Delete(o);
	o = json_of("{'metadata':{'name':'d','namespace':'n','uid':'u'},'spec':{'replicas':-4},"
		    "'status':{'readyReplicas':1e99}}");
	assert_int_equal(object_workload(o, KUBE_BY_DEPLOYMENT, &w, &owner), 0);
	assert_null(owner);
	assert_int_equal(w.replicas, 0);
	assert_int_equal(w.ready, INT32_MAX);
	cJSON_Delete(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_managed_spot_node_is_read_whole),
		cmocka_unit_test(groups_and_owners_come_from_the_labels_of_each_tool),
		cmocka_unit_test(nonsense_in_a_node_is_absent_and_a_wrong_name_refuses_it),
		cmocka_unit_test(a_pod_of_a_stateful_set_with_a_claim),
		cmocka_unit_test(what_made_a_pod_is_told_apart),
		cmocka_unit_test(requests_are_what_the_scheduler_counts),
		cmocka_unit_test(a_deployment_is_known_by_its_pods_hash),
		cmocka_unit_test(a_budget_says_whether_its_status_is_of_now),
		cmocka_unit_test(a_replica_set_names_its_deployment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
