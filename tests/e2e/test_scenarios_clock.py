# SPDX-License-Identifier: Apache-2.0
"""Clocks that are wrong by five minutes, or are set while a deadline runs: no pod is killed early, none is forgotten, one leads."""
import json
import os
import subprocess
import sys
import time

import pytest
from cluster.cluster import Cluster
from conftest import give_rights
from petrel import ACCOUNT, CLUSTER, Agent, Aggregator
from programs import ROOT
from test_scenarios_budgets import asked

sys.path.insert(0, str(ROOT / "tests" / "fake"))
from imds import FakeImds  # noqa: E402

LEASE = "/apis/coordination.k8s.io/v1/namespaces/petrel/leases/petrel-aggregator"


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """The library that makes a program's clock wrong (wrong_clock.c)."""
    made = tmp_path_factory.mktemp("clock") / "wrong_clock.so"
    subprocess.run(["cc", "-O1", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", made, ROOT / "tests/e2e/wrong_clock.c", "-ldl"], check=True)
    return made


class WrongClock:
    """The clock of one program: seconds ahead of the right time."""

    def __init__(self, shim, path, seconds=0):
        self.path, self.env = path, {"LD_PRELOAD": str(shim), "PETREL_WRONG_CLOCK": str(path)}
        path.write_text(" " * 32, encoding="utf-8")
        self.set(seconds)

    def set(self, seconds):
        fd = os.open(self.path, os.O_WRONLY)
        os.pwrite(fd, f"{seconds} ".encode().ljust(32), 0)
        os.close(fd)


@pytest.fixture(scope="module")
def cluster(control_plane, tmp_path_factory, shim):
    """A control plane whose certificates are an hour old: to a clock that is behind, those made just now are not valid yet."""
    clock = WrongClock(shim, tmp_path_factory.mktemp("old") / "seconds", -3600)  # openssl alone hears it: the others are static
    with pytest.MonkeyPatch.context() as patch:
        for key, value in clock.env.items():
            patch.setenv(key, value)
        made = Cluster(tmp_path_factory.mktemp("cluster")).up()
    give_rights(made)
    yield made
    made.down()


@pytest.fixture(scope="module")
def rights(cluster):
    """Given with the cluster."""


def make(cluster, folder, clock, **settings):
    a = Aggregator(cluster, folder, **{"drain.patience": "6s", **settings})
    a.env = clock.env
    return a


def link(a):
    return next((one for one in a.get("/api/v1/status")[1]["links"] if one["name"] == "clock"), None)


def holder(cluster):
    spec = cluster.kube.get(LEASE)["spec"]
    return spec["holderIdentity"], spec.get("leaseTransitions", 0)


@pytest.mark.parametrize("seconds", [300, -300], ids=["ahead", "behind"])
def test_a_clock_that_is_five_minutes_off_shortens_no_grace_and_keeps_the_deadline(cluster, rights, world, tmp_path, shim, seconds):
    """The deadline is AWS's time of day. Pods keep their grace; what a budget blocks goes 25 s before the right end, not before."""
    node, spare = world.add_nodes(2)
    world.deploy("slow", 2, on=node, grace=20, annotations={"e2e/stop-after": "3"})
    world.pod("held-0", on=node, labels={"app": "held"}, grace=60)
    world.budget("held", "held", min_available=1)
    mine, held = world.uids(node), world.uids(node, "held")
    cluster.poll(lambda: all(p["status"]["phase"] == "Running" for p in world.pods()), 20, "all run")
    begun = len(cluster.requests(ACCOUNT))
    with make(cluster, tmp_path / "a", WrongClock(shim, tmp_path / "seconds", seconds)) as a:
        cluster.poll(a.leads, 30, "it leads")
        found = link(a)
        assert found and found["state"] == "broken" and ("+30" in found["text"] or "+29" in found["text"]) == (seconds > 0), found
        start = time.time()
        a.notice(node, seconds=36)
        d = a.until(node, ("done", "failed"), 50)
        assert abs(d["deadline_ms"] / 1000 - (start + 36)) < 2 and abs(d["observed_ms"] / 1000 - start) < 3
        requests = asked(world, cluster, begun)
        assert set(requests) == mine and spare
        for uid, (grace, at, verb) in requests.items():
            if uid in held:
                assert verb == "delete" and start + 8 < at < start + 14 and 20 <= grace <= 26, (grace, at - start)
            else:
                assert verb == "create" and at < start + 4 and grace == 20, (grace, at - start)
        assert all(abs(line["ts_ms"] / 1000 - time.time()) < 60 for line in a.audit("intent"))
        a.verify_audit()


def test_a_clock_that_is_set_during_a_drain_changes_nothing(cluster, rights, world, tmp_path, shim):
    """+5 min, -5 min, right again, within one drain: the blocked pod goes 25 s before the end, the Lease stays with its holder."""
    (node,) = world.add_nodes(1)
    world.deploy("held", 2, grace=60)
    world.budget("held", "held", min_available=2)
    mine, clock = world.uids(node), WrongClock(shim, tmp_path / "seconds")
    with make(cluster, tmp_path / "a", clock) as a:
        cluster.poll(a.leads, 30, "it leads")
        assert link(a) is None
        led, begun, start = holder(cluster), len(cluster.requests(ACCOUNT)), time.time()
        a.notice(node, seconds=40)
        for seconds in (300, -300, 0):
            time.sleep(3)
            clock.set(seconds)
            assert world.uids(node) == mine and not asked(world, cluster, begun), "asked to go before its time"
        d = a.until(node, ("done", "failed"), 50)
        requests = asked(world, cluster, begun)
        assert set(requests) == mine
        for grace, at, verb in requests.values():
            assert verb == "delete" and start + 12 < at < start + 18 and 20 <= grace <= 26, (grace, at - start)
        assert abs(d["deadline_ms"] / 1000 - (start + 40)) < 2
        assert holder(cluster) == led and a.leads(), "the Lease was lost"
        cluster.poll(lambda: link(a) is None, 5, "the clock is right again")
        a.verify_audit()


def test_two_replicas_ten_minutes_apart_have_one_leader_and_drain_once(cluster, rights, world, tmp_path, shim):
    """Leases are judged by the local monotonic clock. Both hear the notice, one acts, also while clocks are set."""
    node, spare = world.add_nodes(2)
    world.deploy("web", 3, on=node, grace=5)
    mine = world.uids(node)
    clocks = [WrongClock(shim, tmp_path / name, seconds) for name, seconds in (("ahead", 300), ("behind", -300))]
    with make(cluster, tmp_path / "a", clocks[0], name="petrel-a") as a, make(cluster, tmp_path / "b", clocks[1], name="petrel-b") as b:
        cluster.poll(lambda: a.leads() or b.leads(), 30, "one leads")
        led, begun = holder(cluster), len(cluster.requests(ACCOUNT))
        for sign in (-1, 1, -1):
            time.sleep(1.5)
            clocks[0].set(sign * 300)
            clocks[1].set(-sign * 300)
            assert holder(cluster) == led
        for one in (a, b):
            one.notice(node, seconds=60)
        (a if a.leads() else b).until(node, ("done",), 30)
        assert sorted(world.evictions(ACCOUNT, begun)) == sorted(mine) and spare and holder(cluster) == led


def test_an_agent_whose_clock_is_off_tells_the_right_deadline(cluster, rights, world, tmp_path, shim):
    """IMDS names the time; the agent's own clock is 5 min ahead, or behind. Where it has to guess (a body that cannot be understood),
    the guess is two minutes from now by the right clock, and is corrected when a good body comes."""
    nodes = world.add_nodes(3)
    for node in nodes[:2]:
        world.pod(f"on-{node}", on=node, grace=30, annotations={"e2e/stop-after": "4"})
    cluster.poll(lambda: all(p["status"]["phase"] == "Running" for p in world.pods()), 20, "all run")
    begun = len(cluster.requests(ACCOUNT))
    with Aggregator(cluster, tmp_path / "a") as a, FakeImds() as service:
        cluster.poll(a.leads, 30, "it leads")
        agents, instances = [], []
        for node, seconds in zip(nodes, (300, -300, 300)):
            instances.append(service.instance(world.node(node)["spec"]["providerID"].rsplit("/", 1)[1]))
            agents.append(Agent(tmp_path / node, node, instances[-1], service.port, a))
            agents[-1].env = WrongClock(shim, tmp_path / f"{node}.seconds", seconds).env
            agents[-1].__enter__()
        for instance in instances:
            cluster.poll(lambda: instance.requests("spot/instance-action"), 20, "the agents poll")
        start = time.time()
        for instance in instances[:2]:
            instance.spot_action("terminate", seconds=100)
        instances[2].fault("garbage", path="spot/instance-action", count=2)
        instances[2].spot_action("terminate", seconds=100)
        instances[2].fault("status", path="spot/instance-action", status=503, seconds=6)
        drains = [cluster.poll(lambda: a.drain(node), 10, "a drain") for node in nodes]
        for d in drains[:2]:
            assert abs(d["deadline_ms"] / 1000 - (start + 100)) < 3, (d["deadline_ms"] / 1000 - start)
            assert abs(d["observed_ms"] / 1000 - start) < 5
        assert abs(drains[2]["deadline_ms"] / 1000 - (start + 120)) < 5, (drains[2]["deadline_ms"] / 1000 - start)
        cluster.poll(lambda: abs(a.drain(nodes[2])["deadline_ms"] / 1000 - (start + 100)) < 3, 15, "the guess is corrected")
        for node in nodes[:2]:
            a.until(node, ("done",), 40)
        requests = asked(world, cluster, begun)
        assert len(requests) == 2 and all(verb == "create" and grace == 30 for grace, _, verb in requests.values()), requests
        print(json.dumps({CLUSTER: [round(d["deadline_ms"] / 1000 - start, 1) for d in drains]}))
        for agent in agents:
            agent.stop()
