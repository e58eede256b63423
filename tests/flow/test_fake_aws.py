# SPDX-License-Identifier: Apache-2.0
"""The fake AWS answers as AWS would: boto3 drives each operation and parses what comes back; hand-made requests meet the strictness."""
import base64
import http.client
import json
import os
import socket
import sys
import threading
import time
import urllib.parse

import boto3
import botocore
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "fake"))
from aws import FakeAws  # noqa: E402

ASG_VERSION = "2011-01-01"


@pytest.fixture
def aws():
    with FakeAws(speed=0) as fake:
        yield fake
        failed = [entry for entry in fake.violations() if "the fake failed" in entry["violation"]]
        assert not failed, failed


def client(aws, service, key=None, secret=None, token=None, region="us-east-1", timeout=10):
    config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=timeout)
    return boto3.client(service, region_name=region, endpoint_url=aws.url, aws_access_key_id=key or aws.access_key,
                        aws_secret_access_key=secret or aws.secret_key, aws_session_token=token, config=config)


def refusal(call, **params):
    """(code, status) of a call that must fail."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def raw(aws, form, service="autoscaling", secret=None, break_it=None, headers=None):
    """A signed request that boto3 would never make: (status, body)."""
    body = urllib.parse.urlencode(form)
    request = botocore.awsrequest.AWSRequest("POST", aws.url + "/", {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}, body)
    keys = botocore.credentials.Credentials(aws.access_key, secret or aws.secret_key)
    botocore.auth.SigV4Auth(keys, service, "us-east-1").add_auth(request)
    if break_it:
        break_it(request)
    connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=10)
    connection.request("POST", "/", request.body, dict(request.headers))
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def states(aws, group):
    return {name: member["state"] for name, member in aws.group_state(group)["members"].items()}


# --- strictness --------------------------------------------------------------------------------------------------------------


def test_what_the_model_does_not_know_is_refused_and_kept(aws):
    base = {"Action": "DescribeAutoScalingGroups", "Version": ASG_VERSION}
    assert raw(aws, base)[0] == 200
    wrong = [
        {**base, "Colour": "blue"},
        {**base, "MaxRecords": "many"},
        {**base, "IncludeInstances": "yes"},
        {**base, "AutoScalingGroupNames.1": "a"},  # the list's own level is missing
        {**base, "AutoScalingGroupNames.member.2": "a"},  # a list begins at 1
        {**base, "Version": "2011-01-02"},
        {**base, "Action": "DescribeEverything"},
        {"Action": "SetDesiredCapacity", "Version": ASG_VERSION, "AutoScalingGroupName": "a"},
        {"Action": "LaunchInstances", "Version": ASG_VERSION, "AutoScalingGroupName": "a", "RequestedCapacity": "0", "ClientToken": "t"},
        {"Action": "LaunchInstances", "Version": ASG_VERSION, "AutoScalingGroupName": "a", "RequestedCapacity": "1", "ClientToken": "t" * 65},
        {"Action": "LaunchInstances", "Version": ASG_VERSION, "AutoScalingGroupName": "a", "RequestedCapacity": "1", "ClientToken": "t", "RetryStrategy": "NONE"},
    ]
    for form in wrong:
        status, body = raw(aws, form)
        assert status == 400 and "<Code>" in body, (form, body)
    assert len(aws.violations()) == len(wrong)
    assert raw(aws, {"Action": "DescribeInstances", "Version": "2016-11-15", "InstanceIds.1": "i-1"}, service="ec2")[0] == 400
    assert raw(aws, {"Action": "DescribeInstances", "Version": "2016-11-15", "InstanceId.member.1": "i-1"}, service="ec2")[0] == 400


def test_a_signature_is_computed_again(aws):
    base = {"Action": "DescribeAutoScalingGroups", "Version": ASG_VERSION}

    def change_body(request):
        request.data = request.body + b"&MaxRecords=1"

    def drop_date(request):
        del request.headers["X-Amz-Date"]

    def unsigned_header(request):
        request.headers["X-Amz-Target"] = "x"

    def other_region(request):
        request.headers.replace_header("Authorization", request.headers["Authorization"].replace("us-east-1", "us-west-2"))

    for break_it in (change_body, drop_date, unsigned_header, other_region):
        status, body = raw(aws, base, break_it=break_it)
        assert status in (400, 403), (break_it, body)
        assert "<Code>" in body
    status, body = raw(aws, base, secret="wrong")
    assert status == 403 and "SignatureDoesNotMatch" in body and "Canonical String" in body
    assert refusal(client(aws, "autoscaling", key="AKIANOBODY").describe_auto_scaling_groups) == ("InvalidClientTokenId", 403)
    assert refusal(client(aws, "ec2", secret="wrong").describe_instances) == ("AuthFailure", 401)
    assert refusal(client(aws, "sqs", secret="wrong").get_queue_url, QueueName="q") == ("InvalidSignatureException", 403)


def test_a_clock_five_minutes_off_is_refused(aws):
    call = client(aws, "autoscaling").describe_auto_scaling_groups
    for seconds in (290, -290):
        aws.skew(seconds)
        call()
    for seconds in (310, -310):
        aws.skew(seconds)
        assert refusal(call) == ("SignatureDoesNotMatch", 403)


# --- Auto Scaling --------------------------------------------------------------------------------------------------------------


def test_a_group_is_described_page_by_page_and_by_tag(aws):
    for n in range(7):
        aws.group(f"g{n}", desired=n % 3, tags={"k8s.io/cluster-autoscaler/demo": "owned", "n": str(n % 2)})
    asg = client(aws, "autoscaling")
    pages = list(asg.get_paginator("describe_auto_scaling_groups").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["AutoScalingGroups"]) for page in pages] == [3, 3, 1]
    odd = asg.describe_auto_scaling_groups(Filters=[{"Name": "tag:n", "Values": ["1"]}, {"Name": "tag-key", "Values": ["k8s.io/cluster-autoscaler/demo"]}])
    assert [group["AutoScalingGroupName"] for group in odd["AutoScalingGroups"]] == ["g1", "g3", "g5"]
    assert odd["AutoScalingGroups"][0]["Instances"][0]["LifecycleState"] == "InService"
    assert asg.describe_auto_scaling_groups(AutoScalingGroupNames=["nobody"])["AutoScalingGroups"] == []
    assert asg.describe_auto_scaling_groups(AutoScalingGroupNames=["g2"], IncludeInstances=False)["AutoScalingGroups"][0]["Instances"] == []
    assert refusal(asg.describe_auto_scaling_groups, NextToken="x") == ("InvalidNextToken", 400)
    assert refusal(asg.describe_auto_scaling_groups, MaxRecords=101) == ("ValidationError", 400)
    assert len(asg.describe_auto_scaling_instances()["AutoScalingInstances"]) == 6
    assert {tag["Key"] for tag in asg.describe_tags(Filters=[{"Name": "auto-scaling-group", "Values": ["g1"]}])["Tags"]} == {"n", "k8s.io/cluster-autoscaler/demo"}


def test_desired_capacity_takes_its_time_and_its_bounds(aws):
    aws.group("g", desired=2, maximum=4, minimum=1)
    asg = client(aws, "autoscaling")
    assert refusal(asg.set_desired_capacity, AutoScalingGroupName="g", DesiredCapacity=5) == ("ValidationError", 400)
    assert refusal(asg.set_desired_capacity, AutoScalingGroupName="g", DesiredCapacity=0) == ("ValidationError", 400)
    assert refusal(asg.set_desired_capacity, AutoScalingGroupName="x", DesiredCapacity=1) == ("ValidationError", 400)
    asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=3)
    assert len(states(aws, "g")) == 2
    aws.advance(5)
    assert sorted(states(aws, "g").values()) == ["InService", "InService", "Pending"]
    assert refusal(asg.set_desired_capacity, AutoScalingGroupName="g", DesiredCapacity=4, HonorCooldown=True) == ("ScalingActivityInProgress", 400)
    aws.advance(30)
    assert list(states(aws, "g").values()) == ["InService"] * 3
    asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=1)
    aws.advance(60)
    assert len(states(aws, "g")) == 1
    activities = asg.describe_scaling_activities(AutoScalingGroupName="g")["Activities"]
    assert [a["StatusCode"] for a in activities] == ["Successful"] * 5
    assert activities[0]["Description"].startswith("Terminating EC2 instance: i-")


def test_launch_instances_is_immediate_in_one_zone_and_once_per_token(aws):
    aws.group("g", desired=1, maximum=4)
    asg = client(aws, "autoscaling")
    asked = {"AutoScalingGroupName": "g", "RequestedCapacity": 1, "ClientToken": "drain-1", "AvailabilityZones": ["us-east-1b"]}
    first = asg.launch_instances(**asked)
    assert first["Instances"][0]["AvailabilityZoneId"] == "use1-az6"
    assert asg.launch_instances(**asked)["Instances"] == first["Instances"]
    state = aws.group_state("g")
    assert state["desired"] == 2 and len(state["members"]) == 2
    assert state["members"][first["Instances"][0]["InstanceIds"][0]]["state"] == "Pending"
    assert refusal(asg.launch_instances, **{**asked, "RequestedCapacity": 2}) == ("IdempotentParameterMismatch", 400)
    assert refusal(asg.launch_instances, AutoScalingGroupName="g", RequestedCapacity=1, ClientToken="t2") == ("ValidationError", 400)  # which zone?
    assert refusal(asg.launch_instances, **{**asked, "ClientToken": "t3", "RequestedCapacity": 3}) == ("ValidationError", 400)  # above the maximum
    assert refusal(asg.launch_instances, **{**asked, "ClientToken": "t4", "AvailabilityZones": ["us-east-1f"]}) == ("ValidationError", 400)


def test_a_pool_without_capacity_says_so_and_the_next_may_have_some(aws):
    aws.group("g", desired=0, types=["m6i.large", "m5.large"])
    aws.pool(zone="us-east-1a", left=0)
    aws.pool(zone="us-east-1b", instance_type="m6i.large", left=0)
    asg = client(aws, "autoscaling")
    ask = {"AutoScalingGroupName": "g", "RequestedCapacity": 1}
    none = asg.launch_instances(**ask, ClientToken="a", AvailabilityZones=["us-east-1a"])
    assert none["Instances"] == [] and none["Errors"][0]["ErrorCode"] == "InsufficientInstanceCapacity"
    assert aws.group_state("g")["desired"] == 0
    other = asg.launch_instances(**ask, ClientToken="b", AvailabilityZones=["us-east-1b"])
    assert other["Instances"][0]["InstanceType"] == "m5.large"
    later = asg.launch_instances(**ask, ClientToken="c", AvailabilityZones=["us-east-1a"], RetryStrategy="retry-with-group-configuration")
    assert later["Errors"] and aws.group_state("g")["desired"] == 2
    aws.advance(5)
    assert len(states(aws, "g")) == 2
    aws.pool(left=0)
    for key in ("us-east-1b", "us-east-1c"):
        aws.pool(zone=key, left=0)
    aws.pool(zone="us-east-1b", instance_type="m6i.large", left=0)
    asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=3)
    aws.advance(5)
    failed = asg.describe_scaling_activities(AutoScalingGroupName="g")["Activities"][0]
    assert failed["StatusCode"] == "Failed" and "Could not launch Spot Instances" in failed["StatusMessage"]
    aws.pool(zone="us-east-1c", left=1)
    aws.advance(40)
    assert len(states(aws, "g")) == 3


def test_an_exact_instance_is_terminated(aws):
    first, second = aws.group("g", desired=2, minimum=1)
    asg = client(aws, "autoscaling")
    terminate = asg.terminate_instance_in_auto_scaling_group
    activity = terminate(InstanceId=first, ShouldDecrementDesiredCapacity=True)["Activity"]
    assert activity["StatusCode"] == "InProgress" and first in activity["Description"]
    assert refusal(terminate, InstanceId=first, ShouldDecrementDesiredCapacity=True) == ("ScalingActivityInProgress", 400)
    assert refusal(terminate, InstanceId=second, ShouldDecrementDesiredCapacity=True) == ("ValidationError", 400)  # below the minimum
    aws.advance(60)
    assert list(states(aws, "g")) == [second]
    assert refusal(terminate, InstanceId=first, ShouldDecrementDesiredCapacity=True) == ("ValidationError", 400)
    terminate(InstanceId=second, ShouldDecrementDesiredCapacity=False)  # is replaced
    aws.advance(60)
    assert list(states(aws, "g").values()) == ["InService"] and second not in states(aws, "g")


def test_a_termination_hook_waits_is_prolonged_and_is_completed(aws):
    queue = aws.queue("petrel", events=["EC2 Instance-terminate Lifecycle Action"])
    [node] = aws.group("g", desired=1, hooks=[{"name": "drain", "heartbeat_s": 300}])
    asg, sqs = client(aws, "autoscaling"), client(aws, "sqs")
    hook = asg.describe_lifecycle_hooks(AutoScalingGroupName="g")["LifecycleHooks"][0]
    assert hook["GlobalTimeout"] == 30000 and hook["DefaultResult"] == "ABANDON"
    asg.terminate_instance_in_auto_scaling_group(InstanceId=node, ShouldDecrementDesiredCapacity=True)
    assert states(aws, "g")[node] == "Terminating:Wait"
    assert aws.instance_state(node)["state"] == "running"
    event = json.loads(sqs.receive_message(QueueUrl=aws.url + queue["path"])["Messages"][0]["Body"])
    assert event["detail"]["EC2InstanceId"] == node and event["detail"]["LifecycleHookName"] == "drain"
    known = {"LifecycleHookName": "drain", "AutoScalingGroupName": "g"}
    aws.advance(290)
    asg.record_lifecycle_action_heartbeat(**known, InstanceId=node)
    aws.advance(290)
    assert states(aws, "g")[node] == "Terminating:Wait"
    assert refusal(asg.complete_lifecycle_action, **known, LifecycleActionResult="DONE", InstanceId=node) == ("ValidationError", 400)
    asg.complete_lifecycle_action(**known, LifecycleActionResult="CONTINUE", LifecycleActionToken=event["detail"]["LifecycleActionToken"])
    assert states(aws, "g")[node] == "Terminating:Proceed"
    assert refusal(asg.complete_lifecycle_action, **known, LifecycleActionResult="CONTINUE", InstanceId=node) == ("ValidationError", 400)
    aws.advance(20)
    assert states(aws, "g") == {}
    assert aws.instance_state(node)["state"] == "terminated"


def test_a_hook_that_nobody_completes_times_out(aws):
    [node] = aws.group("g", desired=1, hooks=[{"name": "drain", "heartbeat_s": 60}])
    aws.scale("g", 0)
    aws.advance(62)
    assert states(aws, "g")[node] == "Terminating:Wait"
    aws.advance(2)
    assert states(aws, "g")[node] == "Terminating:Proceed"
    assert refusal(client(aws, "autoscaling").record_lifecycle_action_heartbeat, LifecycleHookName="drain", AutoScalingGroupName="g", InstanceId=node) == ("ValidationError", 400)


def test_an_abandoned_launch_is_terminated_and_tried_again(aws):
    aws.group("g", desired=0, hooks=[{"name": "boot", "transition": "LAUNCHING", "heartbeat_s": 60}])
    asg = client(aws, "autoscaling")
    asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=1)
    aws.advance(30)
    [(node, state)] = states(aws, "g").items()
    assert state == "Pending:Wait"
    asg.complete_lifecycle_action(LifecycleHookName="boot", AutoScalingGroupName="g", LifecycleActionResult="ABANDON", InstanceId=node)
    aws.advance(30)
    [(other, state)] = states(aws, "g").items()
    assert other != node and state == "Pending:Wait"
    asg.complete_lifecycle_action(LifecycleHookName="boot", AutoScalingGroupName="g", LifecycleActionResult="CONTINUE", InstanceId=other)
    assert states(aws, "g")[other] == "InService"


def test_an_interrupted_instance_ends_after_two_minutes_and_is_replaced(aws):
    queue = aws.queue("petrel", events=["EC2 Spot Instance Interruption Warning"])
    node, _ = aws.group("g", desired=2, hooks=[{"name": "drain", "heartbeat_s": 300}])
    aws.interrupt(node)
    event = json.loads(client(aws, "sqs").receive_message(QueueUrl=aws.url + queue["path"])["Messages"][0]["Body"])
    assert event["detail"] == {"instance-id": node, "instance-action": "terminate"}
    assert event["resources"] == [f"arn:aws:ec2:us-east-1a:instance/{node}"]
    aws.advance(119)
    assert aws.instance_state(node)["state"] == "running"
    aws.advance(2)
    assert aws.instance_state(node)["state"] == "shutting-down"
    aws.advance(40)
    assert aws.instance_state(node)["state"] == "terminated"
    state = aws.group_state("g")["members"]
    assert state[node]["state"] == "Terminating:Wait"  # the hook wants its answer though the instance is gone
    assert len(state) == 3
    client(aws, "autoscaling").complete_lifecycle_action(LifecycleHookName="drain", AutoScalingGroupName="g", LifecycleActionResult="CONTINUE", InstanceId=node)
    assert node not in states(aws, "g")


def test_zones_are_rebalanced_and_capacity_is_rebalanced(aws):
    aws.group("g", desired=3, zones=["us-east-1a"], capacity_rebalance=True)
    [node, *_] = states(aws, "g")
    aws.rebalance(node)
    assert len(states(aws, "g")) == 4
    aws.advance(60)
    assert len(states(aws, "g")) == 3 and node not in states(aws, "g")
    aws.group("two", desired=2, zones=["us-east-1a", "us-east-1b"])
    gone = next(name for name, member in aws.group_state("two")["members"].items() if member["zone"] == "us-east-1b")
    client(aws, "autoscaling").terminate_instance_in_auto_scaling_group(InstanceId=gone, ShouldDecrementDesiredCapacity=True)
    aws.scale("two", 2)
    aws.pool(zone="us-east-1b", left=0)
    aws.advance(60)
    aws.pool(zone="us-east-1b")
    assert {m["zone"] for m in aws.group_state("two")["members"].values()} == {"us-east-1a"}
    moved = aws.az_rebalance("two")
    aws.advance(60)
    after = aws.group_state("two")["members"]
    assert moved["doomed"] not in after and {m["zone"] for m in after.values()} == {"us-east-1a", "us-east-1b"}


# --- EC2 -----------------------------------------------------------------------------------------------------------------------


def test_instances_are_found_by_id_and_filter(aws):
    ids = aws.group("g", desired=12, maximum=20)
    ec2 = client(aws, "ec2")
    found = ec2.describe_instances(InstanceIds=ids[:2])["Reservations"]
    assert [r["Instances"][0]["InstanceId"] for r in found] == ids[:2]
    assert found[0]["Instances"][0]["InstanceLifecycle"] == "spot"
    by_tag = ec2.describe_instances(Filters=[{"Name": "tag:aws:autoscaling:groupName", "Values": ["g"]}, {"Name": "availability-zone", "Values": ["us-east-1a"]}])
    assert len(by_tag["Reservations"]) == 4
    pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
    assert [len(page["Reservations"]) for page in pages] == [5, 5, 2]
    assert refusal(ec2.describe_instances, InstanceIds=["i-0123456789abcdef0"]) == ("InvalidInstanceID.NotFound", 400)
    assert refusal(ec2.describe_instances, InstanceIds=["node-1"]) == ("InvalidInstanceID.Malformed", 400)
    assert refusal(ec2.describe_instances, InstanceIds=ids[:1], MaxResults=5) == ("InvalidParameterCombination", 400)
    assert refusal(ec2.describe_instances, Filters=[{"Name": "colour", "Values": ["blue"]}]) == ("InvalidParameterValue", 400)


def test_the_status_of_instances_shows_events_and_their_end(aws):
    node, other = aws.group("g", desired=2)
    ec2 = client(aws, "ec2")
    aws.maintenance(node, code="system-reboot", event_id="instance-event-7")
    aws.impair(other)
    found = {s["InstanceId"]: s for s in ec2.describe_instance_status(InstanceIds=[node, other])["InstanceStatuses"]}
    assert found[node]["Events"][0]["InstanceEventId"] == "instance-event-7"
    assert found[other]["SystemStatus"]["Status"] == "impaired"
    aws.vanish(node)
    assert [s["InstanceId"] for s in ec2.describe_instance_status(InstanceIds=[node, other])["InstanceStatuses"]] == [other]
    every = ec2.describe_instance_status(InstanceIds=[node], IncludeAllInstances=True)["InstanceStatuses"]
    assert every[0]["InstanceState"]["Name"] == "shutting-down"
    aws.advance(20)
    gone = ec2.describe_instances(InstanceIds=[node])["Reservations"][0]["Instances"][0]
    assert gone["State"]["Name"] == "terminated" and gone["StateReason"]["Code"] == "Server.InternalError"
    aws.advance(3700)
    assert refusal(ec2.describe_instances, InstanceIds=[node]) == ("InvalidInstanceID.NotFound", 400)


# --- SQS -----------------------------------------------------------------------------------------------------------------------


def test_a_message_is_hidden_comes_back_and_is_deleted(aws):
    aws.queue("q", events=None, visibility_s=30)
    sqs = client(aws, "sqs")
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    first = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"][0]
    assert first["Body"] == "hello" and first["Attributes"]["ApproximateReceiveCount"] == "1"
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    aws.advance(31)
    second = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["ApproximateReceiveCount"])["Messages"][0]
    assert second["Attributes"] == {"ApproximateReceiveCount": "2"}
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])  # an old receipt: succeeds, and nothing is deleted
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0)
    third = sqs.receive_message(QueueUrl=url)["Messages"][0]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=third["ReceiptHandle"])
    aws.advance(60)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert [d["body"] for d in aws.queue_state("q")["deleted"]] == ["hello"]
    assert refusal(sqs.delete_message, QueueUrl=url, ReceiptHandle="x") == ("ReceiptHandleIsInvalid", 404)
    assert refusal(sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11) == ("InvalidParameterValue", 400)
    assert refusal(sqs.receive_message, QueueUrl=url + "x")[0] in ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")


def test_messages_come_and_go_in_batches_and_grow_old(aws):
    aws.queue("q", events=None, retention_s=300)
    sqs, url = client(aws, "sqs"), f"{aws.url}/123456789012/q"
    sent = sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": f"m{n}"} for n in range(10)])
    assert len(sent["Successful"]) == 10
    sqs.send_message(QueueUrl=url, MessageBody="late", DelaySeconds=20)
    got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert len(got) == 10
    entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(got)]
    entries[3]["ReceiptHandle"] = "broken"
    done = sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    assert len(done["Successful"]) == 9 and done["Failed"][0]["Id"] == "3"
    assert refusal(sqs.delete_message_batch, QueueUrl=url, Entries=[])[0].endswith("EmptyBatchRequest")
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "2"
    aws.advance(301)
    assert aws.queue_state("q")["messages"] == []


def test_a_long_poll_waits_and_wakes(aws):
    aws.queue("q", events=["EC2 Spot Instance Interruption Warning"])
    node = aws.instance()["id"]
    sqs, url = client(aws, "sqs"), f"{aws.url}/123456789012/q"
    threading.Timer(0.5, aws.interrupt, [node]).start()
    started = time.monotonic()
    assert len(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]) == 1
    assert 0.4 < time.monotonic() - started < 3
    started = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
    assert time.monotonic() - started >= 0.9
    aws.speed(100)
    started = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
    assert time.monotonic() - started < 2


def test_poison_goes_to_the_dead_letter_queue_and_hooks_write_directly(aws):
    aws.queue("dead", events=None)
    queue = aws.queue("q", events=None, dead_letter="dead", max_receives=2, visibility_s=5)
    sqs, url = client(aws, "sqs"), aws.url + queue["path"]
    aws.send("q", "{not json")
    for _ in range(3):
        sqs.receive_message(QueueUrl=url)
        aws.advance(6)
    assert [m["body"] for m in aws.queue_state("dead")["messages"]] == ["{not json"]
    [node] = aws.group("g", desired=1, hooks=[{"name": "drain", "target": queue["arn"]}])
    assert json.loads(aws.queue_state("q")["messages"][0]["body"])["Event"] == "autoscaling:TEST_NOTIFICATION"
    aws.scale("g", 0)
    aws.advance(5)
    direct = json.loads(aws.queue_state("q")["messages"][1]["body"])
    assert direct["EC2InstanceId"] == node and "detail" not in direct


# --- STS -----------------------------------------------------------------------------------------------------------------------

ROLE = "arn:aws:iam::210987654321:role/petrel"


def test_a_role_is_assumed_with_its_external_id_in_its_own_account(aws):
    aws.role(ROLE, external_id="petrel-demo")
    sts = client(aws, "sts")
    assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/petrel"
    assert refusal(sts.assume_role, RoleArn=ROLE, RoleSessionName="petrel") == ("AccessDenied", 403)
    assert refusal(sts.assume_role, RoleArn=ROLE + "x", RoleSessionName="petrel", ExternalId="petrel-demo") == ("AccessDenied", 403)
    given = sts.assume_role(RoleArn=ROLE, RoleSessionName="petrel", ExternalId="petrel-demo", DurationSeconds=900)["Credentials"]
    assert 880 < given["Expiration"].timestamp() - time.time() < 902
    keys = {"key": given["AccessKeyId"], "secret": given["SecretAccessKey"], "token": given["SessionToken"]}
    assert client(aws, "sts", **keys).get_caller_identity()["Arn"] == "arn:aws:sts::210987654321:assumed-role/petrel/petrel"
    aws.group("theirs", desired=1, account="210987654321")
    aws.group("ours", desired=1)
    assert [g["AutoScalingGroupName"] for g in client(aws, "autoscaling", **keys).describe_auto_scaling_groups()["AutoScalingGroups"]] == ["theirs"]
    assert refusal(client(aws, "ec2", **{**keys, "token": "other"}).describe_instances) == ("AuthFailure", 401)
    aws.expire_keys()
    assert refusal(client(aws, "autoscaling", **keys).describe_auto_scaling_groups) == ("ExpiredToken", 403)
    assert refusal(client(aws, "eks", **keys).list_clusters) == ("ExpiredTokenException", 403)


def test_a_web_identity_is_exchanged_unsigned_while_its_token_is_good(aws):
    aws.role(ROLE, credentials_s=1)
    aws.web_token(ROLE, "token-of-today", seconds=60)
    sts = boto3.client("sts", region_name="us-east-1", endpoint_url=aws.url, config=botocore.config.Config(signature_version=botocore.UNSIGNED, retries={"total_max_attempts": 1}))
    ask = {"RoleArn": ROLE, "RoleSessionName": "petrel"}
    given = sts.assume_role_with_web_identity(**ask, WebIdentityToken="token-of-today")["Credentials"]
    keys = {"key": given["AccessKeyId"], "secret": given["SecretAccessKey"], "token": given["SessionToken"]}
    client(aws, "sts", **keys).get_caller_identity()
    time.sleep(1.1)
    assert refusal(client(aws, "sts", **keys).get_caller_identity) == ("ExpiredToken", 403)
    assert refusal(sts.assume_role_with_web_identity, **ask, WebIdentityToken="token-of-yesterday") == ("InvalidIdentityToken", 400)
    aws.web_token(ROLE, "token-of-today", seconds=-1)
    assert refusal(sts.assume_role_with_web_identity, **ask, WebIdentityToken="token-of-today") == ("ExpiredTokenException", 400)
    assert refusal(sts.get_caller_identity) == ("MissingAuthenticationToken", 403)


def test_pod_identity_gives_the_role_to_who_has_the_token(aws):
    aws.role(ROLE)
    aws.pod_identity("secret-token", ROLE)
    connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=10)
    connection.request("GET", "/v1/credentials", headers={"Authorization": "other"})
    refused = connection.getresponse()
    assert refused.status == 401 and refused.read()
    connection.request("GET", "/v1/credentials", headers={"Authorization": "secret-token"})
    given = json.loads(connection.getresponse().read())
    assert client(aws, "sts", given["AccessKeyId"], given["SecretAccessKey"], given["Token"]).get_caller_identity()["Account"] == "210987654321"


def eks_token(aws, cluster, host="sts.us-east-1.amazonaws.com", expires=60, extra="", key=None, secret=None):
    """As kubectl's `aws eks get-token` makes it, by botocore."""
    url = f"https://{host}/?Action=GetCallerIdentity&Version=2011-06-15{extra}"
    request = botocore.awsrequest.AWSRequest("GET", url, headers={"x-k8s-aws-id": cluster})
    keys = botocore.credentials.Credentials(key or aws.access_key, secret or aws.secret_key)
    botocore.auth.SigV4QueryAuth(keys, "sts", "us-east-1", expires=expires).add_auth(request)
    return "k8s-aws-v1." + base64.urlsafe_b64encode(request.url.encode()).decode().rstrip("=")


def test_a_token_for_an_eks_api_server_is_verified(aws):
    assert aws.eks_token(eks_token(aws, "demo"), "demo")["arn"] == "arn:aws:iam::123456789012:user/petrel"
    for token in (eks_token(aws, "other"), eks_token(aws, "demo", secret="wrong"), eks_token(aws, "demo", extra="&Colour=blue"),
                  eks_token(aws, "demo", host="sts.example.com"), eks_token(aws, "demo") + "==", "k8s-aws-v1.AAAA", "bearer"):
        assert aws.eks_token(token, "demo")["arn"] is None, token
    aws.skew(14 * 60)
    assert aws.eks_token(eks_token(aws, "demo"), "demo")["arn"]  # 15 minutes, whatever X-Amz-Expires says
    aws.skew(16 * 60)
    assert aws.eks_token(eks_token(aws, "demo"), "demo")["code"] == "SignatureDoesNotMatch"


def test_a_presigned_get_caller_identity_is_answered_in_json(aws):
    aws.skew(0)
    token = eks_token(aws, "demo", host=f"127.0.0.1:{aws.port}")
    url = urllib.parse.urlsplit(base64.urlsafe_b64decode(token[11:] + "==").decode())
    connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=10)
    connection.request("GET", f"/?{url.query}", headers={"x-k8s-aws-id": "demo", "Accept": "application/json"})
    answer = json.loads(connection.getresponse().read())
    assert answer["GetCallerIdentityResponse"]["GetCallerIdentityResult"]["Account"] == "123456789012"
    connection.request("GET", f"/?{url.query}", headers={"x-k8s-aws-id": "other"})
    assert connection.getresponse().status == 403


# --- EKS -----------------------------------------------------------------------------------------------------------------------


def test_a_cluster_and_its_node_groups_are_described(aws):
    aws.cluster("demo", endpoint="https://10.0.0.1", certificate="Q0E=")
    made = aws.nodegroup("demo", "spot-a", desired=2, labels={"tier": "web"})
    aws.nodegroup("demo", "od", desired=1, spot=False)
    eks = client(aws, "eks")
    assert eks.list_clusters()["clusters"] == ["demo"]
    cluster = eks.describe_cluster(name="demo")["cluster"]
    assert cluster["endpoint"] == "https://10.0.0.1" and cluster["certificateAuthority"]["data"] == "Q0E="
    pages = list(eks.get_paginator("list_nodegroups").paginate(clusterName="demo", PaginationConfig={"PageSize": 1}))
    assert [page["nodegroups"] for page in pages] == [["od"], ["spot-a"]]
    group = eks.describe_nodegroup(clusterName="demo", nodegroupName="spot-a")["nodegroup"]
    assert group["capacityType"] == "SPOT" and group["scalingConfig"]["desiredSize"] == 2
    behind = group["resources"]["autoScalingGroups"][0]["name"]
    assert behind == made["group"]
    found = client(aws, "autoscaling").describe_auto_scaling_groups(Filters=[{"Name": "tag:eks:nodegroup-name", "Values": ["spot-a"]}])
    assert found["AutoScalingGroups"][0]["AutoScalingGroupName"] == behind
    assert refusal(eks.describe_cluster, name="x") == ("ResourceNotFoundException", 404)
    assert refusal(eks.describe_nodegroup, clusterName="demo", nodegroupName="x") == ("ResourceNotFoundException", 404)
    aws.fault("throttle")
    assert refusal(eks.list_clusters) == ("ThrottlingException", 429)


def test_one_update_at_a_time_and_each_takes_its_time(aws):
    aws.cluster("demo")
    made = aws.nodegroup("demo", "spot-a", desired=2, maximum=5)
    eks = client(aws, "eks")
    known = {"clusterName": "demo", "nodegroupName": "spot-a"}
    update = eks.update_nodegroup_config
    assert refusal(update, **known, scalingConfig={"minSize": 3}) == ("InvalidParameterException", 400)  # above desired
    assert refusal(update, **known, scalingConfig={"minSize": 1, "maxSize": 5, "desiredSize": 6}) == ("InvalidParameterException", 400)
    first = update(**known, scalingConfig={"minSize": 1, "maxSize": 6, "desiredSize": 3}, clientRequestToken="once")["update"]
    assert first["status"] == "InProgress"
    assert update(**known, scalingConfig={"minSize": 1, "maxSize": 6, "desiredSize": 3}, clientRequestToken="once")["update"]["id"] == first["id"]
    assert refusal(update, **known, labels={"addOrUpdateLabels": {"a": "b"}}) == ("ResourceInUseException", 409)
    assert eks.describe_nodegroup(**known)["nodegroup"]["status"] == "UPDATING"
    aws.advance(31)
    assert eks.describe_update(name="demo", nodegroupName="spot-a", updateId=first["id"])["update"]["status"] == "Successful"
    assert len(aws.group_state(made["group"])["members"]) == 3
    second = update(**known, labels={"addOrUpdateLabels": {"a": "b"}})["update"]
    aws.nodegroup_set("demo", "spot-a", issues=[{"code": "AsgInstanceLaunchFailures", "message": "no capacity", "resourceIds": []}])
    aws.fail_update("demo", "spot-a")
    assert eks.describe_update(name="demo", nodegroupName="spot-a", updateId=second["id"])["update"]["errors"][0]["errorCode"] == "PodEvictionFailure"
    after = eks.describe_nodegroup(**known)["nodegroup"]
    assert after["status"] == "DEGRADED" and after["health"]["issues"][0]["code"] == "AsgInstanceLaunchFailures" and after["labels"]["a"] == "b"
    assert len(eks.list_updates(name="demo", nodegroupName="spot-a")["updateIds"]) == 2


# --- load balancers --------------------------------------------------------------------------------------------------------------


def test_a_target_drains_and_is_gone(aws):
    node, other = aws.group("g", desired=2)
    arn = aws.target_group("web", targets=[node, other], drain_s=60)
    elb = client(aws, "elbv2")
    group = elb.describe_target_groups()["TargetGroups"][0]
    assert group["TargetGroupArn"] == arn and group["TargetType"] == "instance"
    assert elb.describe_load_balancers(LoadBalancerArns=group["LoadBalancerArns"])["LoadBalancers"][0]["State"]["Code"] == "active"
    aws.target(arn, node, "draining")

    def health():
        return elb.describe_target_health(TargetGroupArn=arn, Targets=[{"Id": node}])["TargetHealthDescriptions"][0]["TargetHealth"]

    assert health()["State"] == "draining" and health()["Reason"] == "Target.DeregistrationInProgress"
    aws.advance(61)
    assert health()["Reason"] == "Target.NotRegistered"
    assert len(elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]) == 1
    elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": other}])
    assert elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"][0]["TargetHealth"]["State"] == "draining"
    assert refusal(elb.describe_target_health, TargetGroupArn=arn + "x") == ("TargetGroupNotFound", 400)


def test_a_classic_balancer_is_told_apart_by_its_version(aws):
    node, other = aws.group("g", desired=2)
    aws.classic_balancer("old", [node, other])
    elb = client(aws, "elb")
    assert [i["InstanceId"] for i in elb.describe_load_balancers()["LoadBalancerDescriptions"][0]["Instances"]] == [node, other]
    aws.classic_state("old", node, "OutOfService")
    assert elb.describe_instance_health(LoadBalancerName="old", Instances=[{"InstanceId": node}])["InstanceStates"][0]["State"] == "OutOfService"
    aws.classic_state("old", node)
    assert refusal(elb.describe_instance_health, LoadBalancerName="old", Instances=[{"InstanceId": node}]) == ("InvalidInstance", 400)
    assert refusal(elb.describe_instance_health, LoadBalancerName="new") == ("LoadBalancerNotFound", 400)


# --- what goes wrong -----------------------------------------------------------------------------------------------------------


def test_each_service_throttles_and_denies_in_its_own_words(aws):
    aws.queue("q")
    calls = {"autoscaling": client(aws, "autoscaling").describe_auto_scaling_groups, "ec2": client(aws, "ec2").describe_instances,
             "sqs": lambda: client(aws, "sqs").get_queue_url(QueueName="q"), "eks": client(aws, "eks").list_clusters,
             "elb": client(aws, "elbv2").describe_target_groups, "sts": client(aws, "sts").get_caller_identity}
    throttled = {"autoscaling": ("Throttling", 400), "ec2": ("RequestLimitExceeded", 503), "sqs": ("RequestThrottled", 403),
                 "eks": ("ThrottlingException", 429), "elb": ("Throttling", 400), "sts": ("Throttling", 400)}
    denied = {"autoscaling": ("AccessDenied", 403), "ec2": ("UnauthorizedOperation", 403), "sqs": ("AccessDeniedException", 400),
              "eks": ("AccessDeniedException", 403), "elb": ("AccessDenied", 403), "sts": ("AccessDenied", 403)}
    for kind, wanted in (("throttle", throttled), ("deny", denied)):
        aws.fault(kind)
        for service, call in calls.items():
            assert refusal(call) == wanted[service]
        aws.heal()
        for call in calls.values():
            call()


def test_buckets_run_dry_and_fill_up_again(aws):
    aws.limit("autoscaling", "DescribeAutoScalingGroups", rate=10, burst=3)
    call = client(aws, "autoscaling").describe_auto_scaling_groups
    for _ in range(3):
        call()
    assert refusal(call) == ("Throttling", 400)
    time.sleep(0.25)
    call()
    client(aws, "autoscaling").describe_scaling_activities()
    assert [r["fault"] for r in aws.requests("DescribeAutoScalingGroups")] == [None, None, None, "bucket", None]


def test_answers_are_lost_cut_slowed_and_never_given(aws):
    node, *_ = aws.group("g", desired=3)
    asg = client(aws, "autoscaling", timeout=1)
    failures = (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError, botocore.exceptions.ClientError, botocore.parsers.ResponseParserError)
    for kind in ("reset", "hang", "truncate", "garbage", "unavailable"):
        aws.fault(kind, operation="DescribeAutoScalingGroups", count=1, hang_s=5)
        with pytest.raises(failures):
            asg.describe_auto_scaling_groups()
        assert aws.requests("DescribeAutoScalingGroups")[-1]["fault"] == kind
    assert len(asg.describe_auto_scaling_groups()["AutoScalingGroups"]) == 1
    aws.fault("slow", operation="SetDesiredCapacity", count=1)
    started = time.monotonic()
    asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=3)
    assert time.monotonic() - started > 3  # each byte comes in time, and all of them do not
    aws.fault("lost", operation="Terminate*", count=1)
    with pytest.raises(failures):
        asg.terminate_instance_in_auto_scaling_group(InstanceId=node, ShouldDecrementDesiredCapacity=True)
    assert aws.group_state("g")["desired"] == 2  # it was done all the same


def test_a_regional_outage_leaves_other_regions_alone(aws):
    aws.outage("us-east-1")
    aws.group("g", desired=1, region="us-west-2")
    assert refusal(client(aws, "autoscaling").describe_auto_scaling_groups)[1] == 503
    assert len(client(aws, "autoscaling", region="us-west-2").describe_auto_scaling_groups()["AutoScalingGroups"]) == 1


def test_the_script_can_be_driven_over_http(aws):
    connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=10)

    def verb(word, **options):
        connection.request("POST", f"/_control/{word}", json.dumps(options))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    status, ids = verb("group", name="g", desired=2)
    assert status == 200 and len(ids) == 2
    before = verb("now")[1]
    assert verb("advance", seconds=3600)[1] == pytest.approx(before + 3600, abs=1)
    assert verb("paint", colour="blue")[0] == 400
    assert verb("group_state", name="g")[1]["desired"] == 2


def test_a_broken_connection_is_nobodys_business(aws):
    for text in (b"", b"GET", b"\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\nx", b"\x16\x03\x01\x02\x00"):
        with socket.create_connection(("127.0.0.1", aws.port), timeout=5) as connection:
            connection.sendall(text)
    client(aws, "autoscaling").describe_auto_scaling_groups()
