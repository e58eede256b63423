# SPDX-License-Identifier: Apache-2.0
"""The store under kill -9 in mid-write, on a full disk, and with a damaged file, by the program tests/fault/store_writer.c."""
import os
import random
import signal
import sqlite3
import subprocess
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("PETREL_STORE_WRITER", f"{ROOT}/build/release/store-writer")
KILLS = int(os.environ.get("PETREL_STORE_KILLS", "200"))


def writer(path, pause_us):
    return subprocess.Popen([PROGRAM, "write", path, str(pause_us)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check(path, until_ms):
    done = subprocess.run([PROGRAM, "check", path, str(until_ms)], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr


def test_kill_in_mid_write_loses_no_second_that_was_on_the_disk(tmp_path):
    path, known, rng = str(tmp_path / "s.db"), 0, random.Random(1)
    for n in range(KILLS):
        process = writer(path, 0)
        first = process.stdout.readline().split()
        assert first and first[0] == "have", process.stderr.read()
        assert int(first[1]) >= known, f"kill {n}: {known - int(first[1])} ms lost"
        time.sleep(rng.uniform(0.0, 0.12))
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().splitlines()
        process.wait()
        whole = [line for line in lines if len(line) == 13 and line.isdigit()]
        known = max(known, int(first[1]), *(int(line) for line in whole)) if whole else max(known, int(first[1]))
    assert known - 1700006400000 > 1000 * KILLS, "it hardly wrote anything"
    check(path, known)
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if known - 1700006400000 > 45 * 60000:  # then the first spans have been made into chunks, under the same kills
            assert db.execute("SELECT count(*) FROM chunk_10s").fetchone()[0] > 0
    print(f"{KILLS} kills, {(known - 1700006400000) // 1000} s written, nothing lost")


@pytest.fixture
def small_disk(tmp_path):
    at = tmp_path / "disk"
    at.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", at]).returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    yield at
    subprocess.run(["umount", "-l", at])


def await_line(process, start, seconds=60):
    end = time.monotonic() + seconds
    seen = None
    while time.monotonic() < end:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        if line.startswith(start):
            return seen, line
        seen = line
    raise AssertionError(f"no line {start!r} within {seconds} s")


def test_a_full_disk_stops_storing_and_it_resumes_by_itself(small_disk):
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (21 << 20))
    process = writer(str(small_disk / "s.db"), 2000)
    try:
        _, line = await_line(process, "storing 0")
        assert line.split()[2] == str(-28), "not ENOSPC"
        time.sleep(2)
        filler.unlink()
        await_line(process, "storing 1")
        for _ in range(20):
            line = process.stdout.readline()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    check(str(small_disk / "s.db"), int(line))


def test_a_damaged_file_is_found_while_it_is_written(tmp_path):
    path = str(tmp_path / "s.db")
    process = writer(path, 0)
    try:
        while not os.path.exists(path) or os.path.getsize(path) < 300 << 10:
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    finally:
        process.wait()
    with open(path, "r+b") as f:
        f.seek(8192)
        f.write(b"\x5a" * (150 << 10))
    done = subprocess.run([PROGRAM, "check", path, "1700006500000"], stderr=subprocess.PIPE, text=True)
    assert "damaged" in done.stderr and os.path.exists(path + ".corrupt")
