# SPDX-License-Identifier: Apache-2.0
"""Disruption budgets and grace periods against a deadline, on a real API server."""
import datetime
import time

from cluster.kube import Watch
from petrel import ACCOUNT


def epoch(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def asked(world, cluster, begun):
    return {uid: (grace, epoch(at), verb) for uid, grace, at, verb in world.asked_to_go(ACCOUNT, begun)}


def test_what_a_zero_budget_blocks_goes_at_the_end_with_the_grace_that_is_left(aggregator, world, cluster):
    """Until 25 s before the deadline the budget is respected; then the pod is deleted, never with grace 0."""
    a, (node,) = aggregator, world.add_nodes(1)
    world.deploy("stuck", 2, grace=60)
    world.budget("stuck", "stuck", min_available=2)
    mine, begun, start = world.uids(node), len(cluster.requests(ACCOUNT)), time.time()
    a.notice(node, seconds=36)
    a.until(node, ("done", "failed"), 45)
    assert not mine & world.uids(node), "a pod has stayed"
    requests = asked(world, cluster, begun)
    assert set(requests) == mine
    for grace, at, verb in requests.values():
        assert verb == "delete" and start + 8 < at < start + 14, "not at 25 s before the end"
        assert 1 <= grace <= 26
    notes = [e["note"] for e in cluster.kube.items("/apis/events.k8s.io/v1/namespaces/default/events") if e["regarding"]["name"] == node]
    assert any("stuck" in note for note in notes), f"no Event names the budget: {notes}"


def test_half_of_a_workload_stays_when_its_budget_says_so(aggregator, world, cluster):
    a, (node, *_) = aggregator, world.add_nodes(3)
    world.deploy("half", 6, on=node, grace=10)
    world.budget("half", "half", min_available="50%")
    mine, begun, watch = world.uids(node), len(cluster.requests(ACCOUNT)), Watch(cluster.kube, f"{world.space}/pods")
    a.notice(node, seconds=120)
    a.until(node, ("done",), 60)
    world.wait_running("half", 6)
    watch.stop()
    world.budget_was_kept(watch, "half", least=3)
    requests = asked(world, cluster, begun)
    assert set(requests) == mine and {verb for _, _, verb in requests.values()} == {"create"}


def test_two_budgets_over_one_pod_do_not_hold_it_past_the_deadline(aggregator, world, cluster):
    """The eviction API answers 500 for ever: said, and deleted at the end."""
    a, (node, *_) = aggregator, world.add_nodes(2)
    world.deploy("twice", 2, on=node, grace=5)
    world.budget("one", "twice", max_unavailable=1)
    world.budget("two", "twice", max_unavailable=1)
    mine, begun = world.uids(node), len(cluster.requests(ACCOUNT))
    a.notice(node, seconds=34)
    a.until(node, ("done", "failed"), 45)
    assert not mine & world.uids(node)
    requests = asked(world, cluster, begun)
    assert set(requests) == mine and all(grace >= 1 for grace, _, _ in requests.values())


def test_unready_pods_pass_with_always_allow_and_wait_without(aggregator, world, cluster):
    a, (node,) = aggregator, world.add_nodes(1)
    world.deploy("sick", 2, annotations={"e2e/unready": "1"}, grace=5)
    world.deploy("crash", 2, annotations={"e2e/unready": "1"}, grace=5)
    world.budget("sick", "sick", min_available=2)
    world.budget("crash", "crash", min_available=2, policy="AlwaysAllow")
    sick, crash = world.uids(node, "sick"), world.uids(node, "crash")
    begun, start = len(cluster.requests(ACCOUNT)), time.time()
    a.notice(node, seconds=38)
    a.until(node, ("done", "failed"), 45)
    requests = asked(world, cluster, begun)
    for uid in crash:
        _, at, verb = requests[uid]
        assert verb == "create" and at < start + 5
    for uid in sick:
        _, at, verb = requests[uid]
        assert verb == "delete" and at > start + 8


def test_graces_from_5_to_300_s_fit_into_the_deadline(aggregator, world, cluster):
    """No pod is given more than its own grace, nor more than is left; stubborn ones are gone when the instance is."""
    a, (node, *_) = aggregator, world.add_nodes(2)
    graces = {}
    for grace in (5, 30, 120, 300):
        world.pod(f"grace-{grace}", on=node, grace=grace, annotations={"e2e/stop-after": "999"})
        graces[world.kube.get(f"{world.space}/pods/grace-{grace}")["metadata"]["uid"]] = grace
    cluster.poll(lambda: all(p["status"]["phase"] == "Running" for p in world.pods()), 20, "they run")
    begun, start = len(cluster.requests(ACCOUNT)), time.time()
    a.notice(node, seconds=40)
    a.until(node, ("done", "failed"), 50)
    requests = asked(world, cluster, begun)
    assert set(requests) == set(graces)
    for uid, (given, at, _) in requests.items():
        left = start + 40 - at
        assert 1 <= given <= min(graces[uid], left + 1), (graces[uid], given, left)
        assert at < start + 3
    assert world.pods() == [] and time.time() < start + 45
