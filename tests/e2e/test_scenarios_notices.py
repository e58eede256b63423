# SPDX-License-Identifier: Apache-2.0
"""Notices of other kinds, through the real agent: hibernation, stop, the past, nonsense."""
import sys
import time

import pytest
from petrel import ACCOUNT, Agent
from programs import ROOT
from test_scenarios_budgets import asked

sys.path.insert(0, str(ROOT / "tests" / "fake"))
from imds import FakeImds  # noqa: E402


@pytest.fixture
def service():
    with FakeImds() as s:
        yield s


@pytest.fixture
def watched(aggregator, world, cluster, service, tmp_path):
    """Makes nodes with a real agent each: (node, instance of the metadata service), one pod of 20 s grace on it that ends after 3 s."""
    agents = []

    def make(**settings):
        (node,) = world.add_nodes(1, managed=False)
        world.pod(f"on-{node}", on=node, grace=20, annotations={"e2e/stop-after": "3"})
        cluster.poll(lambda: all(p["status"]["phase"] == "Running" for p in world.pods()), 20, "it runs")
        instance = service.instance(world.node(node)["spec"]["providerID"].rsplit("/", 1)[1])
        agents.append(Agent(tmp_path / node, node, instance, service.port, aggregator, **settings).__enter__())
        cluster.poll(lambda: instance.requests("spot/instance-action"), 20, "the agent polls")
        return node, instance

    yield make
    for agent in agents:
        agent.stop()


def test_hibernation_begins_at_once_and_a_stop_has_its_time(aggregator, world, cluster, watched):
    """Hibernation gives no two minutes: everything is asked to go at once with what is left, never with grace 0. A stop is like an end."""
    a, (sleeps, first), (stops, second) = aggregator, watched(), watched()
    begun, start_s = len(cluster.requests(ACCOUNT)), time.time()
    first.spot_action("hibernate", seconds=0)
    second.spot_action("stop", seconds=100)
    for node in (sleeps, stops):
        cluster.poll(lambda: world.is_marked(node), 5, "the taint")
        a.until(node, ("done",), 40)
    requests = asked(world, cluster, begun)
    assert len(requests) == 2 and all(at < start_s + 5 for _, at, _ in requests.values())
    assert sorted(grace for grace, _, _ in requests.values())[0] >= 1 and max(grace for grace, _, _ in requests.values()) == 20
    d = a.drain(stops)
    assert abs(d["deadline_ms"] / 1000 - start_s - 100) < 3 and a.drain(sleeps)["deadline_ms"] / 1000 < start_s + 3


def test_a_deadline_in_the_past_is_acted_on_at_once(aggregator, world, cluster, watched):
    a, (node, instance) = aggregator, watched()
    begun, start_s = len(cluster.requests(ACCOUNT)), time.time()
    instance.spot_action("terminate", seconds=-90)
    a.until(node, ("done",), 20)
    ((grace, at, _),) = asked(world, cluster, begun).values()
    assert grace >= 1 and at < start_s + 4
    assert not world.uids(node) and world.is_marked(node)


def test_a_body_that_nobody_understands_is_two_minutes_until_a_good_one_comes(aggregator, world, cluster, watched):
    """A 200 is a notice whatever is in it; the good body that follows corrects the deadline of the same drain."""
    a, (node, instance) = aggregator, watched()
    begun, start_s = len(cluster.requests(ACCOUNT)), time.time()
    instance.set("spot/instance-action", '{"action": "terminate", "time": "soon"')
    cluster.poll(lambda: world.is_marked(node), 5, "the taint")
    d = a.drain(node)
    assert abs(d["deadline_ms"] / 1000 - start_s - 120) < 4, d["deadline_ms"] / 1000 - start_s
    instance.spot_action("terminate", seconds=70)
    cluster.poll(lambda: abs(a.drain(node)["deadline_ms"] / 1000 - start_s - 70) < 4, 10, "the deadline is corrected")
    assert a.drain(node)["id"] == d["id"]
    a.until(node, ("done",), 30)
    assert len(asked(world, cluster, begun)) == 1
