"""A numerical MLP as comparisons and arithmetic: what ``learn.draft.Steps`` computes, as a function that people read.

Where all numbers are whole, edges are whole too; a single number between two equal categories is an equality, categories
that rise one by one are the sum itself within bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup, table
from janiform.learn.draft import Steps

FEW, WIDEST = 3, 64
"""The most steps that are written as comparisons where a table of the sum serves, and the widest such table."""


@dataclass(frozen=True, slots=True)
class Range:
    """Between which numbers a variable lies, and whether it is whole."""

    low: float
    high: float
    whole: bool = True

    def total(self, times: int) -> Range:
        """The range of sums of up to so many."""
        return Range(min(0, times * self.low), max(0, times * self.high), self.whole)


def stepped(u: Steps, ranges: list[Range]) -> tuple[Fn, tuple[int, ...]]:
    """Return a numerical MLP as a function, and the variables that are its arguments.

    >>> from janiform.text.printer import ATOM, formula
    >>> u = Steps(0, 1, (2, -1), (-0.5, 0.5), np.array([0, 1, 0]), 2)
    >>> f, reads = stepped(u, [Range(0, 8), Range(0, 8)])
    >>> formula(f, [("x", ATOM), ("y", ATOM)])[0], reads
    ('indicator(2 * x == y)', (0, 1))
    """
    slopes: dict[int, float] = {}
    for v, a in zip(u.reads, u.slopes, strict=True):
        slopes[v] = slopes.get(v, 0) + a
    slopes = {v: a for v, a in slopes.items() if a} or {u.left: 0}
    whole = all(ranges[v].whole and float(a).is_integer() for v, a in slopes.items())
    low = sum(min(a * ranges[v].low, a * ranges[v].high) for v, a in slopes.items())
    high = sum(max(a * ranges[v].low, a * ranges[v].high) for v, a in slopes.items())
    edges = [float(math.ceil(e)) if whole else e for e in u.edges]
    starts = sorted({low} | {e for e in edges if low < e <= high})
    codes = [int(u.cells[np.searchsorted(edges, s, side="right")]) for s in starts]
    kept = [i for i in range(len(codes)) if i == 0 or codes[i] != codes[i - 1]]
    codes, starts = [codes[i] for i in kept], [starts[i] for i in kept]
    return _written(Sum(list(slopes.values())), starts, codes, low, high, whole), tuple(slopes)


@dataclass(frozen=True, slots=True)
class Sum:
    """A weighted sum of arguments."""

    slopes: list[float]

    def side(self, sign: int) -> Fn | None:
        """The terms of one sign, without it."""
        terms = [(Arg(i), abs(a)) for i, a in enumerate(self.slopes) if a * sign > 0]
        several: list[Fn] = [x if a == 1 else Apply("*", (Lit(plain(a)), x)) for x, a in terms]
        return Apply("+", (several[0], several[1])) if len(several) > 1 else several[0] if several else None

    def compared(self, op: str, number: float) -> Fn:
        """The sum compared with a number, terms that are taken away on the other side."""
        more, less = self.side(1), self.side(-1)
        if less is None:
            return Apply(op, (more or Lit(0), Lit(plain(number))))
        if more is None:
            return Apply({">=": "<=", "<": ">"}.get(op, op), (less, Lit(plain(-number))))
        return Apply(op, (more, plus(less, number)))

    def total(self) -> Fn:
        """The sum."""
        more, less = self.side(1), self.side(-1)
        if less is None:
            return more or Lit(0)
        return Apply("neg", (less,)) if more is None else Apply("-", (more, less))


def _written(x: Sum, starts: list[float], codes: list[int], low: float, high: float, whole: bool) -> Fn:
    """Categories that begin at numbers, the shortest way."""
    if len(codes) == 3 and codes[0] == codes[2] and whole and starts[2] == starts[1] + 1:
        return Apply("if", (x.compared("==", starts[1]), Lit(codes[1]), Lit(codes[0])))
    if len(codes) == 3 and codes[0] == codes[2]:
        between = Apply("and", (x.compared(">=", starts[1]), x.compared("<", starts[2])))
        return Apply("if", (between, Lit(codes[1]), Lit(codes[0])))
    rising = all(a + 1 == b for values in (starts[1:], codes) for a, b in zip(values, values[1:]))
    if len(codes) > 2 and whole and rising:
        f = plus(x.total(), codes[1] - starts[1])
        f = Apply("max", (f, Lit(codes[0]))) if low < starts[1] - 1 else f
        return Apply("min", (f, Lit(codes[-1]))) if high > starts[-1] else f
    if len(codes) > FEW + 1 and whole and high - low < WIDEST:
        numbers = range(int(low), int(high) + 1)
        said = [codes[int(np.searchsorted(starts, n, side="right")) - 1] for n in numbers]
        common = max(set(said), key=said.count)
        rows = [((n,), c) for n, c in zip(numbers, said, strict=True) if c != common]
        return Lookup((x.total(),), table(rows, 1).rows, Lit(common))
    f = Lit(codes[0])
    for start, code in zip(starts[1:], codes[1:], strict=True):
        f = Apply("if", (x.compared(">=", start), Lit(code), f))
    return f


def plus(f: Fn, c: float) -> Fn:
    """A function and a number more.

    >>> plus(Arg(0), -2)
    Apply(op='-', args=(Arg(index=0), Lit(value=2)))
    """
    return f if c == 0 else Apply("+" if c > 0 else "-", (f, Lit(plain(abs(c)))))


def plain(x: float) -> int | float:
    """A number as an int where it is whole."""
    return int(x) if float(x).is_integer() else float(x)
