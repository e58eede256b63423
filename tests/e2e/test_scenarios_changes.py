# SPDX-License-Identifier: Apache-2.0
"""What was announced does not come, or comes otherwise: withdrawn notices, recommendations without an end, nodes that vanish."""
import time

import pytest
from petrel import ACCOUNT


def is_free(world, node):
    """Nothing of Petrel's is left on the node."""
    found = world.node(node)
    labels, marks = found["metadata"]["labels"], found["metadata"].get("annotations", {})
    return not (found["spec"].get("unschedulable") or world.is_marked(node) or "node.kubernetes.io/exclude-from-external-load-balancers" in labels
                or "petrel.dev/drain" in marks)


def test_a_withdrawn_notice_gives_the_node_back(aggregator, world, cluster):
    a, (node, *_) = aggregator, world.add_nodes(2)
    world.deploy("held", 2, on=node)
    world.budget("held", "held", min_available=2)
    world.kube.patch(f"/api/v1/nodes/{node}", {"spec": {"taints": [{"key": "example.com/theirs", "value": "1", "effect": "PreferNoSchedule"}]}})
    mine = world.uids(node)
    a.notice(node, seconds=120)
    cluster.poll(lambda: world.is_marked(node), 5, "the taint")
    a.notice(node, seconds=120, withdrawn=True)
    a.until(node, ("withdrawn",), 20)
    cluster.poll(lambda: is_free(world, node), 10, "the node is as before")
    assert [t["key"] for t in world.node(node)["spec"]["taints"]] == ["example.com/theirs"]
    assert world.uids(node) == mine


def test_a_withdrawn_notice_does_not_uncordon_what_somebody_else_cordoned(aggregator, world, cluster):
    a, (node, *_) = aggregator, world.add_nodes(2)
    world.deploy("held", 2, on=node)
    world.budget("held", "held", min_available=2)
    world.kube.patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
    cluster.poll(lambda: world.node(node)["spec"].get("taints"), 10, "the cordon's taint")
    a.notice(node, seconds=120)
    cluster.poll(lambda: world.is_marked(node), 5, "the taint")
    a.notice(node, seconds=120, withdrawn=True)
    a.until(node, ("withdrawn",), 20)
    cluster.poll(lambda: not world.is_marked(node), 10, "the taint is off")
    assert world.node(node)["spec"].get("unschedulable") is True


def test_a_moved_deadline_is_the_same_drain(aggregator, world, cluster):
    """The service's time slides: no second drain, the earlier end counts, nothing is asked twice."""
    a, (node, *_) = aggregator, world.add_nodes(2)
    world.deploy("held", 2, on=node)
    world.budget("held", "held", min_available=2)
    mine, begun, start = world.uids(node), len(cluster.requests(ACCOUNT)), time.time()
    a.notice(node, seconds=120)
    a.notice(node, seconds=30)
    a.notice(node, seconds=30.5, kind="STATE_CHANGE")
    a.until(node, ("done", "failed"), 40)
    assert time.time() - start < 38
    evictions = world.evictions(ACCOUNT, begun)
    assert sorted(evictions) == sorted(mine)
    assert len({line["id"] for line in a.audit("drain-plan") if line["body"]["node"] == node}) == 1


def test_a_recommendation_without_an_interruption_leaves_nobody_cordoned_for_ever(aggregator, world, cluster):
    """No replacement comes: after the patience (6 s here) the node is given back. A recommendation breaks no budget."""
    a, (node, *_) = aggregator, world.add_nodes(2, managed=False)
    world.deploy("held", 2, on=node)
    world.budget("held", "held", min_available=2)
    mine, begun = world.uids(node), len(cluster.requests(ACCOUNT))
    a.notice(node, seconds=None, kind="REBALANCE_RECOMMENDATION")
    cluster.poll(lambda: world.node(node)["spec"].get("unschedulable"), 10, "nobody new comes to it")
    cluster.poll(lambda: is_free(world, node), 60, "the node is free again")
    assert world.uids(node) == mine and world.evictions(ACCOUNT, begun) == []


def test_a_recommendation_for_a_managed_node_is_left_to_eks(aggregator, world, cluster):
    a, (node,) = aggregator, world.add_nodes(1)
    a.notice(node, seconds=None, kind="REBALANCE_RECOMMENDATION")
    cluster.poll(lambda: [p for p in a.audit("drain-plan") if p["body"]["node"] == node], 10, "a plan")
    (plan,) = [p["body"] for p in a.audit("drain-plan") if p["body"]["node"] == node]
    assert plan["stands_back"] and is_free(world, node)
    a.notice(node, seconds=60)  # an interruption of the same node is no recommendation any more
    cluster.poll(lambda: world.is_marked(node), 5, "the taint")


@pytest.mark.parametrize("labels, taints", [
    ({"karpenter.sh/nodepool": "default"}, []),
    ({}, [{"key": "ToBeDeletedByClusterAutoscaler", "value": "1", "effect": "NoSchedule"}]),
], ids=["karpenter", "cluster-autoscaler"])
def test_a_node_of_another_autoscaler_is_left_to_it(aggregator, world, cluster, labels, taints):
    a, (node,) = aggregator, world.add_nodes(1, labels=labels)
    if taints:
        world.kube.patch(f"/api/v1/nodes/{node}", {"spec": {"taints": taints}})
        time.sleep(0.3)
    a.notice(node, seconds=100)
    cluster.poll(lambda: [p for p in a.audit("drain-plan") if p["body"]["node"] == node], 10, "a plan")
    time.sleep(1)
    assert [p["body"]["stands_back"] for p in a.audit("drain-plan") if p["body"]["node"] == node] == [True] and is_free(world, node)


def test_a_node_that_is_deleted_in_mid_drain_ends_its_drain(aggregator, world, cluster):
    a, (node, *_) = aggregator, world.add_nodes(2)
    world.deploy("held", 2, on=node)
    world.budget("held", "held", min_available=2)
    a.notice(node, seconds=100)
    cluster.poll(lambda: world.is_marked(node), 5, "the taint")
    cluster.kube.delete(f"/api/v1/nodes/{node}")
    world.nodes.remove(node)
    a.until(node, ("done", "failed"), 30)
    a.verify_audit()


def test_a_notice_for_a_node_that_nobody_knows_breaks_nothing(aggregator, world, cluster):
    a, (node,) = aggregator, world.add_nodes(1)
    a.notice("no-such-node", seconds=60)
    a.notice("", seconds=60, instance="i-0fffffffffffffff0")
    world.pod("p", on=node, grace=1)
    a.notice(node, seconds=60)
    a.until(node, ("done",), 20)


def test_a_notice_that_names_only_the_instance_finds_its_node(aggregator, world, cluster):
    a, (node,) = aggregator, world.add_nodes(1, instance="i-0abcdef0123456789")
    a.notice("", seconds=60, instance="i-0abcdef0123456789")
    cluster.poll(lambda: world.is_marked(node), 5, "the taint")
