#!/usr/bin/env python3
"""Draws what scale_bench prints as an SVG with logarithmic axes: plot_scale.py RESULTS.csv PICTURE.svg

Needs nothing but Python. A line of slope one, linear growth, is drawn for comparison."""

import csv
import math
import sys

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 50
SERIES = [("place_s", "place", "#1b6ca8"), ("view_s", "visible devices", "#c0392b"), ("read_s", "reading the hosts file", "#2e8b57")]


def label(seconds):
    if seconds >= 1:
        return f"{seconds:g} s"
    return f"{seconds * 1e3:g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:g} µs"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    times = [row[key] for row in rows for key, _, _ in SERIES if row[key] > 0]
    x_low, x_high = math.floor(math.log10(rows[0]["devices"])), math.ceil(math.log10(rows[-1]["devices"]))
    y_low, y_high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))

    def x(devices):
        return LEFT + (math.log10(devices) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def y(seconds):
        return HEIGHT - BOTTOM - (math.log10(seconds) - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="22" font-size="14">A 70B replica on every host of eight GPUs: processor time by devices</text>']
    for power in range(x_low, x_high + 1):
        at = x(10**power)
        out.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        out.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{10**power:,}</text>')
    for power in range(y_low, y_high + 1):
        at = y(10.0**power)
        out.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{label(10.0**power)}</text>')
    last = rows[-1]
    slope = last["place_s"] / last["devices"]
    start = max(rows[0]["devices"], 10**y_low / slope)
    out.append(f'<line x1="{x(start):.1f}" y1="{y(start * slope):.1f}" x2="{x(last["devices"]):.1f}" '
               f'y2="{y(last["place_s"]):.1f}" stroke="#999" stroke-dasharray="5 4"/>')
    for key, name, colour in SERIES:
        points = [(x(row["devices"]), y(row[key])) for row in rows if row[key] > 0]
        out.append(f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}" fill="none" stroke="{colour}" '
                   'stroke-width="2"/>')
        out.extend(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points)
    for i, (colour, name) in enumerate([(c, n) for _, n, c in SERIES] + [("#999", "linear growth")]):
        out.append(f'<rect x="{LEFT + 12}" y="{TOP + 8 + 18 * i}" width="14" height="4" fill="{colour}"/>')
        out.append(f'<text x="{LEFT + 32}" y="{TOP + 14 + 18 * i}">{name}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">devices</text></svg>')
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
