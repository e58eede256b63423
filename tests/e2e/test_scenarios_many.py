# SPDX-License-Identifier: Apache-2.0
"""Many notices in the same second, and the way of one from the metadata service through the real agent."""
import datetime
import json
import statistics
import sys
import threading
import time

import pytest
from cluster.kube import node as make_node, pod
from conftest import World, give_rights
from petrel import ACCOUNT, Agent, Aggregator, Lane, notice
from programs import ROOT

sys.path.insert(0, str(ROOT / "tests" / "fake"))
from imds import FakeImds  # noqa: E402

LANES = 20


def test_a_notice_goes_from_the_metadata_service_through_the_agent_to_the_taint(aggregator, world, cluster, tmp_path):
    """The real agent polls; the node is tainted soon after, and given back when the notice is withdrawn."""
    a, (node, *_) = aggregator, world.add_nodes(2)
    world.deploy("held", 2, on=node)
    world.budget("held", "held", min_available=2)
    with FakeImds() as service:
        instance = service.instance(world.node(node)["spec"]["providerID"].rsplit("/", 1)[1])
        with Agent(tmp_path / "agent", node, instance, service.port, a):
            cluster.poll(lambda: instance.requests("spot/instance-action"), 20, "the agent polls")
            start = time.time()
            instance.spot_action("terminate", seconds=120)
            cluster.poll(lambda: world.is_marked(node), 10, "the taint", every=0.02)
            print(f"metadata service to taint: {time.time() - start:.2f} s")
            assert time.time() - start < 5
            instance.withdraw()
            cluster.poll(lambda: not world.is_marked(node), 20, "the node is given back")


def test_a_notice_during_a_partition_is_delivered_when_it_heals(aggregator, world, cluster, tmp_path):
    """The aggregator is silent when the notice comes; the agent repeats it until there is a receipt."""
    a, (node, *_) = aggregator, world.add_nodes(2)
    with FakeImds() as service:
        instance = service.instance(world.node(node)["spec"]["providerID"].rsplit("/", 1)[1])
        with Agent(tmp_path / "agent", node, instance, service.port, a):
            cluster.poll(lambda: instance.requests("spot/instance-action"), 20, "the agent polls")
            a.freeze()
            instance.spot_action("terminate", seconds=120)
            time.sleep(6)
            assert not world.is_marked(node)
            a.thaw()
            cluster.poll(lambda: world.is_marked(node), 20, "the taint")


class Crowd:
    """A cluster of many nodes without heartbeats (they would take the CPU), a pod on each."""

    def __init__(self, cluster, count):
        give_rights(cluster)
        self.cluster, self.world = cluster, World(cluster)
        self.names = [f"many-{i:04d}" for i in range(count)]
        self.each(self.names, lambda name: cluster.kube.create("/api/v1/nodes", make_node(name)))
        self.each(self.names, lambda name: cluster.kube.create(f"{self.world.space}/pods", pod(f"on-{name}", nodeName=name, grace=10)))
        cluster.poll(self.settled, 240, "all nodes are ready and all pods run", every=1)

    def settled(self):
        return all(not n["spec"].get("taints") for n in self.cluster.kube.items("/api/v1/nodes")) and all(
            p["status"]["phase"] == "Running" for p in self.world.pods())

    @staticmethod
    def each(things, do, threads=8):
        """do(thing) of all, some at a time; an exception of one is raised."""
        left, broken = list(reversed(things)), []

        def work():
            while left and not broken:
                try:
                    do(left.pop())
                except IndexError:
                    return
                except Exception as e:  # noqa: BLE001: handed to the caller below
                    broken.append(e)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        if broken:
            raise broken[0]


def notify_all(a, names):
    """One notice for each node, all within the same second; the moment at which the first left, and the last receipt."""
    bodies = [notice(name, seconds=120) for name in names]
    lanes, lock = [Lane(a.urgent) for _ in range(LANES)], threading.Lock()
    free = list(lanes)
    start = time.time()

    def send(body):
        with lock:
            lane = free.pop()
        lane.send(body)
        with lock:
            free.append(lane)

    Crowd.each(bodies, send, threads=LANES)
    for lane in lanes:
        lane.close()
    return start, time.time()


def tainted(cluster, count):
    """When the API server had put the taint on each node, by its audit log: a watch in here would take the CPU from what is measured.
    None until all have it."""
    seen = {}
    for event in cluster.requests(ACCOUNT):
        if event["objectRef"]["resource"] == "nodes" and event["responseStatus"].get("code") == 200 and "petrel.dev/interruption" in json.dumps(
                event.get("requestObject", {})):
            at = datetime.datetime.fromisoformat(event["stageTimestamp"].replace("Z", "+00:00")).timestamp()
            seen.setdefault(event["objectRef"]["name"], at)
    return seen if len(seen) == count else None


@pytest.mark.parametrize("count", [50, 500, 1000])
def test_many_notices_in_the_same_second_are_all_drained_in_time(own_cluster, tmp_path, count):
    """Every node is tainted and emptied before its deadline; nothing is asked twice, nothing is lost."""
    crowd = Crowd(own_cluster(scheduler=False, lease_s=0, node_grace="24h"), count)
    cluster, world = crowd.cluster, crowd.world
    with Aggregator(cluster, tmp_path / "a") as a:
        cluster.poll(a.leads, 30, "it leads")
        start, receipted = notify_all(a, crowd.names)
        seen = cluster.poll(lambda: tainted(cluster, count), 60, "all are tainted", every=0.5)
        after = sorted(at - start for at in seen.values())
        figures = {"nodes": count, "receipted_s": round(receipted - start, 2), "tainted_p50_s": round(statistics.median(after), 2),
                   "tainted_p99_s": round(after[int(len(after) * 0.99)], 2), "tainted_max_s": round(after[-1], 2)}
        cluster.poll(lambda: not world.pods(), 110, "all pods are gone", every=1)
        figures["empty_s"] = round(time.time() - start, 1)
        print(json.dumps(figures))
        assert time.time() < start + 120
        evictions = world.evictions(ACCOUNT)
        assert len(evictions) == len(set(evictions)) == count
        cluster.poll(lambda: sum(d["body"]["phase"] == "done" for d in a.audit("drain")) == count, 60, "all drains are done", every=1)
        a.verify_audit()
