# SPDX-License-Identifier: Apache-2.0
"""petrel against a running server: data on stdout, messages on stderr, exit codes by class of failure."""
import http.server
import json
import os
import pty
import subprocess
import threading
import time

import pytest
import yaml

import running

OK, USAGE, INPUT, UNREACHABLE, NOT_FOUND, REFUSED = 0, 2, 3, 4, 5, 6
TABLES = [["status"], ["top"], ["nodes"], ["groups"], ["pods"], ["forecast"], ["forecast", "spot"], ["decisions"], ["plans"],
          ["explain", "steady"], ["audit"], ["drains"], ["explain", "000000000000000000000000000000d0"]]


@pytest.fixture(scope="module")
def server():
    with running.synthetic() as a:
        time.sleep(2)
        yield a


def petrel(*arguments, url="http://127.0.0.1:1", **environment):
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"PETREL_SERVER": url} | environment
    return subprocess.run([running.BUILD / "petrel", *arguments], capture_output=True, text=True, env=env, timeout=30, check=False)


@pytest.mark.parametrize("arguments", TABLES, ids=" ".join)
def test_tables_are_for_people(server, arguments):
    r = petrel(*arguments, url=server.url)
    assert (r.returncode, r.stderr) == (OK, "")
    assert len(r.stdout.splitlines()) >= 2
    assert "\033" not in r.stdout  # no terminal here


@pytest.mark.parametrize("arguments", TABLES, ids=" ".join)
def test_json_is_what_the_api_says(server, arguments):
    r = petrel(*arguments, "-o", "json", url=server.url)
    assert (r.returncode, r.stderr) == (OK, "")
    assert isinstance(json.loads(r.stdout), dict)


@pytest.mark.parametrize("verb", ["status", "nodes", "plans", "doctor"])
def test_yaml_says_the_same_as_json(server, verb):
    as_json, as_yaml = (petrel(verb, "-o", form, url=server.url) for form in ("json", "yaml"))
    assert as_yaml.returncode == as_json.returncode
    # figures change from second to second: the shape and the names do not
    def shape(value):
        if isinstance(value, dict):
            return {key: shape(child) for key, child in value.items()}
        return [shape(child) for child in value[:3]] if isinstance(value, list) else type(value) in (str, bool)
    assert shape(yaml.safe_load(as_yaml.stdout)) == shape(json.loads(as_json.stdout))


def test_status_has_what_scripts_rely_on(server):
    s = json.loads(petrel("status", "-o", "json", url=server.url).stdout)
    assert s["agents"] == {"expected": 24, "reporting": 24}
    assert s["mode"] == "observe" and s["leader"] == "petrel-0" and s["version"] and s["oldest_sample_ms"] >= 0


def test_wide_tables_show_more(server):
    narrow, wide = (petrel("nodes", *o, url=server.url).stdout.splitlines()[0] for o in ([], ["-o", "wide"]))
    assert "PSI-IO" in wide and "PSI-IO" not in narrow


NODE = "ip-10-0-0-1.eu-central-1.compute.internal"


def test_drains_count_down_and_name_what_blocks(server):
    running_one, ended, dry = petrel("drains", url=server.url).stdout.splitlines()[1:]
    assert "evicting" in running_one and "2 of 4" in running_one and "shop/web-pdb" in running_one and "launched i-0aaaaaaaaaaaaaaaa" in running_one
    assert ended.split()[:2] == ["-", "done"] and "planned (dry run)" in dry
    wide = petrel("drains", "-o", "wide", url=server.url).stdout
    assert "000000000000000000000000000000d0" in wide and "budget web-pdb will block" in wide
    twice = petrel("drains", "-n", "2", "-d", "0.1", url=server.url).stdout
    assert twice.count("BLOCKED-BY") == 2
    full = petrel("explain", "000000000000000000000000000000d0", url=server.url).stdout
    assert "blocked by   shop/web-pdb" in full and "first eviction 650 ms" in full and "its DaemonSet would bring it back" in full


def test_a_drain_and_a_notice_are_asked_for(server):
    r = petrel("drain", NODE, "--dry-run", url=server.url)
    assert r.returncode == OK and "dry run: nothing is done" in r.stdout
    assert json.loads(petrel("drain", NODE, "--deadline", "10m", "-o", "json", url=server.url).stdout)["phase"] == "evicting"
    r = petrel("notice", NODE, "--in", "90s", url=server.url)
    assert (r.returncode, r.stderr) == (OK, "") and "SPOT_ITN" in r.stdout and "drain 000000000000000000000000000000d0" in r.stdout
    assert json.loads(petrel("notice", NODE, "-e", "HEALTH", "-o", "json", url=server.url).stdout)["event"] == "HEALTH"
    r = petrel("notice", "host", url=server.url)
    assert r.returncode == REFUSED and "is not simulated" in r.stderr


@pytest.mark.parametrize("arguments,code", [
    (["drain"], USAGE), (["notice", "n", "--in", "soon"], USAGE), (["notice", "n", "--event", "RAIN"], USAGE), (["drains"], UNREACHABLE), (["notice", "n"], UNREACHABLE),
    (["status"], UNREACHABLE), (["top"], UNREACHABLE), (["nodez"], USAGE), (["nodes", "--clutser", "x"], USAGE), ([], USAGE),
    (["explain"], USAGE), (["completion", "tcsh"], USAGE), (["forecast", "--input", "/nonexistent"], INPUT),
])
def test_failures_have_their_code_and_say_why(arguments, code):
    r = petrel(*arguments)
    assert r.returncode == code and r.stderr and not r.stdout


@pytest.mark.parametrize("arguments", [["nodes", "-c", "absent"], ["forecast", "absent"], ["explain", "absent"],
                                       ["explain", "0123456789abcdef0123456789abcdef"], ["explain", "0123456789"], ["drain", "absent"],
                                       ["notice", "absent"], ["drain", "absent", "-c", "demo"]])
def test_what_is_not_there_is_not_found(server, arguments):
    r = petrel(*arguments, url=server.url)
    assert r.returncode == NOT_FOUND and "petrel: " in r.stderr and not r.stdout


def test_something_else_on_that_port_is_told_apart():
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>\033[2J")

        def log_message(self, *_):
            pass

    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    r = petrel("status", url=f"http://127.0.0.1:{other.server_port}")
    other.shutdown()
    assert r.returncode == REFUSED and "not as Petrel's API" in r.stderr


def test_a_forecast_is_explained_by_what_its_history_shows(server):
    r = petrel("forecast", "spot", "--explain", url=server.url)
    assert (r.returncode, r.stderr) == (OK, "")
    assert "honesty" in r.stdout and "  seasons " in r.stdout and "  class " in r.stdout
    o = json.loads(petrel("forecast", "spot", "--explain", "-o", "json", url=server.url).stdout)
    assert o["forecast"]["name"] == "spot" and o["found"]["class"]


def test_explain_takes_the_beginning_of_an_id(server):
    plan = json.loads(petrel("plans", "-o", "json", url=server.url).stdout)["items"][0]["id"]
    r = petrel("explain", plan[:12], url=server.url)
    assert r.returncode == OK and plan in r.stdout and "because" in r.stdout and "limits" in r.stdout


def test_doctor_names_the_refused_hook_and_ends_well(server):
    r = petrel("doctor", url=server.url)
    assert r.returncode == OK and "block is refused (EPERM)" in r.stdout
    assert "demo: the API server answers" in r.stdout and "nobody is told by webhook" in r.stdout
    checks = json.loads(petrel("doctor", "-o", "json", url=server.url).stdout)["checks"]
    assert {"btf", "psi", "cgroup", "lockdown", "capabilities", "server", "clock", "hooks"} <= {c["name"] for c in checks}
    assert petrel("doctor").returncode == 7


def test_help_has_examples_first(server):
    for verb in ["status", "top", "forecast", "doctor"]:
        r = petrel(verb, "--help")
        assert r.returncode == OK and r.stdout.index("Examples:") < r.stdout.index("Options:")


def on_terminal(server, *arguments, keys=b"", seconds=5, **environment):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"PETREL_SERVER": server.url, "TERM": "xterm", **environment})
        os.execv(running.BUILD / "petrel", ["petrel", *arguments])
    out, end = b"", time.monotonic() + seconds
    time.sleep(1.5)
    if keys:
        os.write(fd, keys)
    while time.monotonic() < end:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out


def test_top_lives_on_a_terminal_and_q_ends_it(server):
    code, out = on_terminal(server, "top", "-d", "0.3", keys=b"mq")
    assert code == OK
    assert out.count(b"\033[H") >= 2 and out.rstrip().endswith(b"\033[?1049l")


def test_colours_only_on_a_terminal_that_wants_them(server):
    assert b"\033[32m" in on_terminal(server, "status")[1]
    assert b"\033[32m" not in on_terminal(server, "status", NO_COLOR="1")[1]
    assert b"\033[32m" not in on_terminal(server, "status", "--no-color")[1]
