# SPDX-License-Identifier: Apache-2.0
"""What an agent costs while nothing happens: memory, CPU, requests and packets to the metadata service."""
import os
import socket
import threading
import time

from .sides import Ours, Peer

AGENTS = 4  # of each side; the figures are of one
RESIDENT_MIB = 8
ETH_P_IP = 0x0800  # a socket of one protocol is shown what arrives: on the loopback that is each packet once


class Packets:
    """Counts the IPv4 packets from and to some addresses on the loopback, each once."""

    def __init__(self, addresses):
        self.wanted = {socket.inet_aton(a) for a in addresses}
        self.counts = dict.fromkeys(self.wanted, 0)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind(("lo", ETH_P_IP))
        self.socket.settimeout(0.2)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.is_set():
            try:
                head = self.socket.recv(20)
            except TimeoutError:
                continue
            for address in (head[12:16], head[16:20]):
                if address in self.wanted:
                    self.counts[address] += 1

    def stop(self):
        """Address to packets."""
        self.stopping.set()
        self.thread.join()
        self.socket.close()
        return {socket.inet_ntoa(a): n for a, n in self.counts.items()}


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def cpu_s(pid):
    """User and system time of a process, to the nanosecond that the scheduler keeps where it tells."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Costs:
    """Of the agents of one side over a while."""

    def __init__(self, bench, make, names, instances, **settings):
        self.bench, self.instances = bench, instances
        self.agents = [make(bench, name, instance, **settings) for name, instance in zip(names, instances)]

    def begin(self):
        self.asked, self.cpu = self.count(), self.total_cpu()

    def count(self):
        return sum(self.bench.imds.call("count", instance=[i["id"] for i in self.instances]).values())

    def total_cpu(self):
        return sum(cpu_s(a.process.pid) for a in self.agents)

    def end(self, seconds, packets):
        """Of one agent: MiB, permille of a core, requests a minute, packets a minute."""
        n = len(self.agents)
        a_minute = 60 / seconds / n
        found = (sum(resident_mib(a.process.pid) for a in self.agents) / n, (self.total_cpu() - self.cpu) / seconds / n * 1000,
                 (self.count() - self.asked) * a_minute, sum(packets[i["address"]] for i in self.instances) * a_minute)
        for agent in self.agents:
            agent.stop()
        return found


def idle(bench):
    names, instances = bench.nodes(3 * AGENTS)

    def part(k):
        return names[k * AGENTS:(k + 1) * AGENTS], instances[k * AGENTS:(k + 1) * AGENTS]

    sides = [Costs(bench, Peer, *part(0)), Costs(bench, Ours, *part(1)), Costs(bench, Ours, *part(2), **{"probe.duty": "cycle"})]
    bench.all_poll(instances)
    time.sleep(10 if bench.short else 30)  # an agent trims its memory in its 20th second
    packets = Packets([i["address"] for i in instances])
    for side in sides:
        side.begin()
    seconds = 20 if bench.short else 60
    time.sleep(seconds)
    counts = packets.stop()
    theirs, ours, probing = (side.end(seconds, counts) for side in sides)
    bench.forget(names)
    for k, (name, unit, title, budget) in enumerate((
            ("agent_resident", "MiB", "resident, MiB", RESIDENT_MIB), ("agent_cpu", "permille", "CPU, permille of a core", None),
            ("metadata_requests_a_minute", "1/min", "requests to the metadata service a minute", None),
            ("metadata_packets_a_minute", "1/min", "packets to and from it a minute", None))):
        bench.figures.figure(name, ours[k], unit, theirs[k], most=budget)
        bench.figures.row("An agent while nothing happens", "| | Petrel, no probes | Petrel, with its eBPF probes | peer |", title,
                          *(f"{side[k]:.3g}" for side in (ours, probing, theirs)))
    bench.figures.figure("agent_resident_with_probes", probing[0], "MiB", theirs[0], most=RESIDENT_MIB)
