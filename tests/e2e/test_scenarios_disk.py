# SPDX-License-Identifier: Apache-2.0
"""The disk under the aggregator's files is full: interruptions are handled all the same, it is said loudly, and it goes on by itself."""
import json
import os
import subprocess
import time

import pytest
from petrel import ACCOUNT, Aggregator
from programs import BUILD


class Disk:
    """A small file system of its own, that can be filled to the last byte."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], check=True)

    def fill(self):
        with open(self.folder / "filler", "ab", buffering=0) as filler:
            for size in (1 << 16, 1 << 12, 1):
                while True:
                    try:
                        filler.write(b"x" * size)
                    except OSError:
                        break

    def free(self):
        (self.folder / "filler").unlink()

    def gone(self):
        subprocess.run(["umount", "-l", self.folder], check=False)


@pytest.fixture
def disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    d = Disk(tmp_path / "disk")
    yield d
    d.gone()


@pytest.fixture
def on_disk(cluster, rights, disk, tmp_path):
    """Audit file, key and history on the small disk."""
    a = Aggregator(cluster, disk.folder, **{"drain.patience": "6s", "store.path": disk.folder / "petrel.db"})
    a.log = tmp_path / "log"
    with a:
        cluster.poll(a.leads, 30, "it leads")
        yield a


def link(a):
    return next(one for one in a.get("/api/v1/status")[1]["links"] if one["name"] == "audit")


def metric(a, name):
    return next(float(line.split()[-1]) for line in a.get("/metrics")[1].splitlines() if line.startswith(name + " "))


def doctor(a):
    done = subprocess.run([BUILD / "petrel", "doctor", "--server", f"http://127.0.0.1:{a.http}", "-o", "json"], capture_output=True, text=True, check=False)
    return {c["name"]: c for c in json.loads(done.stdout)["checks"]}


def load(world, node):
    """A drain of several seconds: a budget lets three pods go one by one."""
    world.deploy("free", 3, on=node, grace=5)
    world.deploy("one", 3, on=node, grace=5, annotations={"e2e/stop-after": "2"})
    world.budget("one", "one", max_unavailable=1)
    return world.uids(node)


def reasons(cluster, node):
    return {e["reason"] for e in cluster.kube.items("/apis/events.k8s.io/v1/namespaces/default/events") if e["regarding"]["name"] == node}


def said_and_mended(a, cluster, disk, node):
    """What must be seen while the disk is full and after; the audit explains its gap."""
    cluster.poll(lambda: link(a)["state"] == "broken", 5, "status says it")
    cluster.poll(lambda: metric(a, "petrel_audit_writable") == 0 and metric(a, "petrel_audit_lost_lines_total") > 0, 5, "the metrics say it")
    assert a.get("/api/v1/status")[1]["guard"] == "audit"
    found = doctor(a)["audit"]
    assert found["state"] == "fail" and "make room" in found["advice"], found
    cluster.poll(lambda: "AuditFailed" in reasons(cluster, node), 5, "an Event says it")
    disk.free()
    cluster.poll(lambda: link(a)["state"] == "ok" and metric(a, "petrel_audit_writable") == 1, 10, "it writes again by itself")
    said = a.verify_audit()
    assert "lines could not be written and are missing, as the file says" in said and "No space left on device" in said, said
    lost = sum(line["body"]["lost"] for line in a.audit("gap"))
    assert lost == metric(a, "petrel_audit_lost_lines_total") > 0
    cluster.poll(lambda: a.get("/api/v1/status")[1]["store"]["storing"], 30, "history is stored again")


def test_a_disk_that_fills_in_mid_drain_does_not_hold_it_up(on_disk, world, cluster, disk):
    a, (node, *_) = on_disk, world.add_nodes(2)
    mine, begun = load(world, node), len(cluster.requests(ACCOUNT))
    a.notice(node, seconds=120)
    cluster.poll(lambda: world.evictions(ACCOUNT, begun), 10, "the first eviction")
    disk.fill()
    d = a.until(node, ("done",), 60)
    evictions = world.evictions(ACCOUNT, begun)
    assert sorted(evictions) == sorted(mine) and d["pods_left"] == 0
    said_and_mended(a, cluster, disk, node)


def test_a_notice_on_a_full_disk_is_handled_and_a_request_of_a_person_is_not(on_disk, world, cluster, disk):
    """An interruption goes on without its intents on the disk; a voluntary drain waits until they can be written."""
    a, (node, asked, *_) = on_disk, world.add_nodes(3)
    mine = load(world, node)
    world.pod("stays", on=asked, grace=5)
    cluster.poll(lambda: all(p["status"]["phase"] == "Running" for p in world.pods()), 20, "all run")
    begun = len(cluster.requests(ACCOUNT))
    disk.fill()
    start = time.time()
    a.notice(node, seconds=120)
    cluster.poll(lambda: world.is_marked(node), 5, "the taint")
    assert time.time() - start < 3
    request = subprocess.run([BUILD / "petrel", "drain", asked, "--server", f"http://127.0.0.1:{a.http}"], capture_output=True, text=True, check=False)
    assert request.returncode == 0, request.stderr
    a.until(node, ("done",), 60)
    assert mine == set(world.evictions(ACCOUNT, begun)) and world.uids(asked)
    said_and_mended(a, cluster, disk, node)
    a.until(asked, ("done",), 30)  # now that it can be written
    assert not world.uids(asked)
    a.verify_audit()


def test_it_starts_on_a_full_disk_with_an_unfinished_line_and_resumes_its_drain(on_disk, world, cluster, disk):
    """kill -9 in the middle of a write, a full disk, a start: no crash loop, the drain goes on, each pod is asked once."""
    a, (node, *_) = on_disk, world.add_nodes(2)
    mine, begun = load(world, node), len(cluster.requests(ACCOUNT))
    a.notice(node, seconds=120)
    cluster.poll(lambda: world.evictions(ACCOUNT, begun), 10, "the first eviction")
    time.sleep(1)  # an eviction that is cut off within the API server would hold its budget for two minutes
    a.kill()
    with open(disk.folder / "audit.jsonl", "ab") as audit:
        audit.write(b'{"seq":1000000,"ts_ms":')
    disk.fill()
    a.start()
    a.until(node, ("done",), 40)
    evictions = world.evictions(ACCOUNT, begun)
    assert sorted(evictions) == sorted(set(evictions)) and set(evictions) == mine
    said_and_mended(a, cluster, disk, node)
    assert len(a.audit("recovered")) == 1
