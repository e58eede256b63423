# SPDX-License-Identifier: Apache-2.0
"""statsforecast and Prophet on the newest origins of a set: one JSON line per model. Run by tests/bench/forecast.

    forecast_peers.py SET NEWEST EVERY

One thread; CPU is that of the process, after one forecast that is not counted (imports and compilation).
"""
import json
import logging
import os
import sys
import time
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
warnings.filterwarnings("ignore")

import numpy  # noqa: E402
import pandas  # noqa: E402
from prophet import Prophet  # noqa: E402
from statsforecast.models import MSTL, AutoARIMA, AutoETS, DynamicOptimizedTheta  # noqa: E402

import forecast_suite as suite  # noqa: E402

WIDTHS = [50, 80, 90, 98]  # central intervals that give the nine levels


def statsforecast(make):
    def forecast(c):
        y = numpy.array(suite.filled(c.past))
        r = make(c).forecast(y=y, h=c.horizon, level=WIDTHS)
        columns = [r[f"lo-{w}"] for w in reversed(WIDTHS)] + [r["mean"]] + [r[f"hi-{w}"] for w in WIDTHS]
        return numpy.sort(numpy.stack(columns, 1), 1).tolist()
    return forecast


def mstl(c):
    seasons = [m for m in (c.season, 7 * c.season) if len(c.past) > 2 * m]
    return MSTL(season_length=seasons, trend_forecaster=AutoARIMA())


def prophet(c):
    dates = pandas.to_datetime([c.start + i * c.step for i in range(len(c.past) + c.horizon)], unit="s")
    m = Prophet(uncertainty_samples=300)
    m.fit(pandas.DataFrame({"ds": dates[:len(c.past)], "y": c.past}).dropna())
    draws = m.predictive_samples(pandas.DataFrame({"ds": dates[len(c.past):]}))["yhat"]
    return numpy.quantile(draws, suite.LEVELS, axis=1).T.tolist()


# Season lengths above 24 are out of reach of AutoETS (refused) and slow in Theta's decomposition only a little.
MODELS = {
    "statsforecast AutoETS": statsforecast(lambda c: AutoETS(season_length=c.season if c.season <= 24 else 1)),
    "statsforecast DynamicOptimizedTheta": statsforecast(lambda c: DynamicOptimizedTheta(season_length=c.season)),
    "statsforecast MSTL + AutoARIMA": statsforecast(mstl),
    "Prophet": prophet,
}


def answer(model, c):
    try:
        return MODELS[model](c)
    except Exception as error:  # a library that fails on a series counts as failed there
        print(f"{model}, {c.series}: {type(error).__name__}: {error}", file=sys.stderr)
        return None


def main():
    logging.disable(logging.WARNING)
    numpy.random.seed(1)
    given = suite.cases(sys.argv[1], int(sys.argv[2]))[::int(sys.argv[3])]
    for model in MODELS:
        answer(model, given[0])
        before = time.process_time()
        answers = [(c.series, c.origin, answer(model, c)) for c in given]
        cpu = 1e3 * (time.process_time() - before) / len(given)
        print(json.dumps({"model": model, "cpu_ms": cpu, "answers": answers}), flush=True)


if __name__ == "__main__":
    main()
