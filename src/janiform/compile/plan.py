"""From a program to variables, heads and coordinates: what is computed, by what kind of component, and what it must hold.

Planning runs from the outputs back: readers ask variables for columns, and a variable is settled, asking its own sources in turn,
when all its possible readers have been. The order is by depth in the graph.

Maps of one variable are never computed: they are folded into whoever reads them. Linear maps of several variables are read
as sums. Every other map of several variables is an MLP reading one coordinate (``coordinate``). A count is 1 / (w + 1) in
the residual stream and a mean is its number, until someone wants another function of it than these.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from janiform.compile.attention import Head, Mode
from janiform.compile.coordinate import find
from janiform.compile.selectors import Group, Joint, conjunction, factor, joint
from janiform.compile.variables import Form, Kind, Variable
from janiform.errors import CompileError
from janiform.ir.domains import Domain, Facts, domain_of
from janiform.ir.functions import Fn, Lit, affine, canonical, identity
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Const,
    Count,
    Indices,
    Map,
    Node,
    Not,
    Or,
    Select,
    Selector,
    Sequence,
    Tokens,
    Value,
    walk,
)
from janiform.ir.program import Program

MAX_COLUMNS = 2_048
"""The widest a single variable may become."""

MAX_STRAIN = 400.0
"""Counts and means are read again through steps of their own before they are combined on a finer coordinate than this."""

EVERYTHING = Lit(True)


@dataclass(slots=True)
class Plan:
    """The variables of a program by node, its heads, and the forms of its outputs."""

    facts: Facts
    program: Program
    variables: dict[object, Variable] = field(default_factory=dict)
    heads: dict[object, Head] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    depths: dict[Node, float] = field(default_factory=dict)
    queue: list[tuple[float, int, Variable]] = field(default_factory=list)
    tables: bool = False
    joints: dict[Variable, tuple[tuple[Sequence, ...], np.ndarray]] = field(default_factory=dict)
    groups: dict[Selector, list[Group] | None] = field(default_factory=dict)

    # --- reading ------------------------------------------------------------------------------------------------------

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
            return Form({}, float(domain.numbers()[0]))
        if variable is n and isinstance(n, Aggregate) and self.is_raw(n):
            return self.sum_form(n) if n.reduce == "sum" else Form({(self.raw(n), 0): 1.0})
        return self.feature(n, domain.numbers())

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
                parts = [(1.0, Count(Select(EVERYTHING, Const(0), Const(0)))), (-1.0, Count(a))]
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
        """Settle order: a node's readers are deeper than it is."""
        if n not in self.depths:
            for m in walk(n):
                if m not in self.depths:
                    below = max((self.depths[i] for i in m.inputs), default=0.0)
                    step = 0.0 if isinstance(m, Selector) else 1.0
                    late = isinstance(m, Aggregate) and m.reduce == "sum"
                    parts = (self.split(m) or ()) if isinstance(m, Count) else ()
                    below = max([below, *(self.depth(p) for _, p in parts)])
                    self.depths[m] = below + step + (1.0 if late else 0.0)
        return self.depths[n]

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

    # --- settling -----------------------------------------------------------------------------------------------------

    def settle_all(self) -> None:
        """Settle every variable, deepest first."""
        while self.queue:
            _, _, v = heapq.heappop(self.queue)
            match v.kind:
                case "token" | "position":
                    v.settle()
                case "copy":
                    v.settle()
                    self.settle_copy(v)
                case "raw":
                    self.settle_raw(v)
                case "product":
                    self.settle_product(v)
                case "steps":
                    v.settle()
                    if v.node is not None:
                        self.settle_steps(v, v.node)
                    elif v.columns:
                        self.settle_joint(v, *self.joints[v], None)
            if len(v.basis) > MAX_COLUMNS:
                raise CompileError(
                    f"{v.name} takes {len(v.basis):,} residual dimensions, more than {MAX_COLUMNS:,}; "
                    "use a smaller vocabulary or maximum length, or reduce it first (compare, round, or clip it)"
                )

    def settle_copy(self, v: Variable) -> None:
        n = v.node
        assert isinstance(n, Aggregate)
        ranked = n.values if n.reduce in ("min", "max") else None
        v.head = self.head(n.selector, "mean", n, rank=ranked, largest=n.reduce == "max")
        source = self.facts.domains[n.values]
        assert source.values is not None
        summed = n.reduce == "sum"
        to = np.array(
            [v.domain.codes[_code_key(x + 0 if summed and isinstance(x, bool) else x)] for x in source.values]
        )
        offered = v.domain.codes.get(_code_key(n.default))
        for basis in v.basis:
            default = 0.0 if offered is None else float(basis[offered])
            self.give(v, self.feature(n.values, basis[to]), default)

    def settle_raw(self, v: Variable) -> None:
        n = v.node
        v.settled = True
        if isinstance(n, Count):
            v.head = self.head(n.selector, "count", n)
            self.give(v, Form(), 1.0)
            assert v.domain.values is not None
            v.points = 1.0 / (v.domain.numbers() + 1.0)
            v.basis, v.labels = v.points[None, :], (f"1 / ({v.name} + 1)",)
        else:
            assert isinstance(n, Aggregate)
            v.head = self.head(n.selector, "mean", n)
            default = n.default if isinstance(n.default, int | float) else None
            self.give(v, self.number_or_zero(n.values), float(default or 0.0))
            v.labels = (v.name,)
            if v.domain.undefined:
                self.give(v, self.is_defined(n.values), float(default is not None))
                v.labels = (v.name, f"{v.name} is defined")
            self.lay_mean(v)
        v.expand = np.eye(len(v.labels))

    def lay_mean(self, v: Variable) -> None:
        """Set the points of a mean or sum: its numbers; where undefined, the second column is not 1."""
        if v.domain.values is None:
            v.basis = np.array([[v.domain.low, v.domain.high]])
            return
        numbers = v.domain.numbers()
        v.points, v.basis = numbers, numbers[None, :]
        if v.domain.undefined:
            defined = np.array([x is not None for x in v.domain.values], float)
            v.basis = np.stack([numbers, defined])

    def settle_product(self, v: Variable) -> None:
        """Plan a sum as mean times count: one unit for each count, open only at that count."""
        n = v.node
        assert isinstance(n, Aggregate)
        v.settled = True
        mean, count = Aggregate(n.selector, n.values, 0, "mean"), Count(n.selector)
        self.facts.add(mean, count)
        widths = self.facts.domains[count].numbers()
        gates = [(w, self.feature(count, np.eye(len(widths))[i])) for i, w in enumerate(widths) if w]
        lowest = self.lowest(n)
        v.factors = (self.number(mean), gates, lowest)
        v.labels = (f"{v.name} - {lowest:g} * width" if lowest else v.name,)
        size = 1 if v.domain.values is None else len(v.domain)
        v.basis, v.expand = np.zeros((1, size)), np.eye(1)

    def give(self, v: Variable, form: Form, at_bos: float) -> None:
        """Add a value column to the variable's head."""
        assert v.head is not None
        v.head_columns.append(len(v.head.values))
        v.head.values.append((form, at_bos))

    def number_or_zero(self, n: Sequence) -> Form:
        """The number of ``n``, 0 where it is undefined."""
        domain = self.facts.domains[n]
        return (
            self.number(n)
            if domain.values is None or not domain.undefined
            else self.feature(n, domain.numbers())
        )

    def is_defined(self, n: Sequence) -> Form:
        """1 where ``n`` is defined, else 0."""
        domain = self.facts.domains[n]
        if domain.values is None or not domain.undefined:
            return Form({}, 1.0)
        return self.feature(n, np.array([x is not None for x in domain.values], float))

    # --- steps --------------------------------------------------------------------------------------------------------

    def settle_steps(self, v: Variable, n: Sequence) -> None:
        """Choose the coordinate through which an MLP computes ``n``."""
        table = self.facts.joint.get(n)
        if table is not None:
            self.settle_joint(v, table.variables, table.codes, n.fn if isinstance(n, Map) else None)
        elif self.is_raw(n):
            self.settle_refined(v, n)
        else:
            numbers = v.domain.numbers()
            v.coordinate, v.points, v.codes = self.number(n), numbers, np.arange(len(numbers))

    def settle_refined(self, v: Variable, n: Sequence) -> None:
        """Read a count or mean again through steps, so that any function of it can be had."""
        raw = self.raw(n)
        numbers = v.domain.numbers()
        codes = np.arange(len(numbers))
        if isinstance(n, Count):
            points = 1.0 / (numbers + 1.0)
            v.coordinate = Form({(raw, 0): 1.0})
        elif isinstance(n, Aggregate) and n.reduce == "sum":
            v.coordinate, points = self.sum_coordinate(n, v.domain)
        else:
            v.coordinate, points = Form({(raw, 0): 1.0}), numbers
            if v.undefined is not None:
                v.coordinate, points, codes = self.lifted(raw, v.domain)
        order = np.argsort(points, kind="stable")
        v.points, v.codes = points[order], codes[order]

    def lifted(self, raw: Variable, domain: Domain) -> tuple[Form, np.ndarray, np.ndarray]:
        """Lift the numbers above everything a partly or wholly undefined mean can be."""
        numbers, nothing = domain.numbers(), domain.codes[None]
        low, high = min(0.0, float(numbers.min())), max(0.0, float(numbers.max()))
        count = self.facts.signature.max_len
        lift = count * 2.0 * (high - low + 1.0)
        points = numbers + lift
        points[nothing] = low
        points = np.append(points, lift * (1 - 1 / count) + high)
        return Form({(raw, 0): 1.0, (raw, 1): lift}), points, np.append(np.arange(len(numbers)), nothing)

    def sum_coordinate(self, n: Aggregate, domain: Domain) -> tuple[Form, np.ndarray]:
        """The sum itself; where nothing is selected, the default, below all numbers if that is undefined."""
        numbers = domain.numbers()
        points = numbers.copy()
        if domain.undefined:
            points[domain.codes[None]] = min(0.0, float(numbers.min())) - 1.0
        return self.sum_form(n, points[domain.codes[None]] if domain.undefined else 0.0), points

    def sum_form(self, n: Aggregate, undefined: float = 0.0) -> Form:
        """The product plus what depends on the width alone."""
        count = Count(n.selector)
        self.facts.add(count)
        widths = self.facts.domains[count].numbers()
        nothing = float(n.default) if isinstance(n.default, int | float) else undefined
        extra = np.where(widths > 0, self.lowest(n) * widths, nothing)
        return Form({(self.raw(n), 0): 1.0}) + self.feature(count, extra)

    def lowest(self, n: Aggregate) -> float:
        """The lowest value summed, or 0 if none is negative."""
        values = self.facts.domains[n.values]
        return min(0.0, values.low if values.values is None else float(values.numbers().min()))

    def settle_joint(
        self, v: Variable, sources: tuple[Sequence, ...], codes: np.ndarray, fn: Fn | None
    ) -> None:
        """Find one coordinate for several variables, refining those that come as bare counts or means where need be."""
        domains = [self.facts.domains[s] for s in sources]
        fixed: list[np.ndarray | None] = []
        for s, d in zip(sources, domains, strict=True):
            plain = (
                self.is_raw(s) and not d.undefined and not (isinstance(s, Aggregate) and s.reduce == "sum")
            )
            fixed.append(
                (1.0 / (d.numbers() + 1.0) if isinstance(s, Count) else d.numbers()) if plain else None
            )
        numbers = [np.where(d.holes(), np.nan, d.numbers()) if d.numeric else None for d in domains]
        inner = fn if fn is not None and v.node is not None and self.direct(v.node, sources) else None
        found = find(codes, fixed, numbers, inner)
        if found is None or (found.strain > MAX_STRAIN and any(f is not None for f in fixed)):
            fixed = [None] * len(sources)
            found = find(codes, fixed, numbers, inner)
        assert found is not None
        total = Form()
        for s, f, part in zip(sources, fixed, found.parts, strict=True):
            if f is None:
                total = total + self.variable_feature(s, part)
            else:
                at, to = int(f.argmin()), int(f.argmax())
                slope = (part[to] - part[at]) / (f[to] - f[at]) if f[to] != f[at] else 0.0
                total = total + Form({(self.raw(s), 0): float(slope)}, float(part[at] - slope * f[at]))
        v.coordinate, v.points, v.codes = total, found.points, found.codes

    def direct(self, n: Sequence, sources: tuple[Sequence, ...]) -> bool:
        """Whether the arguments of a map are its variables themselves, so that its expression speaks of them."""
        return isinstance(n, Map) and tuple(n.args) == sources

    def conjunction(self, s: Selector) -> list[Group] | None:
        """The groups whose conjunction a selector is, if any."""
        if s not in self.groups:
            self.groups[s] = conjunction(self.facts, s)
        return self.groups[s]

    # --- heads --------------------------------------------------------------------------------------------------------

    def head(
        self, s: Selector, mode: Mode, reader: Sequence, *, rank: Sequence | None = None, largest: bool = True
    ) -> Head:
        """Return the head that attends to what ``s`` selects; readers with the same selector share it."""
        key = (s, mode, rank, largest if rank is not None else None)
        if key not in self.heads:
            head = Head(mode, self.name(reader), self.facts.nonempty[s], not self.facts.at_most_one[s])
            self.heads[key] = head
            if isinstance(s, Best):
                self.score_best(head, s)
            else:
                self.score(head, s)
                if rank is not None:
                    self.add_rank(head, *self.ranks(rank, largest))
        return self.heads[key]

    def score(self, head: Head, s: Selector) -> None:
        """Set a head's scores from a selector."""
        groups = self.conjunction(s)
        if groups is None:
            self.score_joint(head, joint(self.facts, s), s)
            return
        head.lowest_level = 0.0
        for g in groups:
            if g.table.all():
                continue
            score = factor(
                g.table, self.plain_numbers(g.keys), self.plain_numbers(g.queries), head.covered, self.tables
            )
            for k, q in zip(score.keys.T, score.queries.T, strict=True):
                head.keys.append(self.side(g.keys, k))
                head.queries.append(self.side(g.queries, q))
            self.raise_level(head, score.level, lambda values, g=g: self.side(g.queries, values))

    def score_joint(self, head: Head, j: Joint, s: Selector) -> None:
        """Set a head's scores from a table over joint variables."""
        score = factor(j.table, None, None, head.covered, self.tables)
        for k, q in zip(score.keys.T, score.queries.T, strict=True):
            head.keys.append(self.class_feature((s, "keys"), j.keys, j.key_class, k))
            head.queries.append(self.class_feature((s, "queries"), j.queries, j.query_class, q))
        head.lowest_level = 0.0
        self.raise_level(
            head,
            score.level,
            lambda level: self.class_feature((s, "queries"), j.queries, j.query_class, level),
        )

    def class_feature(
        self, key: object, sources: tuple[Sequence, ...], classes: np.ndarray, values: np.ndarray
    ) -> Form:
        """A function of the joint class of several variables."""
        if not sources:
            return Form({}, float(values[int(classes)]))
        if len(sources) == 1:
            return self.variable_feature(sources[0], values[classes])
        return self.joint_variable(key, sources, classes).ask(values)

    def raise_level(self, head: Head, level: np.ndarray, at_query: Callable[[np.ndarray], Form]) -> None:
        """Add a group's level, which is a function of the query, to the head's."""
        head.lowest_level += float(level.min())
        if not head.covered or head.mode == "count":
            head.level = head.level + (Form({}, float(level[0])) if np.ptp(level) == 0 else at_query(level))

    def joint_variable(self, key: object, sources: tuple[Sequence, ...], classes: np.ndarray) -> Variable:
        """Return the variable that tells the joint classes of several apart."""
        if key not in self.variables:
            domain = domain_of(range(int(classes.max()) + 1))
            depth = max(self.depth(s) for s in sources) + 0.5
            v = Variable("steps", "joint of " + ", ".join(self.name(s) for s in sources), None, domain, depth)
            self.add(key, v)
            self.joints[v] = (sources, classes)
        return self.variables[key]

    def side(self, n: Sequence | None, values: np.ndarray) -> Form:
        """A function of the variable on one side of a group, or a constant."""
        return Form({}, float(values[0])) if n is None else self.variable_feature(n, values)

    def plain_numbers(self, n: Sequence | None) -> np.ndarray | None:
        """The numbers of a variable that is always defined and numeric."""
        if n is None:
            return None
        domain = self.facts.domains[n]
        return domain.numbers() if domain.numeric and not domain.undefined else None

    def ranks(self, n: Sequence, largest: bool) -> tuple[Form, float]:
        """Rank keys by value from 0 up, undefined above all, as a form and its highest."""
        domain = self.facts.domains[n]
        if domain.values is None:
            raise CompileError(
                f"the minimum or maximum of {self.program.where(n)} needs its possible values listed; round it first"
            )
        rank = np.arange(len(domain.values), dtype=float)
        if domain.undefined:
            rank = rank - 1 if largest else rank
        if not largest:
            rank = rank.max() - rank
        if domain.undefined:
            rank[domain.codes[None]] = rank.max() + 1
        return self.feature(n, rank), float(rank.max())

    def add_rank(self, head: Head, rank: Form, highest: float, query: Form | None = None) -> None:
        """Prefer keys of high rank among those selected: widen the levels and add the rank within one."""
        widen = highest + 1.0
        head.queries = [q.scaled(widen) for q in head.queries]
        head.level, head.lowest_level = head.level.scaled(widen), head.lowest_level * widen
        head.keys.append(rank)
        head.queries.append(query or Form({}, 1.0))
        head.many = False

    def score_best(self, head: Head, s: Best) -> None:
        """Among the selected keys, rank by position, by nearness or by a score."""
        if isinstance(s.selector, Best):
            raise CompileError("a 'best' of a 'best' is the inner one already; drop the outer")
        self.score(head, s.selector)
        size = self.facts.signature.max_len
        where = Indices()
        self.facts.add(where)
        index = np.arange(size, dtype=float)
        match s.rule:
            case "leftmost" | "rightmost":
                rank = index if s.rule == "rightmost" else index[::-1].copy()
                self.add_rank(head, self.variable_feature(where, rank), float(size - 1))
            case "closest":
                self.add_nearness(head, where, index)
            case "largest" | "smallest":
                assert s.score is not None
                rank, highest = self.ranks(s.score, s.rule == "largest")
                combined = rank.scaled(float(size)) + self.variable_feature(where, index[::-1].copy())
                self.add_rank(head, combined, highest * size + size - 1)

    def add_nearness(self, head: Head, where: Sequence, index: np.ndarray) -> None:
        """Rank by -(i - j)^2, a tie going to the left; the term in the query alone is added to the level instead."""
        size = float(len(index))
        scale, highest = size, size * size * size + size
        rank = self.variable_feature(where, highest - scale * index**2 - index)
        self.add_rank(head, rank, highest)
        head.keys.append(self.variable_feature(where, index))
        head.queries.append(self.variable_feature(where, 2.0 * scale * index))
        if not head.covered:
            head.level = head.level + self.variable_feature(where, scale * index**2)


def plan(program: Program, facts: Facts, *, tables: bool = False) -> Plan:
    """Plan every output of a lowered program and settle all that it needs.

    ``tables`` writes equality of keys and queries one-hot: wider, but errors do not grow with the size of the numbers.
    """
    made = Plan(facts, program, tables=tables)
    for name, n in program.outputs.items():
        made.outputs[name] = _read(made, n)
    made.settle_all()
    return made


def _read(made: Plan, n: Sequence) -> Output:
    """Choose the read-out of an output: the nearest of few numbers, a number as it is, or one class for each value."""
    domain = made.facts.domains[n]
    if domain.values is None:
        return Output("number", (made.number(n),), (), 0.0, False)
    if not domain.numeric or all(v is None for v in domain.values):
        size = len(domain.values)
        logits = [
            Form({}, 0.5) if v is None else made.feature(n, np.eye(size)[i])
            for i, v in enumerate(domain.values)
        ]
        return Output("category", tuple(logits), domain.values, 1.0, False)
    defined = sorted({float(v): v for v in reversed(domain.values) if v is not None}.items())
    numbers = np.array([x for x, _ in defined])
    values = tuple(v for _, v in defined)
    gap = float(np.diff(numbers).min()) if len(numbers) > 1 else 1.0
    if domain.undefined:
        if made.facts.variable(n) is n and isinstance(n, Aggregate) and n.reduce == "mean" and made.is_raw(n):
            whole = (
                2.0 * made.facts.signature.max_len
            )  # one selected value undefined takes 1 / n from the second column
            defined_ = Form({(made.raw(n), 1): whole}, 1.0 - whole)
            return Output("number", (made.number(n), defined_), values, min(gap, 1.0), False)
        level = float(np.floor(numbers[0])) - 1.0
        codes = domain.numbers()
        codes[domain.codes[None]] = level
        form = made.feature(n, codes)
        numbers, values, gap = np.array([level, *numbers]), (None, *values), min(gap, 1.0)
        if not _resolvable(numbers, gap):
            columns = made.feature(n, domain.numbers()), made.is_defined(n)
            return Output("number", columns, values[1:], gap, False)
    else:
        form = made.number(n)
        if not _resolvable(numbers, gap):
            return Output("number", (form,), values, gap, False)
    middle = float(np.round(numbers.mean()))
    return Output("category", (form,), values, gap, True, tuple(float(x) for x in numbers), middle)


def _resolvable(numbers: np.ndarray, gap: float) -> bool:
    """Whether float32 scores ``c x - c^2 / 2`` tell neighbors apart with room to spare."""
    reach = float(np.abs(numbers - np.round(numbers.mean())).max())
    return len(numbers) <= 512 and 64 * reach * reach * 2.0**-24 < gap * gap / 4


@dataclass(frozen=True, slots=True)
class Output:
    """How one output is read.

    With ``nearest``, the one form's distance to each of ``numbers`` gives a class's logit, ``c x - c^2 / 2`` about
    ``middle``; else each form is a column of the logits. ``gap`` is the least distance between two values.
    """

    kind: Literal["category", "number"]
    forms: tuple[Form, ...]
    values: tuple[Value, ...]
    gap: float
    nearest: bool
    numbers: tuple[float, ...] = ()
    middle: float = 0.0

    @property
    def width(self) -> int:
        """How many columns of the logits it takes."""
        return len(self.numbers) if self.nearest else len(self.forms)


def _sum(forms: Iterable[Form]) -> Form:
    total = Form()
    for f in forms:
        total = total + f
    return total


def _code_key(v: Value) -> object:
    """The key under which a domain lists a value."""
    return identity(canonical(v))


def _line(domain: Domain, values: np.ndarray) -> tuple[float, float] | None:
    """Return (a, b) where ``values == a * number + b``, for a numeric domain that is never undefined."""
    if not domain.numeric or domain.undefined:
        return None
    x = domain.numbers()
    i, j = int(x.argmin()), int(x.argmax())
    if x[i] == x[j]:
        return None
    a = (values[j] - values[i]) / (x[j] - x[i])
    b = values[i] - a * x[i]
    off = np.abs(a * x + b - values).max()
    return (float(a), float(b)) if off <= 1e-12 * max(1.0, float(np.abs(values).max())) else None
