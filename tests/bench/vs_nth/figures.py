# SPDX-License-Identifier: Apache-2.0
"""What was measured, as a JSON line each (as tests/bench/run has them) or as the Markdown of the README."""
import json
import math

WITHIN = (5, 30, 60, 120)


def at(values, share):
    """The value at this share of the sorted ones; what never came (None) is the largest."""
    found = sorted(values, key=lambda v: math.inf if v is None else v)
    return found[min(len(found) - 1, int(len(found) * share))]


def share_within(values, seconds):
    return 100 * sum(v is not None and v <= seconds for v in values) / len(values)


def text(value):
    return "never" if value is None else f"{value:.2f}" if value < 10 else f"{value:.0f}"


class Figures:
    """lines: print a JSON line per figure, else gather tables for markdown()."""

    def __init__(self, lines):
        self.lines, self.tables = lines, {}

    def figure(self, name, value, unit, baseline=None, most=None, least=None):
        """One figure; value None: it never came. most and least are the budget."""
        if not self.lines:
            return
        line = {"name": name, "value": None if value is None else round(value, 3), "unit": unit}
        if baseline is not None:
            line.update(baseline=round(baseline, 3), ratio=round(value / baseline, 3) if baseline and value is not None else None)
        if most is not None:
            line.update(budget=most, ok=value is not None and value <= most)
        if least is not None:
            line.update(budget=least, ok=value is not None and value >= least)
        print(json.dumps(line), flush=True)

    def row(self, table, header, *cells):
        self.tables.setdefault((table, header), []).append(cells)

    def latency(self, name, road, ours, theirs, most):
        """Seconds from notice to taint of every node, of both sides (theirs None: the peer has no such run)."""
        for share, label in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (1, "max")):
            self.figure(f"{name}_{label}", at(ours, share), "s", at(theirs, share) if theirs else None, most=most if label == "p99" else None)
        for seconds in WITHIN:
            self.figure(f"{name}_within_{seconds}s", share_within(ours, seconds), "%", share_within(theirs, seconds) if theirs else None, least=100)

        def both(of):
            return f"{of(ours)} / {of(theirs)}" if theirs else of(ours)

        self.row("From the notice to the taint, seconds", "| road | notices at once | P50 | P90 | P99 | max | % within 5 s | 30 s | 60 s | 120 s | target P99 |",
                 *road, *(both(lambda v, s=share: text(at(v, s))) for share in (0.5, 0.9, 0.99, 1)),
                 *(both(lambda v, s=seconds: f"{share_within(v, s):.0f}") for seconds in WITHIN), f"{most:g}")

    def markdown(self):
        parts = []
        for (title, header), rows in self.tables.items():
            rule = "|" + "---|" * (header.count("|") - 1)
            parts.append("\n".join([f"{title}:", "", header, rule, *("| " + " | ".join(map(str, cells)) + " |" for cells in rows)]))
        return "\n\n".join(parts)
