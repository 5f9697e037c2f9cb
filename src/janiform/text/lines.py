"""Long lines of Python, broken where they may be."""

from __future__ import annotations

import re

from janiform.text.binding import QUOTED

WIDTH = 100
PIECES = re.compile(
    rf"""(?:{QUOTED}|[^'", ]| (?!(?:for|if|else|and|or) ))+(?:,\s*| (?=(?:for|if|else|and|or) ))?|[, ]+"""
)


def wrapped(line: str, indent: int) -> str:
    """Break a long line after commas and before words, which are in brackets; strings stay whole.

    >>> print(wrapped(f"x = [{'a, ' * 20}{'b ' * 15}if y else z for i in span]", 4))
    x = [a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, b b b b b b b b b b b b b b b
            if y else z for i in span]
    """
    lines, start = [""], " " * indent
    for piece in PIECES.findall(line):
        if len(start) + len(lines[-1]) + len(piece.rstrip()) > WIDTH and lines[-1].strip():
            lines.append("    ")
        lines[-1] += piece if lines[-1].strip() else piece.lstrip()
    return f"\n{start}".join(line.rstrip() for line in lines)
