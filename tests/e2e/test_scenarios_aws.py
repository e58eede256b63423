# SPDX-License-Identifier: Apache-2.0
"""Interruptions with AWS behind them: replacements, lifecycle hooks, the event queue, instances that vanish."""
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import pytest
from cluster.cluster import free_ports
from cluster.kube import node
from petrel import ACCOUNT, CLUSTER, Aggregator
from programs import ROOT

sys.path.insert(0, str(ROOT / "tests" / "fake"))
from aws import FakeAws  # noqa: E402

ZONES = ["us-east-1a", "us-east-1b", "us-east-1c"]


@pytest.fixture
def aws(monkeypatch):
    with FakeAws() as fake:
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)
        fake.cluster(CLUSTER)
        fake.delays(launch_s=1, stop_s=1)
        yield fake
        assert not fake.violations(), fake.violations()


class Fleet:
    """A spot node group: its instances are nodes of the test cluster; a new one joins when join() is called."""

    def __init__(self, aws, world, count=3, managed=True, **options):
        self.aws, self.world, self.managed, self.nodes = aws, world, managed, {}
        self.group = self.name = f"{world.name}-spot"
        options.update(desired=count, maximum=20, zones=ZONES, types=["m6i.xlarge"])
        if managed:
            made = aws.nodegroup(CLUSTER, self.name, **options)
            self.group, instances = made["group"], made["instances"]
        else:
            tags = {f"kubernetes.io/cluster/{CLUSTER}": "owned", "alpha.eksctl.io/nodegroup-name": self.name}
            instances = aws.group(self.name, tags=tags, **options)
        for instance in instances:
            self.join(instance)

    def join(self, instance):
        name = f"{self.world.name}-{instance[-8:]}"
        zone = self.aws.group_state(self.group)["members"][instance]["zone"]
        made = node(name, group=self.name, zone=zone, instance=instance, labels={"e2e": self.world.name})
        if not self.managed:
            labels = made["metadata"]["labels"]
            labels["alpha.eksctl.io/nodegroup-name"] = labels.pop("eks.amazonaws.com/nodegroup")
        self.world.kube.create("/api/v1/nodes", made)
        self.world.nodes.append(name)
        self.world.cluster.poll(lambda: self.world.is_ready(name), 30, f"{name} is ready")
        self.nodes[name] = instance
        return name

    def launched(self):
        known = set(self.nodes.values())
        return [i for i, m in self.aws.group_state(self.group)["members"].items() if i not in known and m["ec2"] in ("pending", "running")]


def start(cluster, tmp_path, **settings):
    return Aggregator(cluster, tmp_path / "aggregator", **{"aws.enabled": "yes", "aws.region": "us-east-1", **settings})


def knows_groups(a, group):
    return any(g["group"] == group and g["max"] for g in a.get("/api/v1/groups")[1]["items"])


def links(a):
    return {link["name"]: link for link in a.get("/api/v1/status")[1]["links"]}


@pytest.fixture
def fleet(aws, world, rights):
    return Fleet(aws, world)


def test_the_replacement_is_asked_for_before_the_first_eviction(cluster, tmp_path, aws, fleet, world):
    victim = next(iter(fleet.nodes))
    world.deploy("web", 3, on=victim)
    with start(cluster, tmp_path) as a:
        cluster.poll(a.leads, 20, "it leads")
        cluster.poll(lambda: knows_groups(a, fleet.name), 20, "the node group is described")
        cluster.poll(lambda: links(a)["aws"]["state"] == "ok" and "user/petrel" in links(a)["aws"]["text"], 20, "AWS has said who asks")
        a.notice(victim, seconds=120, instance=fleet.nodes[victim])
        cluster.poll(fleet.launched, 20, "a replacement is launched")
        joined = fleet.join(fleet.launched()[0])
        d = a.until(victim, ("done",), 100)
        asked = next(e["ts_ms"] for e in a.audit("intent") if "launch" in json.dumps(e["body"]))
        evicted = next(e["ts_ms"] for e in a.audit("intent") if "evict" in json.dumps(e["body"]))
        assert asked <= evicted
        assert d["replacement"]["state"] in ("launched", "ready")
        assert victim not in {p["spec"]["nodeName"] for p in world.wait_running("web", 3)} and joined in world.nodes
        a.verify_audit()
    state = aws.group_state(fleet.group)  # the drained instance is given back by name: desired is what it was
    assert state["desired"] == 3
    assert state["members"].get(fleet.nodes[victim], {"state": "Terminated"})["state"].startswith("Terminat")


def test_without_capacity_in_a_zone_the_next_one_is_asked(cluster, tmp_path, aws, fleet, world):
    victim = next(iter(fleet.nodes))
    zone = aws.group_state(fleet.group)["members"][fleet.nodes[victim]]["zone"]
    for other in [z for z in ZONES if z != zone][:1] + [zone]:
        aws.pool(zone=other, left=0)
    with start(cluster, tmp_path) as a:
        cluster.poll(a.leads, 20, "it leads")
        cluster.poll(lambda: knows_groups(a, fleet.name), 20, "the node group is described")
        a.notice(victim, seconds=120, instance=fleet.nodes[victim])
        cluster.poll(fleet.launched, 30, "a replacement is launched in the zone that has capacity")
        a.until(victim, ("done",), 100)


@contextlib.contextmanager
def heard(url, topic):
    """The file into which nngcat writes what the debug feed says of this topic; None where nngcat is missing."""
    if not shutil.which("nngcat"):
        yield None
        return
    with tempfile.NamedTemporaryFile() as out:
        listener = subprocess.Popen(["nngcat", "--sub", "--dial", url, "--subscribe", topic, "--raw"], stdout=out, stdin=subprocess.DEVNULL)
        try:
            yield pathlib.Path(out.name)
        finally:
            listener.kill()
            listener.wait()


def test_a_notice_of_the_queue_drains_and_is_deleted_after_it(cluster, tmp_path, aws, fleet, world):
    victim = next(iter(fleet.nodes))
    url = aws.url + aws.queue("petrel")["path"]
    (port,) = free_ports(1, "127.0.0.1")
    feed = f"tcp://127.0.0.1:{port}"
    with start(cluster, tmp_path, **{"aws.queue": url, "drain.replace": "no", "feed.url": feed}) as a, heard(feed, f"notice.{CLUSTER}.{victim}") as lines:
        cluster.poll(a.leads, 20, "it leads")
        time.sleep(2)  # a subscriber hears what is published once it is connected
        began = time.time()
        aws.interrupt(fleet.nodes[victim])
        cluster.poll(lambda: "petrel.dev/interruption" in str(world.node(victim)["spec"].get("taints")), 10, "the taint")
        assert time.time() - began < 5
        aws.event("EC2 Spot Instance Interruption Warning", "aws.ec2", {"instance-id": "i-0123456789abcdef0", "instance-action": "terminate"})
        a.until(victim, ("done",), 100)
        cluster.poll(lambda: "1 of other clusters" in links(a)["queue"]["text"], 20, "the foreign event is told apart")
        cluster.poll(lambda: aws.queue_state("petrel")["messages"] == [], 20, "both messages are deleted")
        if lines is not None:  # it came by the same door as an agent's, with the node's name
            cluster.poll(lambda: '"source":"queue"' in lines.read_text(encoding="utf-8"), 5, "the debug feed tells it")
        a.verify_audit()


def test_an_instance_that_vanishes_is_a_notice_too(cluster, tmp_path, aws, fleet, world):
    victim = next(iter(fleet.nodes))
    world.deploy("web", 2, on=victim)
    with start(cluster, tmp_path, **{"drain.replace": "no"}) as a:
        cluster.poll(a.leads, 20, "it leads")
        aws.vanish(fleet.nodes[victim])
        world.kube.patch(f"/api/v1/nodes/{victim}", {"metadata": {"labels": {"kubelet": None}}})  # its kubelet falls silent
        cluster.poll(lambda: a.drain(victim), 90, "a drain begins")
        assert a.drain(victim)["source"] == "watch"
        cluster.poll(lambda: world.evictions(ACCOUNT) or None, 30, "its pods are evicted")


def test_a_life_cycle_hook_is_heard_drained_and_completed(cluster, tmp_path, aws, world, rights):
    url = aws.url + aws.queue("petrel")["path"]
    fleet = Fleet(aws, world, managed=False, hooks=[{"name": "drain", "heartbeat_s": 600}])

    def member(name):
        return aws.group_state(fleet.group)["members"].get(fleet.nodes[name], {}).get("state", "gone")

    with start(cluster, tmp_path, **{"aws.queue": url, "drain.replace": "no"}) as a:
        cluster.poll(a.leads, 20, "it leads")
        cluster.poll(lambda: knows_groups(a, fleet.name), 20, "the node group is described")
        aws.az_rebalance(fleet.group)
        # an empty node is drained and its hook completed within milliseconds: the wait itself may be over before it is seen
        leaving = cluster.poll(lambda: next((n for n in fleet.nodes if member(n).startswith(("Terminat", "gone"))), None), 30, "one is to go")
        a.until(leaving, ("done",), 100)
        cluster.poll(lambda: not member(leaving).startswith("Terminating:W"), 20, "the hook is completed")
        completed = [r for r in aws.requests() if r["operation"] == "CompleteLifecycleAction"]
        assert completed[-1]["params"]["LifecycleActionToken"], "by the token of the message"
