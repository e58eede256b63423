# SPDX-License-Identifier: Apache-2.0
"""aggregator/cloud/aws (as aws-call) against the fake AWS: every request it makes fits AWS's models and is signed as botocore signs."""
import json
import os
import subprocess
import sys

import pytest

import running

sys.path.insert(0, str(running.ROOT / "tests" / "fake"))
from aws import FakeAws  # noqa: E402

ROLE = "arn:aws:iam::123456789012:role/petrel"


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


def test_it_knows_who_it_is(aws):
    assert "arn:aws:iam::123456789012:user/petrel" in json.dumps(call(aws, "identity"))


def test_groups_are_those_of_the_cluster_managed_or_not(aws, spot):
    aws.group("own", desired=1, spot=False, tags={"kubernetes.io/cluster/demo": "owned"})
    aws.group("foreign", desired=1, tags={"kubernetes.io/cluster/other": "owned"})
    found = {g["scaling_group"]: g for g in call(aws, "groups") if "scaling_group" in g}
    assert set(found) == {spot["group"], "own"}
    assert found[spot["group"]]["managed"] and found[spot["group"]]["desired"] == 2 and found[spot["group"]]["name"] == "spot-a"
    assert not found["own"]["managed"]


def test_a_launch_is_one_instance_however_often_its_answer_is_lost(aws, spot):
    aws.fault("lost", operation="LaunchInstances", count=1)
    done = call(aws, "launch", spot["group"], "us-east-1b", "drain-1")
    assert len(members(aws, spot)) == 3 and aws.group_state(spot["group"])["desired"] == 3
    assert any(name in json.dumps(done) for name in members(aws, spot))
    assert len({r["params"]["ClientToken"] for r in aws.requests("LaunchInstances")}) == 1


def test_a_zone_without_capacity_is_told_from_other_failures(aws, spot):
    aws.pool(zone="us-east-1b", left=0)
    assert "capacity" in json.dumps(call(aws, "launch", spot["group"], "us-east-1b", "t", code=1)).lower()
    assert len(members(aws, spot)) == 2


def test_desired_is_set(aws, spot):
    call(aws, "desired", spot["group"], "4")
    aws.advance(60)
    assert len(members(aws, spot)) == 4


def test_a_termination_whose_answer_is_lost_is_done_once(aws, spot):
    node = spot["instances"][0]
    aws.fault("lost", operation="Terminate*", count=1)
    call(aws, "terminate", node, "decrement")
    assert aws.group_state(spot["group"])["desired"] == 1
    assert members(aws, spot)[node]["state"] == "Terminating:Wait"
    assert len(aws.requests("TerminateInstance")) == 1


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


def test_an_instance_and_its_load_balancers_are_looked_up(aws, spot):
    node = spot["instances"][0]
    assert "running" in json.dumps(call(aws, "state", node))
    web = aws.target_group("web", targets=[node], drain_s=60)
    aws.classic_balancer("old", [node])
    assert "2" in json.dumps(call(aws, "balancers", node))
    aws.target(web, node, "draining")
    aws.classic_state("old", node)
    aws.advance(61)
    assert '"0"' in json.dumps(call(aws, "balancers", node))
    aws.vanish(node)
    aws.advance(30)
    assert "terminated" in json.dumps(call(aws, "state", node))


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


def test_a_web_identity_and_then_a_role_elsewhere(aws, spot, tmp_path):
    token = tmp_path / "token"
    token.write_text("token-of-today")
    aws.role(ROLE)
    aws.web_token(ROLE, "token-of-today")
    environment = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    assert "assumed-role/petrel" in json.dumps(call(aws, "identity", **environment))
