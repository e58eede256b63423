# SPDX-License-Identifier: Apache-2.0
"""A picture (SVG) of how the truth of one set lies in its forecasts: shares per band, and errors per series and origin."""
import html

import forecast_suite as suite

BANDS = ("< 1", "1-5", "5-10", "10-25", "25-50", "50-75", "75-90", "90-95", "95-99", "> 99")
WIDTH, LEFT, ROW, LIMIT = 900, 96, 40, 4.0  # LIMIT: daily differences shown on either side of the median
INK, GREY, BLUE, RED, BAND = "#222", "#888", "#2563a8", "#b3261e", "#cfe0f1"


def text(x, y, words, anchor="start", size=12, fill=INK):
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}">{html.escape(words)}</text>'


def line(x1, y1, x2, y2, stroke=GREY, dash=""):
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{stroke}"' + (f' stroke-dasharray="{dash}"' if dash else "") + "/>"


def steps(c, rows):
    """(truth, row as it is scored) of every step with a truth."""
    return [(y, [max(0.0, v) if c.positive else v for v in sorted(row)]) for y, row in zip(c.truth, rows) if not suite.missing(y)]


def histogram(top, height, pairs):
    """Share of truths per percentile, over the nominal width of each band: 1 everywhere is calibrated."""
    edges, count = (0, *suite.LEVELS, 1), [0] * len(BANDS)
    for y, row in pairs:
        count[sum(y > v for v in row)] += 1
    density = [n / len(pairs) / (b - a) for n, a, b in zip(count, edges, edges[1:])]
    most, wide, out = max(2.0, *density), (WIDTH - LEFT - 16) / len(BANDS), []
    at = lambda v: top + height * (1 - v / most)
    for i, (n, d) in enumerate(zip(count, density)):
        x = LEFT + i * wide
        out.append(f'<rect x="{x + 3:.1f}" y="{at(d):.1f}" width="{wide - 6:.1f}" height="{at(0) - at(d):.1f}" fill="{BLUE}"/>')
        out.append(text(x + wide / 2, at(d) - 4, f"{100 * n / len(pairs):.1f} %", "middle", 11))
        out.append(text(x + wide / 2, top + height + 15, BANDS[i], "middle", 11))
    out += [line(LEFT, at(1), WIDTH - 16, at(1), INK, "4 3"), text(LEFT - 6, at(1) + 4, "as it should", "end", 11)]
    inside, below = sum(count[3:7]) / len(pairs), 1 - count[-1] / len(pairs)
    for edge, colour, words, anchor in ((3, GREY, "", "start"), (7, GREY, f"80 % band holds {100 * inside:.1f} %", "end"), (9, RED, f"below q99: {100 * below:.1f} %", "end")):
        x = LEFT + edge * wide
        out += [line(x, top - 14, x, top + height, colour, "2 2"), text(x - 5, top - 4, words, anchor, 12, INK if colour == GREY else colour)]
    return out


def strip(top, pairs, unit, origins):
    """The errors of one series, oldest origin at the left; the 80 % band shaded, q99 red."""
    wide, out = (WIDTH - LEFT - 16) / max(1, len(pairs)), []
    middle, half = top + ROW / 2, ROW / 2 - 2
    at = lambda v: middle - half * max(-LIMIT, min(LIMIT, v)) / LIMIT
    away = [[(y - row[suite.MEDIAN]) / unit[i], *((row[q] - row[suite.MEDIAN]) / unit[i] for q in (suite.Q10, suite.Q90, suite.Q99))] for i, (y, row) in enumerate(pairs)]
    x = [LEFT + (i + 0.5) * wide for i in range(len(pairs))]
    path = lambda k, ids: "L".join(f"{x[i]:.0f} {at(away[i][k]):.0f}" for i in ids)
    for first, end in origins:
        ids = range(first, end)
        out.append(f'<path d="M{path(1, ids)}L{path(2, reversed(ids))}Z" fill="{BAND}"/>')
        out.append(f'<path d="M{path(3, ids)}" stroke="{RED}" fill="none"/>')
        out.append(f'<path d="M{path(0, ids)}" stroke="{INK}" fill="none"/>')
        out.append(line(LEFT + end * wide, top, LEFT + end * wide, top + ROW, "#ddd"))
    return [*out, line(LEFT, middle, WIDTH - 16, middle, "#bbb", "1 3")]


def picture(name, given, answers):
    pairs, series = [], {}
    for c in sorted(given, key=lambda c: -c.origin):
        found = steps(c, answers[c.key]) if suite.usable(c, answers.get(c.key)) else []
        pairs += found
        of = series.setdefault(c.series, ([], [], []))
        of[2].append((len(of[0]), len(of[0]) + len(found)))
        of[0].extend(found)
        of[1].extend([c.unit] * len(found))
    top = 290
    height = top + len(series) * (ROW + 6) + 16
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">', f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>']
    out.append(text(16, 22, f"{name}: where the truth of {len(given)} forecasts ({len(pairs)} steps) lies between the quantiles", size=15))
    out.append(text(16, 40, "Percentiles of the forecast below; height: share of truths / share there should be", fill=GREY))
    out += histogram(76, 130, pairs)
    out.append(text(16, 256, "Truth less median, in mean daily differences, per series; origins from old to new", size=15))
    out.append(text(16, 274, f"black: error; blue: 80 % band; red: q99; each strip from -{LIMIT:g} to +{LIMIT:g}, cut off beyond", fill=GREY))
    for i, (label, (found, unit, origins)) in enumerate(sorted(series.items(), key=lambda s: (len(s[0]), s[0]))):
        y = top + i * (ROW + 6)
        out += [text(LEFT - 8, y + ROW / 2 + 4, label, "end"), *strip(y, found, unit, origins)]
    return "\n".join([*out, "</svg>"])
