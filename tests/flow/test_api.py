# SPDX-License-Identifier: Apache-2.0
"""openapi.json held against a running petrel-aggregator: every path, every schema, every documented error."""
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse

import jsonschema
import pytest

import running

SPEC = json.loads((running.ROOT / "aggregator/show/openapi.json").read_text())
PATHS = sorted(path for path, verbs in SPEC["paths"].items() if "get" in verbs)
ASKS = sorted(path for path, verbs in SPEC["paths"].items() if "post" in verbs)
MARK = {"Petrel-Request": "test"}


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with running.aggregator(tmp_path_factory.mktemp("aggregator")) as a:
        assert a.get("/api/v1/notice?cluster=demo&node=demo-spot-3", method="POST", headers=MARK)[0] == 200
        yield a


@pytest.fixture(scope="module")
def synthetic():
    with running.synthetic() as a:
        time.sleep(11)  # every node has had its second with histograms, and there are several plans
        yield a


@pytest.fixture(params=["real", "synthetic"])
def server(request):
    return request.getfixturevalue(request.param)


def check(schema, value):
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": SPEC["components"], **schema}
    jsonschema.Draft202012Validator(whole).validate(value)


def example(server, path):
    """A request for the path that must succeed: its braces and needed arguments filled from the lists."""
    group = server.json("/api/v1/groups")["items"][-1]
    node = server.json("/api/v1/nodes")["items"][0]
    plan = server.json("/api/v1/plans")["items"][0]
    drain = server.json("/api/v1/drains")["items"][0]
    known = {"{cluster}": node["cluster"], "{node}": node["node"], "{id}": (drain if "drains" in path else plan)["id"]}
    values = {"cluster": group["cluster"], "kind": "group", "name": group["group"], "metric": "cpu_demand_high_millicores",
              "hist": "runq_latency_ns"}
    needed = {p["name"]: values[p["name"]] for p in SPEC["paths"][path]["get"].get("parameters", [])
              if p["in"] == "query" and p["required"]}
    filled = re.sub(r"\{\w+\}", lambda m: known[m.group()], path)
    return filled + ("?" + urllib.parse.urlencode(needed) if needed else "")


@pytest.mark.parametrize("path", [p for p in PATHS if p != "/api/v1/events"])
def test_every_path_answers_as_described(server, path):
    status, headers, body = server.get(example(server, path))
    assert status == 200, body[:300]
    [(media, content)] = SPEC["paths"][path]["get"]["responses"]["200"]["content"].items()
    assert headers["Content-Type"].startswith(media)
    if media == "application/json":
        check(content["schema"], json.loads(body))


@pytest.mark.parametrize("path", [p for p in PATHS if p != "/api/v1/events"])
def test_every_path_refuses_what_it_does_not_know(server, path):
    good = example(server, path)
    error = {"$ref": "#/components/schemas/Error"}
    responses = SPEC["paths"][path]["get"]["responses"]
    verb = "PUT" if path in ASKS else "POST"
    status, headers, body = server.get(good, method=verb)
    assert status == 405 and headers["Allow"] == ("GET, HEAD, POST" if path in ASKS else "GET, HEAD")
    check(error, json.loads(body))
    if "400" in responses:
        status, _, body = server.get(good + ("&" if "?" in good else "?") + "clutser=x")
        assert status == 400
        check(error, json.loads(body))
        assert json.loads(body)["error"]["code"] == "unknown-argument"
    if "404" in responses:
        cluster = [p for p in SPEC["paths"][path]["get"].get("parameters", []) if p["name"] == "cluster"]
        missing = re.sub(r"\{\w+\}", "absent", path) if "{" in path else re.sub("cluster=[^&]*", "", good)
        if cluster and "{" not in path:
            missing += ("&" if "?" in missing else "?") + "cluster=absent"
        status, _, body = server.get(missing)
        assert status == 404, missing
        check(error, json.loads(body))


def test_every_needed_argument_is_asked_for(real):
    for path in PATHS:
        for p in SPEC["paths"][path]["get"].get("parameters", []):
            if p["in"] == "query" and p["required"]:
                without = re.sub(r"([?&])%s=[^&]*&?" % p["name"], r"\1", example(real, path)).rstrip("&")
                assert real.json(without, 400)["error"]["code"] == "missing-argument"


def ask(server, path, headers=MARK, **arguments):
    status, _, body = server.get(f"{path}?{urllib.parse.urlencode(arguments)}", method="POST", headers=headers)
    return status, json.loads(body)


@pytest.mark.parametrize("path", ASKS)
def test_what_is_asked_for_answers_as_described(synthetic, path):
    node = next(n for n in synthetic.json("/api/v1/nodes")["items"] if n["simulated"])
    known = {"cluster": node["cluster"], "node": node["node"]}
    responses = SPEC["paths"][path]["post"]["responses"]
    status, body = ask(synthetic, path, **known, left_ms=60000)
    assert status == 200
    check(responses["200"]["content"]["application/json"]["schema"], body)
    for wrong, code in (({**known, "node": "absent"}, 404), ({"cluster": "demo"}, 400), ({**known, "left_ms": "soon"}, 400),
                        ({**known, "colour": "blue"}, 400)):
        status, body = ask(synthetic, path, **wrong)
        assert status == code, (wrong, body)
        check({"$ref": "#/components/schemas/Error"}, body)
    status, body = ask(synthetic, path, headers={}, **known)  # as a form on a foreign page would
    assert status == 403 and body["error"]["code"] == "not-from-here"
    assert ask(synthetic, path, headers={**MARK, "Host": "evil.example:7480"}, **known)[0] == 403  # a name pointed at this machine
    check({"$ref": "#/components/schemas/Error"}, body)


def test_a_notice_is_only_for_simulated_clusters(synthetic, real):
    assert ask(synthetic, "/api/v1/notice", cluster="here", node="host")[1]["error"]["code"] == "not-simulated"
    assert real.get("/api/v1/notice")[0] == 405
    assert real.get("/api/v1/notice")[1]["Allow"] == "POST"
    assert ask(real, "/api/v1/notice", cluster="demo", node="demo-spot-4", event="SPOT")[1]["error"]["hint"] == "did you mean event=SPOT_ITN?"


def test_a_notice_drains_the_node_and_the_stream_says_so(real):
    stream = Stream(real)
    status, told = ask(real, "/api/v1/notice", cluster="demo", node="demo-spot-5", left_ms=90000)
    assert status == 200 and told["drain"]
    said = [d for name, d in stream.events(5) if name == "drain" and d["id"] == told["drain"]]
    assert said and said[-1]["times"]["tainted_ms"]
    check({"$ref": "#/components/schemas/Drain"}, said[-1])
    drain = real.json(f"/api/v1/drains/{told['drain']}")
    assert drain["node"] == "demo-spot-5" and drain["kind"] == "SPOT_ITN" and drain["pods_total"] == len(drain["pods"]) > 0
    assert 80000 < drain["deadline_ms"] - drain["started_ms"] <= 91000
    assert [d["id"] for d in real.json("/api/v1/drains?node=demo-spot-5")["items"]] == [told["drain"]]
    assert real.json("/api/v1/drains?limit=1")["items"][0]["id"] == told["drain"]
    status, again = ask(real, "/api/v1/drains", cluster="demo", node="demo-spot-5")
    assert status == 200 and again["id"] == told["drain"]


def test_a_dry_run_plans_and_keeps_nothing(real):
    before = [d["id"] for d in real.json("/api/v1/drains")["items"]]
    status, drain = ask(real, "/api/v1/drains", cluster="demo", node="demo-web-1", dry_run="true")
    assert status == 200 and drain["dry_run"] and drain["kind"] == "OPERATOR" and drain["pods"]
    assert [d["id"] for d in real.json("/api/v1/drains")["items"]] == before


def test_the_served_description_is_the_file(real):
    assert real.json("/openapi.json") == SPEC


def test_unknown_paths_name_the_nearest(real):
    assert real.json("/api/v1/nodez", 404)["error"]["hint"] == "did you mean /api/v1/nodes?"
    assert real.json("/api/v2/nodes", 404)["error"]["code"] == "not-found"


@pytest.mark.parametrize("path", ["/api/v1/status", "/metrics", "/", "/nothing", "/healthz"])
def test_every_answer_is_safe_to_show(real, path):
    _, headers, _ = real.get(path)
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    if path.startswith("/api"):
        assert headers["Cache-Control"] == "no-store"


def test_assets_are_cached_by_their_etag(real):
    status, headers, body = real.get("/")
    assert status == 200 and headers["Content-Encoding"] == "gzip" and body[:2] == b"\x1f\x8b"
    status, _, body = real.get("/", headers={"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")


def test_head_has_no_body(real):
    status, headers, body = real.get("/api/v1/status", method="HEAD")
    assert status == 200 and body == b"" and int(headers["Content-Length"]) > 100


def test_a_hostile_name_never_stands_raw(synthetic):
    _, _, body = synthetic.get("/api/v1/pods")
    assert b"<script>" not in body
    assert any(p["name"] == "a<script>alert(1)</script>.service" for p in json.loads(body)["items"])


def test_a_forecast_tells_what_earlier_ones_said(synthetic):
    group = synthetic.json("/api/v1/groups")["items"][0]
    f = synthetic.json(f"/api/v1/forecast?cluster={group['cluster']}&kind=group&name={group['group']}&horizon=hour")
    made = [p["generated_ms"] for p in f["previous"]]
    assert len(made) == 6 and made == sorted(made, reverse=True) and made[0] < f["generated_ms"]
    for p in f["previous"]:
        assert len(p["q10"]) == len(p["q50"]) == len(p["q90"]) == len(f["values"]) and p["step_ms"] == f["step_ms"]
        assert all(a <= b <= c for a, b, c in zip(p["q10"], p["q50"], p["q90"]))


def test_a_forecast_tells_what_was_said_at_a_time(synthetic):
    group = synthetic.json("/api/v1/groups")["items"][0]
    path = f"/api/v1/forecast?cluster={group['cluster']}&kind=group&name={group['group']}&horizon=hour"
    f = synthetic.json(path)
    assert f["then"] is None
    at = f["generated_ms"] + 5000
    then = synthetic.json(f"{path}&to={at}")["then"]
    assert then["generated_ms"] == at - 1000 and len(then["q50"]) == len(f["values"])
    assert synthetic.json(f"{path}&to=1000")["then"] is None


def test_metrics_say_how_the_forecasts_did(synthetic):
    body = synthetic.get("/metrics")[2].decode()
    for line in ('petrel_forecast_mase_ratio{horizon="hour"} 0.8', 'petrel_forecast_loss_ratio{horizon="hour"} 0.7',
                 'petrel_forecast_coverage_ratio{horizon="hour",level="0.5"} 0.4', 'petrel_forecast_naive_served{horizon="day"} 1',
                 'petrel_forecast_member_weight_ratio{horizon="hour",member="ets@log"} 0.25',
                 'petrel_forecast_drift_alarms_total{horizon="month"} 4', 'petrel_forecast_rejected_answers_total{horizon="hour"} 5',
                 'petrel_forecast_fit_seconds_total{horizon="hour"} 1.5'):
        assert f"\n{line}\n" in body, line
    assert 'petrel_forecast_mase_ratio{horizon="day"}' not in body  # nothing scored: absent, not 0


def test_series_lie_on_the_asked_grid(real):
    now = real.json("/api/v1/status")["now_ms"]
    path = "/api/v1/series?cluster=demo&kind=group&name=demo-web&metric=cpu_demand_high_millicores"
    s = real.json(f"{path}&from={now - 600000}&to={now}&step=10000")
    assert s["step_ms"] == 10000 and s["from_ms"] % 10000 == 0
    assert len(s["mean"]) == len(s["max"]) in (60, 61)
    values = [v for v in s["mean"] if v is not None]
    assert values and all(m >= v - 0.01 for v, m in zip(s["mean"], s["max"]) if v is not None)
    assert real.json(f"{path}&from=0&step=1000", 400)["error"]["code"] == "too-many-bins"


class Stream:
    """A reader of /api/v1/events: parses events until it has seen enough."""

    def __init__(self, server, query=""):
        host, port = server.url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), 10)
        self.socket.sendall(f"GET /api/v1/events{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        while self.file.readline().strip():
            pass

    def events(self, seconds):
        end, name, found = time.monotonic() + seconds, None, []
        while time.monotonic() < end:
            line = self.file.readline().decode()
            if line.startswith("event: "):
                name = line[7:].strip()
            elif line.startswith("data: "):
                found.append((name, json.loads(line[6:])))
        return found


def test_the_stream_says_what_is_described(server):
    events = Stream(server).events(7)
    names = [name for name, _ in events]
    assert names[0] == "hello"
    schemas = {"status": "Status", "groups": "Group", "nodes": "CompactNode", "plan": "Plan", "drain": "Drain"}
    assert set(schemas) <= set(names)
    for name, data in events[1:]:
        for item in data if isinstance(data, list) else [data]:
            check({"$ref": "#/components/schemas/" + schemas[name]}, item)
    assert 2 <= names.count("status") <= 9  # one a second on a machine with nothing else to do, and the first at once


def test_a_stream_of_one_cluster_hears_only_it(synthetic):
    events = Stream(synthetic, "?cluster=here").events(4)
    nodes = [n for name, data in events if name == "nodes" for n in data]
    assert nodes and all(n[0] == "here" for n in nodes)
    assert synthetic.json("/api/v1/events?cluster=absent", 404)


def test_streams_are_limited_and_come_free_again(synthetic):
    streams = [Stream(synthetic) for _ in range(64)]
    assert synthetic.json("/api/v1/events", 503)["error"]["code"] == "too-many-streams"
    for s in streams:
        s.file.close()
        s.socket.close()
    running.wait_for(lambda: b"petrel_event_streams 0" in synthetic.get("/metrics")[2], 10, "streams stay open")


def test_many_clients_at_once_get_whole_answers(real):
    bad = []

    def ask():
        for _ in range(20):
            try:
                assert len(real.json("/api/v1/nodes")["items"]) >= 24  # and what replaces the drained
            except Exception as e:  # noqa: BLE001 - whatever goes wrong is a failure
                bad.append(e)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is missing (apt install prometheus)")
def test_metrics_are_clean(server):
    _, headers, body = server.get("/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    r = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert r.returncode == 0 and not r.stderr, r.stderr.decode()


def test_metrics_have_no_label_for_a_node_or_pod(real):
    body = real.get("/metrics")[2].decode()
    assert "demo-web-1" not in body and "node=" not in body and "pod=" not in body
    assert re.search(r'^petrel_agents_reporting\{cluster="demo"\} 24$', body, re.M)
