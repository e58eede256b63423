# SPDX-License-Identifier: Apache-2.0
"""petrel forecast and backtest on files: the contract of the benchmark, repairs and refusals, reports. No server."""
import json
import math
import random
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

import running

OK, USAGE, INPUT = 0, 2, 3
LEVELS = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]
START = 1700006400


def petrel(*arguments, stdin=None, timeout=120):
    return subprocess.run([running.BUILD / "petrel", *map(str, arguments)], capture_output=True, text=True, input=stdin, timeout=timeout, check=False)


def load(n, step=3600, noise=3.0, seed=1):
    r = random.Random(seed)
    return [(START + i * step, 50 + 30 * math.sin(2 * math.pi * i * step / 86400) + r.gauss(0, noise)) for i in range(n)]


def write(path, rows, header="timestamp,value\n"):
    path.write_text(header + "".join(f"{t},{'' if v is None else format(v, '.9g')}\n" for t, v in rows))
    return path


def check_answer(line, step, horizon, levels):
    o = json.loads(line)
    assert (o["horizon"], o["step"], o["quantiles"]) == (horizon, step, levels)
    assert len(o["values"]) == horizon and all(len(row) == len(levels) for row in o["values"])
    for row in o["values"]:
        assert all(math.isfinite(v) for v in row) and row == sorted(row)
    assert isinstance(o["members"], dict) and all(w >= 0 for w in o["members"].values())
    assert o["fit_ms"] >= 0
    return o


def test_one_file_is_answered_as_the_benchmark_asks(tmp_path):
    f = write(tmp_path / "a.csv", load(400))
    r = petrel("forecast", "--input", f, "--step", 3600, "--horizon", 24, "--quantiles", ",".join(map(str, LEVELS)), "--output", "json")
    assert (r.returncode, r.stderr) == (OK, "")
    o = check_answer(r.stdout, 3600, 24, LEVELS)
    assert o["start"] == START + 400 * 3600
    assert 0.97 < sum(o["members"].values()) < 1.03
    truth = [50 + 30 * math.sin(2 * math.pi * i / 24) for i in range(400, 424)]
    assert sum(abs(row[4] - y) for row, y in zip(o["values"], truth)) / 24 < 3  # it has learnt the day


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    f = write(tmp_path / "a.csv", load(300))
    one, two = (json.loads(petrel("forecast", "--input", f, "--step", 3600, "--horizon", 12, "-o", "json").stdout) for _ in range(2))
    assert one["values"] == two["values"] and one["members"] == two["members"]


@pytest.mark.parametrize("levels", [[0.5], [0.025, 0.975], [0.2, 0.4, 0.6, 0.8]])
def test_other_levels_lie_between_the_standard_ones(tmp_path, levels):
    f = write(tmp_path / "a.csv", load(300))
    ask = ["forecast", "--input", f, "--step", 3600, "--horizon", 6, "-o", "json"]
    own = check_answer(petrel(*ask, "--quantiles", ",".join(map(str, levels))).stdout, 3600, 6, levels)
    nine = json.loads(petrel(*ask).stdout)
    for row, whole in zip(own["values"], nine["values"]):
        for level, v in zip(levels, row):
            below = max((q for q, x in zip(whole, LEVELS) if x <= level), default=whole[0])
            above = min((q for q, x in zip(whole, LEVELS) if x >= level), default=whole[-1])
            assert below - 1e-6 <= v <= above + 1e-6


@pytest.mark.parametrize("text", ["", "0.5,0.1", "0.5,0.5", "0", "1", "1.5", "0.1,", "x", ",".join(["0.5"] * 100)])
def test_levels_out_of_order_are_refused(tmp_path, text):
    f = write(tmp_path / "a.csv", load(30))
    r = petrel("forecast", "--input", f, "--quantiles", text)
    assert r.returncode == USAGE and "--quantiles" in r.stderr and not r.stdout


def test_bad_jobs_of_a_batch_do_not_stop_the_rest(tmp_path):
    good = write(tmp_path / "good.csv", load(300))
    spaced = write(tmp_path / "with a blank.csv", load(200))
    torn = tmp_path / "torn.csv"
    torn.write_text("timestamp,value\n0,1\n3600,x\n")
    jobs = [f"{good} 3600 24", f"{torn} 3600 24", "nonsense", f"{tmp_path}/absent.csv 3600 4", f"{good} 3600 0", f"{good} 3600 99999", f"{spaced} 3600 3", ""]
    (tmp_path / "LIST").write_text("\n".join(jobs[:-1]) + "\n")
    r = petrel("forecast", "--batch", tmp_path / "LIST", "--output", "json")
    lines = r.stdout.splitlines()
    assert r.returncode == INPUT and len(lines) == 7
    check_answer(lines[0], 3600, 24, LEVELS)
    check_answer(lines[6], 3600, 3, LEVELS)
    assert all(set(json.loads(line)) == {"error"} for line in lines[1:6])
    assert "line 3" in json.loads(lines[1])["error"] and "LIST, line 3" in json.loads(lines[2])["error"]


def test_a_batch_answers_what_single_runs_answer(tmp_path):
    files = [write(tmp_path / f"{i}.csv", load(250 + 40 * i, seed=i)) for i in range(3)]
    (tmp_path / "LIST").write_text("".join(f"{f} 3600 12\n" for f in files))
    batch = [json.loads(line) for line in petrel("forecast", "--batch", tmp_path / "LIST", "-o", "json").stdout.splitlines()]
    for f, o in zip(files, batch):
        single = json.loads(petrel("forecast", "--input", f, "--step", 3600, "--horizon", 12, "-o", "json").stdout)
        assert o["values"] == single["values"]


REPAIRED = [
    ("\ufefftimestamp,value\n0,1\n3600,2\n7200,3\n", ""),
    ("timestamp,value\r\n0,1\r\n3600,2\r\n7200,3\r\n", ""),
    ("0,1\n3600,2\n7200,3\n", ""),
    ("timestamp,value\n0,1\n3600,NaN\n7200,3\n", ""),
    ("timestamp,value\n0,1\n3600,2\n3600,2\n7200,3\n", "1 repeated rows counted once (first at line 4)"),
    ("timestamp,value\n0,1\n3600,2\n7300,3\n", "1 rows moved to the grid of 3600 s (first at line 4)"),
    ("timestamp,value\n0,1\n1800,2\n3600,3\n5400,4\n", "4 rows averaged into 2 bins of 3600 s"),
    ("timestamp,value\n0,1\n86400,2\n172800,3\n", "rows are 86400 s apart, so 46 of 49 steps of 3600 s are missing"),
]


@pytest.mark.parametrize("text,said", REPAIRED)
def test_what_is_repaired_is_said(tmp_path, text, said):
    f = tmp_path / "a.csv"
    f.write_bytes(text.encode())
    r = petrel("forecast", "--input", f, "--step", 3600, "--horizon", 2, "-o", "json")
    assert r.returncode == OK and (said in r.stderr if said else r.stderr == "")
    check_answer(r.stdout, 3600, 2, LEVELS)


REFUSED = [
    ("timestamp,value\n0,1\n3600,2\n1800,3\n", "line 4: timestamps must ascend"),
    ("timestamp,value\n0,1\n3600,2\n3600,3\n", "line 4: the same timestamp"),
    ("timestamp,value\n0,1\n3600,inf\n", "line 3: not a finite number 'inf'"),
    ("timestamp,value\n0,1\n3600,1e300\n", "line 3: larger than 1e30"),
    ("timestamp,value\n0,1\n3600,1e999\n", "line 3: not a finite number"),
    ("timestamp,value\n0,1\n3600,2,9\n", "line 3: more than two fields"),
    ("timestamp;value\n0;1\n", "line 1: the header"),
    ("timestamp,value\n1700000000000,1\n", "line 2: timestamp out of range"),
]


@pytest.mark.parametrize("verb", ["forecast", "backtest"])
@pytest.mark.parametrize("text,said", REFUSED)
def test_what_cannot_be_understood_is_refused_with_its_line(tmp_path, verb, text, said):
    f = tmp_path / "a.csv"
    f.write_text(text)
    r = petrel(verb, "--input", f, "--step", 3600, "--horizon", 2)
    assert r.returncode == INPUT and said in r.stderr and not r.stdout


def test_the_standard_input_is_a_file_too():
    text = "timestamp,value\n" + "".join(f"{t},{v:.4f}\n" for t, v in load(200))
    r = petrel("forecast", "--input", "-", "--step", 3600, "--horizon", 2, "-o", "json", stdin=text)
    assert (r.returncode, r.stderr) == (OK, "")
    check_answer(r.stdout, 3600, 2, LEVELS)


@pytest.mark.parametrize("values", [[], [5.0], [0.0] * 100, [7.0] * 400, [None] * 50, [1e-300] * 300, [1e29, 1e28] * 150, [0, 0, 0, 900] * 80,
                                    [-5, -6, -7] * 90, [None, 3.0] * 200])
def test_every_series_gets_an_answer(tmp_path, values):
    f = write(tmp_path / "a.csv", [(START + i * 300, v) for i, v in enumerate(values)])
    r = petrel("forecast", "--input", f, "--step", 300, "--horizon", 5, "-o", "json")
    assert r.returncode == OK
    o = check_answer(r.stdout, 300, 5, LEVELS)
    known = [v for v in values if v is not None]
    if known and min(known) >= 0:
        assert min(min(row) for row in o["values"]) >= 0
        assert max(row[4] for row in o["values"]) <= 3 * max(known) + 1e-9


def test_explain_says_what_was_found_and_who_speaks(tmp_path):
    f = write(tmp_path / "a.csv", load(500))
    r = petrel("forecast", "--input", f, "--step", 3600, "--horizon", 24, "--explain")
    assert (r.returncode, r.stderr) == (OK, "")
    for word in ("seasons     24h 0m: explains", "spread", "outliers", "members (weight; loss", "gate      open", "width     rests on"):
        assert word in r.stdout
    o = json.loads(petrel("forecast", "--input", f, "--step", 3600, "--horizon", 24, "--explain", "-o", "json").stdout)
    found, members = o["explanation"]["found"], o["explanation"]["members"]
    assert found["seasons"][0]["period_s"] == 86400 and found["seasons"][0]["strength"] > 0.9 and found["class"] == "strongly seasonal"
    assert {m["name"]: m["weight"] for m in members} == o["members"] and all(m["why"] for m in members)


def test_the_users_clock_and_holidays_are_taken(tmp_path):
    f = write(tmp_path / "a.csv", load(500))
    r = petrel("forecast", "--input", f, "--step", 3600, "--horizon", 24, "--timezone", "Europe/Berlin", "--calendar", "DE", "-o", "json")
    assert (r.returncode, r.stderr) == (OK, "")
    check_answer(r.stdout, 3600, 24, LEVELS)
    for wrong in (["--timezone", "Mars/Base"], ["--calendar", "XX"]):
        r = petrel("forecast", "--input", f, *wrong)
        assert r.returncode == USAGE and wrong[0][2:].replace("zone", " zone") in r.stderr


def test_backtest_compares_with_what_came(tmp_path):
    f = write(tmp_path / "a.csv", load(500))
    o = json.loads(petrel("backtest", "--input", f, "--step", 3600, "--horizon", 24, "--origins", 5, "-o", "json").stdout)
    assert len(o["origins"]) == 5 and o["stride"] == 24 and o["season"] == 24 and o["levels"] == LEVELS
    assert o["loss_ratio_to_naive"] < 0.9  # of a noisy sine the naive forecast repeats the noise
    assert 0.6 < o["petrel"]["coverage"]["80"] < 0.97
    assert o["petrel"]["steps"] == 120 and o["petrel"]["crossed"] == 0
    mean = sum(g["petrel"]["mase"] for g in o["origins"]) / 5
    assert abs(mean - o["petrel"]["mase"]) < 1e-5
    starts = [g["start"] for g in o["origins"]]
    assert starts == [START + (500 - 24 * (5 - i)) * 3600 for i in range(5)]


def test_backtest_never_sees_what_comes_after_an_origin(tmp_path):
    rows = load(400)
    a = write(tmp_path / "a.csv", rows)
    b = write(tmp_path / "b.csv", rows[:-24] + [(t, 5000.0) for t, _ in rows[-24:]])
    ask = ["--step", 3600, "--horizon", 24, "--origins", 3, "-o", "json"]
    one, two = (json.loads(petrel("backtest", "--input", f, *ask).stdout)["origins"] for f in (a, b))
    strip = [[{k: v for k, v in g.items() if k != "fit_ms"} for g in x] for x in (one, two)]
    assert strip[0][:2] == strip[1][:2] and strip[0][2] != strip[1][2]


def test_reports_are_whole_and_well_formed(tmp_path):
    f = write(tmp_path / "load <i> & co.csv", load(400))
    svg, html = tmp_path / "a.svg", tmp_path / "a.html"
    r = petrel("backtest", "--input", f, "--horizon", 24, "--origins", 4, "--svg", svg, "--html", html, "--timezone", "Europe/Berlin", "--calendar", "DE")
    assert r.returncode == OK and "seasonal-naive" in r.stdout
    root = ElementTree.parse(svg).getroot()
    paths = {p.get("class") for p in root.iter("{http://www.w3.org/2000/svg}path")}
    assert {"b50", "b80", "b95", "median", "truth", "naive"} <= paths
    page = html.read_text()
    assert page.count("<svg") == 6 and "<script" not in page and "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<i>" not in page and "load &lt;i&gt; &amp; co.csv" in page
    assert "nan" not in svg.read_text()


def test_a_backtest_with_nothing_to_compare_says_so(tmp_path):
    f = write(tmp_path / "a.csv", [(t, v if i < 200 else None) for i, (t, v) in enumerate(load(300))])
    r = petrel("backtest", "--input", f, "--horizon", 24, "--origins", 3)
    assert r.returncode == INPUT and "nothing to compare" in r.stderr and not r.stdout
    html = tmp_path / "a.html"
    r = petrel("backtest", "--input", f, "--horizon", 24, "--origins", 6, "--html", html)
    assert r.returncode == OK and "nan" not in r.stdout + html.read_text() and "what came is missing" in html.read_text()


@pytest.mark.parametrize("arguments,said", [
    (["--horizon", "0"], "--horizon"), (["--origins", "0"], "--origins"), (["--origins", "501"], "--origins"), (["--timezone", "Mars/Base"], "no time zone"),
    (["--timezone", "../../etc/passwd"], "no time zone"), (["--output", "xml"], "--output"), (["extra"], "unexpected"), (["--horizon", "8000"], "too few"),
])
def test_backtest_says_what_is_wrong(tmp_path, arguments, said):
    f = write(tmp_path / "a.csv", load(100))
    r = petrel("backtest", "--input", f, *arguments)
    assert r.returncode in (USAGE, INPUT) and said in r.stderr and not r.stdout
