# SPDX-License-Identifier: Apache-2.0
"""Notice to taint. By the metadata service: one agent for each node. By the queue: one program for all."""
import os
import random
import time

from cluster.kube import instance_of
from petrel import Aggregator

from .sides import ManyOfOurs, Ours, Peer, PeerOfQueue
from .world import OUR_TAINT, PEER_TAINT, MANAGED, Fleet, Taints, each

ALONE_S, AT_100_S, AT_1000_S = 1.5, 2.0, 5.0  # what P99 may take
PEER_S, PEER_SHORT_S = 125, 60  # how long the peer's queue mode is watched
SLOW_S = 60   # how long the pods of an earlier, slow drain take to end


def after(start, moments):
    return [None if m is None else m - start for m in moments]


def alone(bench, rounds):
    """One notice at a time on either side, at instants that have nothing to do with anybody's phase."""
    sides = ((Peer, PEER_TAINT), (Ours, OUR_TAINT))
    names, instances = bench.nodes(2 * rounds)
    agents = [sides[i % 2][0](bench, name, instance) for i, (name, instance) in enumerate(zip(names, instances))]
    bench.all_poll(instances)
    time.sleep(5)  # their start costs them something
    taints, found = Taints(bench.kube), ([], [])
    for i in range(0, 2 * rounds, 2):
        time.sleep(0.5 + random.random() * 2)
        start = time.time()
        bench.imds.call("spot_action", instance=[instances[i]["id"], instances[i + 1]["id"]], seconds=120)
        for k, (_, taint) in enumerate(sides):
            found[k].extend(after(start, taints.wait([names[i + k]], taint, start + 60)))
    taints.stop()
    for agent in agents:
        agent.stop()
    bench.forget(names)
    bench.figures.latency("imds_1", ("IMDS", f"1 ({rounds} times)"), found[1], found[0], ALONE_S)


def together(bench, make, taint, count):
    """Notices on `count` new nodes in the same moment."""
    names, instances = bench.nodes(count)
    agents = [make(bench, name, instance) for name, instance in zip(names, instances)]
    try:
        bench.all_poll(instances)
        time.sleep(5 + random.random() * 2)  # their start costs them something
        taints = Taints(bench.kube)
        start = time.time()
        bench.imds.call("spot_action", instance=[i["id"] for i in instances], seconds=120)
        found = after(start, taints.wait(names, taint, start + 120))
        taints.stop()
    finally:
        for agent in agents:
            agent.stop()
    bench.forget(names)
    return found


def by_imds(bench):
    alone(bench, 8 if bench.short else 30)
    bench.say("one at a time is done")
    for count in (20,) if bench.short else (20, 50, 100):
        theirs, ours = (together(bench, make, taint, count) for make, taint in ((Peer, PEER_TAINT), (Ours, OUR_TAINT)))
        bench.figures.latency(f"imds_{count}", ("IMDS", count), ours, theirs, AT_100_S)
        bench.say(f"{count} by the metadata service are done")


class Queued:
    """Notices that go into queues."""

    def __init__(self, bench, aws, count):
        self.bench, self.aws, self.queues = bench, aws, 0

        def instance(_):
            made = aws.call("instance", tags=MANAGED)
            return made["dns"], made["id"]

        self.fleet = Fleet(bench, dict(each(range(count), instance, threads=2)))
        self.found = {}
        os.environ.update(aws.environment)  # where petrel-aggregator looks for its credentials

    def queue(self):
        self.queues += 1
        self.aws.call("queue", name=f"queue-{self.queues}", events=[])
        return f"queue-{self.queues}"

    def warn(self, queue, names):
        self.aws.call("warn", queue=queue, instance_ids=[self.fleet.instances[n] for n in names])

    # the peer: a process and a queue for each run. Runs that it does not finish may go on side by side, because what it waits for is
    # the rate that its client allows itself (5 requests a second) and not this machine.
    def peer(self, runs, slow=None):
        """runs: name to nodes. slow: those of the run "slow" that are being drained already, 10 s before."""
        processes, queues = [], {}
        for name in runs:
            queues[name] = self.queue()
            processes.append(PeerOfQueue(self.bench, self.aws, queues[name]))
        time.sleep(5)
        taints = Taints(self.bench.kube)
        if slow:
            self.warn(queues["slow"], slow)
            time.sleep(10)
        start = time.time()
        for name, nodes in runs.items():
            self.warn(queues[name], nodes)
        for name, nodes in runs.items():
            self.found["peer", name] = after(start, taints.wait(nodes, PEER_TAINT, start + (PEER_SHORT_S if self.bench.short else PEER_S)))
        taints.stop()
        for process in processes:
            process.stop()

    def aggregator(self, queue=None):
        """Petrel, with a queue; its journal is new."""
        settings = {"kube.fast_lease": "no"}  # its default; the scenarios' short one can be lost while the API server starves
        if queue:
            settings |= {"aws.enabled": "yes", "aws.region": self.aws.environment["AWS_REGION"], "aws.queue": f"{self.aws.url}/123456789012/{queue}"}
        return Aggregator(self.bench.cluster, self.bench.folder / f"aggregator-{queue or 'imds'}", **settings)

    def leading(self, a):
        self.bench.cluster.poll(a.leads, 30, "it leads")
        time.sleep(2)

    def ours(self, runs, slow=None):
        """One after the other, by one aggregator and one queue."""
        queue = self.queue()
        with self.aggregator(queue) as a:
            self.leading(a)
            for name, nodes in runs.items():
                taints = Taints(self.bench.kube)
                if name == "slow":
                    self.warn(queue, slow)
                    time.sleep(10)
                start = time.time()
                self.warn(queue, nodes)
                self.found["ours", name] = after(start, taints.wait(nodes, OUR_TAINT, start + (PEER_SHORT_S if self.bench.short else PEER_S)))
                taints.stop()
                self.bench.cluster.poll(lambda n=nodes: self.quiet(n), 100, "these drains are over", every=1)

    def quiet(self, names):
        wanted = set(names)
        return not any(p["spec"].get("nodeName") in wanted for p in self.bench.kube.items("/api/v1/namespaces/default/pods"))

    def ours_by_imds(self):
        """All of the fleet by the metadata service, with our agents in one process."""
        instances = {name: self.bench.imds.instance(instance_of(name)) for name in self.fleet.names}
        with self.aggregator() as a:
            self.leading(a)
            agents = ManyOfOurs(self.bench, a, instances)
            time.sleep(5 + random.random() * 2)
            taints = Taints(self.bench.kube)
            start = time.time()
            self.bench.imds.call("spot_action", instance=[i["id"] for i in instances.values()], seconds=120)
            found = after(start, taints.wait(self.fleet.names, OUR_TAINT, start + 120))
            taints.stop()
            agents.stop()
        self.bench.figures.latency(f"imds_{len(found)}", ("IMDS, our agents in one process", len(found)), found, None, AT_1000_S)

    def tell(self, counts):
        for count in counts:
            name = str(count)
            self.bench.figures.latency(f"queue_{count}", ("queue", count), self.found["ours", name], self.found["peer", name], AT_100_S if count < 100 else AT_1000_S)
        if ("ours", "slow") in self.found:
            ours, theirs = self.found["ours", "slow"], self.found["peer", "slow"]
            self.bench.figures.latency("queue_behind_slow_drains", (f"queue, while 50 earlier drains take {SLOW_S} s", len(ours)), ours, theirs, AT_100_S)


def by_queue(bench, aws):
    if bench.short:
        queued = Queued(bench, aws, 50)
        queued.peer({"50": queued.fleet.names})
        queued.fleet.renew()
        queued.ours({"50": queued.fleet.names})
        queued.tell((50,))
        return
    queued = Queued(bench, aws, 1000)
    names, fleet = queued.fleet.names, queued.fleet
    bench.say("1,000 nodes are there")
    runs, slow = {"50": names[:50], "200": names[50:250], "500": names[250:750], "slow": names[750:800]}, names[800:850]
    fleet.renew({n: SLOW_S for n in slow})
    queued.peer(runs, slow)
    fleet.renew()
    bench.say("the peer has done 50, 200, 500 by the queue")
    queued.peer({"1000": names})
    fleet.renew({n: SLOW_S for n in slow})
    bench.say("the peer has done 1,000 by the queue")
    queued.ours(runs, slow)
    fleet.renew()
    bench.say("50, 200, 500 of ours by the queue are done")
    queued.ours({"1000": names})
    fleet.renew()
    queued.tell((50, 200, 500, 1000))
    bench.say("1,000 of ours by the queue are done")
    queued.ours_by_imds()
    bench.forget(names)
