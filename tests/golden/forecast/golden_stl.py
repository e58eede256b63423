#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes stl.csv: STL and MSTL components by statsmodels, which tests/unit/aggregator/forecast/model/test_stl.c holds ours against.

    pip install statsmodels==0.15.0 && python3 golden_stl.py > stl.csv
"""
import math

import numpy as np
import statsmodels
from statsmodels.tsa.seasonal import MSTL, STL

CASES = [  # name, period, seasonal window, robust, jump of (seasonal, trend, low pass); R's jumps are a tenth of the window
    ('plain', 24, 11, False, (1, 1, 1)),
    ('jumps', 24, 11, False, (2, 5, 3)),
    ('robust', 24, 13, True, (1, 1, 1)),
    ('robust_jumps', 12, 7, True, (1, 3, 2)),
    ('short_window', 7, 7, False, (1, 4, 1)),
]


def series(n=132):
    """no random numbers, so that anybody gets the same; three wild values for the robust weights"""
    y = [50 + .05 * t + 10 * math.sin(2 * math.pi * t / 24) + 3 * math.cos(2 * math.pi * t / 12) + 2 * math.sin(1.7 * t * t) for t in range(n)]
    y[30] += 40
    y[101] -= 35
    y[120] = 0.0
    return np.array(y)


def show(name, values):
    print(name + ',' + ','.join(f'{v:.13g}' for v in values))


def main():
    y = series()
    print(f'# statsmodels {statsmodels.__version__}; python3 golden_stl.py > stl.csv')
    show('y', y)
    for name, period, window, robust, (sj, tj, lj) in CASES:
        r = STL(y, period=period, seasonal=window, seasonal_deg=0, robust=robust, seasonal_jump=sj, trend_jump=tj, low_pass_jump=lj).fit()
        show(f'{name} {period} {window} {int(robust)} {sj} {tj} {lj} seasonal', r.seasonal)
        show('trend', r.trend)
        show('weights', r.weights)
    m = MSTL(y, periods=(12, 24), windows=(11, 15), iterate=2, stl_kwargs={'seasonal_deg': 0}).fit()
    show('mstl12', m.seasonal[:, 0])
    show('mstl24', m.seasonal[:, 1])
    show('trend', m.trend)


if __name__ == '__main__':
    main()
