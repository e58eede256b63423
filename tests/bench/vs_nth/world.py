# SPDX-License-Identifier: Apache-2.0
"""Where both sides are measured: one control plane, one fake metadata service, one fake AWS (a process each), nodes and pods."""
import concurrent.futures
import http.client
import json
import pathlib
import shlex
import subprocess
import sys
import threading
import time

from cluster.cluster import end_with_parent
from cluster.kube import Watch, instance_of, node as make_node, pod as make_pod

ROOT = pathlib.Path(__file__).resolve().parents[3]
OUR_TAINT, PEER_TAINT = "petrel.dev/interruption", "aws-node-termination-handler/spot-itn"
MANAGED = {"aws-node-termination-handler/managed": ""}  # without this tag the peer's queue mode leaves an instance alone
POD_ENDS_S, POD_GRACE_S = 10, 30  # what each node carries: one pod that takes so long to end
SPACE = "/api/v1/namespaces/default"


def each(things, do, threads=8):
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(do, things))


class Service:
    """A fake in a process of its own, scripted over HTTP; its first lines say where."""

    def __init__(self, folder, name, command):
        with open(folder / f"{name}.log", "ab") as log:
            self.process = subprocess.Popen([sys.executable, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                                            preexec_fn=end_with_parent)

    def line(self, begin):
        for line in self.process.stdout:
            if line.startswith(begin):
                return line[len(begin):].strip()
        raise RuntimeError(f"the fake ended before it said {begin!r}")

    def post(self, port, path, options):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("POST", path, json.dumps(options))
            answer = connection.getresponse()
            body = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {body}")
        return body

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Imds(Service):
    def __init__(self, folder):
        super().__init__(folder, "imds", [ROOT / "tests/fake/imds.py", "--port=0", "--instances=0", "--control=0"])
        self.control = int(self.line("control: ").rstrip("/").rsplit(":", 1)[1])

    def call(self, verb, **options):
        return self.post(self.control, f"/{verb}", options)

    def instance(self, instance_id):
        """Where it listens: {"id", "address", "port"}."""
        return self.call("instance", id=instance_id)


class Aws(Service):
    def __init__(self, folder):
        super().__init__(folder, "aws", [ROOT / "tests/fake/aws", "--port=0"])
        self.environment = {}
        while "AWS_EC2_METADATA_DISABLED" not in self.environment:
            name, _, value = self.line("export ").partition("=")
            self.environment[name] = shlex.split(value)[0]
        self.url = self.environment["AWS_ENDPOINT_URL"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def call(self, verb, **options):
        return self.post(self.port, f"/_control/{verb}", options)


class Taints(Watch):
    """When each node was first seen to have each taint; forgets everything else."""

    def __init__(self, kube):
        self.first = {}
        super().__init__(kube, "/api/v1/nodes")

    def _add(self, kind, thing):
        now, name = time.time(), thing["metadata"]["name"]
        with self.wake:
            for taint in thing["spec"].get("taints", []):
                self.first.setdefault((name, taint["key"]), now)
            self.wake.notify_all()

    def wait(self, names, key, end):
        """Until all of them have it, or until then: the moments, None for those that have it not."""
        with self.wake:
            while time.time() < end and not all((name, key) in self.first for name in names):
                self.wake.wait(min(0.5, max(0.01, end - time.time())))
            return [self.first.get((name, key)) for name in names]


class Bench:
    """What the parts share."""

    def __init__(self, folder, peer, cluster, imds, figures, short):
        self.folder, self.peer, self.cluster, self.imds, self.figures, self.short = folder, peer, cluster, imds, figures, short
        self.kube, self.made, self.lock, self.started = cluster.kube, 0, threading.Lock(), time.monotonic()
        self.kube.create(f"{SPACE}/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nth"}})
        cluster.kubectl("create", "clusterrolebinding", "nth", "--clusterrole=cluster-admin", "--serviceaccount=default:nth")
        for name in ("00-namespaces", "10-accounts", "20-rbac"):
            cluster.kubectl("apply", "-f", ROOT / "deploy" / "manifests" / f"{name}.yaml")
        self.token = cluster.write("nth-token", cluster.account_token("default", "nth"))

    def say(self, text):
        print(f"vs-nth: {time.monotonic() - self.started:4.0f} s: {text}", file=sys.stderr, flush=True)

    def nodes(self, count):
        """So many new nodes, each with a metadata service: names and where these are."""
        with self.lock:
            names = [f"bench-{self.made + i:05d}" for i in range(count)]
            self.made += count
        each(names, lambda name: self.kube.create("/api/v1/nodes", make_node(name)))
        return names, [self.imds.instance(instance_of(name)) for name in names]

    def forget(self, names):
        each(names, lambda name: self.kube.delete(f"/api/v1/nodes/{name}"))

    def all_poll(self, instances, seconds=120):
        ids = [i["id"] for i in instances]
        self.cluster.poll(lambda: all(self.imds.call("count", instance=ids, path="spot/instance-action").values()), seconds, "all poll", every=0.5)


class Fleet:
    """Many nodes with a pod on each, which can be made as new again. instances: node name to instance id."""

    def __init__(self, bench, instances):
        self.bench, self.kube, self.instances, self.names = bench, bench.kube, instances, list(instances)
        each(self.names, lambda name: self.kube.create("/api/v1/nodes", make_node(name, instance=instances[name])))
        self.fill()

    def fill(self, ends=None):
        """A pod on every node that has none. ends: how long those of some nodes take to end, in seconds."""
        ends = ends or {}

        def there():
            return {p["spec"].get("nodeName"): p for p in self.kube.items(f"{SPACE}/pods")}

        self.bench.cluster.poll(lambda: not any("deletionTimestamp" in p["metadata"] for p in there().values()), 120, "old pods are gone", every=1)
        have = {n: p["metadata"]["annotations"]["e2e/stop-after"] for n, p in there().items()}
        wanted = [n for n in self.names if have.get(n) != str(ends.get(n, POD_ENDS_S))]
        each([n for n in wanted if n in have], lambda n: self.kube.delete(f"{SPACE}/pods/on-{n}", gracePeriodSeconds=0))
        each(wanted, lambda n: self.kube.create(f"{SPACE}/pods", make_pod(
            f"on-{n}", nodeName=n, grace=max(POD_GRACE_S, ends.get(n, 0)), annotations={"e2e/stop-after": str(ends.get(n, POD_ENDS_S))})))
        self.bench.cluster.poll(lambda: all(p["status"]["phase"] == "Running" for p in there().values()), 240, "all pods run", every=1)
        self.bench.cluster.poll(lambda: not self.tainted(), 120, "all nodes are ready", every=1)

    def tainted(self):
        return [n["metadata"]["name"] for n in self.kube.items("/api/v1/nodes") if n["spec"].get("taints") and n["metadata"]["name"] in self.instances]

    def renew(self, ends=None):
        """As if nothing had happened to these nodes."""
        clean = {"spec": {"taints": None, "unschedulable": None}, "metadata": {
            "annotations": {"petrel.dev/drain": None}, "labels": {"node.kubernetes.io/exclude-from-external-load-balancers": None}}}
        each(self.tainted(), lambda name: self.kube.patch(f"/api/v1/nodes/{name}", clean))
        self.fill(ends)
