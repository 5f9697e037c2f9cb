"""Value domains: the finite sets of values that variables range over, and the sums and means that can be made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from janiform.errors import CompileError
from janiform.ir.functions import canonical, identity, is_number, order, same
from janiform.ir.nodes import Value

LARGEST_WHOLE = 1e15
"""Beyond this, floats have no steps to count in."""

MAX_CELLS = 200_000
"""The largest table or set of values that inference writes out."""


@dataclass(frozen=True, eq=False)
class Domain:
    """The possible values of a variable, in order (undefined first), with their codes.

    ``values`` is None for numbers that cannot be listed; ``low`` and ``high`` then bound them.
    """

    values: tuple[Value, ...] | None
    low: float = 0.0
    high: float = 0.0
    codes: dict[object, int] = field(default_factory=dict)

    def __len__(self) -> int:
        if self.values is None:
            raise CompileError("the values of this variable cannot be listed")
        return len(self.values)

    @property
    def undefined(self) -> bool:
        """Whether the variable can be undefined."""
        return self.values is not None and None in self.codes

    @cached_property
    def numeric(self) -> bool:
        """Whether every defined value is a number or a boolean."""
        return self.values is None or all(isinstance(v, int | float) for v in self.values if v is not None)

    def key(self) -> tuple[object, ...]:
        """The values as a key under which ``True`` and ``1`` differ."""
        return tuple(self.codes)

    @cached_property
    def numbers(self) -> np.ndarray:
        """The values as floats, undefined and strings as 0; read-only."""
        assert self.values is not None
        numbers = np.array([float(v) if isinstance(v, int | float) else 0.0 for v in self.values])
        numbers.setflags(write=False)
        return numbers

    def holes(self) -> np.ndarray:
        """Which of the values is the undefined one."""
        assert self.values is not None
        return np.array([v is None for v in self.values], dtype=bool)


def domain_of(values: Iterable[Value]) -> Domain:
    """Return the domain that holds exactly ``values``; numbers equal up to the tolerance are one.

    >>> domain_of([2, 1, None, True, 0.1 + 0.2, 0.3]).values
    (None, True, 0.3, 1, 2)
    """
    distinct = {identity(v): v for v in map(canonical, values)}
    kept: list[Value] = []
    codes: dict[object, int] = {}
    for v in sorted(distinct.values(), key=order):
        if not (kept and is_number(v) and is_number(kept[-1]) and same(v, kept[-1])):
            kept.append(v)
        codes[identity(v)] = len(kept) - 1
    return Domain(tuple(kept), codes=codes)


def step_of(numbers: list[float]) -> Fraction | None:
    """The largest step of which every number is a multiple, or None where it would be too fine to be of use."""
    fractions = [Fraction(x).limit_denominator(10_000) for x in numbers]
    if any(abs(float(f) - x) > 1e-12 * max(1.0, abs(x)) for f, x in zip(fractions, numbers, strict=True)):
        return None
    denominator = math.lcm(*(f.denominator for f in fractions))
    if denominator > 1_000_000:
        return None
    return Fraction(math.gcd(*(int(f * denominator) for f in fractions)) or denominator, denominator)


def _totals(numbers: list[float], count: int) -> tuple[int, int, Fraction] | None:
    """Low and high multiples of a step between which all sums of one number lie."""
    step = step_of(numbers) if max(abs(x) for x in numbers) < LARGEST_WHOLE else None
    if step is None:
        return None
    low, high = round(Fraction(numbers[0]) / step), round(Fraction(numbers[-1]) / step)
    return (low, high, step) if (high - low + 1) * count <= MAX_CELLS else None


def means(numbers: list[float], count: int) -> list[float] | None:
    """Every mean of 1 to ``count`` numbers (a few more may be listed), or None when they are too many."""
    found = _totals(numbers, count)
    if found is None:
        uneven = _uneven(numbers, count)
        return None if uneven is None else sorted({s / n for n, row in enumerate(uneven, 1) for s in row})
    if (found[1] - found[0]) * count * count // 2 > 8 * MAX_CELLS:
        return None
    low, high, step = found
    means: set[float] = set()
    for n in range(1, count + 1):
        if len(numbers) == 2:
            means.update(
                (((n - j) * low + j * high) * step.numerator / step.denominator) / n for j in range(n + 1)
            )
        else:
            means.update((k * step.numerator / step.denominator) / n for k in range(n * low, n * high + 1))
        if len(means) > MAX_CELLS:
            return None
    return sorted(means)


def sums(numbers: list[float], count: int) -> list[float] | None:
    """Every sum of 1 to ``count`` numbers (a few more may be listed), or None when they are too many."""
    found = _totals(numbers, count)
    if found is None:
        uneven = _uneven(numbers, count)
        return None if uneven is None else sorted(set().union(*uneven))
    low, high, step = found
    span = range(min(low, low * count), max(high, high * count) + 1)
    return [k * step.numerator / step.denominator for k in span]


def _uneven(numbers: list[float], count: int) -> list[set[float]] | None:
    """The sums of exactly 1, 2, .. numbers that have no common step, or None when they are too many."""
    rows: list[set[float]] = [set(numbers)]
    total = len(numbers)
    for _ in range(count - 1):
        if total + len(rows[-1]) * len(numbers) > MAX_CELLS:
            return None
        rows.append({float(f"{s + x:.15g}") for s in rows[-1] for x in numbers})
        total += len(rows[-1])
    return rows
