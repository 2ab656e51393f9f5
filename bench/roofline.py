#!/usr/bin/env python3
"""Draws the roofline picture (Williams et al., 2009) of the kernels: docs/roofline.svg.

Usage: bench_cpu_kernels --benchmark_filter='memory|tile|impasto(_fused)?/real' --benchmark_format=json > kernels.json
       bench_attention --benchmark_filter='blocked/float32' --benchmark_format=json > attention.json
       bench/roofline.py kernels.json attention.json --title 'CPU, date, commit' > docs/roofline.svg
"""
import argparse
import html
import json
import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 560, 80, 30, 60, 70
COLOURS = {"linear": "#0072b2", "conv": "#d55e00", "attention": "#009e73"}
NAMES = {"linear": "linear layers", "conv": "3x3 convolutions (counted directly)", "attention": "attention"}


def points(files):
    """(family, label, FLOP/byte, GFLOP/s) of each benchmark; the peak of one tile; the memory's GB/s."""
    found, peak, bandwidth = [], 0, 0
    for path in files:
        with open(path) as file:
            report = json.load(file)
            peak = max(peak, float(report["context"].get("peak GFLOP/s", 0)))
            for row in report["benchmarks"]:
                name = row["name"].split("/")
                if "GB/s" in row:
                    bandwidth = max(bandwidth, row["GB/s"])
                elif "FLOP/byte" not in row:
                    peak = max(peak, row.get("GFLOP/s", 0))
                elif name[0] == "conv" and not name[2].endswith("_fused"):
                    continue  # as networks use them: with what is fused
                else:
                    family = name[0].split("_")[0]
                    label = name[1] if family != "attention" else "/".join(p.split(":")[1] for p in name[2:-1])
                    found.append((family, label, row["FLOP/byte"], row["GFLOP/s"]))
    return found, peak, bandwidth


def axis(low, high, size, offset, downwards=False):
    """A logarithmic scale."""
    def place(value):
        share = (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
        return offset + size * ((1 - share) if downwards else share)
    return place


def ticks(low, high):
    return [m * 10**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for m in (1, 2, 5) if low <= m * 10**e <= high]


def draw(found, peak, bandwidth, title):
    low_x, high_x = min(p[2] for p in found) / 2, max(p[2] for p in found) * 2
    low_y, high_y = min(min(p[3] for p in found) / 2, peak / 4), max(p[3] for p in found) * 1.6
    x = axis(low_x, high_x, WIDTH - LEFT - RIGHT, LEFT)
    y = axis(low_y, high_y, HEIGHT - TOP - BOTTOM, TOP, downwards=True)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="24" font-size="16">Roofline of the CPU kernels</text>', f'<text x="{LEFT}" y="44" fill="#555">{html.escape(title)}</text>']
    for t in ticks(low_x, high_x):
        out.append(f'<path d="M{x(t):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/><text x="{x(t):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{t:g}</text>')
    for t in ticks(low_y, high_y):
        out.append(f'<path d="M{LEFT} {y(t):.1f}H{WIDTH - RIGHT}" stroke="#eee"/><text x="{LEFT - 8}" y="{y(t) + 4:.1f}" text-anchor="end">{t:g}</text>')
    ridge = peak / bandwidth
    start = max(low_x, low_y / bandwidth)
    out.append(f'<path d="M{x(start):.1f} {y(bandwidth * start):.1f}L{x(max(ridge, start)):.1f} {y(peak):.1f}H{WIDTH - RIGHT}" fill="none" stroke="black" stroke-width="1.5"/>')
    out.append(f'<text x="{WIDTH - RIGHT - 4}" y="{y(peak) - 6:.1f}" text-anchor="end">multiply-adds: {peak:.0f} GFLOP/s</text>')
    out.append(f'<text x="{x(start) + 6:.1f}" y="{y(bandwidth * start) - 8:.1f}">memory: {bandwidth:.0f} GB/s</text>')
    if high_y > 4 * peak:
        out.append(f'<path d="M{LEFT} {y(4 * peak):.1f}H{WIDTH - RIGHT}" stroke="#d55e00" stroke-dasharray="5 4"/><text x="{LEFT + 6}" y="{y(4 * peak) - 6:.1f}" fill="#d55e00">four times that: F(4x4, 3x3) without its transforms</text>')
    for family, label, intensity, rate in found:
        out.append(f'<circle cx="{x(intensity):.1f}" cy="{y(rate):.1f}" r="4.5" fill="{COLOURS[family]}" fill-opacity="0.75"><title>{html.escape(label)}: {intensity:.0f} FLOP/byte, {rate:.0f} GFLOP/s</title></circle>')
    for i, family in enumerate(COLOURS):
        out.append(f'<circle cx="{WIDTH - 290}" cy="{HEIGHT - BOTTOM - 58 + 20 * i}" r="4.5" fill="{COLOURS[family]}"/><text x="{WIDTH - 278}" y="{HEIGHT - BOTTOM - 54 + 20 * i}">{NAMES[family]}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 20}" text-anchor="middle">FLOP for each byte of input, weights and output</text>')
    out.append(f'<text transform="translate(24 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">GFLOP/s</text></svg>')
    return "\n".join(out)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("files", nargs="+")
    arguments.add_argument("--title", required=True)
    arguments = arguments.parse_args()
    found, peak, bandwidth = points(arguments.files)
    if not found or not peak or not bandwidth:
        arguments.error("the files hold no kernels, no tile_from_cache or no read_memory")
    print(draw(found, peak, bandwidth, arguments.title))


if __name__ == "__main__":
    main()
