# SPDX-License-Identifier: Apache-2.0
"""agent/imds against a metadata service that fails in every way it is known to fail."""
import json
import os
import queue
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


# The service fails for a minute around the notice; it is seen at most 1.5 s after it answers again. All at the same time, each at an
# address of its own, so that the whole takes little more than that minute.
LONG_S = 60
OUTAGES = {
    "status": {},  # 503
    "hang": {},
    "slow": {"seconds": 30},  # one byte each 20 ms
    "malformed": {"kind": "garbage"},
    "401 storm": {"kind": "refuse"},
    "tokens forgotten": {"kind": "forget-tokens", "every": 0.2},
    "no token": {"kind": "no-token", "path": "/latest/api/token", "before": "forget-tokens"},
    "garbage token": {"kind": "garbage", "path": "/latest/api/token", "before": "forget-tokens", "body": "bad token\n"},
    "token hangs": {"kind": "hang", "path": "/latest/api/token", "before": "forget-tokens"},
    "reset": {},
    "half-close": {},
    "truncate": {},
    "huge": {"status": 8 << 20},
    "turned off": {"off": True},
}


class Outage:
    """One kind of failure: it begins, the notice comes in the middle of it, it ends, and the notice is awaited."""

    def __init__(self, service, name, kind=None, seconds=LONG_S, before=None, every=None, off=False, **options):
        self.name, self.seconds, self.before, self.every, self.off = name, seconds, before, every, off
        self.kind, self.options = kind or name, options
        self.node = service.instance(f"i-{name.replace(' ', '-')}")
        self.watch = Watch(self.node.address, service.port)
        self.result = {}

    def fail(self):
        if self.before:
            self.node.fault(self.before)
        if self.off:
            self.node.turn(enabled=False)
        elif self.every:
            end = time.monotonic() + self.seconds
            while time.monotonic() < end:
                self.node.fault(self.kind)
                time.sleep(self.every)
        else:
            self.node.fault(self.kind, **self.options)

    def run(self):
        begun = time.monotonic()
        threading.Thread(target=self.fail, daemon=True).start()
        time.sleep(self.seconds / 2)
        self.node.spot_action(seconds=self.seconds / 2 + 60)
        time.sleep(begun + self.seconds - time.monotonic())
        self.node.heal()
        self.node.turn()
        back = time.time()
        try:
            when, _ = self.watch.notice(kind="SPOT_ITN", guessed=False, timeout=10)
            self.result = {"seen_s": when - back, "alive": self.watch.process.poll() is None}
            self.result.update(self.watch.stop())
        except pytest.fail.Exception:
            self.result = {"seen_s": float("inf"), "alive": self.watch.process.poll() is None}
        self.watch.__exit__()


@pytest.fixture(scope="module")
def outages():
    """What came of each of OUTAGES."""
    with FakeImds() as service:
        all_of_them = [Outage(service, name, **options) for name, options in OUTAGES.items()]
        time.sleep(2)
        threads = [threading.Thread(target=outage.run) for outage in all_of_them]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        results = {outage.name: outage.result for outage in all_of_them}
        print("seen after the service was back, s:", json.dumps({name: round(result["seen_s"], 2) for name, result in results.items()}))
        return results


@pytest.mark.parametrize("name", OUTAGES)
def test_a_notice_in_a_long_outage_is_seen_when_the_service_is_back(outages, name):
    result = outages[name]
    print(f"{name}: seen {result['seen_s']:.2f} s after the service was back")
    assert result["alive"]
    assert result["seen_s"] <= 1.5, result
    assert result["files"] < 40
    assert result["rss_kib"] < 16 << 10


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


def test_a_hundred_thousand_rounds_of_random_faults():
    """tests/fault/imds_rounds: the real module, its own periods and deadlines, days of them in minutes. PETREL_IMDS_SEED draws others."""
    rounds, seed = os.environ.get("PETREL_IMDS_ROUNDS", "100000"), os.environ.get("PETREL_IMDS_SEED", "21")
    done = subprocess.run([os.path.join(os.path.dirname(PROGRAM), "imds-rounds"), rounds, seed], capture_output=True, text=True, timeout=900, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["rounds"] == int(rounds)
    assert min(figures["met"].values()) > figures["rounds"] / 100, "a fault was hardly ever met"
    assert figures["late"] <= figures["rounds"] / 10000, "more than one notice in ten thousand was seen later than 1.5 s after recovery"
    assert figures["files_most"] <= figures["files_idle"] + 32
    assert figures["rss_kib"] - figures["rss_warm_kib"] < 1024, "memory grows"
