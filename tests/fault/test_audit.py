# SPDX-License-Identifier: Apache-2.0
"""The audit file under kill -9 in mid-append, by the program tests/fault/audit_writer.c."""
import os
import random
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "build", os.environ.get("PETREL_PRESET", "release"), "audit-writer")


def test_no_line_that_was_on_the_disk_is_lost_and_the_chain_holds(tmp_path):
    path, known, rng = str(tmp_path / "audit.jsonl"), 0, random.Random(2)
    for n in range(40):
        process = subprocess.Popen([PROGRAM, "write", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(rng.uniform(0.005, 0.08))
        process.send_signal(signal.SIGKILL)
        out, error = process.communicate()
        assert not error, error
        known = max([known] + [int(line) for line in out.split("\n")[:-1]])
        if n % 4 == 0 and os.path.exists(path):  # and a line that was torn on its way
            with open(path, "ab") as f:
                f.write(b'{"seq":99,"ts_ms"')
    process = subprocess.Popen([PROGRAM, "write", path], stdout=subprocess.PIPE, text=True)
    assert int(process.stdout.readline()) > known
    process.kill()
    process.communicate()
    done = subprocess.run([PROGRAM, "verify", path], stdout=subprocess.PIPE, text=True)
    first, last, why = done.stdout.rstrip("\n").split(" ", 2)
    assert done.returncode == 0 or "cut" in why, why
    assert int(first) == 1 and int(last) > known > 40, "it hardly wrote anything"
