# SPDX-License-Identifier: Apache-2.0
"""deploy/manifests applied to a real API server: admitted by Pod Security, run where they should, allowed what they need."""
import copy
import json
import pathlib
import subprocess

import pytest
from cluster.cluster import Cluster
from cluster.kube import APPS, Refused, node
from programs import BUILD, ROOT

MANIFESTS = ROOT / "deploy" / "manifests"
GOLDEN = pathlib.Path(__file__).parent / "golden"
TAINT = {"key": "example.com/any", "value": "x", "effect": "NoExecute"}


@pytest.fixture(scope="module")
def installed(control_plane, tmp_path_factory):
    """A cluster of three nodes, one of them tainted, with everything in deploy/manifests."""
    with Cluster(tmp_path_factory.mktemp("manifests")) as c:
        for i, zone in enumerate(("us-east-1a", "us-east-1b", "us-east-1a")):
            made = node(f"node-{i}", zone=zone)
            if i == 2:
                made["spec"]["taints"] = [TAINT]
            c.kube.create("/api/v1/nodes", made)
        for i in range(2):  # what a storage class would make
            c.kube.create("/api/v1/persistentvolumes", {
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"disk-{i}"},
                "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": f"/nowhere/{i}"}},
            })
        first = c.kubectl("apply", "-k", MANIFESTS)
        c.applied = first.stdout.splitlines()
        assert "Warning" not in first.stderr, first.stderr
        yield c


def pods(cluster, namespace):
    return cluster.kube.items(f"/api/v1/namespaces/{namespace}/pods")


def running(cluster, namespace, count):
    def ask():
        found = pods(cluster, namespace)
        return found if len(found) == count and all(p["status"]["phase"] == "Running" for p in found) else None

    return cluster.poll(ask, 60, f"{count} pods run in {namespace}")


def template(cluster, kind, namespace, name):
    """A Pod from a workload's template."""
    found = cluster.kube.get(f"{APPS}/namespaces/{namespace}/{kind}/{name}")["spec"]["template"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", **found["metadata"]}, "spec": found["spec"]}


def test_applying_twice_changes_nothing_and_the_files_apply_one_by_one(installed):
    again = installed.kubectl("apply", "-k", MANIFESTS).stdout.splitlines()
    differs = installed.kubectl("diff", "-k", MANIFESTS, check=False)
    assert (differs.returncode, differs.stdout) == (0, "")
    generations = [installed.kube.get(f"{APPS}/namespaces/{path}")["metadata"]["generation"]
                   for path in ("petrel/statefulsets/petrel-aggregator", "petrel-agent/daemonsets/petrel-agent")]
    assert generations == [1, 1]
    names = sorted(line.rsplit(" ", 1)[0] for line in again)
    one_by_one = []
    for path in sorted(MANIFESTS.glob("[0-9]*.yaml")):
        one_by_one += installed.kubectl("apply", "-f", path).stdout.splitlines()
    assert sorted(line.rsplit(" ", 1)[0] for line in one_by_one) == names
    installed.kubectl("apply", "-k", MANIFESTS)


def test_an_agent_runs_on_every_node_also_on_a_tainted_one(installed):
    found = running(installed, "petrel-agent", 3)
    assert {p["spec"]["nodeName"] for p in found} == {"node-0", "node-1", "node-2"}
    for p in found:
        assert p["spec"]["priority"] == 2000001000  # system-node-critical
        assert not [v for v in p["spec"]["volumes"] if "projected" in v], "an agent with a token of the cluster"


def test_the_two_aggregators_run_on_two_nodes_with_a_volume_each(installed):
    found = running(installed, "petrel", 2)
    assert {p["metadata"]["name"] for p in found} == {"petrel-aggregator-0", "petrel-aggregator-1"}
    assert {p["spec"]["nodeName"] for p in found} == {"node-0", "node-1"}
    claims = installed.kube.items("/api/v1/namespaces/petrel/persistentvolumeclaims")
    assert [c["status"]["phase"] for c in claims] == ["Bound", "Bound"]
    path = "/apis/policy/v1/namespaces/petrel/poddisruptionbudgets/petrel-aggregator"
    installed.poll(lambda: installed.kube.get(path)["status"].get("disruptionsAllowed") == 1, 20, "one may be evicted")


def test_pod_security_admits_the_agent_only_in_its_own_namespace(installed):
    agent = template(installed, "daemonsets", "petrel-agent", "petrel-agent")
    for field in ("serviceAccountName", "serviceAccount"):
        agent["spec"].pop(field, None)
    assert installed.kube.ask("POST", "/api/v1/namespaces/petrel-agent/pods?dryRun=All", agent)[0] == 201
    status, body = installed.kube.ask("POST", "/api/v1/namespaces/petrel/pods?dryRun=All", agent)
    assert status == 403 and 'violates PodSecurity "restricted:latest"' in body["message"]
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    installed.kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "baseline", "labels": labels}})
    installed.poll(lambda: installed.kube.find("/api/v1/namespaces/baseline/serviceaccounts/default"), 20, "its ServiceAccount")
    status, body = installed.kube.ask("POST", "/api/v1/namespaces/baseline/pods?dryRun=All", agent)
    assert status == 403 and 'violates PodSecurity "baseline:latest"' in body["message"]
    for word in ("host namespaces", "hostPath volumes", "non-default capabilities"):
        assert word in body["message"]


def test_pod_security_admits_the_aggregator_and_nothing_wider_beside_it(installed):
    good = template(installed, "statefulsets", "petrel", "petrel-aggregator")
    good["spec"]["volumes"] = [*good["spec"]["volumes"], {"name": "data", "emptyDir": {}}]
    path = "/api/v1/namespaces/petrel/pods?dryRun=All"
    status, body = installed.kube.ask("POST", path, good)
    assert status == 201, body
    host = [*good["spec"]["volumes"][:-1], {"name": "data", "hostPath": {"path": "/"}}]
    for change in ({"hostNetwork": True}, {"securityContext": {"runAsUser": 0}}, {"volumes": host}):
        bad = copy.deepcopy(good)
        bad["spec"].update(change)
        status, body = installed.kube.ask("POST", path, bad)
        assert status == 403 and "violates PodSecurity" in body["message"], (change, body)


def rules(cluster, token, namespace):
    """What kubectl auth can-i --list shows: a set of lines."""
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    status = cluster.client(token).create("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body)["status"]
    assert not status.get("incomplete") or not status.get("evaluationError"), status
    lines = set()
    for rule in status["resourceRules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    only = "".join(f" {n}" for n in rule.get("resourceNames", []))
                    lines.add(f"{verb} {resource}{'.' + group if group else ''}{only}")
    for rule in status["nonResourceRules"]:
        lines |= {f"{verb} {url}" for verb in rule["verbs"] for url in rule["nonResourceURLs"]}
    return lines


@pytest.mark.parametrize("account, home", [("petrel-aggregator", "petrel"), ("petrel-agent", "petrel-agent")])
def test_the_rights_of_the_accounts_are_exactly_these(installed, account, home):
    """The golden lists every right beyond those that any account has. A right too much is a change of this file, seen in review."""
    if not installed.kube.find("/api/v1/namespaces/plain"):
        installed.kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "plain"}})
    installed.poll(lambda: installed.kube.find("/api/v1/namespaces/plain/serviceaccounts/default"), 20, "its ServiceAccount")
    token, anybody = installed.account_token(home, account), installed.account_token("plain", "default")
    found = {n: rules(installed, token, n) - rules(installed, anybody, n) for n in ("default", "kube-node-lease", "kube-system", "petrel", "petrel-agent")}
    everywhere = set.intersection(*found.values())
    text = "everywhere\n" + "".join(f"  {line}\n" for line in sorted(everywhere))
    for namespace, lines in found.items():
        text += f"only in {namespace}\n" + "".join(f"  {line}\n" for line in sorted(lines - everywhere))
    golden = GOLDEN / f"rights-{account}.txt"
    assert text == golden.read_text(encoding="utf-8"), f"the rights of {account} are now:\n{text}"


@pytest.mark.parametrize("verb, resource, namespace", [
    ("get", "secrets", "petrel"), ("list", "secrets", "kube-system"), ("create", "pods", "petrel"), ("delete", "nodes", ""), ("update", "nodes", ""),
    ("create", "serviceaccounts/token", "petrel"), ("update", "leases", "kube-node-lease"), ("patch", "deployments", "default"), ("get", "configmaps", "kube-system"),
    ("impersonate", "users", ""), ("bind", "clusterroles", ""), ("create", "pods/exec", "default"),
])
def test_the_aggregator_may_not(installed, verb, resource, namespace):
    name, _, sub = resource.partition("/")
    group = {"leases": "coordination.k8s.io", "deployments": "apps", "clusterroles": "rbac.authorization.k8s.io"}.get(name, "")
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
        "user": "system:serviceaccount:petrel:petrel-aggregator",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:petrel", "system:authenticated"],
        "resourceAttributes": {"verb": verb, "resource": name, "subresource": sub, "group": group, "namespace": namespace},
    }}
    assert not installed.kube.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]


@pytest.mark.parametrize("program, namespace, name", [("petrel-agent", "petrel-agent", "petrel-agent"), ("petrel-aggregator", "petrel", "petrel-aggregator")])
def test_the_programs_take_the_configuration_of_the_config_maps(installed, tmp_path, program, namespace, name):
    data = installed.kube.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")["data"]
    (file, text), = data.items()
    (tmp_path / file).write_text(text, encoding="utf-8")
    done = subprocess.run([BUILD / program, "--config", tmp_path / file, "--check-config"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_ports_are_those_of_the_design(installed):
    service = installed.kube.get("/api/v1/namespaces/petrel/services/petrel-aggregator")["spec"]
    assert service["clusterIP"] == "None" and [p["port"] for p in service["ports"]] == [7450, 7451, 7480]
    policies = installed.kube.items("/apis/networking.k8s.io/v1/namespaces/petrel/networkpolicies")
    rules_in = [r for p in policies for r in p["spec"].get("ingress", [])]
    assert sorted(p["port"] for r in rules_in for p in r["ports"]) == [7450, 7451, 7480]
    assert [r.get("from") for r in rules_in if any(p["port"] == 7480 for p in r["ports"])] != [None]
    text = json.dumps(installed.kube.get(f"{APPS}/namespaces/petrel-agent/daemonsets/petrel-agent"))
    assert "7481" in text and "hostPID" not in text and '"privileged"' not in text
    with pytest.raises(Refused):
        installed.client(installed.account_token("petrel-agent", "petrel-agent")).get("/api/v1/nodes")
