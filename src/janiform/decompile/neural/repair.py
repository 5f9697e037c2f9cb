"""Local repair beyond one token: selectors put together from parts that were proposed, and values from what a head tells apart.

A selector that the network does not write whole is often two of those that it writes in part. And where the selector stands,
which positions a head brings the same from says what it brings: a table of one or two variables, whose names a canonical form
does not keep.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from janiform.decompile.neural.views import HeadView, probes, straight
from janiform.errors import JaniformError
from janiform.ir.evaluate import Run
from janiform.ir.functions import Lit, identity, table
from janiform.ir.nodes import And, Best, Indices, Map, Not, Or, Selector, Tokens, Value
from janiform.ir.nodes import Sequence as Seq

PARTS = 240
"""At most so many parts are put together."""
PREFERRED = 40
"""Of at most so many parts a key is preferred."""
ROWS = 60
"""Values have at most so many rows."""
WHOLE = 12
"""Means are of whole numbers up to this."""


def selectors(
    parts: Sequence[Selector], scores: Sequence[Seq], run: Run, looks: np.ndarray
) -> Iterator[Selector]:
    """Yield selectors that look at ``looks`` on every probe: parts, pairs of them, and keys that they prefer."""
    there = run.pairs
    target = looks & there
    known: dict[bytes, tuple[Selector, np.ndarray]] = {}
    for part in parts:
        for s in (part, Not(part)):
            try:
                p = run.pairs_selected(s) & there
            except JaniformError:
                continue
            known.setdefault(np.packbits(p).tobytes(), (s, p))
        if len(known) >= PARTS:
            break
    over = [(s, p) for s, p in known.values() if not (target & ~p).any()]
    under = [(s, p) for s, p in known.values() if not (p & ~target).any()]
    yield from (s for s, p in over if (p == target).all())
    for (a, p), (b, q) in itertools.combinations(over, 2):
        if ((p & q) == target).all():
            yield And(a, b)
    for (a, p), (b, q) in itertools.combinations(under, 2):
        if ((p | q) == target).all():
            yield Or(a, b)
    if (target.sum(2) <= 1).all():
        for a, _ in over[:PREFERRED]:
            best = [Best(a, rule) for rule in ("leftmost", "rightmost", "closest")]
            best += [Best(a, rule, score) for rule in ("largest", "smallest") for score in scores]
            for b in best:
                try:
                    if (run.pairs_selected(b) & there == target).all():
                        yield b
                except JaniformError:
                    continue


def values(
    head: HeadView, at: np.ndarray, labels: np.ndarray, found: Sequence[Seq], run: Run, *, single: bool
) -> Iterator[Seq]:
    """Yield tables of one or two variables that tell apart what a head does; of a mean, with numbers that lie as its vectors do."""
    classes: list[Value] = [bool(c) for c in labels] if labels.max() == 1 else labels.tolist()
    if not single:
        numbers = on_a_line(head.brings[:, 1:][at])
        if numbers is None:
            return
        classes = list(numbers)
    names = [Tokens(), Indices(), *found]
    columns = [run.column(n) for n in names]
    for size in (1, 2):
        for chosen in itertools.combinations(range(len(names)), size):
            rows: dict[tuple[Value, ...], Value] = {}
            cells = zip(*([columns[i].values[c] for c in columns[i].codes[at].tolist()] for i in chosen))
            if all(rows.setdefault(cell, v) == v for cell, v in zip(cells, classes)) and len(rows) <= ROWS:
                most = Counter(map(identity, rows.values())).most_common(1)[0][0]
                default = next(v for v in rows.values() if identity(v) == most)
                yield Map(table(rows.items(), size, Lit(default)), tuple(names[i] for i in chosen))


def on_a_line(x: np.ndarray) -> list[int] | None:
    """Return whole numbers at which vectors lie on a line, None where they lie on none.

    >>> on_a_line(np.array([[1.0, 2.0], [3.0, 6.0], [2.0, 4.0]]))
    [0, 2, 1]
    """
    line, place = straight(x, max(float(np.abs(x).max(initial=0.0)), 1e-12))
    if not line:
        return None
    for k in range(1, WHOLE + 1):
        scaled = place * k
        if np.abs(scaled - np.rint(scaled)).max(initial=0.0) < 0.02:
            return [int(v) for v in np.rint(scaled)]
    return None


def single_key(looks: np.ndarray) -> bool:
    """Return whether no query looks at more than one key."""
    return bool((looks.sum(2) <= 1)[probes() >= 0].all())
