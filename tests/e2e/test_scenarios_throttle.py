# SPDX-License-Identifier: Apache-2.0
"""AWS throttles every request, or has no capacity anywhere: the drain does not wait for it.

The throttle lasts 45 s here; ten minutes of it are played with a clock of their own in tests/unit/aggregator/act/test_drains_cloud.c
(what is asked for again) and tests/unit/aggregator/cloud/aws/test_retry.c (how many requests the limiter lets through).
"""
import collections
import json
import time

import pytest
from petrel import ACCOUNT
from test_scenarios_aws import ZONES, Fleet, aws, knows_groups, links, start  # noqa: F401: aws is a fixture

THROTTLED_S = 45


@pytest.fixture
def fleet(aws, world, rights):  # noqa: F811
    return Fleet(aws, world)


def reasons(cluster, node):
    return {e["reason"] for e in cluster.kube.items("/apis/events.k8s.io/v1/namespaces/default/events") if e["regarding"]["name"] == node}


def test_a_drain_does_not_feel_that_aws_throttles_everything(cluster, tmp_path, aws, world, rights):  # noqa: F811
    """Taint and evictions are on time; the hook and the replacement are asked for again without a storm, and once it is over the hook is
    completed and there is one replacement."""
    url = aws.url + aws.queue("petrel")["path"]
    hooked = Fleet(aws, world, managed=False, hooks=[{"name": "drain", "heartbeat_s": 600}])
    group = aws.group_state(hooked.group)
    for node in hooked.nodes:
        world.pod(f"on-{node}", on=node, grace=20, annotations={"e2e/stop-after": "6"})
    cluster.poll(lambda: all(p["status"]["phase"] == "Running" for p in world.pods()), 20, "all run")

    def member(name):
        return aws.group_state(hooked.group)["members"].get(hooked.nodes[name], {}).get("state", "gone")

    with start(cluster, tmp_path, **{"aws.queue": url}) as a:
        cluster.poll(a.leads, 20, "it leads")
        cluster.poll(lambda: knows_groups(a, hooked.name), 20, "the node group is described")
        aws.az_rebalance(hooked.group)
        leaving = cluster.poll(lambda: next((n for n in hooked.nodes if member(n) == "Terminating:Wait"), None), 30, "one waits for its hook")
        cluster.poll(lambda: [n for n in a.audit("notice") if n["body"]["kind"] == "ASG_LIFECYCLE"], 10, "the hook is heard of")
        desired = aws.group_state(hooked.group)["desired"]
        known = {i for i in aws.group_state(hooked.group)["members"]}
        lost = next(n for n in hooked.nodes if n != leaving)
        aws.fault("throttle", seconds=THROTTLED_S)
        began, first = time.time(), len(aws.requests())
        begun = len(cluster.requests(ACCOUNT))
        a.notice(lost, seconds=THROTTLED_S + 60, instance=hooked.nodes[lost])
        cluster.poll(lambda: world.is_marked(lost), 3, "the taint")
        tainted = time.time() - began
        cluster.poll(lambda: not world.uids(lost) and not world.uids(leaving), 20, "the pods have gone")
        empty = time.time() - began
        time.sleep(max(0.0, began + THROTTLED_S - time.time()))
        asked = aws.requests(since=first)
        cluster.poll(lambda: not member(leaving).startswith("Terminating:W"), 45, "the hook is completed")
        cluster.poll(lambda: [i for i in aws.group_state(hooked.group)["members"] if i not in known], 45, "a replacement is launched")
        time.sleep(3)
        counts = collections.Counter(r["service"] for r in asked)
        print(json.dumps({"tainted_s": round(tainted, 2), "empty_s": round(empty, 1), "requests_in_throttle": counts, "group": group["desired"]}))
        # The SDKs' adaptive limiter lets half a request a second through once all are refused, and its first bucket.
        for service, n in counts.items():
            assert n <= THROTTLED_S * 0.5 + 15, (service, n)
        assert {r["status"] for r in asked} <= {400, 403, 503} and counts["autoscaling"] >= 3
        taken = [r for r in aws.requests(operation="LaunchInstances") if r["status"] == 200]
        assert len(taken) == 1, "more than one replacement"
        new = [i for i in aws.group_state(hooked.group)["members"] if i not in known]
        assert len(new) == 1 and aws.group_state(hooked.group)["desired"] in (desired, desired + 1)
        assert len([r for r in aws.requests(operation="CompleteLifecycleAction") if r["status"] == 200 and r["n"] >= first]) >= 1
        assert len(world.evictions(ACCOUNT, begun)) == len(set(world.evictions(ACCOUNT, begun)))
        assert "ReplacementFailed" not in reasons(cluster, lost)
        a.verify_audit()


def on_demand(aws, world):  # noqa: F811
    """Another node group, of on-demand capacity."""
    made = aws.nodegroup("e2e", f"{world.name}-steady", desired=1, maximum=5, zones=ZONES[:1], types=["m6i.xlarge"], spot=False)
    return made["group"]


def capacity_known(a, name):
    return any(g["group"] == name and g["max"] for g in a.get("/api/v1/groups")[1]["items"])


@pytest.mark.parametrize("left", ["on-demand", "nothing"])
def test_without_spot_capacity_on_demand_is_the_last_and_without_any_the_drain_goes_on(cluster, tmp_path, aws, fleet, world, left):  # noqa: F811
    """Every pool of the group is empty: each zone is asked once, then on-demand; the pods do not wait for any of it."""
    victim = next(iter(fleet.nodes))
    steady = on_demand(aws, world)
    for zone in ZONES:
        aws.pool(zone=zone, market="*" if left == "nothing" else "spot", left=0)
    world.deploy("web", 3, on=victim, grace=10)
    mine, begun = world.uids(victim), len(cluster.requests(ACCOUNT))
    with start(cluster, tmp_path) as a:
        cluster.poll(a.leads, 20, "it leads")
        cluster.poll(lambda: knows_groups(a, fleet.name) and capacity_known(a, f"{world.name}-steady"), 20, "both groups are described")
        began = time.time()
        a.notice(victim, seconds=60, instance=fleet.nodes[victim])
        cluster.poll(lambda: not mine & world.uids(victim), 15, "the pods have gone")
        assert sorted(world.evictions(ACCOUNT, begun)) == sorted(mine)
        empty = time.time() - began
        cluster.poll(lambda: a.drain(victim)["replacement"]["state"] == "launched", 30, "the replacement is asked for")
        asked = [e["body"] for e in a.audit("intent") if e["body"]["call"] in ("launch", "desired")]
        spot = [e["zone"] for e in asked if e["scaling_group"] == fleet.group and e["call"] == "launch"]
        assert sorted(spot) == sorted(ZONES), "each zone is asked once"
        launches = [e for e in asked if e["call"] == "launch"]
        assert launches[-1]["scaling_group"] == steady, [e["scaling_group"] for e in asked]
        if left == "nothing":  # the group is left to launch when there is capacity again, and keeps its size
            assert asked[-1]["call"] == "desired" and asked[-1]["scaling_group"] == fleet.group
            a.until(victim, ("done",), 60)
            assert aws.group_state(fleet.group)["desired"] == 3
        else:
            members = aws.group_state(steady)["members"]
            assert len(members) == 2
        print(json.dumps({"left": left, "empty_s": round(empty, 1), "asked": [(e["scaling_group"] == steady, e["zone"]) for e in asked]}))
