# SPDX-License-Identifier: Apache-2.0
"""The debug feed as the README says it: the real nngcat hears lines "topic SP json"."""
import json
import shutil
import subprocess

import pytest

import running

pytestmark = pytest.mark.skipif(not shutil.which("nngcat"), reason="nngcat is missing (apt install nng-utils)")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with running.aggregator(tmp_path_factory.mktemp("aggregator")) as a:
        yield a


def hear(server, topic, seconds):
    r = subprocess.run(["timeout", str(seconds), "nngcat", "--sub", "--dial", server.feed, "--subscribe", topic, "--raw"],
                       capture_output=True, check=False, stdin=subprocess.DEVNULL)
    lines = r.stdout.decode().split("\n")
    return [line.split(" ", 1) for line in lines[:-1]]  # the last may have been cut off by the end of nngcat


def test_samples_of_every_node_are_heard(real):
    lines = hear(real, "sample.", 5)
    assert {topic for topic, _ in lines} == {f"sample.demo.{n['node']}" for n in real.json("/api/v1/nodes")["items"]}
    for topic, text in lines:
        sample = json.loads(text)
        assert topic == f"sample.{sample['cluster']}.{sample['node']}" and sample["simulated"]


def test_a_topic_is_heard_alone(real):
    node = real.json("/api/v1/nodes")["items"][0]["node"]
    lines = hear(real, f"sample.demo.{node} ", 4)
    assert lines and {topic for topic, _ in lines} == {f"sample.demo.{node}"}


def test_plans_are_heard_and_found_again_by_their_id(real):
    lines = hear(real, "plan.", 8)
    assert lines
    topic, text = lines[0]
    plan = json.loads(text)
    assert topic == "plan.demo" and plan["mode"] == "observe"
    kept = real.json(f"/api/v1/plans/{plan['id']}")
    assert [s["group"] for s in kept["steps"]] == [s["group"] for s in plan["steps"]]
