# SPDX-License-Identifier: Apache-2.0
"""An installation that is broken on purpose, and what `petrel doctor` says about it."""
import json
import subprocess

from cluster.kube import node
from conftest import give_rights
from petrel import Aggregator
from programs import BUILD

ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/petrel-aggregator"


def doctor(a):
    """Every finding by its name (the last of several)."""
    done = subprocess.run([BUILD / "petrel", "doctor", "-o", "json", "--server", f"http://127.0.0.1:{a.http}"], capture_output=True, text=True, check=False)
    return {c["name"]: c for c in json.loads(done.stdout)["checks"]}


def test_a_missing_right_is_said_before_it_is_needed(own_cluster, tmp_path):
    """The role lacks two rights that no watch needs: nothing shows it until a node has to be drained, but doctor."""
    cluster = own_cluster(kcm=False, scheduler=False, kwok=False)
    give_rights(cluster)
    whole = cluster.kube.get(ROLE)["rules"]
    rules = [{**r, "verbs": [v for v in r["verbs"] if v != "patch"]} for r in whole if r["resources"] != ["pods/eviction"]]
    cluster.kube.patch(ROLE, {"rules": rules})
    cluster.kube.create("/api/v1/nodes", node("alone"))
    with Aggregator(cluster, tmp_path / "a", mode="observe") as a:
        found = cluster.poll(lambda: (lambda f: f if "rights" in f else None)(doctor(a)), 30, "the rights are reviewed")
        assert found["rights"]["state"] == "fail" and "may not patch nodes: no node can be cordoned" in found["rights"]["text"]
        assert "20-rbac.yaml" in found["rights"]["advice"] and "create pods/eviction" in found["rights"]["advice"]
        assert found["kubernetes"]["state"] == "ok"
        assert found["mode"]["state"] == "info" and "nothing is done" in found["mode"]["text"]
        assert found["nodes"]["state"] == "warn" and "alone" in found["nodes"]["text"]
    cluster.kube.patch(ROLE, {"rules": whole})
    with Aggregator(cluster, tmp_path / "b") as a:
        found = cluster.poll(lambda: (lambda f: f if "rights" in f else None)(doctor(a)), 30, "the rights are reviewed")
        assert found["rights"]["state"] == "ok", found["rights"]
        assert "mode" not in found
