# SPDX-License-Identifier: Apache-2.0
"""petrel-aggregator and petrel-agent as they run in a cluster: with the ServiceAccount's token and nothing more.

    with Aggregator(cluster, folder) as a:
        a.notice(node="spot-1", seconds=120)      # on the urgent lane, as an agent would send it
        with Agent(a, node="spot-1", imds=instance): ...
"""
import hashlib
import http.client
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time

from cluster.cluster import end_with_parent, free_ports
from cluster.kube import instance_of
from programs import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tests" / "flow"))
from wire_client import field, frame_of, parse, read  # noqa: E402

ACCOUNT = "system:serviceaccount:petrel:petrel-aggregator"
CLUSTER = "e2e"
KINDS = ("SPOT_ITN", "REBALANCE_RECOMMENDATION", "SCHEDULED_EVENT", "ASG_LIFECYCLE", "STATE_CHANGE", "HEALTH")
FRAME_NOTICE = 2


class Lane:
    """One connection to the urgent lane, as an agent has it (plaintext: its aggregator runs with lanes.insecure)."""

    def __init__(self, port):
        self.boot, self.sequence = os.urandom(16), 0
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.connection.sendall(bytes.fromhex("0053500000300000"))
        assert read(self.connection, 8) == bytes.fromhex("0053500000310000")

    def send(self, body):
        """Sends one notice and returns when it is receipted."""
        self.sequence += 1
        request = struct.pack(">I", 0x80000000 | self.sequence) + frame_of(FRAME_NOTICE, self.boot, self.sequence, body)
        self.connection.sendall(struct.pack(">Q", len(request)) + request)
        reply = read(self.connection, struct.unpack(">Q", read(self.connection, 8))[0])
        receipt = parse(reply[4 + 48:])
        assert receipt.get(5, 0) == 0, f"refused with errno {receipt[5]}"
        return receipt

    def close(self):
        self.connection.close()


def notice(node, seconds=120.0, kind="SPOT_ITN", instance=None, withdrawn=False, event_id="", deadline=None):
    """The record "notice" as bytes. seconds: from now to the deadline; None: the event names none."""
    instance = instance or instance_of(node)
    now = time.time()
    identity = hashlib.sha256(b"".join(part.encode() + b"\0" for part in (instance, kind, event_id))).digest()
    if deadline is None:
        deadline = now + seconds if seconds is not None else 0
    fields = [(1, identity), (2, KINDS.index(kind)), (4, CLUSTER.encode()), (5, node.encode()), (6, instance.encode()), (7, b"imds"),
              (8, event_id.encode()), (9, int(now * 1000)), (10, int(deadline * 1000)), (11, int(withdrawn))]
    return b"".join(field(number, value) for number, value in fields if value)


class Program:
    """A process, its log, and its end."""

    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log, self.process, self.env = self.folder / "log", None, {}

    def spawn(self, command, **settings):
        arguments = [str(c) for c in command]
        for key, value in settings.items():
            arguments += ["--set", f"{key}={value}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent, env={**os.environ, **self.env})

    def tail(self):
        return self.log.read_text(errors="replace")[-3000:]

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """SIGTERM; it must end by itself and well."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} does not end\n{self.tail()}") from None
        assert code in (0, -signal.SIGKILL), f"{self.name} ended with {code}\n{self.tail()}"


class Aggregator(Program):
    """settings: keys of its configuration with "." written as it is: Aggregator(c, folder, **{"drain.replace": "no"})."""

    def __init__(self, cluster, folder, name="petrel-aggregator-0", ready=True, **settings):
        super().__init__(folder, name)
        self.cluster, self.wait = cluster, ready
        self.http, self.data, self.urgent = free_ports(3, "127.0.0.1")
        token = cluster.account_token("petrel", "petrel-aggregator")
        self.settings = {
            "name": name, "clusters": CLUSTER, "mode": "act", "kube.enabled": "yes", "kube.config": cluster.kubeconfig(name, token=token),
            "kube.fast_lease": "yes", "lanes.insecure": "yes", "lanes.data": f"tcp://127.0.0.1:{self.data}",
            "lanes.urgent": f"tcp://127.0.0.1:{self.urgent}", "feed.url": "", "http.port": self.http, "store.path": "",
            "audit.path": self.folder / "audit.jsonl", "audit.key": self.folder / "audit.key", "decide.every": "30s", **settings,
        }

    def start(self):
        self.spawn([BUILD / "petrel-aggregator"], **self.settings)
        if self.wait:
            self.cluster.poll(self.is_ready, 60, f"{self.name} is ready")
        return self

    __enter__ = start

    def __exit__(self, kind, *_):
        if self.process is None:
            return
        self.thaw()
        if kind:  # the test has failed already: show what the program said
            self.process.kill()
            self.process.wait()
            print(f"--- {self.name}\n{self.tail()}")
        else:
            self.stop()

    def is_ready(self):
        """It answers, and knows the cluster: a watch is complete."""
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}\n{self.tail()}")
        try:
            return self.get("/readyz")[0] == 200 and len(self.get("/api/v1/nodes")[1]["items"]) >= len(self.cluster.kube.items("/api/v1/nodes"))
        except (OSError, http.client.HTTPException):
            return False

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(body) if body.startswith(b"{") else body.decode()

    def leads(self):
        lease = self.cluster.kube.find("/apis/coordination.k8s.io/v1/namespaces/petrel/leases/petrel-aggregator")
        return bool(lease) and lease["spec"].get("holderIdentity", "").startswith(f"{self.name}-{self.process.pid}-")

    def notice(self, node, **fields):
        """As the node's agent would send it; returns when it is receipted."""
        lane = Lane(self.urgent)
        try:
            return lane.send(notice(node, **fields))
        finally:
            lane.close()

    def drain(self, node):
        """The newest drain of this node by the API, or None."""
        status, body = self.get("/api/v1/drains")
        assert status == 200, body
        return next((d for d in body["items"] if d["node"] == node), None)

    def until(self, node, phases, seconds):
        """The drain of this node once it is in one of these phases."""
        def there():
            d = self.drain(node)
            return d if d and d["phase"] in phases else None

        try:
            return self.cluster.poll(there, seconds, f"{node} is {'/'.join(phases)}", every=0.2)
        except AssertionError as e:
            raise AssertionError(f"{e}; it is {json.dumps(self.drain(node))[:1500]}\n{self.tail()}") from None

    def audit(self, kind=None):
        """Lines of the audit file, each as the object that it holds."""
        lines = [json.loads(line) for line in (self.folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if kind is None or line["kind"] == kind]

    def verify_audit(self):
        """petrel audit verify must find nothing."""
        done = subprocess.run(
            [BUILD / "petrel", "audit", "verify", self.folder / "audit.jsonl", "--key", self.folder / "audit.key.pub"],
            capture_output=True, text=True, check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Agent(Program):
    """The real petrel-agent of one node, with a metadata service (tests/fake/imds.py) of its own."""

    def __init__(self, folder, node, imds, port, aggregators, **settings):
        super().__init__(folder, f"agent of {node}")
        self.settings = {
            "cluster.name": CLUSTER, "node.name": node, "imds.enabled": "yes", "imds.address": imds.address, "imds.port": port,
            "send.aggregators": "[127.0.0.1]", "send.data_port": aggregators.data, "send.urgent_port": aggregators.urgent,
            "send.insecure": "yes", "http.port": "0", "probe.duty": "off", **settings,
        }

    def __enter__(self):
        self.spawn([BUILD / "petrel-agent"], **self.settings)
        return self

    def __exit__(self, *_):
        self.stop()
