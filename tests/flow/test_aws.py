# SPDX-License-Identifier: Apache-2.0
"""aggregator/cloud/aws and the queue reader against the fake AWS, which checks every request and every signature."""
import json
import os
import subprocess
import sys
import threading
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("PETREL_BUILD", os.path.join(ROOT, "build", "release"))
CALL, QUEUE = os.path.join(BUILD, "aws-call"), os.path.join(BUILD, "queue-read")
sys.path.insert(0, os.path.join(ROOT, "tests", "fake"))
aws_module = pytest.importorskip("aws", reason="the fake AWS needs botocore")


@pytest.fixture
def aws():
    with aws_module.FakeAws() as fake:
        yield fake
        assert fake.violations() == []


def run(aws, *words, **env):
    variables = {"PATH": os.environ["PATH"], **aws.environment, **env}
    return subprocess.run([CALL, "demo", *words], env={k: v for k, v in variables.items() if v}, capture_output=True, text=True, timeout=90)


def ask(aws, *words, **env):
    """The last JSON line that aws-call prints."""
    done = run(aws, *words, **env)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def groups(aws, **env):
    lines = [json.loads(line) for line in run(aws, "groups", **env).stdout.splitlines()]
    assert lines[-1]["result"] == "OK", lines[-1]
    return {g["name"]: g for g in lines[:-1]}


def names(aws, operation):
    return [entry["operation"] for entry in aws.requests(operation=operation)]


TAG = {"kubernetes.io/cluster/demo": "owned"}


def test_managed_and_self_managed_groups_are_described_with_live_sizes(aws):
    aws.cluster("demo")
    aws.nodegroup("demo", "managed")
    aws.group("mine", desired=3, minimum=1, maximum=7, tags={**TAG, "alpha.eksctl.io/nodegroup-name": "workers"}, hooks=[{"name": "drain"}])
    aws.group("others", desired=1)
    found = groups(aws)
    assert set(found) == {"managed", "workers"}
    assert found["managed"]["managed"] and found["managed"]["scaling_group"]
    mine = found["workers"]
    assert (mine["min"], mine["desired"], mine["max"]) == (1, 3, 7)
    assert mine["scaling_group"] == "mine" and not mine["managed"] and mine["terminate_hook"] == "drain"
    assert mine["instance_type"] == "m6i.large" and mine["zones"]


def test_only_sizes_are_asked_for_again(aws):
    aws.cluster("demo")
    aws.nodegroup("demo", "managed")
    aws.group("mine", desired=3, tags=TAG, hooks=[{"name": "drain"}])
    lines = [json.loads(line) for line in run(aws, "groups", "3").stdout.splitlines()]
    assert lines[-1]["result"] == "OK" and len(lines) == 7
    key = lambda g: g["name"]  # noqa: E731
    assert sorted(lines[0:2], key=key) == sorted(lines[2:4], key=key) == sorted(lines[4:6], key=key)
    counts = [len(names(aws, each)) for each in ("ListNodegroups", "DescribeNodegroup", "DescribeLifecycleHooks", "DescribeAutoScalingGroups")]
    assert counts == [1, 1, 1, 3]


def test_many_groups_come_in_pages(aws):
    for i in range(130):
        aws.group(f"g{i}", desired=0, minimum=0, tags=TAG)
    assert len(groups(aws)) == 130
    assert len(names(aws, "DescribeAutoScalingGroups")) == 2


def test_one_more_node_is_launched_and_no_capacity_says_so(aws):
    aws.group("mine", desired=1, maximum=5, tags=TAG)
    zone = groups(aws)["mine"]["zones"][0]
    answer = ask(aws, "launch", "mine", zone, "token-1")
    assert answer["result"] == "OK" and answer["text"].startswith("i-"), answer
    assert ask(aws, "launch", "mine", zone, "token-1")["text"] == answer["text"]  # the same token, the same instance
    aws.pool(left=0)
    refused = ask(aws, "launch", "mine", zone, "token-2")
    assert refused["result"] == "ENOSPC" and refused["class"] == "retry", refused


def test_what_is_not_allowed_is_not_supported_for_a_launch(aws):
    aws.group("mine", desired=1, tags=TAG)
    aws.fault("deny", operation="LaunchInstances")
    assert ask(aws, "launch", "mine", "us-east-1a", "t")["result"] == "EOPNOTSUPP"


def test_desired_capacity_is_set(aws):
    aws.group("mine", desired=1, maximum=5, tags=TAG)
    assert ask(aws, "desired", "mine", "4")["result"] == "OK"
    assert aws.group_state("mine")["desired"] == 4


def test_a_named_node_is_terminated_and_its_hook_completed(aws):
    node, *_ = aws.group("mine", desired=2, tags=TAG, hooks=[{"name": "drain", "heartbeat_s": 300}])
    assert ask(aws, "terminate", node, "decrement")["result"] == "OK"
    deadline = time.monotonic() + 20
    while aws.group_state("mine")["members"][node]["state"] != "Terminating:Wait":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ask(aws, "heartbeat", "mine", "drain", node)["result"] == "OK"
    assert ask(aws, "complete", "mine", "drain", node)["result"] == "OK"
    late = ask(aws, "complete", "mine", "drain", node)
    assert late["result"] == "ENOENT" and late["class"] == "gone", late
    assert aws.group_state("mine")["desired"] == 1


def test_a_termination_whose_answer_is_lost_is_looked_for_and_not_repeated(aws):
    node, *_ = aws.group("mine", desired=3, tags=TAG)
    aws.fault("lost", operation="TerminateInstanceInAutoScalingGroup", count=1)
    assert ask(aws, "terminate", node, "decrement")["result"] == "OK"
    assert len(names(aws, "TerminateInstanceInAutoScalingGroup")) == 1
    assert len(names(aws, "DescribeAutoScalingInstances")) >= 1
    assert aws.group_state("mine")["desired"] == 2


def test_a_termination_that_never_arrived_is_sent_again(aws):
    node, *_ = aws.group("mine", desired=3, tags=TAG)
    aws.fault("reset", operation="TerminateInstanceInAutoScalingGroup", count=1)
    assert ask(aws, "terminate", node, "decrement")["result"] == "OK"
    assert len(names(aws, "TerminateInstanceInAutoScalingGroup")) == 2
    assert aws.group_state("mine")["desired"] == 2


def test_states_of_known_and_forgotten_instances(aws):
    node = aws.instance()["id"]
    assert ask(aws, "state", node)["text"] == "running"
    assert ask(aws, "state", "i-0000000000000dead")["text"] == "terminated"


def test_a_running_instance_that_fails_the_status_checks_is_impaired(aws):
    good, bad = aws.group("mine", desired=2, tags=TAG)
    aws.impair(bad)
    assert ask(aws, "state", bad)["text"] == "impaired"
    assert ask(aws, "state", good)["text"] == "running"
    aws.fault("deny", operation="DescribeInstanceStatus")  # the right is missing: done without
    assert ask(aws, "state", bad)["text"] == "running"


def test_the_checks_of_all_who_are_asked_for_at_once_are_read(aws):
    ids = [aws.instance()["id"] for _ in range(150)]
    for bad in ids[::10]:
        aws.impair(bad)
    lines = [json.loads(line)["text"] for line in run(aws, "state", *ids).stdout.splitlines()]
    assert (lines.count("impaired"), lines.count("running")) == (15, 135)
    assert len(names(aws, "DescribeInstanceStatus")) == 2


def test_load_balancers_are_counted_until_they_let_go(aws):
    node, *_ = aws.group("mine", desired=2, tags=TAG)
    aws.target_group("web", targets=[node])
    aws.classic_balancer("old", instances=[node])
    assert ask(aws, "balancers", node)["text"] == "2"
    assert ask(aws, "balancers", "i-0000000000000dead")["text"] == "0"


def test_throttles_are_waited_out(aws):
    aws.group("mine", desired=1, maximum=5, tags=TAG)
    aws.fault("throttle", operation="SetDesiredCapacity", count=2)
    assert ask(aws, "desired", "mine", "2")["result"] == "OK"
    assert len(names(aws, "SetDesiredCapacity")) == 3


def test_a_throttle_that_stays_is_said_after_three_attempts(aws):
    aws.group("mine", desired=1, maximum=5, tags=TAG)
    aws.fault("throttle", operation="SetDesiredCapacity")
    answer = ask(aws, "desired", "mine", "2")
    assert (answer["result"], answer["class"]) == ("EAGAIN", "throttled"), answer
    assert len(names(aws, "SetDesiredCapacity")) == 3


@pytest.mark.parametrize("operation, words", [("DescribeInstances", ("state",)), ("DescribeTargetHealth", ("balancers",)), ("DescribeAutoScalingGroups", ("groups",))])
@pytest.mark.parametrize("kind", ["unavailable", "reset", "lost", "truncate", "error"])
def test_one_failure_of_a_read_is_not_noticed(aws, kind, operation, words):
    node, *_ = aws.group("mine", desired=1, tags=TAG)
    aws.target_group("web", targets=[node])
    aws.fault(kind, operation=operation, count=1)
    assert ask(aws, *words, *([node] if words[0] != "groups" else []))["result"] == "OK"


@pytest.mark.parametrize("kind, result", [("garbage", "EBADMSG"), ("huge", "EMSGSIZE"), ("deny", "EACCES")])
def test_an_answer_that_is_none_is_said(aws, kind, result):
    node, *_ = aws.group("mine", desired=1, tags=TAG)
    aws.fault(kind, operation="DescribeInstances")
    assert ask(aws, "state", node)["result"] == result
    aws.fault(kind, operation="DescribeAutoScalingGroups")
    assert ask(aws, "groups")["result"] == result


def test_a_service_that_hangs_is_given_up(aws):
    node, *_ = aws.group("mine", desired=1, tags=TAG)
    aws.fault("hang", operation="DescribeInstances", count=1)
    begun = time.monotonic()
    assert ask(aws, "state", node)["result"] == "OK"
    assert 9 < time.monotonic() - begun < 25


def test_a_wrong_clock_is_corrected_from_the_answer(aws):
    aws.skew(3600)
    assert ask(aws, "identity")["result"] == "OK"


def test_the_role_of_another_account_is_assumed_with_its_external_id(aws):
    role = "arn:aws:iam::222222222222:role/petrel"
    aws.role(role, external_id="secret-word")
    assert ask(aws, "identity", PETREL_ROLE_ARN=role, PETREL_EXTERNAL_ID="secret-word")["text"].startswith(
        "arn:aws:sts::222222222222:assumed-role/petrel/"
    )
    refused = ask(aws, "identity", PETREL_ROLE_ARN=role, PETREL_EXTERNAL_ID="wrong")
    assert (refused["result"], refused["class"]) == ("EACCES", "denied"), refused
    assert role in refused["why"] and "user/petrel" in refused["why"]  # both sides are named


def test_web_identity_reads_its_token_from_the_file(aws, tmp_path):
    role = "arn:aws:iam::123456789012:role/irsa"
    aws.role(role)
    aws.web_token(role, "token-of-the-pod")
    (tmp_path / "token").write_text("token-of-the-pod\n")
    env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
    assert "assumed-role/irsa" in ask(aws, "identity", **env)["text"]


def test_pod_identity_sends_the_token_as_it_is(aws, tmp_path):
    role = "arn:aws:iam::123456789012:role/pod"
    aws.role(role)
    aws.pod_identity("token-of-pod-identity", role)
    (tmp_path / "token").write_text("token-of-pod-identity")
    env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.url + "/v1/credentials",
           "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token")}
    assert "assumed-role/pod" in ask(aws, "identity", **env)["text"]


def test_without_credentials_a_person_is_told(aws):
    answer = ask(aws, "identity", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert (answer["result"], answer["class"]) == ("EACCES", "denied") and "no AWS credentials" in answer["why"]


# --- the queue ---------------------------------------------------------------------------------------------------------------


def read(aws, count, seconds=15, receivers=8, **env):
    url = f"{aws.url}/123456789012/petrel"
    env = {k: v for k, v in {"PATH": os.environ["PATH"], **aws.environment, **env}.items() if v}
    done = subprocess.run([QUEUE, url, str(count), str(seconds), str(receivers)], env=env, capture_output=True, text=True, timeout=seconds + 30)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    return [(json.loads(line.split("\t")[0]), *line.split("\t")[1:]) for line in lines], json.loads(last)


def test_every_kind_of_event_becomes_its_notice(aws):
    aws.queue("petrel", visibility_s=30)
    nodes = aws.group("mine", desired=4, tags=TAG, hooks=[{"name": "drain", "heartbeat_s": 300}])
    aws.interrupt(nodes[0])
    aws.rebalance(nodes[1])
    aws.health([nodes[2]])
    assert ask(aws, "terminate", nodes[3], "decrement")["result"] == "OK"
    aws.send("petrel", "no JSON at all")
    notices, stats = read(aws, 4, seconds=8)
    kinds = {n["instance_id"]: n["kind"] for n, *_ in notices if n["kind"] != "STATE_CHANGE"}
    assert kinds == {nodes[0]: "SPOT_ITN", nodes[1]: "REBALANCE_RECOMMENDATION", nodes[2]: "HEALTH", nodes[3]: "ASG_LIFECYCLE"}
    hook = next(rest for n, *rest in notices if n["kind"] == "ASG_LIFECYCLE")
    assert hook[0] == "drain" and hook[1] == "mine" and hook[2]
    assert stats["malformed"] == 1 and stats["aside"] == "no JSON at all"
    assert stats["deleted"] == stats["messages"]
    assert aws.queue_state("petrel")["messages"] == []


def test_foreign_instances_are_acknowledged_and_counted(aws):
    aws.queue("petrel")
    event = {"version": "0", "id": "1", "detail-type": "EC2 Spot Instance Interruption Warning", "source": "aws.ec2", "account": "9",
             "time": "2026-11-24T11:00:00Z", "region": "us-east-1", "resources": [], "detail": {"instance-id": "i-f0123456789abcdef", "instance-action": "stop"}}
    aws.send("petrel", json.dumps(event))
    notices, stats = read(aws, 1)
    assert notices[0][0]["action"] == "stop" and notices[0][0]["deadline_ms"] == 1795518120000
    assert (stats["foreign"], stats["accepted"], stats["deleted"]) == (1, 0, 1)


def test_a_thousand_events_are_read_within_seconds(aws):
    aws.queue("petrel")
    for i in range(1000):
        aws.event("EC2 Spot Instance Interruption Warning", "aws.ec2", {"instance-id": f"i-{i:017x}", "instance-action": "terminate"})
    _, stats = read(aws, 1000, seconds=40)
    print(stats)
    assert stats["notices"] == 1000 and stats["deleted"] == 1000 and stats["receives"] >= 100


def test_keys_that_end_are_renewed_under_a_running_reader(aws, tmp_path):
    role = "arn:aws:iam::123456789012:role/pod"
    aws.queue("petrel")
    aws.role(role, credentials_s=6)
    aws.pod_identity("token-of-pod-identity", role)
    (tmp_path / "token").write_text("token-of-pod-identity")
    env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.url + "/v1/credentials",
           "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token")}
    event = ("EC2 Spot Instance Interruption Warning", "aws.ec2", {"instance-id": "i-0000000000000001a", "instance-action": "terminate"})
    timers = [threading.Timer(7, aws.expire_keys), threading.Timer(9, aws.event, event)]
    for timer in timers:
        timer.start()
    _, stats = read(aws, 1, seconds=14, **env)
    assert stats["notices"] == 1 and stats["deleted"] == 1 and stats["receive_failures"] == 0, stats
    assert stats["refreshes"] >= 3, stats


def test_a_queue_that_is_not_there_is_said_and_asked_for_again(aws):
    _, stats = read(aws, 1, seconds=4)
    assert stats["receive_failures"] >= 1 and "NonExistentQueue" in stats["last_error"], stats
