# SPDX-License-Identifier: Apache-2.0
"""aggregator/cloud/aws (as aws-call) against the fake AWS when the wire fails: what test_aws.py does not ask."""
import json
import os
import subprocess
import sys

import pytest

import running

sys.path.insert(0, str(running.ROOT / "tests" / "fake"))
from aws import FakeAws  # noqa: E402


@pytest.fixture
def aws():
    with FakeAws(speed=0) as fake:
        fake.cluster("demo")
        yield fake
        assert fake.violations() == []


@pytest.fixture
def spot(aws):
    return aws.nodegroup("demo", "spot-a", desired=2, minimum=0, maximum=5, types=["m6i.large", "m5.large"],
                         hooks=[{"name": "drain", "heartbeat_s": 300}])


def call(aws, *arguments, code=0, **environment):
    """The lines that aws-call prints."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    done = subprocess.run([running.BUILD / "aws-call", "demo", *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env=clean | aws.environment | environment)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def members(aws, spot):
    return aws.group_state(spot["group"])["members"]


def test_a_launch_is_one_instance_however_often_its_answer_is_lost(aws, spot):
    aws.fault("lost", operation="LaunchInstances", count=1)
    done = call(aws, "launch", spot["group"], "us-east-1b", "drain-1")
    assert len(members(aws, spot)) == 3 and aws.group_state(spot["group"])["desired"] == 3
    assert any(name in json.dumps(done) for name in members(aws, spot))
    assert len({r["params"]["ClientToken"] for r in aws.requests("LaunchInstances")}) == 1


def test_a_hook_is_kept_alive_and_completed(aws, spot):
    node = spot["instances"][0]
    call(aws, "terminate", node, "decrement")
    aws.advance(290)
    call(aws, "heartbeat", spot["group"], "drain", node)
    aws.advance(290)
    assert members(aws, spot)[node]["heartbeats"] == 1
    call(aws, "complete", spot["group"], "drain", node)
    aws.advance(30)
    assert node not in members(aws, spot)


def test_a_hook_is_completed_by_its_token(aws, spot):
    node = spot["instances"][0]
    call(aws, "terminate", node, "decrement")
    aws.advance(1)
    assert "over" in call(aws, "complete", spot["group"], "drain", node, "00000000-0000-0000-0000-000000000000", code=1)[0]["why"]
    token = members(aws, spot)[node]["token"]
    call(aws, "heartbeat", spot["group"], "drain", node, token)
    call(aws, "complete", spot["group"], "drain", node, token)
    assert aws.requests("CompleteLifecycleAction")[-1]["params"]["LifecycleActionToken"] == token
    aws.advance(30)
    assert node not in members(aws, spot)


@pytest.mark.parametrize("kind", ["throttle", "unavailable", "reset", "truncate"])
def test_a_fault_or_two_are_survived(aws, spot, kind):
    aws.fault(kind, count=2)
    assert "running" in json.dumps(call(aws, "state", spot["instances"][0]))


def test_an_answer_that_is_none_is_said(aws, spot):
    aws.fault("garbage", operation="DescribeInstances")
    assert "cannot be read" in call(aws, "state", spot["instances"][0], code=1)[0]["why"]


def test_what_is_denied_is_not_asked_again(aws, spot):
    aws.fault("deny", operation="SetDesiredCapacity")
    call(aws, "desired", spot["group"], "3", code=1)
    assert len(aws.requests("SetDesiredCapacity")) == 1
