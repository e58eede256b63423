# SPDX-License-Identifier: Apache-2.0
"""Scheduled maintenance, by the metadata service and by AWS Health: drained in its window, undone when it is called off."""
import json
import sys
import time

from petrel import ACCOUNT, Agent, Aggregator
from programs import ROOT
from test_scenarios_aws import Fleet, aws, start  # noqa: F401: aws is a fixture
from test_scenarios_changes import is_free

sys.path.insert(0, str(ROOT / "tests" / "fake"))
from imds import FakeImds  # noqa: E402


def test_scheduled_maintenance_is_drained_in_its_window_and_a_cancelled_one_is_undone(cluster, rights, world, tmp_path):
    """A window of 60 s: nothing is done 75 s before, the drain begins when it opens. What is called off before its time was never begun;
    what is called off after is given back."""
    nodes = world.add_nodes(4, managed=False)
    early, off_before, off_after, spare = nodes
    for node in (early, off_before):
        world.pod(f"on-{node}", on=node, grace=5)
    world.pod("held-0", on=off_after, grace=5, labels={"app": "held"})
    world.budget("held", "held", min_available=1)
    cluster.poll(lambda: all(p["status"]["phase"] == "Running" for p in world.pods()), 20, "all run")
    with Aggregator(cluster, tmp_path / "a", **{"drain.scheduled_window": "60s", "drain.patience": "1s"}) as a, FakeImds() as service:
        cluster.poll(a.leads, 30, "it leads")
        agents, instances = [], {}
        for node in nodes[:3]:
            instances[node] = service.instance(world.node(node)["spec"]["providerID"].rsplit("/", 1)[1])
            agents.append(Agent(tmp_path / node, node, instances[node], service.port, a, **{"imds.maintenance_every": "1s"}).__enter__())
            cluster.poll(lambda: instances[node].requests("events/maintenance/scheduled"), 20, "the agent polls")
        begun, start_s = len(cluster.requests(ACCOUNT)), time.time()
        instances[early].maintenance("instance-event-1", seconds=75)
        instances[off_before].maintenance("instance-event-2", seconds=75)
        instances[off_after].maintenance("instance-event-3", seconds=50)  # within the window already
        cluster.poll(lambda: world.is_marked(off_after), 10, "the one within its window")
        cluster.poll(lambda: a.drain(early) and a.drain(off_before), 10, "both are planned")
        assert is_free(world, early) and is_free(world, off_before)
        instances[off_before].maintenance("instance-event-2", seconds=75, state="canceled")
        instances[off_after].maintenance("instance-event-3", seconds=50, state="canceled")
        a.until(off_before, ("withdrawn",), 10)
        a.until(off_after, ("withdrawn",), 10)
        cluster.poll(lambda: is_free(world, off_after), 10, "it is given back")
        assert time.time() < start_s + 13 and is_free(world, early), "the test was too slow to see it"
        cluster.poll(lambda: world.is_marked(early), 20, "its window opens")
        opened = time.time() - start_s
        a.until(early, ("done",), 30)
        assert 13 < opened < 22, opened
        requests = world.evictions(ACCOUNT, begun)
        assert len(requests) == 1 and is_free(world, off_before) and world.uids(off_before) and world.uids(off_after) and spare
        print(json.dumps({"window_opened_s": round(opened, 1)}))
        a.verify_audit()
        for agent in agents:
            agent.stop()


def test_maintenance_that_aws_health_announces_waits_and_is_called_off_by_the_queue(cluster, rights, tmp_path, aws, world):  # noqa: F811
    """An AWS Health event weeks ahead is only planned; closed, it is over. The node is never touched."""
    fleet = Fleet(aws, world, managed=False, count=1)
    (node,) = fleet.nodes
    with start(cluster, tmp_path, **{"aws.queue": aws.url + aws.queue("petrel")["path"], "drain.replace": "no"}) as a:
        cluster.poll(a.leads, 20, "it leads")
        aws.health([fleet.nodes[node]], seconds=14 * 86400)
        cluster.poll(lambda: a.drain(node), 10, "it is planned")
        assert a.drain(node)["kind"] == "HEALTH" and is_free(world, node)
        (message,) = [m for m in aws.queue_state("petrel")["deleted"] if "aws.health" in m["body"]] or [None]
        if message is None:
            cluster.poll(lambda: aws.queue_state("petrel")["deleted"], 10, "its message is deleted")
            message = aws.queue_state("petrel")["deleted"][0]
        closed = json.loads(message["body"])
        closed["detail"]["statusCode"] = "closed"
        aws.send("petrel", json.dumps(closed))
        a.until(node, ("withdrawn",), 15)
        assert is_free(world, node)
        a.verify_audit()
