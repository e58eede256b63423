# SPDX-License-Identifier: Apache-2.0
"""petrel audit verify on the file that a real aggregator has written."""
import subprocess

import running


def verify(folder, *arguments):
    command = [running.BUILD / "petrel", "audit", "verify", folder / "audit.jsonl", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_a_file_is_whole_until_someone_touches_it(tmp_path):
    key = ["--key", tmp_path / "audit.key.pub"]
    with running.aggregator(tmp_path):
        pass
    r = verify(tmp_path, *key)
    assert (r.returncode, r.stderr) == (0, "") and "nothing is missing at the end" in r.stdout
    lines = (tmp_path / "audit.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) >= 2

    (tmp_path / "audit.jsonl").write_text("".join(lines[:-1]))
    r = verify(tmp_path, *key)
    assert r.returncode == 1 and "missing at the end" in r.stdout
    assert verify(tmp_path).returncode == 0  # without the key nobody can tell

    (tmp_path / "audit.jsonl").write_text("".join(lines).replace("demo", "Demo", 1))
    r = verify(tmp_path)
    assert r.returncode == 1 and "line 1: its hash is not that of its text" in r.stdout
    assert verify(tmp_path / "nowhere").returncode == 3
