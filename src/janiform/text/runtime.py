"""What a stand-alone program calls besides the operations: selectors as lists of rows, and what reads them.

A row holds one boolean for each key that its query can see, so a causal row ends at the query itself. ``standalone`` copies
these definitions into the files it writes; here they are ordinary, tested code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from janiform.ir.operations import canonical, identity, order, same

Rows = list[list[bool]]


def strict(operate: Callable[..., Any]) -> Callable[..., Any]:
    """Pass undefined on, and make whole results ints."""
    return lambda *xs: None if any(x is None for x in xs) else canonical(operate(*xs))


def choose(test: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    """Look at one of two branches, at none if the test is undefined."""
    return None if test is None else yes() if test else no()


def every(*tests: Callable[[], Any]) -> bool | None:
    """Whether all hold, looking no further than the first that does not."""
    for test in tests:
        v = test()
        if v is None or not v:
            return None if v is None else False
    return True


def some(*tests: Callable[[], Any]) -> bool | None:
    """Whether any holds, looking no further than the first that does."""
    for test in tests:
        v = test()
        if v is None or v:
            return None if v is None else True
    return False


def look_up(rows: dict[Any, Any], keys: tuple[Any, ...], default: Callable[[], Any] | None = None) -> Any:
    """Return the value beside the keys, numbers compared up to the tolerance."""
    key = tuple(identity(k) for k in keys)
    if key in rows:
        return rows[key]
    if any(k is None for k in keys):
        return None
    if any(isinstance(k, float) for k in keys):
        for row, v in rows.items():
            if all(same(a[1] if isinstance(a, tuple) else a, b) for a, b in zip(row, keys)):
                return v
    if default is None:
        raise ValueError(f"the table has no entry for {keys!r}")
    return default()


def select(
    holds: Callable[[Any, Any], Any], keys: list[Any], queries: list[Any], causal: bool = False
) -> Rows:
    """Return which keys each query selects; undefined ones neither select nor are selected."""
    return [
        [k is not None and q is not None and bool(holds(k, q)) for k in (keys[: i + 1] if causal else keys)]
        for i, q in enumerate(queries)
    ]


def both(left: Rows, right: Rows) -> Rows:
    """Return what is selected by both."""
    return [[a and b for a, b in zip(x, y)] for x, y in zip(left, right)]


def either(left: Rows, right: Rows) -> Rows:
    """Return what is selected by at least one."""
    return [[a or b for a, b in zip(x, y)] for x, y in zip(left, right)]


def negation(rows: Rows) -> Rows:
    """Return what is not selected."""
    return [[not a for a in row] for row in rows]


def count(rows: Rows) -> list[int]:
    """Return how many keys each query selects."""
    return [sum(row) for row in rows]


def first_by(rows: Rows, badness: Callable[[int, int], Any]) -> Rows:
    """Keep the least bad key of each row, the leftmost of several."""
    kept = []
    for i, row in enumerate(rows):
        best = min((k for k, chosen in enumerate(row) if chosen), key=lambda k: badness(k, i), default=None)
        kept.append([k == best for k in range(len(row))])
    return kept


def leftmost(rows: Rows) -> Rows:
    """Keep the first selected key."""
    return first_by(rows, lambda k, q: k)


def rightmost(rows: Rows) -> Rows:
    """Keep the last selected key."""
    return first_by(rows, lambda k, q: -k)


def closest(rows: Rows) -> Rows:
    """Keep the selected key nearest to the query, the left one of two."""
    return first_by(rows, lambda k, q: (abs(k - q), k))


def largest(rows: Rows, scores: list[Any]) -> Rows:
    """Keep the selected key of the largest score."""
    return first_by(rows, lambda k, q: -number(scores[k]))


def smallest(rows: Rows, scores: list[Any]) -> Rows:
    """Keep the selected key of the smallest score."""
    return first_by(rows, lambda k, q: number(scores[k]))


def number(v: Any) -> float:
    """Return a number or boolean as a number; refuse what is neither."""
    if not isinstance(v, int | float):
        raise ValueError(f"{v!r} is not a number")
    return float(v)


def reduced(rows: Rows, values: list[Any], default: Any, reduce: Callable[[list[Any]], Any]) -> list[Any]:
    """Reduce the selected values of each row; the default where there are none, undefined where one of them is."""
    found = []
    for row in rows:
        chosen = [v for v, c in zip(values, row) if c]
        hole = any(v is None for v in chosen)
        found.append(default if not chosen else None if hole else canonical(reduce(chosen)))
    return found


def aggregate(rows: Rows, values: list[Any], default: Any = None) -> list[Any]:
    """Return the one distinct value selected, or the mean of several numbers."""
    return reduced(
        rows,
        values,
        default,
        lambda vs: vs[0] if len({identity(v) for v in vs}) == 1 else sum(number(v) for v in vs) / len(vs),
    )


def aggregate_sum(rows: Rows, values: list[Any], default: Any = None) -> list[Any]:
    """Return the sum of the selected numbers."""
    return reduced(rows, values, default, lambda vs: sum(number(v) for v in vs))


def aggregate_min(rows: Rows, values: list[Any], default: Any = None) -> list[Any]:
    """Return the smallest selected value."""
    return reduced(rows, values, default, lambda vs: min(one_kind(vs), key=order))


def aggregate_max(rows: Rows, values: list[Any], default: Any = None) -> list[Any]:
    """Return the largest selected value."""
    return reduced(rows, values, default, lambda vs: max(one_kind(vs), key=order))


def one_kind(values: list[Any]) -> list[Any]:
    """Refuse strings among numbers, which have no order."""
    if len({isinstance(v, str) for v in values}) > 1:
        raise ValueError("strings and numbers have no order")
    return values


def read_out(labels: list[Any], bias: list[float], *terms: list[list[float]]) -> list[Any]:
    """Return the label of the highest sum of scores at each position, the first of several."""
    found = []
    for rows in zip(*terms):
        totals = [sum(column) + b for b, column in zip(bias, zip(*rows))]
        found.append(labels[totals.index(max(totals))])
    return found


def read_out_mean(
    labels: list[Any], bias: list[float], *terms: list[list[float]], causal: bool = False
) -> list[Any]:
    """Return the label of the highest mean of scores over the positions that each position sees."""
    found = []
    for i in range(len(terms[0])):
        seen = range(i + 1) if causal else range(len(terms[0]))
        totals = [len(seen) * b + sum(t[k][j] for t in terms for k in seen) for j, b in enumerate(bias)]
        found.append(labels[totals.index(max(totals))])
    return found


def slope(values: list[Any], row: list[float]) -> list[list[float]]:
    """Return the scores that numbers give."""
    return [[number(v) * s for s in row] for v in values]


def scored(values: list[Any], rows: dict[Any, list[float]], nothing: list[float]) -> list[list[float]]:
    """Return the scores that values are listed with."""
    return [rows.get(identity(v), nothing) for v in values]
