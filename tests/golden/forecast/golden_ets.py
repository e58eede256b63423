#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes ets.csv and theta.csv: states and errors of given parameters by statsforecast (its C++ kernels for ETS and Theta), which
tests/unit/aggregator/forecast/model/test_ets.c holds ours against.

    pip install statsforecast==2.1.1 && python3 golden_ets.py ets > ets.csv && python3 golden_ets.py theta > theta.csv
"""
import math
import sys

import numpy as np
import statsforecast
from statsforecast import ets, theta

N = 72


def series():
    """no random numbers, so that anybody gets the same"""
    return np.array([50 + .1 * t + 8 * math.sin(2 * math.pi * t / 12) + 2 * math.sin(1.7 * t * t) for t in range(N)])


def line(name, values):
    print(name + ',' + ','.join(f'{v:.17g}' for v in values))


ETS = [  # name, alpha, beta, gamma, phi, first level, slope, season (due order)
    ('ANN', .3, 0, 0, 1, 48., None, None),
    ('AAN', .4, .07, 0, 1, 50., .2, None),
    ('AAdN', .5, .1, 0, .9, 47., .5, None),
    ('ANA', .2, 0, .15, 1, 51., None, [8 * math.sin(2 * math.pi * j / 12) + .1 * j - .55 for j in range(12)]),
    ('AAA', .25, .02, .3, 1, 50., .1, [7 * math.sin(2 * math.pi * j / 12) for j in range(12)]),
    ('AAdA', .35, .05, .2, .95, 49., .3, [6 * math.cos(2 * math.pi * j / 12) for j in range(12)]),
]
THETA = [('slow', .15, 1.5, 45.), ('fast', .8, 2., 52.), ('steep', .4, 6., 48.)]  # name, alpha, theta, first level


def write_ets(y):
    line('y', y)
    for name, alpha, beta, gamma, phi, level, slope, season in ETS:
        init = [level] + ([slope] if slope is not None else []) + (season[::-1] if season else [])
        m = len(season) if season else 1
        _, e, x, lik = ets.pegelsresid_C(y, m, np.array(init), 'A', 'A' if slope is not None else 'N', 'A' if season else 'N',
                                         phi < 1, alpha, beta, gamma, phi, 3)
        line(name, [alpha, beta, gamma, phi, m if season else 0, slope is not None, level, slope or 0] + (season or []))
        line(name + '.errors', e)
        line(name + '.levels', x[1:, 0])
        last = x[-1]
        at = 1
        if slope is not None:
            line(name + '.slopes', x[1:, 1])
            at = 2
        line(name + '.season', last[at:][::-1] if season else [0.])
        line(name + '.likelihood', [lik])


def write_theta(y):
    line('y', y)
    for name, alpha, th, level in THETA:
        _, e, x, mse = theta._theta.pegels_resid(y, theta.switch_theta('DOTM'), level, alpha, th, 3)
        line(name, [alpha, th, level, mse])
        line(name + '.errors', e)
        for k, column in enumerate(('levels', 'means', 'a', 'b')):
            line(f'{name}.{column}', x[-N:, k])


if __name__ == '__main__':
    print(f'# statsforecast {statsforecast.__version__}, golden_ets.py {sys.argv[1]}')
    {'ets': write_ets, 'theta': write_theta}[sys.argv[1]](series())
