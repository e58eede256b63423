# SPDX-License-Identifier: Apache-2.0
"""A running petrel-aggregator (or serve_show) for the tests of the API, the CLI and the feed.

Programs come from build/release; PETREL_BUILD names another build folder. Ports are free ones of the loopback.
"""
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PETREL_BUILD", ROOT / "build" / "release"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(url, method="GET", headers=None):
    """(status, headers, body) of one request, whatever the status."""
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as r:
            return r.status, r.headers, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


class Aggregator:
    def __init__(self, process, url, feed, log):
        self.process, self.url, self.feed, self.log = process, url, feed, log

    def get(self, path, **kwargs):
        return fetch(self.url + path, **kwargs)

    def json(self, path, status=200):
        got, _, body = self.get(path)
        assert got == status, (path, got, body[:300])
        return json.loads(body)


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if condition():
                return
        time.sleep(0.2)
    raise AssertionError(f"{what} after {seconds} s")


@contextlib.contextmanager
def aggregator(folder, *settings):
    """petrel-aggregator with its demo fleet, everything in memory but the audit file."""
    http, data, urgent, feed = (free_port() for _ in range(4))
    folder = pathlib.Path(folder)
    values = {
        "demo.enabled": "yes", "demo.history": "2h", "store.path": "", "audit.path": folder / "audit.jsonl", "audit.key": folder / "audit.key",
        "lanes.insecure": "yes", "lanes.data": f"tcp://127.0.0.1:{data}", "lanes.urgent": f"tcp://127.0.0.1:{urgent}",
        "feed.url": f"tcp://127.0.0.1:{feed}", "http.port": http, "decide.every": "2s",
    }
    command = [BUILD / "petrel-aggregator"]
    for key, value in values.items():
        command += ["--set", f"{key}={value}"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command + list(settings), stderr=log, stdout=log)
    a = Aggregator(process, f"http://127.0.0.1:{http}", f"tcp://127.0.0.1:{feed}", folder / "log")
    try:
        wait_for(lambda: process.poll() is not None or a.get("/readyz")[0] == 200, 90, "not ready")
        assert process.poll() is None, a.log.read_text()
        wait_for(lambda: a.json("/api/v1/plans")["items"], 30, "no plan")
        yield a
    finally:
        process.terminate()
        code = process.wait(30)
    assert code == 0, a.log.read_text()


@contextlib.contextmanager
def synthetic(nodes=24):
    """serve_show: the API over a synthetic fleet, with histograms, refused hooks and a hostile unit name."""
    process = subprocess.Popen([BUILD / "serve_show", str(nodes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = process.stdout.readline().split()[1]
    a = Aggregator(process, f"http://127.0.0.1:{port}", None, None)
    try:
        wait_for(lambda: a.get("/readyz")[0] == 200, 30, "not ready")
        yield a
    finally:
        process.terminate()
        code = process.wait(30)
    assert code == 0
