"""What a program does, apart from how it is written: which positions look where, and position-wise functions as tables.

A mechanism is a graph of *sources*. Two are given: the place of a position (the input's length and the index; in a causal
program the index alone) and its token. Every other source is what attention brings: a count, a mean, a sum or a copy,
under a *selection*. Everything between is position-wise, and is one function of sources however many maps
it was written as: a ``Quotient``. Selections are such functions too, of sources at the key and at the query and of the
pair of places. So programs that differ in names, in dead code, in the order of operands, in where maps are split or in how a
selector is put together have one mechanism.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np

from janiform.ir.nodes import Value
from janiform.ir.quotient import Quotient

Kind = Literal["place", "tokens", "count", "mean", "sum", "copy"]
Rule = Literal["leftmost", "rightmost", "closest", "largest"]
Side = Literal["key", "query"]


@dataclass(eq=False, slots=True)
class Source:
    """Something that a position holds, and that is no function of anything else it holds.

    Its codes are named by ``values``. ``value`` is the function of sources at the key that is brought over; its results
    are codes for a copy, indices into ``numbers`` for a mean or sum (None is undefined), and one more than these for what
    can never be selected. ``default`` is the code where nothing is selected, None where that cannot be.
    """

    kind: Kind
    values: tuple[Value, ...] = ()
    selection: Selection | None = None
    value: Quotient | None = None
    numbers: tuple[Value, ...] = ()
    default: int | None = None
    depth: int = 0
    digest: bytes = b""

    def reads(self) -> tuple[Source, ...]:
        """The sources that it is made of, each once."""
        if self.selection is None:
            return ()
        parts = [self.selection.relation, self.selection.score, self.value]
        return tuple(dict.fromkeys(s for p in parts if p is not None for s in sources_of(p)))

    def __repr__(self) -> str:
        return f"<{self.kind} of {len(self.values)} at depth {self.depth}>"


PLACE, TOKENS = Source("place", digest=b"place"), Source("tokens", digest=b"tokens")
"""The given sources. How many codes they have depends on the signature."""

PAIR = "pair"
"""The places of key and query, as one variable of a relation: not all combinations exist."""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Which keys a query looks at: those in ``relation``, and of these the one that ``rule`` prefers.

    The relation is a function of ``PAIR`` and of (side, source), and its results are 0 and 1. ``score`` ranks keys
    for the rule *largest*; of keys of one rank the leftmost is taken. Extremes are selections of this kind too.
    """

    relation: Quotient
    rule: Rule | None = None
    score: Quotient | None = None


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A position-wise function of sources; its results are codes into ``values``."""

    function: Quotient
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The places of a signature and the pairs of them; pairs are in order of their query's place, then of the key.

    >>> grid(2, False).lengths.tolist(), grid(2, False).indices.tolist(), grid(2, False).starts.tolist()
    ([1, 2, 2], [0, 0, 1], [0, 1, 3])
    """

    max_len: int
    causal: bool
    lengths: np.ndarray
    indices: np.ndarray
    keys: np.ndarray
    queries: np.ndarray
    starts: np.ndarray
    own: np.ndarray
    """The pair of each place with itself."""

    def __len__(self) -> int:
        return len(self.indices)

    def places(self, side: Side) -> np.ndarray:
        """The place at one side of each pair."""
        return self.keys if side == "key" else self.queries


@lru_cache(maxsize=16)
def grid(max_len: int, causal: bool) -> Grid:
    """Return the grid of a signature."""
    if causal:
        indices = np.arange(max_len)
        lengths = indices + 1
        first = np.zeros(max_len, np.int64)
        widths = lengths
    else:
        lengths = np.concatenate([np.full(n, n) for n in range(1, max_len + 1)])
        indices = np.concatenate([np.arange(n) for n in range(1, max_len + 1)])
        first = np.arange(len(indices)) - indices
        widths = lengths
    queries = np.repeat(np.arange(len(indices)), widths)
    starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
    keys = np.arange(len(queries)) - starts[queries] + first[queries]
    return Grid(max_len, causal, lengths, indices, keys, queries, starts, starts + indices)


def lifted(function: Quotient, side: Side, g: Grid) -> Quotient:
    """Return a position-wise function as a function of the pair: of what stands at its key, or at its query."""
    keys: list[object] = []
    maps: list[np.ndarray] = []
    for k, m in zip(function.keys, function.maps, strict=True):
        keys.append(PAIR if k is PLACE else (side, k))
        maps.append(m[g.places(side)] if k is PLACE else m)
    return Quotient(tuple(keys), tuple(maps), function.table)


def source_of(key: object) -> Source:
    """The source behind a variable of a function or of a relation."""
    if isinstance(key, Source):
        return key
    if key is PAIR:
        return PLACE
    assert isinstance(key, tuple)
    return key[1]


def sources_of(function: Quotient) -> Iterator[Source]:
    """The sources that a function or a relation depends on."""
    return map(source_of, function.keys)


@dataclass(slots=True)
class Mechanism:
    """The outputs of a program by name, as views of sources, under a signature's grid and number of tokens."""

    grid: Grid
    vocab: tuple[Value, ...]
    outputs: dict[str, View] = field(default_factory=dict)

    def sources(self) -> list[Source]:
        """Every source that an output depends on, those it is made of first."""
        found: dict[Source, None] = {}
        stack = [(s, False) for v in reversed(self.outputs.values()) for s in sources_of(v.function)]
        while stack:
            s, ready = stack.pop()
            if ready:
                found[s] = None
            elif s not in found:
                stack.append((s, True))
                stack.extend((t, False) for t in s.reads() if t not in found)
        return list(found)
