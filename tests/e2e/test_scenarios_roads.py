# SPDX-License-Identifier: Apache-2.0
"""The same loss told by three roads, in every order: the metadata service, the event queue, EC2's state change. It is one drain."""
import collections
import http.server
import itertools
import json
import sys
import threading
import time

import pytest
from petrel import ACCOUNT, Agent
from programs import ROOT
from test_scenarios_aws import Fleet, aws, links, start  # noqa: F401: aws is a fixture

sys.path.insert(0, str(ROOT / "tests" / "fake"))
from imds import FakeImds  # noqa: E402

ROADS = ("imds", "queue", "state")
ORDERS = list(itertools.permutations(ROADS))


class Webhook:
    """Where people are told: what was posted."""

    def __init__(self):
        self.posted, webhook = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                webhook.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def webhook():
    w = Webhook()
    yield w
    w.end()


def tell(aws, instance, road):  # noqa: F811
    if road == "imds":
        instance.spot_action("terminate", seconds=120)
    elif road == "queue":
        aws.event("EC2 Spot Instance Interruption Warning", "aws.ec2", {"instance-id": instance.id, "instance-action": "terminate"})
    else:
        aws.event("EC2 Instance State-change Notification", "aws.ec2", {"instance-id": instance.id, "state": "shutting-down"})


def patches(cluster, begun, node):
    """Requests of the aggregator that set the taint on this node."""
    return [r for r in cluster.requests(ACCOUNT)[begun:] if r["verb"] == "patch" and r["objectRef"].get("name") == node and
            r["responseStatus"]["code"] < 300 and "petrel.dev/interruption" in json.dumps(r.get("requestObject"))]


def check_deleted_after_journal(aws, a, instances):  # noqa: F811
    """Each message was deleted only when a line about its drain was on the disk."""
    deleted = aws.queue_state("petrel")["deleted"]
    assert len(deleted) >= 2 * len(instances)
    first = {}
    for line in a.audit("notice"):
        first.setdefault((line["body"]["instance_id"], line["body"]["kind"]), line["ts_ms"] / 1000)
    for message in deleted:
        detail = json.loads(message["body"])["detail"]
        kind = "STATE_CHANGE" if "state" in detail else "SPOT_ITN"
        assert message["time"] >= first[detail["instance-id"], kind] - 0.002, f"{kind} deleted before it was journalled"


def test_the_same_loss_by_three_roads_in_all_orders_is_one_drain(cluster, rights, tmp_path, aws, world, webhook):  # noqa: F811
    """Six nodes, six orders, at once. Once more by every road when it is over: still one drain, one patch, each person told once."""
    fleet = Fleet(aws, world, count=len(ORDERS))
    nodes, begun = dict(zip(fleet.nodes, ORDERS)), len(cluster.requests(ACCOUNT))
    for node in nodes:
        for i in range(2):
            world.pod(f"{node[-8:]}-{i}", on=node, grace=30, annotations={"e2e/stop-after": "8"})
    cluster.poll(lambda: all(p["status"]["phase"] == "Running" for p in world.pods()), 20, "all run")
    mine = {node: world.uids(node) for node in nodes}
    settings = {"aws.queue": aws.url + aws.queue("petrel")["path"], "drain.replace": "no", "webhook.url": webhook.url}
    with start(cluster, tmp_path, **settings) as a, FakeImds() as service:
        cluster.poll(a.leads, 20, "it leads")
        instances = {node: service.instance(fleet.nodes[node]) for node in nodes}
        agents = [Agent(tmp_path / node, node, instances[node], service.port, a) for node in nodes]
        for agent in agents:
            agent.__enter__()
        for instance in instances.values():
            cluster.poll(lambda: instance.requests("spot/instance-action"), 20, "the agents poll")
        for step in range(len(ROADS)):
            for node, order in nodes.items():
                tell(aws, instances[node], order[step])
            time.sleep(1.3)
        for node in nodes:
            a.until(node, ("done",), 60)
        for node in nodes:  # late: EC2's own state change, and what SQS delivers twice
            tell(aws, instances[node], "state")
            tell(aws, instances[node], "queue")
        cluster.poll(lambda: aws.queue_state("petrel")["messages"] == [], 20, "every message is deleted")
        time.sleep(1.5)
        drains = collections.Counter(d["node"] for d in a.get("/api/v1/drains")[1]["items"])
        assert drains == {node: 1 for node in nodes}
        for node in nodes:
            assert len(patches(cluster, begun, node)) == 1, f"{nodes[node]}: {len(patches(cluster, begun, node))} patches"
            (d,) = [d for d in a.get("/api/v1/drains")[1]["items"] if d["node"] == node]
            assert d["kind"] == "SPOT_ITN" and d["pods_left"] == 0, (nodes[node], d["kind"])
        evictions = world.evictions(ACCOUNT, begun)
        assert sorted(evictions) == sorted(uid for uids in mine.values() for uid in uids)
        check_deleted_after_journal(aws, a, instances)
        check_told_once(a, webhook, nodes)
        a.verify_audit()
        for agent in agents:
            agent.stop()


def check_told_once(a, webhook, nodes):
    """Each phase of each drain once, also on the webhook."""
    told = collections.Counter()
    for line in a.log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "DRAIN" and event.get("reason"):
            told[event["node"], event["reason"]] += 1
    assert {key: n for key, n in told.items() if n != 1} == {}
    for node, order in nodes.items():
        expected = {"SpotInterruption", "Cordon", "CordonAndDrain"} | ({"StateChange"} if order[0] == "state" else set())
        assert {reason for name, reason in told if name == node} == expected, (order, told)
    assert len(webhook.posted) == sum(told.values())
