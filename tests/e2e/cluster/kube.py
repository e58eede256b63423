# SPDX-License-Identifier: Apache-2.0
"""A small Kubernetes REST client on the Python standard library, and makers of the objects that the tests use."""
import contextlib
import http.client
import json
import socket
import ssl
import threading
import time

MERGE = "application/merge-patch+json"
APPS, POLICY, LEASES = "/apis/apps/v1", "/apis/policy/v1", "/apis/coordination.k8s.io/v1"


class Refused(Exception):
    """The API server said no: .status is the HTTP status, .body its Status object."""

    def __init__(self, what, status, body):
        super().__init__(f"{what}: {status} {json.dumps(body)[:600]}")
        self.status, self.body = status, body


class Kube:
    """One identity at one API server. Safe to use from several threads: each has its own connection."""

    def __init__(self, host, port, ca, token):
        self.host, self.port, self.token = host, port, token
        self.context = ssl.create_default_context(cafile=ca)
        self.context.check_hostname = False  # the address may be one of a network namespace; the CA is ours alone
        self.local = threading.local()

    def connection(self, timeout=30):
        return http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=timeout)

    def ask(self, method, path, body=None, content_type="application/json"):
        """(status, object), whatever the status. A connection that broke is made again, once."""
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = content_type
            body = json.dumps(body)
        for last in (False, True):
            connection = getattr(self.local, "connection", None) or self.connection()
            self.local.connection = connection
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                data = answer.read()
                break
            except (http.client.HTTPException, OSError):
                connection.close()
                self.local.connection = None
                if last:
                    raise
        try:
            return answer.status, json.loads(data)
        except ValueError:
            return answer.status, data.decode("utf-8", "replace")

    def _must(self, method, path, *rest):
        status, body = self.ask(method, path, *rest)
        if status >= 300:
            raise Refused(f"{method} {path}", status, body)
        return body

    def get(self, path):
        return self._must("GET", path)

    def items(self, path):
        return self.get(path)["items"]

    def find(self, path):
        """The object, or None if there is none."""
        status, body = self.ask("GET", path)
        if status == 404:
            return None
        if status >= 300:
            raise Refused(f"GET {path}", status, body)
        return body

    def create(self, path, body):
        return self._must("POST", path, body)

    def patch(self, path, body):
        """A merge patch. Lists (taints!) are replaced as a whole."""
        return self._must("PATCH", path, body, MERGE)

    def delete(self, path, **options):
        status, body = self.ask("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})
        if status >= 300 and status != 404:
            raise Refused(f"DELETE {path}", status, body)
        return body


class Watch:
    """Everything that happens to the objects of one collection: events of {"type", "object", "at"} in the order they came.

    Starts with what exists. Goes on over broken connections and restarts of the server; what came twice is in it twice.
    """

    def __init__(self, kube, path):
        self.kube, self.path = kube, path
        self.events, self.wake = [], threading.Condition()
        self.stopping, self.socket = False, None
        self.synced = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        if not self.synced.wait(20):
            raise TimeoutError(f"no list of {path}")

    def _add(self, kind, thing):
        with self.wake:
            self.events.append({"type": kind, "object": thing, "at": time.time()})
            self.wake.notify_all()

    def _once(self, version):
        mark = "&" if "?" in self.path else "?"
        if version is None:
            status, found = self.kube.ask("GET", self.path)
            if status != 200:
                raise OSError(f"list: {status}")
            for thing in found["items"]:
                self._add("ADDED", thing)
            version = found["metadata"]["resourceVersion"]
            self.synced.set()
        connection = self.kube.connection(timeout=120)
        connection.connect()
        self.socket = connection.sock
        connection.request(
            "GET", f"{self.path}{mark}watch=1&resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=100",
            headers={"Authorization": f"Bearer {self.kube.token}"},
        )
        answer = connection.getresponse()
        if answer.status != 200:
            return None
        while line := answer.readline():
            event = json.loads(line)
            if event["type"] == "ERROR":
                return None
            version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._add(event["type"], event["object"])
        return version

    def _run(self):
        version = None
        while not self.stopping:
            try:
                version = self._once(version)
            except (http.client.HTTPException, OSError, ValueError, AttributeError):
                time.sleep(0.1)

    def until(self, condition, seconds, what):
        """Waits until condition(events) is true and returns what it returned."""
        end = time.monotonic() + seconds
        with self.wake:
            while not (result := condition(self.events)):
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{what}: not within {seconds} s")
                self.wake.wait(min(left, 1.0))
            return result

    def of(self, **fields):
        """Events so far whose object's metadata has these values."""
        with self.wake:
            return [e for e in self.events if all(e["object"]["metadata"].get(k) == v for k, v in fields.items())]

    def stop(self):
        self.stopping = True
        if self.socket:  # not close(): that waits for the thread that reads
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)


def node(name, group="spot-a", zone="us-east-1a", cpu="4", labels=None, fake=True, instance=None, managed=True):
    capacity = {"cpu": cpu, "memory": "16Gi", "pods": "110"}
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone, "topology.kubernetes.io/region": zone[:-1],
                "topology.k8s.aws/zone-id": "use1-az" + str("abcdef".index(zone[-1]) + 1), "node.kubernetes.io/instance-type": "m6i.xlarge",
                "eks.amazonaws.com/nodegroup" if managed else "alpha.eksctl.io/nodegroup-name": group, "eks.amazonaws.com/capacityType": "SPOT",
                **({"kubelet": "fake"} if fake else {}), **(labels or {}),
            },
        },
        "spec": {"providerID": f"aws:///{zone}/{instance or instance_of(name)}"},
        "status": {"capacity": capacity, "allocatable": capacity},
    }


def instance_of(name):
    """The instance id behind a node's name: one for each name, and of the shape that EC2 gives."""
    return "i-" + name.encode().hex()[-17:].rjust(17, "0")


def pod_spec(grace=None, cpu="50m", **spec):
    wanted = {"containers": [{"name": "main", "image": "none", "resources": {"requests": {"cpu": cpu, "memory": "32Mi"}}}], **spec}
    if grace is not None:
        wanted["terminationGracePeriodSeconds"] = grace
    return wanted


def pod(name, labels=None, annotations=None, **spec):
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}},
        "spec": pod_spec(**spec),
    }


def deployment(name, replicas, annotations=None, kind="Deployment", **spec):
    """A Deployment (or ReplicaSet, StatefulSet, DaemonSet) whose pods have the label app=NAME."""
    wanted = {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}, "annotations": annotations or {}}, "spec": pod_spec(**spec)},
    }
    if kind != "DaemonSet":
        wanted["replicas"] = replicas
    if kind == "StatefulSet":
        wanted["serviceName"] = name
        wanted["podManagementPolicy"] = "Parallel"
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": wanted}


def budget(name, app, **spec):
    """A PodDisruptionBudget over the pods with the label app=APP: min_available=…, max_unavailable=…, policy=…"""
    wanted = {"selector": {"matchLabels": {"app": app}}}
    for key, field in (("min_available", "minAvailable"), ("max_unavailable", "maxUnavailable"), ("policy", "unhealthyPodEvictionPolicy")):
        if key in spec:
            wanted[field] = spec[key]
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": wanted}
