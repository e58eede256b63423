# SPDX-License-Identifier: Apache-2.0
"""The pods of interrupted nodes that end gracefully before the instance is gone, beside kubectl drain (which the peer does, too).

The same drawn workloads twice, on nodes of their own: graces from 10 to 300 s of which a pod needs a part, slow starts, disruption
budgets of all kinds. One set is drained by `kubectl drain` with the deadline as its time limit, started at the moment of the notice;
the other set's notices go to Petrel in the same moment. A pod has ended gracefully when it had the time it needed between the order
and the end, and was gone at the deadline.
"""
import random
import subprocess
import time

from cluster.cluster import Cluster, end_with_parent
from cluster.kube import APPS, POLICY, Watch, budget, deployment, node as make_node
from petrel import ACCOUNT, Aggregator

from .world import ROOT, each

VICTIMS, SPARES, WORKLOADS, DEADLINE_S, SEED = 4, 4, 40, 120, 4
GRACES = (10, 30, 60, 120, 300)
BUDGETS = ((9, None), (5, {"max_unavailable": 1}), (4, {"min_available": "50%"}), (2, {"max_unavailable": 0}))
ROUNDING_S = 1.0  # a deletionTimestamp has whole seconds


class Workload:
    def __init__(self, rng, number):
        self.name, self.replicas = f"w{number}", rng.randint(1, 6)
        self.grace = rng.choice(GRACES)
        self.needs_s = round(rng.uniform(0.1, 0.9) * min(self.grace, DEADLINE_S), 1)
        self.starts_s = rng.randint(2, 20)
        self.budget = rng.choices([b for _, b in BUDGETS], [w for w, _ in BUDGETS])[0]


class Place:
    """A namespace with nodes and the workloads."""

    def __init__(self, cluster, name, workloads):
        self.cluster, self.kube, self.name, self.workloads = cluster, cluster.kube, name, {w.name: w for w in workloads}
        self.kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        cluster.poll(lambda: self.kube.find(f"/api/v1/namespaces/{name}/serviceaccounts/default"), 30, "the ServiceAccount")
        self.victims = self.add_nodes("victim", VICTIMS)
        each(workloads, self.deploy)
        wanted = sum(w.replicas for w in workloads)
        cluster.poll(lambda: sum(p["status"]["phase"] == "Running" for p in self.pods()) == wanted, 60, "all pods run", every=0.5)
        self.first = {p["metadata"]["uid"]: self.workloads[p["metadata"]["labels"]["app"]] for p in self.pods()}
        self.add_nodes("spare", SPARES)
        cluster.poll(self.budgets_are_counted, 30, "budgets are counted", every=0.5)
        self.watch = Watch(self.kube, f"/api/v1/namespaces/{name}/pods")

    def add_nodes(self, kind, count):
        names = [f"{self.name}-{kind}-{i}" for i in range(count)]
        for name in names:
            self.kube.create("/api/v1/nodes", make_node(name, cpu="8", labels={"place": self.name}))
        self.cluster.poll(lambda: not any(self.kube.get(f"/api/v1/nodes/{n}")["spec"].get("taints") for n in names), 30, "nodes are ready")
        return names

    def deploy(self, w):
        self.kube.create(f"{APPS}/namespaces/{self.name}/deployments", deployment(
            w.name, w.replicas, annotations={"e2e/stop-after": str(w.needs_s), "e2e/start-after": f"{w.starts_s}s"}, grace=w.grace, nodeSelector={"place": self.name}))
        if w.budget:
            self.kube.create(f"{POLICY}/namespaces/{self.name}/poddisruptionbudgets", budget(w.name, w.name, **w.budget))

    def budgets_are_counted(self):
        found = self.kube.items(f"{POLICY}/namespaces/{self.name}/poddisruptionbudgets")
        return all(b.get("status", {}).get("currentHealthy") == self.workloads[b["metadata"]["name"]].replicas for b in found)

    def pods(self):
        return self.kube.items(f"/api/v1/namespaces/{self.name}/pods")

    def graceful(self, end):
        """Those of the first pods that had what they needed before the end; UID to workload."""
        self.watch.stop()
        told, found = {}, {}
        for e in self.watch.events:
            uid, w = e["object"]["metadata"]["uid"], self.first.get(e["object"]["metadata"]["uid"])
            if w is None:
                continue
            if e["object"]["metadata"].get("deletionTimestamp"):
                told.setdefault(uid, e["at"])
            if e["type"] == "DELETED" and e["at"] <= end and e["at"] - told[uid] >= w.needs_s - ROUNDING_S:
                found[uid] = w
        return found


def kubectl_drains(cluster, place):
    config = cluster.kubeconfig("admin", token=cluster.token)
    words = [cluster.bin / "kubectl", f"--kubeconfig={config}", f"--cache-dir={cluster.folder}/kubectl", "drain", "--force", "--ignore-daemonsets",
             "--delete-emptydir-data", f"--timeout={DEADLINE_S}s"]
    with open(cluster.folder / "drain.log", "ab") as log:
        return [subprocess.Popen([*words, name], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent) for name in place.victims]


def tell(bench, places, end, deleted):
    kinds = {"none": lambda w: w.budget is None, "that lets pods go": lambda w: w.budget and w.budget.get("max_unavailable") != 0,
             "that lets nothing go": lambda w: w.budget and w.budget.get("max_unavailable") == 0}
    good = [place.graceful(end) for place in places]
    for title, wanted in (("all", lambda w: True), *((f"budget: {k}", f) for k, f in kinds.items())):
        shares, cells = [], []
        for place, found in zip(places, good):
            count, total = sum(map(bool, map(wanted, found.values()))), sum(map(bool, map(wanted, place.first.values())))
            shares.append(100 * count / total if total else 100)
            cells.append(f"{count} of {total} ({shares[-1]:.0f} %)")
        bench.figures.figure(f"drain_graceful ({title})", shares[0], "%", shares[1], least=shares[1])
        bench.figures.row(f"Pods that ended gracefully within {DEADLINE_S} s of a notice on {VICTIMS} nodes at once", "| pods | Petrel | kubectl drain |", title, *cells)
    bench.figures.figure("drain_deleted_against_a_budget", deleted, "pods")


def policy(bench):
    rng = random.Random(SEED)
    workloads = [Workload(rng, n) for n in range(WORKLOADS)]
    with Cluster(bench.folder / "policy", lease_s=0, node_grace="24h") as cluster:
        for name in ("00-namespaces", "10-accounts", "20-rbac"):
            cluster.kubectl("apply", "-f", ROOT / "deploy" / "manifests" / f"{name}.yaml")
        ours, theirs = (Place(cluster, name, workloads) for name in ("ours", "theirs"))
        with Aggregator(cluster, bench.folder / "policy-aggregator") as a:
            cluster.poll(a.leads, 30, "it leads")
            start = time.time()
            drains = kubectl_drains(cluster, theirs)
            for name in ours.victims:
                a.notice(name, deadline=start + DEADLINE_S)
            time.sleep(max(0.0, start + DEADLINE_S + 1 - time.time()))
            for drain in drains:
                drain.kill()
                drain.wait()
        mine = {r["requestObject"].get("preconditions", {}).get("uid") for r in cluster.requests(ACCOUNT)
                if r["verb"] == "delete" and r["objectRef"]["resource"] == "pods" and r["responseStatus"].get("code", 500) < 300}
        tell(bench, (ours, theirs), start + DEADLINE_S, len(mine & set(ours.first)))
