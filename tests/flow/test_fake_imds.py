# SPDX-License-Identifier: Apache-2.0
"""The fake metadata service: many instances in one process, each with its own script, also scripted from outside."""
import json
import os
import sys
import time
import urllib.error
import urllib.request

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "fake"))
from imds import FakeImds  # noqa: E402


def ask(instance, path, method="GET", timeout=5, **headers):
    """(status, body); v2 with a token of its own unless headers bring one."""
    url = f"http://{instance['address']}:{instance['port']}"
    if "token" not in headers and method == "GET":
        headers["token"] = ask(instance, "/latest/api/token", "PUT", token_ttl_seconds="60")[1]
    named = {"X-aws-ec2-metadata-" + name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, method=method, headers=named), timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def control(port, verb, **options):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{verb}", json.dumps(options).encode())
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code


def test_five_hundred_instances_are_one_process_and_each_has_its_script():
    with FakeImds() as imds:
        for n in range(500):
            imds.instance(f"i-{n:017x}")
        port = imds.serve_control()
        where = control(port, "instances")
        assert len(where) == 500 and len({each["address"] for each in where}) == 500 and len({each["port"] for each in where}) == 1
        control(port, "spot_action", instance=where[7]["id"], seconds=60)
        control(port, "fault", instance=where[9]["id"], kind="status", path="spot/", status=503)
        path = "/latest/meta-data/spot/instance-action"
        assert ask(where[7], path)[0] == 200 and ask(where[8], path)[0] == 404 and ask(where[9], path)[0] == 503
        assert ask(where[499], "/latest/meta-data/instance-id")[1] == where[499]["id"]
        assert [entry["path"] for entry in control(port, "requests", instance=where[7]["id"], path="spot/")] == [path]
        control(port, "spot_action", seconds=120)  # everybody
        assert ask(where[8], path)[0] == 200
        control(port, "withdraw", instance=where[8]["id"])
        assert ask(where[8], path)[0] == 404


def test_an_instance_can_have_a_port_of_its_own_and_be_added_later():
    with FakeImds() as imds:
        port = imds.serve_control()
        one, two = (control(port, "instance", id=name, own_port=True, kind="on-demand") for name in ("i-1", "i-2"))
        assert one["address"] == two["address"] == "127.0.0.1" and one["port"] != two["port"]
        assert ask(two, "/latest/meta-data/instance-life-cycle") == (200, "on-demand")
        assert ask(two, "/latest/meta-data/instance-id", token="none")[0] == 401
        assert control(port, "paint") == 400 and control(port, "withdraw", instance="i-3") == 400


@pytest.mark.parametrize("code", ["Success", "AssumeRoleUnauthorizedAccess"])
def test_a_role_has_credentials(code):
    with FakeImds() as imds:
        node = imds.instance("i-1")
        assert ask(node.where(), "/latest/meta-data/iam/security-credentials/")[0] == 404
        node.role("nodes", "ASIA1", "secret", "token", time.time() + 3600, code=code)
        assert ask(node.where(), "/latest/meta-data/iam/security-credentials/")[1] == "nodes"
        given = json.loads(ask(node.where(), "/latest/meta-data/iam/security-credentials/nodes")[1])
        assert given["Code"] == code and given["AccessKeyId"] == "ASIA1"
