#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes arima.csv: likelihoods, forecasts and KPSS statistics by statsmodels, for test_arima.c.

    pip install statsmodels==0.15.0 && python3 golden_arima.py > arima.csv
"""
import math
import warnings

import numpy as np
import statsmodels
from statsmodels.tsa.statespace.sarimax import SARIMAX
from statsmodels.tsa.stattools import kpss

NAN = float('nan')
CASES = [  # p, d, q, gaps, parameters (phi, theta), innovation variance
    (0, 0, 0, False, [], 2.0),
    (1, 0, 0, False, [.9], 1.5),
    (2, 0, 1, False, [1.2, -.5, .4], 1.0),
    (3, 0, 3, False, [.5, -.3, .2, .6, .2, -.1], 1.3),
    (1, 0, 0, True, [.995], 1.0),
    (2, 0, 3, True, [1.1, -.3, .3, .3, .1], 1.0),
    (0, 1, 1, False, [-.6], 1.0),
    (2, 1, 2, False, [.5, .2, -.4, .1], .7),
    (1, 2, 1, False, [.3, -.7], 1.0),
    (1, 1, 1, True, [.5, -.3], 1.0),
]


def series(gaps, n=120):
    """the same for everybody: no random numbers"""
    y, a = [], 0.0
    for t in range(n):
        a = .8 * a + 2 * math.sin(1.7 * t * t) + .3 * math.sin(t / 9)
        y.append(a)
    if gaps:
        for t in (5, 30, 31, 32, 77, 100):
            y[t] = NAN
    return np.array(y)


def show(name, values):
    print(name + ',' + ','.join(f'{v:.15g}' for v in values))


def model(y, p, d, q, **more):
    return SARIMAX(y, order=(p, d, q), trend=None, **more)


def main():
    warnings.simplefilter('ignore')
    print(f'# statsmodels {statsmodels.__version__}; python3 golden_arima.py > arima.csv')
    show('y', series(False))
    show('gaps_at', [t for t, v in enumerate(series(True)) if math.isnan(v)])
    for p, d, q, gaps, params, variance in CASES:
        y = series(gaps)
        # exact diffuse start: its d first values add -log(2 pi) / 2 each, which we do not count
        m = model(y, p, d, q, **(dict(use_exact_diffuse=True) if d else {}))
        value = m.loglike(params + [variance]) + d * .5 * math.log(2 * math.pi)
        ahead = m.smooth(params + [variance]).get_forecast(6)
        show(f'{p} {d} {q} {int(gaps)}', params + [variance, value])
        show('mean', ahead.predicted_mean)
        show('sd', ahead.se_mean)
    for p, d, q in ((1, 0, 1), (2, 0, 0), (1, 1, 1)):
        y = series(False)
        fit = model(y if d else y - y.mean(), p, d, q, simple_differencing=True, concentrate_scale=True).fit(disp=0, maxiter=500, method='lbfgs', pgtol=1e-10, factr=10)
        show(f'best {p} {d} {q}', [fit.llf])
    y = series(False)
    for name, v in (('level', y), ('walk', np.cumsum(y)), ('step', y + 5 * (np.arange(len(y)) > 60))):
        show(f'kpss {name}', [kpss(v, regression='c', nlags=lags)[0] for lags in (0, 2, 5)])


if __name__ == '__main__':
    main()
