# SPDX-License-Identifier: Apache-2.0
"""Stateful pods with volumes: they go early, their instance is ended only when they are detached, and what hangs is freed.

The attach-detach controller, pod garbage collection and the taint manager are Kubernetes' own; the test is the CSI driver's attacher
and the part of the kubelet that says which volumes it has mounted.
"""
import json
import threading
import time

import pytest
from cluster.kube import APPS, deployment
from conftest import World, give_rights
from petrel import ACCOUNT
from test_scenarios_aws import Fleet, aws, knows_groups, start  # noqa: F401: aws is a fixture

STORAGE, DRIVER = "/apis/storage.k8s.io/v1", "ebs.csi.aws.com"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


class Volumes:
    """CSI attacher and kubelet of a cluster. detach_s: how long a detach takes; stuck: nodes whose volumes do not come off; dead: nodes
    whose kubelet is gone, so that nothing is unmounted."""

    def __init__(self, world):
        self.world, self.kube, self.detach_s, self.stuck, self.dead = world, world.kube, 0.0, set(), set()
        self.detached, self.seen, self.stopping = {}, {}, False  # when the last volume of a node came off
        self.kube.create(f"{STORAGE}/csidrivers", {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": DRIVER},
                                                   "spec": {"attachRequired": True}})
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping:
            try:
                for attachment in self.kube.items(f"{STORAGE}/volumeattachments"):
                    self.attach_or_detach(attachment)
                self.tell_mounted()
            except Exception as e:  # noqa: BLE001: a conflict is tried again
                print("volumes:", str(e)[:200])
            time.sleep(0.2)

    def attach_or_detach(self, a):
        name, node = a["metadata"]["name"], a["spec"]["nodeName"]
        path = f"{STORAGE}/volumeattachments/{name}"
        if "deletionTimestamp" not in a["metadata"]:
            if not a.get("status", {}).get("attached"):
                self.kube.patch(path, {"metadata": {"finalizers": ["external-attacher/ebs-csi-aws-com"]}})
                self.kube.patch(f"{path}/status", {"status": {"attached": True}})
            return
        since = self.seen.setdefault(name, time.monotonic())
        if node not in self.stuck and time.monotonic() - since >= self.detach_s:
            self.detached[node] = time.time()
            self.kube.patch(path, {"metadata": {"finalizers": None}})

    def tell_mounted(self):
        """What a kubelet writes into its node's status: a volume is in use from its attach until its pod has ended."""
        mounted = {}
        for p in self.world.pods():
            for v in p["spec"].get("volumes", []):
                if "persistentVolumeClaim" in v and p["spec"].get("nodeName"):
                    mounted.setdefault(p["spec"]["nodeName"], []).append(
                        f"kubernetes.io/csi/{DRIVER}^{self.world.name}-{v['persistentVolumeClaim']['claimName']}")
        for name in self.world.nodes:
            if name not in self.dead:
                node = self.world.kube.find(f"/api/v1/nodes/{name}")
                if node and sorted(node["status"].get("volumesInUse", [])) != sorted(mounted.get(name, [])):
                    self.kube.patch(f"/api/v1/nodes/{name}/status", {"status": {"volumesInUse": mounted.get(name) or None}})

    def of(self, node):
        return [a for a in self.kube.items(f"{STORAGE}/volumeattachments") if a["spec"]["nodeName"] == node]

    def claim(self, name):
        """A volume and the claim that is bound to it."""
        space = self.world.name
        spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "",
                "csi": {"driver": DRIVER, "volumeHandle": f"{space}-{name}"}, "claimRef": {"namespace": space, "name": name}}
        self.kube.create("/api/v1/persistentvolumes", {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{space}-{name}"}, "spec": spec})
        self.kube.create(f"{self.world.space}/persistentvolumeclaims", {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": f"{space}-{name}", "resources": {"requests": {"storage": "1Gi"}}}})

    def stateful(self, name, replicas, node, **settings):
        """A StatefulSet with a volume for each pod, running on this node, attached and mounted."""
        for i in range(replicas):
            self.claim(f"data-{name}-{i}")
        made = deployment(name, replicas, kind="StatefulSet", nodeSelector={"e2e": self.world.name}, **settings)
        made["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        made["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}}]
        others = [n for n in self.world.nodes if n != node]
        for other in others:
            self.kube.patch(f"/api/v1/nodes/{other}", {"spec": {"unschedulable": True}})
        self.world.cluster.poll(lambda: all(self.world.node(n)["spec"].get("taints") for n in others), 20, "others are cordoned")
        self.kube.create(f"{APPS}/namespaces/{self.world.name}/statefulsets", made)
        self.world.wait_running(name, replicas)
        self.world.cluster.poll(lambda: sum(a.get("status", {}).get("attached", False) for a in self.of(node)) >= replicas, 30, "volumes are attached")
        self.world.cluster.poll(lambda: len(self.world.node(node)["status"].get("volumesInUse", [])) >= replicas, 10, "volumes are mounted")
        for other in others:
            self.kube.patch(f"/api/v1/nodes/{other}", {"spec": {"unschedulable": None}})

    def end(self):
        self.stopping = True
        self.thread.join(5)


@pytest.fixture(scope="module")
def quick_cluster(control_plane, tmp_path_factory):
    """Silent nodes are known as such within seconds."""
    from cluster.cluster import Cluster

    with Cluster(tmp_path_factory.mktemp("volumes"), lease_s=8, node_grace="7s") as c:
        give_rights(c)
        yield c


@pytest.fixture
def stateful_fleet(quick_cluster, aws):  # noqa: F811
    world = World(quick_cluster)
    fleet = Fleet(aws, world)
    for name in fleet.nodes:
        world.kube.patch(f"/api/v1/nodes/{name}", {"metadata": {"annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}}})
    volumes = Volumes(world)
    yield fleet, volumes
    volumes.end()
    world.kube.delete(f"{STORAGE}/csidrivers/{DRIVER}")
    world.done()


def has_taint(world, node):
    return OUT_OF_SERVICE in [t["key"] for t in world.node(node)["spec"].get("taints", [])]


def test_pods_with_volumes_go_first_and_the_instance_is_ended_only_when_they_are_detached(quick_cluster, tmp_path, aws, stateful_fleet):  # noqa: F811
    fleet, volumes = stateful_fleet
    world, victim = fleet.world, next(iter(fleet.nodes))
    world.deploy("web", 3, on=victim, grace=30)
    volumes.stateful("db", 2, victim, grace=30)
    stateful, mine = world.uids(victim, "db"), world.uids(victim)
    volumes.detach_s = 5
    with start(quick_cluster, tmp_path) as a:
        quick_cluster.poll(a.leads, 20, "it leads")
        quick_cluster.poll(lambda: knows_groups(a, fleet.name), 20, "the node group is described")
        began = time.time()
        a.notice(victim, seconds=60, instance=fleet.nodes[victim])
        quick_cluster.poll(fleet.launched, 20, "a replacement is launched")
        fleet.join(fleet.launched()[0])
        quick_cluster.poll(lambda: not mine & world.uids(victim), 20, "its pods have gone")
        pods_gone = time.time()
        assert volumes.of(victim), "the volumes came off before the test could see it"
        d = a.until(victim, ("done",), 50)
        ended = time.time()
        asked = [e["body"]["uid"] for e in a.audit("intent") if e["body"]["call"] == "evict"]
        assert set(asked[:2]) == stateful, "pods with volumes are not the first"
        assert volumes.of(victim) == [] and volumes.detached[victim] - pods_gone > 2
        terminated = [r for r in aws.requests(operation="TerminateInstanceInAutoScalingGroup")]
        intent = next(e["ts_ms"] for e in a.audit("intent") if e["body"]["call"] == "terminate") / 1000
        assert len(terminated) == 1 and intent >= volumes.detached[victim] - 0.5, "ended while its volumes were being detached"
        assert ended < began + 60 and d["pods_left"] == 0 and not has_taint(world, victim)
        assert [e for e in a.audit("intent") if e["body"]["call"] == "out-of-service"] == []
        world.wait_running("db", 2)
        print(json.dumps({"pods_gone_s": round(pods_gone - began, 1), "detached_s": round(volumes.detached[victim] - began, 1), "done_s": round(ended - began, 1)}))
        a.verify_audit()


def test_volumes_that_hang_are_freed_once_the_instance_is_gone_and_the_taint_is_taken_off_again(quick_cluster, tmp_path, aws, stateful_fleet):  # noqa: F811
    """Two nodes whose kubelets die before their pods have ended. The volumes of one are freed by the taint; the other's are stuck, and
    its instance comes back: it must not lose its pods to a taint of ours."""
    fleet, volumes = stateful_fleet
    world = fleet.world
    hangs, returns, _ = fleet.nodes
    volumes.stateful("db", 2, hangs, grace=100, annotations={"e2e/stop-after": "999"})
    volumes.stateful("log", 1, returns, grace=100, annotations={"e2e/stop-after": "999"})
    with start(quick_cluster, tmp_path, **{"drain.replace": "no"}) as a:
        quick_cluster.poll(a.leads, 20, "it leads")
        began = time.time()
        for node in (hangs, returns):
            a.notice(node, seconds=8, instance=fleet.nodes[node])
            aws.interrupt(fleet.nodes[node], seconds=8, action="stop" if node == returns else "terminate")
        quick_cluster.poll(lambda: len(world.evictions(ACCOUNT)) == 3, 10, "the pods are asked to go")
        volumes.stuck.add(returns)
        for node in (hangs, returns):
            volumes.dead.add(node)
            world.kube.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": {"kubelet": None}}})  # silent from now on
        for node in (hangs, returns):
            quick_cluster.poll(lambda: has_taint(world, node), 30, "the out-of-service taint")
        tainted = time.time()
        assert tainted > began + 8, "tainted before the instance was gone"
        quick_cluster.poll(lambda: volumes.of(hangs) == [] and not world.uids(hangs), 45, "volumes and pods are free")
        freed = time.time()
        quick_cluster.poll(lambda: not has_taint(world, hangs), 10, "the taint is off: it has done its work")
        a.until(hangs, ("done", "failed"), 20)
        assert has_taint(world, returns) and volumes.of(returns), "it was taken off although the volume still hangs"
        volumes.dead.discard(returns)
        world.kube.patch(f"/api/v1/nodes/{returns}", {"metadata": {"labels": {"kubelet": "fake"}}})  # the instance was started again
        quick_cluster.poll(lambda: not has_taint(world, returns), 30, "the taint is off: the node is back")
        volumes.stuck.clear()
        a.until(returns, ("done", "failed"), 30)
        world.wait_running("db", 2)
        print(json.dumps({"tainted_s": round(tainted - began, 1), "freed_s": round(freed - began, 1)}))
        a.verify_audit()
