# SPDX-License-Identifier: Apache-2.0
"""Series, origins and figures of the forecast benchmark. Standard library only.

A case is one forecast to make: a history that ends at an origin, and what came after it, which only the scoring reads. Sets: A1
24 h ahead on hourly Kubernetes metrics of 8-16 days, A2 the same on pieces of long series, B 60 min ahead at 5 min, C 7 days
ahead hourly, D 15 min ahead at 1 min. A piece of a long series is written name~day: the series cut that many days after its
start. Origins are counted back from the end, a fixed stride apart. Grids are means over bins aligned to the epoch; a bin with less
than half of its points is missing.
"""
import csv
import datetime
import functools
import hashlib
import io
import lzma
import math
import os
import random
import statistics

LEVELS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
SCORES = [statistics.NormalDist().inv_cdf(level) for level in LEVELS]
COUNTED = [LEVELS.index(level) for level in (0.05, 0.1, 0.5, 0.9, 0.95, 0.99)]  # in WQL
MEDIAN, Q10, Q90, Q99 = 4, 2, 6, 8
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "forecast_data")
WORLDCUP = "worldcup98/requests_per_minute"
CRANE = [(f"crane{i}", f"crane/input{i}", None) for i in (0, 1, 2, 3, 5, 7, 8, 10, 14)]
CRANE15 = [("crane15", "crane/input15", None)]  # its second week repeats the first: only where less than a week is given
NAB = [(name, f"nab/{file}", None) for name, file in (
    ("cpu_24ae8d", "ec2_cpu_utilization_24ae8d"), ("cpu_5f5533", "ec2_cpu_utilization_5f5533"), ("cpu_825cc2", "ec2_cpu_utilization_825cc2"),
    ("cpu_fe7f93", "ec2_cpu_utilization_fe7f93"), ("network_in_257a54", "ec2_network_in_257a54"), ("latency_failure", "ec2_request_latency_system_failure"),
    ("elb_8c0756", "elb_request_count_8c0756"), ("grok_asg", "grok_asg_anomaly"), ("rds_cc0c53", "rds_cpu_utilization_cc0c53"),
    ("twitter_amzn", "Twitter_volume_AMZN"), ("twitter_ups", "Twitter_volume_UPS"))]
PIECES = [(f"worldcup~{day}", WORLDCUP, day) for day in (45, 66, 87)] + [
    (f"twitter_{who.lower()}~{day}", f"nab/Twitter_volume_{who}", day) for who in ("AMZN", "UPS") for day in (34, 55)]


class Set:
    def __init__(self, step, horizon, history, origins, stride, series, digest):
        self.step, self.horizon, self.history, self.origins, self.stride, self.series, self.digest = step, horizon, history, origins, stride, series, digest
        self.season = 86400 // step


SETS = {
    "A1": Set(3600, 24, 672, 6, 8, CRANE, "00bbcea0a64e"),
    "A2": Set(3600, 24, 672, 14, 37, PIECES, "f4aa69516afe"),
    "B": Set(300, 12, 4032, 5, 149, CRANE + NAB + [("worldcup", WORLDCUP, None)], "012a17b2f5c1"),
    "C": Set(3600, 168, 672, 6, 61, PIECES, "3db05f851c00"),
    "D": Set(60, 15, 5760, 10, 331, CRANE + CRANE15 + [("worldcup~40", WORLDCUP, 40), ("worldcup~75", WORLDCUP, 75)], "82b1a81d6581"),
}


class Case:
    __slots__ = ("series", "origin", "start", "step", "season", "past", "truth", "unit", "positive")

    @property
    def key(self):
        return self.series, self.origin

    @property
    def horizon(self):
        return len(self.truth)


def missing(v):
    return v != v


@functools.cache
def day_of(text):
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc).timestamp())


def seconds_of(text):
    return day_of(text[:10]) + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19]) if "-" in text else int(float(text))


@functools.cache
def points(file):
    """Ascending (epoch seconds, value) of a packed CSV; rows without a value are left out."""
    with lzma.open(f"{DATA}/{file}.csv.xz") as packed:
        rows = csv.reader(io.TextIOWrapper(packed, newline=""))
        next(rows)
        return sorted((seconds_of(row[0]), float(row[1])) for row in rows if len(row) > 1 and row[1] not in ("", "NA"))


@functools.cache
def grid(file, step, days):
    """(start, means per bin) of a file, cut after so many days."""
    given = points(file)
    if days is not None:
        given = [p for p in given if p[0] < given[0][0] + days * 86400]
    apart = sorted(b[0] - a[0] for a, b in zip(given, given[1:]) if b[0] > a[0])
    full = max(1.0, step / apart[len(apart) // 2])
    first = given[0][0] // step
    total, count = [0.0] * (given[-1][0] // step - first + 1), [0] * (given[-1][0] // step - first + 1)
    for at, value in given:
        total[at // step - first] += value
        count[at // step - first] += 1
    means = [t / c if c >= full / 2 else math.nan for t, c in zip(total, count)]
    begin = 1 if len(means) > 2 and count[0] < 0.9 * full else 0
    end = len(means) - (1 if len(means) - begin > 2 and count[-1] < 0.9 * full else 0)
    return (first + begin) * step, means[begin:end]


def unit_of(past, season):
    """Mean difference between days; at least 1 % of the level and a millionth of the range."""
    apart = [abs(b - a) for a, b in zip(past, past[season:]) if not missing(a) and not missing(b)]
    known = [v for v in past if not missing(v)]
    if not known:
        return 1.0
    return max(sum(apart) / len(apart) if apart else 0.0, 0.01 * sum(map(abs, known)) / len(known), 1e-6 * (max(known) - min(known)), 1e-12)


def cases(name, newest=None):
    """All cases of a set, or of its newest origins only."""
    s, found = SETS[name], []
    for series, file, days in s.series:
        start, means = grid(file, s.step, days)
        positive = min(v for v in means if not missing(v)) >= 0
        for origin in range(min(s.origins, newest or s.origins)):
            end = len(means) - s.horizon - origin * s.stride
            begin = max(0, end - s.history)
            c = Case()
            c.series, c.origin, c.start, c.step, c.season, c.positive = series, origin, start + begin * s.step, s.step, s.season, positive
            c.past, c.truth = means[begin:max(end, 0)], means[max(end, 0):end + s.horizon]
            known = sum(not missing(v) for v in c.past)
            if end - begin < 2 * s.season + 1 or all(map(missing, c.truth)) or known < 0.5 * len(c.past):
                continue
            c.unit = unit_of(c.past, s.season)
            found.append(c)
    return found


def digest(given):
    """Fingerprint of the protocol: the same cases give the same one."""
    h = hashlib.sha256()
    for c in given:
        h.update(f"{c.series} {c.origin} {c.start} {c.step} {c.horizon} ".encode())
        h.update(" ".join(f"{v:.6g}" for v in c.past + c.truth).encode())
    return h.hexdigest()[:12]


# --- naive forecasts ---------------------------------------------------------------------------------------------------

def filled(past):
    """Gaps closed by straight lines, the ends by the nearest value."""
    known = [i for i, v in enumerate(past) if not missing(v)]
    if not known:
        return [0.0] * len(past)
    out = list(past)
    out[:known[0]] = [past[known[0]]] * known[0]
    out[known[-1] + 1:] = [past[known[-1]]] * (len(past) - known[-1] - 1)
    for a, b in zip(known, known[1:]):
        for i in range(a + 1, b):
            out[i] = past[a] + (past[b] - past[a]) * (i - a) / (b - a)
    return out


def seasonal_naive(c, period):
    """The last season again; normal bands that widen by the square root of the seasons ahead."""
    y = filled(c.past)
    if len(y) < period + 2:
        period = min(c.season, max(1, len(y) - 2))
    apart = [b - a for a, b in zip(y, y[period:])]
    sd = math.sqrt(sum(d * d for d in apart) / max(1, len(apart)))
    return [[y[len(y) - period + h % period] + sd * math.sqrt(h // period + 1) * z for z in SCORES] for h in range(c.horizon)]


NAIVE = {
    "daily naive": lambda c: seasonal_naive(c, c.season),
    "weekly naive": lambda c: seasonal_naive(c, 7 * c.season),
    "last value": lambda c: seasonal_naive(c, 1),
}


# --- figures -----------------------------------------------------------------------------------------------------------

SUMS = ("steps", "mase", "wql", "inside80", "miss", "waste", "demand", "failed", "crossed", "forecasts")


def usable(c, rows):
    return rows is not None and len(rows) == c.horizon and all(len(r) == len(LEVELS) and all(map(math.isfinite, r)) for r in rows)


def add_step(sums, y, row):
    sums["steps"] += 1
    sums["error"] += abs(y - row[MEDIAN])
    for i, level in enumerate(LEVELS):
        d = y - row[i]
        sums["loss"][i] += level * d if d >= 0 else (level - 1) * d
        sums["below"][i] += d <= 0
    sums["inside80"] += row[Q10] <= y <= row[Q90]
    sums["miss"] += max(0.0, y - row[Q90])
    sums["waste"] += max(0.0, row[Q90] - y)
    sums["demand"] += abs(y)


def figures_of(c, rows):
    """Sums of one forecast. An unusable one counts as failed and is scored as the daily naive one."""
    s = dict.fromkeys(SUMS, 0) | {"error": 0.0, "loss": [0.0] * 9, "below": [0] * 9, "forecasts": 1}
    s["failed"] = not usable(c, rows)
    if s["failed"]:
        rows = NAIVE["daily naive"](c)
    s["crossed"] = any(b < a - 1e-9 * (abs(a) + abs(b)) for r in rows for a, b in zip(r, r[1:]))
    for y, row in zip(c.truth, rows):
        if not missing(y):
            add_step(s, y, [max(0.0, v) if c.positive else v for v in sorted(row)])
    scale = s["steps"] * c.unit
    s["mase"] = s.pop("error") / scale
    s["loss"] = [v / scale for v in s["loss"]]
    s["wql"] = sum(s["loss"][i] for i in COUNTED)
    known = [abs(v) for v in c.past if not missing(v)]
    s["demand"] = max(s["demand"], s["steps"] * sum(known) / len(known))
    return s


def per_series(given, forecasts):
    """{series: figures}: losses are means over its forecasts, everything else sums."""
    out = {}
    for c in given:
        new = figures_of(c, forecasts.get(c.key))
        old = out.setdefault(c.series, dict.fromkeys(new, 0) | {"loss": [0.0] * 9, "below": [0] * 9})
        for key, value in new.items():
            old[key] = [a + b for a, b in zip(old[key], value)] if isinstance(value, list) else old[key] + value
    for s in out.values():
        s["mase"], s["wql"] = s["mase"] / s["forecasts"], s["wql"] / s["forecasts"]
        s["loss"] = [v / s["forecasts"] for v in s["loss"]]
        s["pb90"], s["pb99"] = s["loss"][Q90], s["loss"][Q99]
    return out


def logs(ours, theirs, figure):
    """Logarithms of loss ratios per series; losses under 1 % of the unit count as equal."""
    return [math.log((ours[s][figure] + 0.01) / (theirs[s][figure] + 0.01)) for s in ours if s in theirs]


def ratio(ours, theirs, figure):
    """Geometric mean over the series of loss / loss, and its 95 % interval by bootstrap over the series (paired: same series)."""
    r = logs(ours, theirs, figure)
    if not r:
        return math.nan, math.nan, math.nan
    dice = random.Random(1)
    means = sorted(statistics.fmean(dice.choices(r, k=len(r))) for _ in range(2000))
    return math.exp(statistics.fmean(r)), math.exp(means[50]), math.exp(means[1949])


def summary(ours, naive):
    """Figures of a forecaster on one set, against the daily naive's."""
    every = list(ours.values())
    share = lambda key, i=None: statistics.fmean((s[key] if i is None else s[key][i]) / s["steps"] for s in every)
    out = {f"rel_{f}": ratio(ours, naive, f)[0] for f in ("mase", "wql", "pb90", "pb99")}
    out |= {"cov80": share("inside80"), "q95": share("below", 7), "q99": share("below", 8)}
    out |= {key: sum(s[key] for s in every) for key in ("failed", "crossed", "forecasts")}
    return out
