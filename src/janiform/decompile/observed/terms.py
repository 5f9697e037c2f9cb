"""Terms: what a position holds, on the inputs that were watched: its token, its place, earlier statements, and plain functions of these."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from janiform.errors import JaniformError
from janiform.ir.derived import length
from janiform.ir.evaluate import Run
from janiform.ir.functions import Apply, Arg, Lit, table
from janiform.ir.nodes import Indices, Map, Tokens, Value
from janiform.ir.nodes import Sequence as Seq

KEY, QUERY = Arg(0), Arg(1)
CONSTANTS = 8
"""Terms of more values are not compared with each of them."""
UNDEFINED = -1e6
"""What stands for undefined among numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """What a position holds: numbers, or codes where values are no numbers; ``UNDEFINED`` where there is none."""

    node: Seq
    numbers: Float[np.ndarray, "input position"]
    numeric: bool
    cost: float


@dataclass(eq=False)
class Terms:
    """Everything small that a position holds; ``found`` are earlier statements that may be read."""

    run: Run
    vocab: tuple[Value, ...]
    found: Sequence[Seq] = ()

    def term(self, n: Seq, cost: float) -> Term | None:
        """Run a term, None where it has no meaning on some input."""
        try:
            column = self.run.column(n)
        except JaniformError:
            return None
        numeric = all(v is None or not isinstance(v, str) for v in column.values)
        numbers = np.array(
            [
                UNDEFINED if v is None else float(v) if numeric else float(i)  # type: ignore[arg-type]
                for i, v in enumerate(column.values)
            ]
        )
        return Term(n, numbers[column.codes], numeric, cost)

    def basic(self) -> list[Term]:
        """Return tokens, places, the length and what earlier statements brought."""
        made = [self.term(Tokens(), 1.0), self.term(Indices(), 1.0), self.term(length(), 1.6)]
        made += [self.term(n, 1.2) for n in self.found]
        return distinct(t for t in made if t is not None)

    def asked(self, basic: Sequence[Term]) -> list[Term]:
        """Return what can be asked of one term: equal to a value, below one, defined."""
        made: list[Term | None] = []
        for t in basic:
            values = self.values(t.node)
            gap = [v for v in values if v is None]
            known = [v for v in values if v is not None]
            if gap:
                made.append(self.term(Map(Apply("defined", (KEY,)), (t.node,)), t.cost + 0.8))
            if len(known) > 2 * CONSTANTS:
                continue
            for v in known if len(known) <= CONSTANTS else ():
                made.append(self.term(Map(Apply("==", (KEY, Lit(v))), (t.node,)), t.cost + 1.0))
            if t.numeric and len(known) > 2:
                ordered = sorted(known, key=float)  # type: ignore[arg-type]
                for v in ordered[1:-1]:
                    for op in ("<", ">"):
                        made.append(self.term(Map(Apply(op, (KEY, Lit(v))), (t.node,)), t.cost + 1.1))
            if t.numeric and all(float(v).is_integer() for v in known):  # type: ignore[arg-type]
                made.append(
                    self.term(Map(Apply("==", (Apply("%", (KEY, Lit(2))), Lit(1))), (t.node,)), t.cost + 1.6)
                )
        return distinct(t for t in made if t is not None)

    def computed(self, basic: Sequence[Term]) -> list[Term]:
        """Return plain numbers made of one or two terms."""
        made: list[Term | None] = []
        numeric = [t for t in basic if t.numeric]
        for t in numeric:
            for c in (1, 2):
                made += [
                    self.term(Map(Apply(op, (KEY, Lit(c))), (t.node,)), t.cost + 1.3) for op in ("min", "max")
                ]
            made.append(self.term(Map(Apply("%", (KEY, Lit(2))), (t.node,)), t.cost + 1.2))
            made.append(
                self.term(
                    Map(Apply("abs", (Apply("-", (KEY, Lit(1))),)), (t.node,)),
                    t.cost + 1.6,
                )
            )
        for a, b in itertools.combinations(numeric, 2):
            for op in ("+", "-", "*", "min", "max", "<", "==", ">"):
                more = 1.4 if op in ("+", "-") else 1.6
                made.append(self.term(Map(Apply(op, (KEY, QUERY)), (a.node, b.node)), a.cost + b.cost + more))
        for a in numeric:
            if isinstance(a.node, Tokens) and len(self.vocab) <= 4:
                for images in itertools.product((0, 1, 2), repeat=len(self.vocab)):
                    rows = tuple(((v,), i) for v, i in zip(self.vocab, images))
                    made.append(self.term(Map(table(rows, 1, Lit(images[-1])), (a.node,)), 3.2))
        return distinct(t for t in made if t is not None)

    def values(self, n: Seq) -> list[Value]:
        """Return the values that a term takes."""
        column = self.run.column(n)
        occurring = np.unique(column.codes[np.broadcast_to(self.run.valid, column.codes.shape)])
        return [column.values[c] for c in occurring.tolist()]

    def brought(self) -> list[Term]:
        """Return what may be brought from keys."""
        basic = self.basic()
        flags = [
            Map(Apply("if", (t.node.fn, Lit(1), Lit(0))), t.node.args)
            for t in self.asked(basic)
            if isinstance(t.node, Map)
        ]
        asked = [self.term(n, t.cost) for n, t in zip(flags, self.asked(basic), strict=True)]
        known = [t for t in asked if t is not None]
        return sorted(distinct([*basic, *known, *self.computed(basic)]), key=lambda t: t.cost)


def distinct(terms: Iterable[Term]) -> list[Term]:
    """Leave out terms that tell positions apart as one before does, and those that hold one value."""
    known: set[bytes] = set()
    kept = []
    for t in terms:
        key = np.round(t.numbers, 6).tobytes()
        if key not in known and len(np.unique(t.numbers)) > 1:
            known.add(key)
            kept.append(t)
    return kept
