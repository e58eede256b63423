# SPDX-License-Identifier: Apache-2.0
"""One interruption notice in a quiet cluster, from the metadata service to the last audit line."""
import time

from cluster.kube import Watch
from petrel import ACCOUNT


def test_one_notice_in_a_quiet_cluster(aggregator, world, cluster):
    a, (node, *_) = aggregator, world.add_nodes(3)
    world.deploy("web", 4, on=node, grace=30)
    world.deploy("guarded", 3, on=node, grace=5)
    world.budget("guarded", "guarded", max_unavailable=1)
    world.deploy("everywhere", 0, kind="DaemonSet", tolerations=[{"operator": "Exists"}], wait=False)
    world.wait_running("everywhere", 3)
    daemon = next(p for p in world.pods("everywhere") if p["spec"]["nodeName"] == node)["metadata"]["uid"]
    mine = {p["metadata"]["uid"] for p in world.pods() if p["spec"]["nodeName"] == node} - {daemon}
    watch = Watch(cluster.kube, f"{world.space}/pods")
    begun = len(cluster.requests(ACCOUNT))
    start = time.time()
    a.notice(node, seconds=120)

    cluster.poll(lambda: "petrel.dev/interruption" in str(world.node(node)["spec"].get("taints")), 5, "the taint")
    assert time.time() - start < 5
    found = world.node(node)
    assert found["spec"]["unschedulable"]
    assert found["metadata"]["labels"]["node.kubernetes.io/exclude-from-external-load-balancers"]
    assert "petrel.dev/drain" in found["metadata"]["annotations"]

    d = a.until(node, ("done",), 90)
    gone = {e["object"]["metadata"]["uid"] for e in watch.events if e["type"] == "DELETED"}
    assert mine <= gone and daemon not in gone
    for app, count in (("web", 4), ("guarded", 3)):
        assert node not in {p["spec"]["nodeName"] for p in world.wait_running(app, count)}
    watch.stop()
    world.budget_was_kept(watch, "guarded", least=2)
    evictions = world.evictions(ACCOUNT, begun)
    assert sorted(evictions) == sorted(set(evictions)) and len(evictions) >= len(mine)
    assert d["pods_left"] == 0 and d["deadline_ms"] > d["times"]["drained_ms"]
    reasons = {e["reason"] for e in cluster.kube.items("/apis/events.k8s.io/v1/namespaces/default/events") if e["regarding"]["name"] == node}
    assert "SpotInterruption" in reasons, reasons
    a.verify_audit()
