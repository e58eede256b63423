#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes prophet.csv: Prophet's own optimum (cmdstan), and an exact one by another method, for test_prophet.c.

    pip install prophet==1.5.0 && python3 golden_prophet.py > prophet.csv

Prophet's L-BFGS stops a little short of the optimum, because the Laplace prior has a kink at zero. `exact` is the same
objective minimised by SciPy with the slopes split into positive and negative parts, which has no kink.
"""
import logging
import math
import sys

import numpy as np
import pandas as pd
import prophet
from prophet import Prophet
from scipy.optimize import minimize

START = 1760918400  # 2025-10-20 00:00:00 UTC


def series(n):
    """the same for everybody: no random numbers; the trend bends twice"""
    out = []
    for t in range(n):
        trend = 100 + .05 * t + (.2 * (t - 200) if t > 200 else 0) - (.35 * (t - 330) if t > 330 else 0)
        out.append(trend + 20 * math.sin(2 * math.pi * t / 24) + 7 * math.cos(2 * math.pi * t / 12)
                   - (12 if t // 24 % 7 >= 5 else 0) + 5 * math.sin(1.7 * t * t))
    return np.array(out)


def show(name, values):
    print(name + ',' + ','.join(f'{float(v):.12g}' for v in values))


def objective(d, p):
    k, m, delta, beta, s = p['k'], p['m'], p['delta'], p['beta'], p['sigma_obs']
    mean = k * d['t'] + m + np.maximum(0, d['t'][:, None] - d['t_change']) @ delta + d['X'] @ beta
    return (-k * k / 50 - m * m / 50 - np.abs(delta).sum() / d['tau'] - 2 * s * s - (beta ** 2 / (2 * d['sigmas'] ** 2)).sum()
            - len(d['t']) * math.log(s) - ((d['y'] - mean) ** 2).sum() / (2 * s * s))


def exact(d):
    H = np.maximum(0, d['t'][:, None] - d['t_change'])
    S, K = H.shape[1], d['X'].shape[1]

    def split(z):
        return dict(k=z[0], m=z[1], delta=z[2:2 + S] - z[2 + S:2 + 2 * S], beta=z[2 + 2 * S:-1], sigma_obs=math.exp(z[-1]))

    def loss(z):
        p = split(z)
        s = p['sigma_obs']
        r = d['y'] - p['k'] * d['t'] - p['m'] - H @ p['delta'] - d['X'] @ p['beta']
        f = (p['k'] ** 2 + p['m'] ** 2) / 50 + z[2:2 + 2 * S].sum() / d['tau'] + 2 * s * s + (p['beta'] ** 2 / (2 * d['sigmas'] ** 2)).sum() + len(r) * z[-1] + r @ r / (2 * s * s)
        g = np.empty_like(z)
        g[0] = p['k'] / 25 - r @ d['t'] / s ** 2
        g[1] = p['m'] / 25 - r.sum() / s ** 2
        gd = -(H.T @ r) / s ** 2
        g[2:2 + S], g[2 + S:2 + 2 * S] = gd + 1 / d['tau'], -gd + 1 / d['tau']
        g[2 + 2 * S:-1] = p['beta'] / d['sigmas'] ** 2 - d['X'].T @ r / s ** 2
        g[-1] = len(r) + 4 * s * s - r @ r / s ** 2
        return f, g

    z = np.zeros(2 + 2 * S + K + 1)
    z[-1] = -1
    bounds = [(None, None)] * 2 + [(0, None)] * (2 * S) + [(None, None)] * (K + 1)
    for _ in range(6):
        z = minimize(loss, z, jac=True, method='L-BFGS-B', bounds=bounds, options=dict(maxiter=200000, maxfun=400000, maxcor=60, ftol=1e-16, gtol=1e-10)).x
    return objective(d, split(z))


def case(name, y, gaps):
    y = y.copy()
    y[gaps] = np.nan
    df = pd.DataFrame(dict(ds=pd.to_datetime(START + 3600 * np.arange(len(y)), unit='s'), y=y))
    m = Prophet()
    m.fit(df)
    d = m.preprocess(df.dropna())
    p = {k: np.squeeze(v) for k, v in m.params.items()}
    d = dict(t=np.asarray(d.t), y=np.asarray(d.y), t_change=np.asarray(d.t_change), X=np.asarray(d.X), sigmas=np.asarray(d.sigmas), tau=d.tau)
    p = dict(k=float(p['k']), m=float(p['m']), delta=p['delta'], beta=p['beta'], sigma_obs=float(p['sigma_obs']))
    show(f'{name} y', np.where(np.isnan(y), -1, y))
    show('prophet', [p['k'], p['m'], *p['delta'], *p['beta'], p['sigma_obs']])
    show('objective', [objective(d, p), float(np.squeeze(m.params['lp__'])) if 'lp__' in m.params else math.nan, exact(d)])
    future = pd.DataFrame(dict(ds=pd.to_datetime(START + 3600 * (len(y) + np.arange(48)), unit='s')))
    show('yhat', m.predict(future).yhat)


def main():
    logging.getLogger('cmdstanpy').setLevel(logging.ERROR)
    print(f'# prophet {prophet.__version__}; python3 golden_prophet.py > prophet.csv; missing values of y are -1')
    case('weeks', series(400), [])
    case('days', series(150), [])
    case('gaps', series(360), [10, 11, 40, 222, 350])


if __name__ == '__main__':
    sys.exit(main())
