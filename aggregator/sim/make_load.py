#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes load.csv: two weeks of recorded production load at five minutes, for the demo fleet.

    make_load.py DIR_WITH_CRANE_CSVS > load.csv

Source: gocrane/crane @ 2b0ddae, pkg/prediction/dsp/test_data (Apache-2.0): input2, input8, input14, each divided by its own
99.9 % quantile and written in permille. Row k is the mean over the five minutes that begin k*300 s after a Monday 00:00 UTC of
a two-week cycle, so weekdays and hours of the recording are kept.
"""
import csv
import sys

STEP, CYCLE = 300, 14 * 86400
COLUMNS = ("input2", "input8", "input14")


def row_of(epoch_s):
    return int((epoch_s + 3 * 86400) % CYCLE) // STEP  # the epoch began on a Thursday


def column(path):
    sums, counts = [0.0] * (CYCLE // STEP), [0] * (CYCLE // STEP)
    with open(path, newline="") as f:
        rows = [(float(r["ts"]), float(r["value"])) for r in csv.DictReader(f)]
    for ts, value in rows[: CYCLE // 60]:
        sums[row_of(ts)] += value
        counts[row_of(ts)] += 1
    top = sorted(v for _, v in rows)[int(len(rows) * 0.999)]
    return [min(1000, round(1000 * s / c / top)) for s, c in zip(sums, counts)]


def main():
    columns = [column(f"{sys.argv[1]}/{name}.csv") for name in COLUMNS]
    print(",".join(COLUMNS))
    for values in zip(*columns):
        print(",".join(map(str, values)))


if __name__ == "__main__":
    main()
