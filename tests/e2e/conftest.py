# SPDX-License-Identifier: Apache-2.0
"""One control plane for the whole session; a namespace, nodes and workloads of its own for each test.

The programs are built by tests/e2e/cluster/build (tests/run e2e does it). A test that breaks the control plane, or needs a special
one, makes its own with own_cluster.
"""
import contextlib
import itertools
import os
import shutil
import subprocess

import pytest
from cluster.cluster import HERE, Cluster, programs
from cluster.kube import APPS, POLICY, budget, deployment, node, pod
from petrel import Aggregator
from programs import ROOT

MANIFESTS = ROOT / "deploy" / "manifests"
LONG = os.environ.get("PETREL_E2E_LONG") == "1"  # each fault of the API server lasts a minute


def missing():
    """Why there is no control plane here, or None."""
    if not shutil.which("openssl"):
        return "openssl is not installed"
    try:
        folder = programs()
    except subprocess.CalledProcessError as e:
        return e.stdout.strip().removeprefix("SKIP e2e: ")
    return None if (folder.parent / "complete").exists() else f"the control plane is not built: {HERE}/build"


@pytest.fixture(scope="session")
def control_plane():
    """Skips where there are no programs."""
    why = missing()
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def cluster(control_plane, tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as c:
        yield c


@pytest.fixture(scope="session")
def rights(cluster):
    """Petrel's namespaces, ServiceAccounts and RBAC, as they are shipped."""
    give_rights(cluster)


def give_rights(cluster):
    for name in ("00-namespaces", "10-accounts", "20-rbac"):
        cluster.kubectl("apply", "-f", MANIFESTS / f"{name}.yaml")


@pytest.fixture(scope="module")
def aggregator(cluster, rights, tmp_path_factory):
    """petrel-aggregator on the session's cluster, leading; one for the tests of a file."""
    with Aggregator(cluster, tmp_path_factory.mktemp("aggregator"), **{"drain.patience": "6s"}) as a:
        cluster.poll(a.leads, 30, "it leads")
        yield a


@pytest.fixture
def own_cluster(control_plane, tmp_path):
    """Makes control planes for this test only: own_cluster(kcm=False, …); they end with the test."""
    with contextlib.ExitStack() as stack:
        number = itertools.count()
        yield lambda **settings: stack.enter_context(Cluster(tmp_path / f"cluster-{next(number)}", **settings))


class World:
    """A namespace with nodes and workloads in a cluster; everything it made goes at the end."""

    numbers = itertools.count(1)

    def __init__(self, cluster):
        self.cluster, self.kube = cluster, cluster.kube
        self.name = f"w{next(self.numbers)}"
        self.nodes = []
        self.kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}})
        self.space = f"/api/v1/namespaces/{self.name}"
        cluster.poll(lambda: self.kube.find(f"{self.space}/serviceaccounts/default"), 30, "the ServiceAccount default")

    def add_nodes(self, count, prefix=None, **settings):
        """Nodes that are Ready and free of taints; their names."""
        prefix = prefix or f"{self.name}-n"
        names = [f"{prefix}{len(self.nodes) + i}" for i in range(count)]
        for name in names:
            settings["labels"] = {"e2e": self.name, **settings.get("labels", {})}
            self.kube.create("/api/v1/nodes", node(name, **settings))
        self.nodes += names
        if settings.get("fake", True):
            self.cluster.poll(lambda: all(self.is_ready(name) for name in names), 60, "nodes are ready")
        return names

    def node(self, name):
        return self.kube.get(f"/api/v1/nodes/{name}")

    def is_ready(self, name):
        found = self.node(name)
        conditions = {c["type"]: c["status"] for c in found["status"].get("conditions", [])}
        return conditions.get("Ready") == "True" and not found["spec"].get("taints")

    def pods(self, app=None):
        return self.kube.items(f"{self.space}/pods" + (f"?labelSelector=app%3D{app}" if app else ""))

    def deploy(self, name, replicas, on=None, wait=True, kind="Deployment", **settings):
        """A workload on this world's nodes (or the node `on` first: the others are cordoned meanwhile)."""
        settings.setdefault("nodeSelector", {"e2e": self.name})
        others = [n for n in self.nodes if n != on] if on else []
        for other in others:
            self.kube.patch(f"/api/v1/nodes/{other}", {"spec": {"unschedulable": True}})
        if others:
            self.cluster.poll(lambda: all(self.node(n)["spec"].get("taints") for n in others), 20, "others are cordoned")
        self.kube.create(f"{APPS}/namespaces/{self.name}/{kind.lower()}s", deployment(name, replicas, kind=kind, **settings))
        if wait or others:
            self.wait_running(name, replicas)
        for other in others:
            self.kube.patch(f"/api/v1/nodes/{other}", {"spec": {"unschedulable": None}})
        if others:
            self.cluster.poll(lambda: all(self.is_ready(n) for n in others), 20, "others are open again")

    def wait_running(self, app, count, seconds=60):
        def running():
            found = [p for p in self.pods(app) if p["status"]["phase"] == "Running" and "deletionTimestamp" not in p["metadata"]]
            return found if len(found) == count else None

        return self.cluster.poll(running, seconds, f"{count} pods of {app} run")

    def pod(self, name, on=None, **settings):
        if on:
            settings["nodeName"] = on
        return self.kube.create(f"{self.space}/pods", pod(name, **settings))

    def budget(self, name, app, **settings):
        """A PodDisruptionBudget; returns when its status counts the pods (where there is a controller manager)."""
        path = f"{POLICY}/namespaces/{self.name}/poddisruptionbudgets"
        made = self.kube.create(path, budget(name, app, **settings))
        if "kube-controller-manager" in self.cluster.wanted:
            self.cluster.poll(lambda: self.kube.get(f"{path}/{name}").get("status", {}).get("observedGeneration"), 20, "the budget's status")
        return made

    def evict(self, name, **options):
        """(status, body) of an eviction."""
        return self.kube.ask("POST", f"{self.space}/pods/{name}/eviction", {
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": self.name}, "deleteOptions": options,
        })

    # what came of it
    def asked_to_go(self, user, begin=0, cut=False):
        """(UID, grace, time, how) of each eviction ("create") or deletion ("delete") of this namespace's pods that the API server took
        from user, in order. cut: instead those that it says it did not end, because who asked was gone; it may have done them all the same."""
        found = []
        for event in self.cluster.requests(user)[begin:]:
            what, code = event["objectRef"], event["responseStatus"].get("code", 500)
            if what.get("namespace") != self.name or what["resource"] != "pods" or (code < 500 if cut else code >= 300):
                continue
            body = event.get("requestObject", {})
            options = body.get("deleteOptions", body)
            if not options.get("dryRun"):
                found.append((options["preconditions"]["uid"], options.get("gracePeriodSeconds"), event["requestReceivedTimestamp"], event["verb"]))
        return found

    def evictions(self, user, begin=0):
        """The UIDs of asked_to_go()."""
        return [uid for uid, *_ in self.asked_to_go(user, begin)]

    def uids(self, node, app=None):
        return {p["metadata"]["uid"] for p in self.pods(app) if p["spec"].get("nodeName") == node}

    def is_marked(self, node):
        return any(t["key"] == "petrel.dev/interruption" for t in self.node(node)["spec"].get("taints", []))

    @staticmethod
    def budget_was_kept(watch, app, least):
        """Never were fewer than `least` pods of app ready, by the order in which a watch told it."""
        ready, lowest = {}, None
        for event in watch.events:
            thing = event["object"]
            if thing["metadata"].get("labels", {}).get("app") != app:
                continue
            conditions = {c["type"]: c["status"] for c in thing["status"].get("conditions", [])}
            alive = event["type"] != "DELETED" and "deletionTimestamp" not in thing["metadata"]
            ready[thing["metadata"]["uid"]] = alive and conditions.get("Ready") == "True"
            if sum(ready.values()) >= least or lowest is not None:
                lowest = min(sum(ready.values()), lowest if lowest is not None else 1 << 30)
        assert lowest is not None and lowest >= least, f"{app}: only {lowest} ready"

    def done(self):
        self.kube.delete(f"/api/v1/namespaces/{self.name}")
        for name in self.nodes:
            self.kube.delete(f"/api/v1/nodes/{name}")


@pytest.fixture
def world(cluster):
    w = World(cluster)
    yield w
    w.done()
