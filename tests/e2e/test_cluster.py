# SPDX-License-Identifier: Apache-2.0
"""The control plane itself: what Petrel counts on from a Kubernetes API server, asked of a real one.

If one of these fails after a change of version, it is the product that needs another look, not the test.
"""
import time

from cluster.kube import LEASES, POLICY, Refused, Watch, budget, pod

import pytest

TAINT = {"key": "petrel.dev/interruption", "value": "SPOT_ITN", "effect": "NoSchedule"}
FOREIGN = {"key": "example.com/theirs", "value": "1", "effect": "NoSchedule"}


def test_a_node_is_ready_and_runs_pods_and_they_end_in_their_time(world):
    (name,) = world.add_nodes(1)
    world.deploy("web", 2)
    assert {p["spec"]["nodeName"] for p in world.pods("web")} == {name}
    world.pod("slow", on=name, annotations={"e2e/stop-after": "3"}, grace=30)
    world.cluster.poll(lambda: world.kube.get(f"{world.space}/pods/slow")["status"]["phase"] == "Running", 20, "slow runs")
    start = time.monotonic()
    assert world.evict("slow")[0] == 201
    world.cluster.poll(lambda: world.kube.find(f"{world.space}/pods/slow") is None, 20, "slow has ended")
    assert 2 < time.monotonic() - start < 10


def test_a_stale_taint_patch_is_a_conflict_and_a_bare_one_wipes_foreign_taints(world):
    (name,) = world.add_nodes(1)
    path = f"/api/v1/nodes/{name}"
    world.kube.patch(path, {"spec": {"taints": [FOREIGN]}})
    version = world.node(name)["metadata"]["resourceVersion"]
    world.kube.patch(path, {"metadata": {"annotations": {"e2e": "moved"}}})
    with pytest.raises(Refused) as refused:
        world.kube.patch(path, {"metadata": {"resourceVersion": version}, "spec": {"taints": [FOREIGN, TAINT]}})
    assert refused.value.status == 409
    status, body = world.kube.ask("PATCH", path, {"spec": {"taints": [TAINT]}}, "application/strategic-merge-patch+json")
    assert status == 200 and FOREIGN["key"] not in str(body["spec"]["taints"])  # which is why Petrel never sends one


def test_a_cordon_that_changes_nothing_writes_nothing(world):
    (name,) = world.add_nodes(1)
    path = f"/api/v1/nodes/{name}"
    world.kube.patch(path, {"spec": {"unschedulable": True}})
    world.cluster.poll(lambda: world.node(name)["spec"].get("taints"), 10, "the controller's taint")
    version = world.node(name)["metadata"]["resourceVersion"]
    assert world.kube.patch(path, {"spec": {"unschedulable": True}})["metadata"]["resourceVersion"] == version


def test_an_empty_budget_is_429_and_two_budgets_are_500(world):
    world.add_nodes(1)
    world.deploy("web", 2)
    world.budget("all", "web", min_available=2)
    first, second = (p["metadata"]["name"] for p in world.pods("web"))
    status, body = world.evict(first)
    assert (status, body["details"]["causes"][0]["reason"]) == (429, "DisruptionBudget")
    world.budget("again", "web", max_unavailable=1)
    status, body = world.evict(second)
    assert status == 500 and "more than one PodDisruptionBudget" in body["message"]


def test_an_eviction_is_of_one_uid_and_can_lengthen_grace(world):
    (name,) = world.add_nodes(1)
    world.pod("short", on=name, grace=5, annotations={"e2e/stop-after": "99"})
    uid = world.kube.get(f"{world.space}/pods/short")["metadata"]["uid"]
    assert world.evict("short", preconditions={"uid": "00000000-0000-0000-0000-000000000000"})[0] == 409
    assert world.evict("short", gracePeriodSeconds=40, preconditions={"uid": uid})[0] == 201
    assert world.kube.get(f"{world.space}/pods/short")["metadata"]["deletionGracePeriodSeconds"] == 40
    assert world.evict("short", gracePeriodSeconds=2)[0] == 201  # a second one shortens
    assert world.kube.get(f"{world.space}/pods/short")["metadata"]["deletionGracePeriodSeconds"] == 2
    assert world.evict("nobody")[0] == 404


def test_an_unready_pod_passes_its_budget_only_with_always_allow(world):
    world.add_nodes(1)
    world.deploy("sick", 2, annotations={"e2e/unready": "1"})
    world.budget("sick", "sick", min_available=2)
    first, _ = (p["metadata"]["name"] for p in world.pods("sick"))
    assert world.evict(first)[0] == 429
    world.kube.patch(f"{POLICY}/namespaces/{world.name}/poddisruptionbudgets/sick", {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}})
    world.cluster.poll(lambda: world.evict(first)[0] in (201, 404), 10, "the eviction is allowed")


def test_a_lease_is_locked_by_its_version(world):
    path = f"{LEASES}/namespaces/{world.name}/leases"
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "leader"}, "spec": spec}
    made = world.kube.create(path, lease)
    assert world.kube.ask("POST", path, lease)[0] == 409
    assert world.kube.ask("PUT", f"{path}/leader", lease)[0] == 422  # no version
    assert world.kube.ask("PUT", f"{path}/leader", made)[0] == 200
    made["spec"]["holderIdentity"] = "b"
    assert world.kube.ask("PUT", f"{path}/leader", {**made, "metadata": {**made["metadata"], "resourceVersion": "1"}})[0] == 409


def test_a_watch_over_a_restart_of_the_api_server_misses_nothing(own_cluster):
    c = own_cluster(kcm=False, scheduler=False, kwok=False)
    watch = Watch(c.kube, "/api/v1/nodes")
    make = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "before"}}
    c.kube.create("/api/v1/nodes", make)
    c.restart("kube-apiserver")
    c.kube.create("/api/v1/nodes", {**make, "metadata": {"name": "after"}})
    watch.until(lambda events: {"before", "after"} <= {e["object"]["metadata"]["name"] for e in events}, 20, "both nodes are seen")
    watch.stop()


def test_without_the_watch_cache_a_compaction_ends_old_watches_with_410(own_cluster):
    c = own_cluster(kcm=False, scheduler=False, kwok=False, watch_cache=False)
    made = c.kube.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    for i in range(3):
        c.kube.patch("/api/v1/nodes/n", {"metadata": {"labels": {"i": str(i)}}})
    c.compact()
    connection = c.kube.connection()
    connection.request("GET", f"/api/v1/nodes?watch=1&resourceVersion={made['metadata']['resourceVersion']}", headers={"Authorization": f"Bearer {c.token}"})
    answer = connection.getresponse()
    first = answer.readline()
    assert b'"code":410' in first or answer.status == 410


def test_without_a_controller_manager_every_budget_says_later(own_cluster):
    c = own_cluster(kcm=False, scheduler=False, kwok=False)
    space = "/api/v1/namespaces/default"
    c.kube.create(f"{space}/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
    made = c.kube.create(f"{space}/pods", pod("p", labels={"app": "p"}, nodeName="n"))
    made["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    assert c.kube.ask("PUT", f"{space}/pods/p/status", made)[0] == 200
    c.kube.create(f"{POLICY}/namespaces/default/poddisruptionbudgets", budget("p", "p", min_available=1))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "default"}}
    status, body = c.kube.ask("POST", f"{space}/pods/p/eviction", eviction)
    assert (status, body["details"].get("retryAfterSeconds")) == (429, 10), body


def test_a_service_account_speaks_with_its_token_and_has_no_rights(world):
    token = world.cluster.account_token(world.name, "default")
    status, body = world.cluster.client(token).ask("GET", "/api/v1/nodes")
    assert status == 403 and f"system:serviceaccount:{world.name}:default" in body["message"]
    assert world.cluster.client("garbage").ask("GET", "/api/v1/nodes")[0] == 401
