# SPDX-License-Identifier: Apache-2.0
"""agent/imds against a metadata service that fails in every way it is known to fail."""
import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "fake"))
from imds import FakeImds  # noqa: E402

PROGRAM = os.path.join(ROOT, "build", os.environ.get("PETREL_PRESET", "release"), "imds-watch")


class Watch:
    """The watch as a process; lines() are its notices as they come."""

    def __init__(self, address, port, speed=1, ttl_s=21600):
        self.process = subprocess.Popen([PROGRAM, address, str(port), str(speed), str(ttl_s)], stdout=subprocess.PIPE, text=True)
        self.queue = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.queue.put((time.time(), json.loads(line)))

    def notice(self, timeout=5.0, **wanted):
        """The next notice that has these values, and when it came."""
        end = time.time() + timeout
        while time.time() < end:
            try:
                when, line = self.queue.get(timeout=max(0.01, end - time.time()))
            except queue.Empty:
                break
            if all(line.get(key) == value for key, value in wanted.items()) and "kind" in line:
                return when, line
        pytest.fail(f"no notice {wanted} within {timeout} s")

    def no_notice(self, seconds):
        end = time.time() + seconds
        while time.time() < end:
            try:
                _, line = self.queue.get(timeout=max(0.01, end - time.time()))
            except queue.Empty:
                return
            assert "kind" not in line, line

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0
        time.sleep(0.1)
        last = None
        while not self.queue.empty():
            last = self.queue.get()[1]
        return last

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def service():
    with FakeImds() as imds:
        yield imds


@pytest.fixture
def node(service):
    return service.instance("i-0123456789abcdef0")


def test_a_notice_is_seen_within_a_period_and_once(service, node):
    with Watch(node.address, service.port) as watch:
        time.sleep(1.5)
        shown = time.time()
        deadline = node.spot_action("terminate", seconds=120)
        when, notice = watch.notice(kind="SPOT_ITN")
        assert when - shown < 1.3
        assert abs(notice["deadline_ms"] / 1000 - deadline) <= 1
        assert notice["instance_id"] == "i-0123456789abcdef0"
        watch.no_notice(2.5)
        stats = watch.stop()
        assert stats["notices"] == 1
        assert stats["tokens"] == 1
        assert "spot" in stats["hook"]


def test_a_changed_deadline_and_a_withdrawal_are_told(service, node):
    with Watch(node.address, service.port) as watch:
        node.spot_action(seconds=120)
        _, first = watch.notice(kind="SPOT_ITN")
        node.spot_action(seconds=60)
        _, second = watch.notice(kind="SPOT_ITN")
        assert second["id"] == first["id"]
        assert second["deadline_ms"] < first["deadline_ms"]
        node.withdraw()
        _, gone = watch.notice(kind="SPOT_ITN", withdrawn=True)
        assert gone["id"] == first["id"]


def test_every_kind_of_event_is_told(service, node):
    with Watch(node.address, service.port, speed=10) as watch:
        node.rebalance()
        watch.notice(kind="REBALANCE_RECOMMENDATION")
        node.maintenance("instance-event-7")
        _, notice = watch.notice(kind="SCHEDULED_EVENT", timeout=8)
        assert notice["event_id"] == "instance-event-7"
        node.set("autoscaling/target-lifecycle-state", "Terminated")
        watch.notice(kind="ASG_LIFECYCLE")


def test_a_malformed_notice_is_a_notice_and_is_corrected(service, node):
    with Watch(node.address, service.port) as watch:
        node.set("spot/instance-action", '{"action": "terminate", "time": ')
        when, notice = watch.notice(guessed=True)
        assert abs(notice["deadline_ms"] / 1000 - when - 120) < 2
        node.spot_action(seconds=90)
        watch.notice(guessed=False)


# The service fails for some seconds around the notice; it is seen at most 1.5 s after it answers again.
@pytest.mark.parametrize("fault", ["status", "hang", "slow", "reset", "half-close", "truncate", "no-token", "refuse", "garbage-token"])
def test_a_notice_during_an_outage_is_seen_when_the_service_is_back(service, node, fault):
    with Watch(node.address, service.port) as watch:
        time.sleep(1.5)
        if fault in ("no-token", "garbage-token"):
            node.fault("forget-tokens")
            node.fault("garbage" if fault == "garbage-token" else fault, path="/latest/api/token", seconds=4, body="bad token\n")
        else:
            node.fault(fault, seconds=4)
        node.spot_action(seconds=120)
        time.sleep(4)
        back = time.time()
        node.heal()
        when, notice = watch.notice(kind="SPOT_ITN", guessed=False, timeout=10)
        assert when - back <= 1.5, f"seen {when - back:.2f} s after recovery"
        assert watch.process.poll() is None


def test_a_storm_of_401_costs_one_more_question_each(service, node):
    with Watch(node.address, service.port, speed=5) as watch:
        time.sleep(1)
        for _ in range(10):
            node.fault("forget-tokens")
            time.sleep(0.3)
        node.spot_action()
        watch.notice(kind="SPOT_ITN", timeout=3)
        stats = watch.stop()
        assert stats["tokens"] >= 5
        assert stats["files"] < 40


def test_a_service_that_is_away_at_the_start_is_found_later(service):
    node = service.instance("i-late")
    node.enabled = False
    with Watch(node.address, service.port) as watch:
        time.sleep(2)
        node.enabled = True
        node.spot_action()
        watch.notice(kind="SPOT_ITN", timeout=3)


def test_huge_answers_are_cut_off(service, node):
    with Watch(node.address, service.port) as watch:
        time.sleep(1)
        node.fault("huge", seconds=3, status=8 << 20)
        time.sleep(3.2)
        node.spot_action()
        watch.notice(kind="SPOT_ITN", guessed=False, timeout=3)
        stats = watch.stop()
        assert stats["broken"] > 0
        assert stats["rss_kib"] < 16 << 10


def test_a_kept_connection_is_used_again(service):
    node = service.instance("i-keep", keep_alive=True)
    with Watch(node.address, service.port, speed=10) as watch:
        time.sleep(3)
        stats = watch.stop()
        assert stats["reused"] > 10 * stats["connections"] / 4


def test_tokens_are_renewed_at_half_their_life(service, node):
    with Watch(node.address, service.port, speed=10, ttl_s=2) as watch:
        time.sleep(5.2)
        stats = watch.stop()
        assert 4 <= stats["tokens"] <= 7
        assert stats["401"] == 0


def test_no_fault_ends_it_grows_it_or_hides_a_notice(service, node):
    """Random faults at twenty times the speed for half a minute, a notice in each round."""
    rng = random.Random(7)
    kinds = ["status", "hang", "slow", "reset", "half-close", "truncate", "refuse", "forget-tokens", "huge"]
    with Watch(node.address, service.port, speed=20) as watch:
        time.sleep(0.5)
        end, rounds = time.time() + 30, 0
        while time.time() < end:
            for _ in range(rng.randint(1, 4)):
                node.fault(rng.choice(kinds), seconds=rng.random() * 0.5, share=rng.choice([0.3, 1.0]))
            node.spot_action(seconds=60 + rounds)
            time.sleep(0.3)
            node.heal()
            _, told = watch.notice(kind="SPOT_ITN", withdrawn=False, guessed=False, timeout=6)
            node.withdraw()
            watch.notice(kind="SPOT_ITN", withdrawn=True, timeout=6)
            rounds += 1
        stats = watch.stop()
        assert rounds > 15
        assert stats["files"] < 40
        assert stats["rss_kib"] < 16 << 10
