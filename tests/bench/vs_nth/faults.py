# SPDX-License-Identifier: Apache-2.0
"""The metadata service fails around a notice: who exits, and how long after it answers again the node is tainted.

All faults run at the same time, each at addresses of its own. A peer that ends is started again as a kubelet does it, so that its
delay is what a cluster would see. A fault begins when all agents poll; its notice comes while it lasts.
"""
import time

from .figures import text
from .sides import Ours, Peer
from .world import OUR_TAINT, PEER_TAINT, Taints

DELAY_S = 1.5
GARBAGE = '{"action": terminate'


class Fault:
    """steps: (second, verb, options) of the metadata service; answers_s: when both the notice and a healthy service are there."""

    def __init__(self, name, title, answers_s, steps):
        self.name, self.title, self.answers_s, self.steps = name, title, answers_s, steps

    def begin(self, bench, copies):
        names, self.instances = bench.nodes(2 * copies)
        self.peers, self.ours = names[:copies], names[copies:]
        self.agents = [(Peer(bench, n, i, kubelet=True) if n in self.peers else Ours(bench, n, i)) for n, i in zip(names, self.instances)]

    def exits(self, make):
        return sum(a.exits > 0 for a in self.agents if isinstance(a, make))


def lasting(name, title, kind, seconds, **options):
    return Fault(name, title, seconds, [(0, "fault", {"kind": kind, "seconds": seconds, **options}), (seconds / 2, "spot_action", {"seconds": 120})])


def faults_of(short):
    one = {"kind": "status", "status": 503, "count": 1, "path": "spot/instance-action"}
    seconds = 15 if short else 30
    found = [
        Fault("fourth_error", "four single 503s, 5 s apart, then a notice", 18, [*((s, "fault", one) for s in (0, 5, 10, 15)), (18, "spot_action", {"seconds": 120})]),
        Fault("malformed", "the notice is malformed", 0, [(0, "set", {"path": "spot/instance-action", "body": GARBAGE})]),
        lasting("refused_401", f"401 to everything for {seconds} s", "refuse", seconds),
        lasting("hang", f"no answer for {seconds} s", "hang", seconds),
        lasting("slow", f"one byte per 20 ms for {seconds} s", "slow", seconds),
    ]
    if not short:
        found += [lasting("reset", "connections are reset for 30 s", "reset", 30), lasting("status_503_60", "503 for 60 s", "status", 60),
                  lasting("status_503_120", "503 for 120 s", "status", 120)]
    return found


def run(bench, faults):
    """Plays all steps in time; the moment at which they began."""
    start = time.time()
    steps = sorted(((at, k, verb, options) for k, f in enumerate(faults) for at, verb, options in f.steps), key=lambda s: s[:2])
    for at, k, verb, options in steps:
        time.sleep(max(0.0, start + at - time.time()))
        bench.imds.call(verb, instance=[i["id"] for i in faults[k].instances], **options)
    return start


def under_faults(bench):
    faults, copies = faults_of(bench.short), 2 if bench.short else 3
    for fault in faults:
        fault.begin(bench, copies)
    bench.all_poll([i for f in faults for i in f.instances])
    time.sleep(3)
    taints = Taints(bench.kube)
    start = run(bench, faults)
    end = start + max(f.answers_s for f in faults) + (30 if bench.short else 90)
    for fault in faults:
        ready = start + fault.answers_s
        ours, theirs = ([None if m is None else m - ready for m in taints.wait(names, key, end)] for names, key in ((fault.ours, OUR_TAINT), (fault.peers, PEER_TAINT)))
        worst, their_worst = (None if None in side else max(side) for side in (ours, theirs))
        exits, their_exits = fault.exits(Ours), fault.exits(Peer)
        bench.figures.figure(f"fault_{fault.name}_exits", exits, "agents", their_exits, most=0)
        bench.figures.figure(f"fault_{fault.name}_delay", worst, "s", their_worst, most=DELAY_S)
        bench.figures.row("The metadata service fails around a notice", "| fault | exits, Petrel | peer | taint after it answers again, s, Petrel | peer |",
                          fault.title, f"{exits} of {copies}", f"{their_exits} of {copies}", text(worst),
                          f"not within {end - ready:.0f}" if their_worst is None else text(their_worst))
    taints.stop()
    for fault in faults:
        for agent in fault.agents:
            agent.stop()
        bench.forget(fault.ours + fault.peers)
