"""Small multiples of lines, as SVG by hand: one panel a row and a column, a line a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDE, HIGH, LEFT, TOP, GAP = 118, 84, 46, 34, 26
COLORS = ("#000000", "#0072b2", "#009e73", "#cc79a7", "#d55e00", "#999999")
Lines = Mapping[str, Sequence[tuple[float, float]]]


def panels(columns: Sequence[str], rows: Sequence[str], lines: Mapping[tuple[str, str], Lines]) -> str:
    """Draw panels whose y goes from 0 to 1, and whose x are whole numbers, falling to the right.

    >>> panels(["hist"], ["right"], {("hist", "right"): {"exact": [(5, 1.0)], "linear": [(4, 0.5), (3, 0)]}}).count("<circle")
    5
    """
    names = list(dict.fromkeys(name for panel in lines.values() for name in panel))
    color = {name: COLORS[i % len(COLORS)] for i, name in enumerate(names)}
    width, height = LEFT + len(columns) * (WIDE + GAP), TOP + len(rows) * (HIGH + GAP) + 24
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="10">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for j, column in enumerate(columns):
        for i, row in enumerate(rows):
            x0, y0 = LEFT + j * (WIDE + GAP), TOP + i * (HIGH + GAP)
            out += _panel(x0, y0, lines.get((column, row), {}), color)
            if i == 0:
                out.append(
                    f'<text x="{x0 + WIDE / 2}" y="{y0 - 8}" text-anchor="middle">{escape(column)}</text>'
                )
            if j == 0:
                middle = y0 + HIGH / 2
                out.append(
                    f'<text transform="translate(12,{middle}) rotate(-90)" text-anchor="middle">{escape(row)}</text>'
                )
    for k, name in enumerate(names):
        x, y = LEFT + k * 100, height - 10
        out.append(f'<circle cx="{x}" cy="{y - 3}" r="3.5" fill="{color[name]}"/>')
        out.append(f'<text x="{x + 8}" y="{y}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>\n"])


def _panel(x0: float, y0: float, lines: Lines, color: Mapping[str, str]) -> list[str]:
    widths = sorted({x for line in lines.values() for x, _ in line}, reverse=True)
    step = WIDE / max(1, len(widths))
    at = {x: x0 + (i + 0.5) * step for i, x in enumerate(widths)}
    out = [f'<rect x="{x0}" y="{y0}" width="{WIDE}" height="{HIGH}" fill="none" stroke="#bbb"/>']
    for y in (0.0, 0.5, 1.0):
        label = y0 + HIGH * (1 - y) + 3
        out.append(f'<text x="{x0 - 4}" y="{label:.1f}" text-anchor="end" fill="#666">{y:g}</text>')
    for x in widths:
        out.append(
            f'<text x="{at[x]:.1f}" y="{y0 + HIGH + 11}" text-anchor="middle" fill="#666">{x:g}</text>'
        )
    for name, line in lines.items():
        points = [(at[x], y0 + HIGH * (1 - y)) for x, y in sorted(line, reverse=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{color[name]}" stroke-width="1.5"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{color[name]}"/>' for x, y in points]
    return out
