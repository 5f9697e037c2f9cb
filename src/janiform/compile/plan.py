"""Variables by node, and how they are read: what a reader gets when it asks for a function of a node's value.

A map of one variable is never computed: it is folded into whoever reads it. A linear map of several variables is read as a
sum. Every other map of several variables is a variable of its own, as every aggregate and count is. A count is 1 / (w + 1)
in the residual stream and a mean is its number, until someone wants another function of it than these.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from janiform.compile.attention import Head
from janiform.compile.outputs import Output
from janiform.compile.selectors import Group, conjunction
from janiform.compile.variables import Form, Kind, Variable
from janiform.errors import CompileError
from janiform.ir.derived import length
from janiform.ir.domains import Facts
from janiform.ir.functions import affine
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Count,
    Indices,
    Map,
    Node,
    Not,
    Or,
    Selector,
    Sequence,
    Tokens,
    walk,
)
from janiform.ir.program import Program
from janiform.ir.values import Domain


@dataclass(slots=True)
class Plan:
    """The variables of a program by node, its heads, and the forms of its outputs.

    ``tables`` writes equality of keys and queries one-hot: wider, but errors do not grow with the size of the numbers.
    ``queue`` holds the variables that are still to be settled.
    """

    facts: Facts
    program: Program
    tables: bool = False
    variables: dict[object, Variable] = field(default_factory=dict)
    heads: dict[object, Head] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    depths: dict[Node, float] = field(default_factory=dict)
    queue: list[tuple[float, int, Variable]] = field(default_factory=list)
    joints: dict[Variable, tuple[tuple[Sequence, ...], np.ndarray]] = field(default_factory=dict)
    groups: dict[Selector, list[Group] | None] = field(default_factory=dict)

    def feature(self, n: Sequence, values: np.ndarray) -> Form:
        """Return a form equal to ``values[code of n]``."""
        table = self.facts.tables[n]
        if not table.variables:
            return Form({}, float(values[int(table.codes)]))
        return self.variable_feature(
            table.variables[0], np.where(table.codes < 0, 0.0, values[np.maximum(table.codes, 0)])
        )

    def variable_feature(self, n: Sequence, values: np.ndarray) -> Form:
        """Return a form equal to ``values[code]`` of the variable ``n``."""
        if values.min() == values.max():
            return Form({}, float(values[0]))
        domain = self.facts.domains[n]
        line = _line(domain, values)
        if line is not None and self.linear(n):
            return self.number(n).scaled(line[0]) + Form({}, line[1])
        return self.stepped(n).ask(values)

    def number(self, n: Sequence) -> Form:
        """Return a form equal to the number that ``n`` is."""
        domain = self.facts.domains[n]
        if isinstance(n, Map) and self.linear(n):
            slopes = affine(n.fn, len(n.args))
            assert slopes is not None
            total = Form({}, slopes[-1])
            for k, a in zip(slopes, n.args, strict=False):
                total = total + (self.number(a).scaled(k) if k else Form())
            return total
        split = self.split(n)
        if split is not None:
            return _sum(self.number(part).scaled(sign) for sign, part in split)
        variable = self.facts.variable(n)
        if variable is None:
            return Form({}, float(domain.numbers[0]))
        if variable is n and isinstance(n, Aggregate) and self.is_raw(n):
            return self.sum_form(n) if n.reduce == "sum" else Form({(self.raw(n), 0): 1.0})
        return self.feature(n, domain.numbers)

    def linear(self, n: Sequence) -> bool:
        """Whether the number of variable ``n`` can be read without steps of its own."""
        domain = self.facts.domains[n]
        if not domain.numeric or domain.undefined:
            return False
        if isinstance(n, Map):
            args = [self.facts.domains[a] for a in n.args]
            own = self.facts.tables[n].variables == (n,)
            plain = all(d.numeric and not d.undefined for d in args)
            return own and plain and affine(n.fn, len(n.args)) is not None
        if self.split(n) is not None:
            return True
        return self.is_raw(n) and not isinstance(n, Count)

    def stepped(self, n: Sequence) -> Variable:
        """Return the variable of ``n`` from which any column can be asked."""
        if self.facts.domains[n].values is None:
            raise CompileError(
                f"{self.program.where(n)} is a number whose possible values cannot be listed, and something other than a "
                "sum is made of it; round the numbers before taking their mean"
            )
        match n:
            case Tokens():
                return self.variable(n, "token", n, 0.0)
            case Indices():
                return self.variable(n, "position", n, 0.0)
            case Aggregate() if not self.is_raw(n):
                return self.variable(n, "copy", n, self.depth(n))
        return self.variable((n, "steps"), "steps", n, self.depth(n) + 0.25)

    def raw(self, n: Sequence) -> Variable:
        """Return the variable in which a mean, sum or count first appears."""
        kind: Kind = "product" if isinstance(n, Aggregate) and n.reduce == "sum" else "raw"
        return self.variable((n, "raw"), kind, n, self.depth(n))

    def is_raw(self, n: Sequence) -> bool:
        """Whether a node appears first as a number that only sums and steps can read."""
        if isinstance(n, Count):
            return self.split(n) is None
        return isinstance(n, Aggregate) and n.reduce in ("mean", "sum") and not self.copies(n)

    def copies(self, n: Aggregate) -> bool:
        """Whether an aggregate only ever passes on one of its values."""
        if n.reduce in ("min", "max"):
            return True
        values = self.facts.domains[n.values]
        if values.values is None:
            return False
        defined = [v for v in values.values if v is not None]
        if n.reduce == "sum" and not self.facts.at_most_one[n.selector]:
            return False
        return (
            self.facts.at_most_one[n.selector]
            or not values.numeric
            or (len(defined) <= 1 and not values.undefined)
        )

    def split(self, n: Sequence) -> list[tuple[float, Sequence]] | None:
        """A count that fits in no single head, as a signed sum of counts that do."""
        if (
            not isinstance(n, Count)
            or isinstance(n.selector, Best)
            or self.conjunction(n.selector) is not None
        ):
            return None
        s = n.selector
        match s:
            case Or(left=a, right=b):
                parts: list[tuple[float, Sequence]] = [
                    (1.0, Count(a)),
                    (1.0, Count(b)),
                    (-1.0, Count(And(a, b))),
                ]
            case Not(selector=a):
                parts = [(1.0, length()), (-1.0, Count(a))]
            case And(left=Or(left=a, right=b), right=c) | And(left=c, right=Or(left=a, right=b)):
                parts = [(1.0, Count(Or(And(a, c), And(b, c))))]
            case _:
                return None
        self.facts.add(*(p for _, p in parts))
        return [(sign, p) for sign, p in parts if not self.never(p)]

    def never(self, n: Sequence) -> bool:
        """Whether a count is surely zero."""
        groups = self.conjunction(n.selector) if isinstance(n, Count) else None
        return groups is not None and any(not g.table.any() for g in groups)

    def depth(self, n: Node) -> float:
        """Settle order: a node's readers are deeper than it is, and so are those that it is computed for."""
        if n not in self.depths:
            for m in walk(n):
                if m not in self.depths:
                    below = max((self.depths[i] for i in m.inputs), default=0.0)
                    below = max([below, *(self.depth(p) for p in self.behind(m))])
                    self.depths[m] = below + (0.0 if isinstance(m, Selector) else 1.0)
        return self.depths[n]

    def behind(self, n: Node) -> list[Sequence]:
        """The aggregates, not among its inputs, of which a count or sum is made."""
        if isinstance(n, Count):
            return [part for _, part in self.split(n) or ()]
        if isinstance(n, Aggregate) and n.reduce == "sum":
            return list(self.factors(n))
        return []

    def factors(self, n: Aggregate) -> tuple[Aggregate, Count]:
        """The mean and the count whose product is a sum."""
        mean, count = Aggregate(n.selector, n.values, 0, "mean"), Count(n.selector)
        self.facts.add(mean, count)
        return mean, count

    def variable(self, key: object, kind: Kind, n: Sequence, depth: float) -> Variable:
        """Return the variable under ``key``, making and queueing it the first time."""
        if key not in self.variables:
            self.add(key, Variable(kind, self.name(n), n, self.facts.domains[n], depth))
        return self.variables[key]

    def add(self, key: object, v: Variable) -> None:
        """Queue a new variable for settling."""
        self.variables[key] = v
        heapq.heappush(self.queue, (-v.depth, len(self.variables), v))

    def name(self, n: Node) -> str:
        """The author's name of a node, or its kind."""
        return self.program.names.get(n, type(n).__name__.lower())

    def sum_form(self, n: Aggregate, undefined: float = 0.0) -> Form:
        """The product plus what depends on the width alone."""
        _, count = self.factors(n)
        widths = self.facts.domains[count].numbers
        nothing = float(n.default) if isinstance(n.default, int | float) else undefined
        extra = np.where(widths > 0, self.lowest(n) * widths, nothing)
        return Form({(self.raw(n), 0): 1.0}) + self.feature(count, extra)

    def lowest(self, n: Aggregate) -> float:
        """The lowest value summed, or 0 if none is negative."""
        values = self.facts.domains[n.values]
        return min(0.0, values.low if values.values is None else float(values.numbers.min()))

    def conjunction(self, s: Selector) -> list[Group] | None:
        """The groups whose conjunction a selector is, if any."""
        if s not in self.groups:
            self.groups[s] = conjunction(self.facts, s)
        return self.groups[s]

    def number_or_zero(self, n: Sequence) -> Form:
        """The number of ``n``, 0 where it is undefined."""
        domain = self.facts.domains[n]
        return (
            self.number(n)
            if domain.values is None or not domain.undefined
            else self.feature(n, domain.numbers)
        )

    def is_defined(self, n: Sequence) -> Form:
        """1 where ``n`` is defined, else 0."""
        domain = self.facts.domains[n]
        if domain.values is None or not domain.undefined:
            return Form({}, 1.0)
        return self.feature(n, np.array([x is not None for x in domain.values], float))


def _sum(forms: Iterable[Form]) -> Form:
    total = Form()
    for f in forms:
        total = total + f
    return total


def _line(domain: Domain, values: np.ndarray) -> tuple[float, float] | None:
    """Return (a, b) where ``values == a * number + b``, for a numeric domain that is never undefined."""
    if not domain.numeric or domain.undefined:
        return None
    x = domain.numbers
    i, j = int(x.argmin()), int(x.argmax())
    if x[i] == x[j]:
        return None
    a = (values[j] - values[i]) / (x[j] - x[i])
    b = values[i] - a * x[i]
    off = np.abs(a * x + b - values).max()
    return (float(a), float(b)) if off <= 1e-12 * max(1.0, float(np.abs(values).max())) else None
