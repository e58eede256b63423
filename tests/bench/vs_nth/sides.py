# SPDX-License-Identifier: Apache-2.0
"""The programs that are compared: one per node (the peer's IMDS mode, our agent), one for all (its queue mode, our aggregator)."""
import os
import subprocess
import threading

from cluster.cluster import end_with_parent
from petrel import CLUSTER, Agent
from programs import BUILD

AS_POD = """mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount &&
cp "$1" /run/secrets/kubernetes.io/serviceaccount/token && cp "$2" /run/secrets/kubernetes.io/serviceaccount/ca.crt && shift 2 && exec "$@" """


class Where:
    """An instance of the fake metadata service, as petrel.Agent wants it."""

    def __init__(self, instance):
        self.address = instance["address"]


def start_peer(bench, name, *arguments, **environment):
    """One aws-node-termination-handler with a mount namespace of its own (its credentials have a fixed path)."""
    command = ["unshare", "-m", "sh", "-c", AS_POD, "sh", bench.token, bench.cluster.pki.path("ca.crt"), bench.peer / "aws-node-termination-handler",
               f"--node-name={name}", "--taint-node=true", "--delete-local-data=true", "--ignore-daemon-sets=true", "--pod-name=nth", "--pod-namespace=default",
               *arguments]
    environment = dict(os.environ, KUBERNETES_SERVICE_HOST=bench.cluster.address, KUBERNETES_SERVICE_PORT=str(bench.cluster.port), **environment)
    with open(bench.folder / f"peer-{name}.log", "ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, preexec_fn=end_with_parent)


class Peer:
    """The peer of one node. kubelet: started again when it ends, as a kubelet does it: at once, then after 10, 20, 40 … s."""

    def __init__(self, bench, node, instance, kubelet=False):
        self.arguments = (bench, node, f"--metadata-url=http://{instance['address']}:{instance['port']}", "--enable-spot-interruption-draining=true",
                          "--enable-scheduled-event-draining=true")
        self.process, self.exits, self.stopping = start_peer(*self.arguments), 0, threading.Event()
        if kubelet:
            threading.Thread(target=self.look_after, daemon=True).start()

    def look_after(self):
        back_off = 0
        while not self.stopping.is_set():
            self.process.wait()
            if self.stopping.wait(back_off):
                return
            self.exits += 1
            self.process = start_peer(*self.arguments)
            back_off = min(300, back_off * 2 or 10)

    def stop(self):
        self.stopping.set()
        self.process.kill()
        self.process.wait()


class Ours:
    """Our agent of one node."""

    def __init__(self, bench, node, instance, **settings):
        self.agent = Agent(bench.folder / f"agent-{node}", node, Where(instance), instance["port"], bench.aggregator, **settings)
        self.agent.__enter__()
        self.process = self.agent.process

    @property
    def exits(self):
        return int(self.process.poll() is not None)

    def stop(self):
        self.agent.stop()


class PeerOfQueue:
    """The peer's queue processor with its defaults."""

    def __init__(self, bench, aws, queue):
        secrets = {name: value for name, value in aws.environment.items() if name.startswith("AWS_") and name != "AWS_ENDPOINT_URL"}
        self.process = start_peer(
            bench, f"queue-{queue}", "--enable-sqs-termination-draining=true", f"--queue-url={aws.url}/123456789012/{queue}", f"--aws-endpoint={aws.url}",
            f"--aws-region={aws.environment['AWS_REGION']}", **secrets)

    def stop(self):
        self.process.kill()
        self.process.wait()


class ManyOfOurs:
    """Many of our agents in one process (agents.c)."""

    def __init__(self, bench, aggregator, instances):
        """instances: node name to where its metadata service is."""
        port = next(iter(instances.values()))["port"]
        with open(bench.folder / "agents.log", "ab") as log:
            self.process = subprocess.Popen([BUILD / "vs-nth-agents", str(port), str(aggregator.data), str(aggregator.urgent), CLUSTER], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, preexec_fn=end_with_parent)
        self.process.stdin.write("".join(f"{name} {i['address']}\n" for name, i in instances.items()))
        self.process.stdin.close()
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the agents ended with {self.process.wait()}")

    def stop(self):
        self.process.kill()
        self.process.wait()
