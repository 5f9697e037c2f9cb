"""The nodes of a program for a mechanism in normal form: every source a node, every function the smallest expression found.

What a copy brings has no name in a mechanism. It is named by what it copies where that is one thing copied whole, by a boolean
where there are two classes, and by numbers otherwise; a default that is no copied value is undefined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Sized
from dataclasses import dataclass, field

import numpy as np

from janiform.ir.canonical.fitting import SHORT, fit, size
from janiform.ir.canonical.mapped import mapped
from janiform.ir.canonical.mechanism import PAIR, PLACE, TOKENS, Grid, Mechanism, Rule, Source, source_of
from janiform.ir.canonical.phrases import Phrases
from janiform.ir.canonical.reach import over_what_is_met
from janiform.ir.canonical.shown import everywhere
from janiform.ir.derived import length
from janiform.ir.functions import Apply, Arg, Lit, canonical, is_number
from janiform.ir.nodes import (
    Aggregate,
    Best,
    Count,
    Indices,
    Map,
    Node,
    Select,
    Selector,
    Sequence,
    Tokens,
    Value,
)
from janiform.ir.quotient import Quotient, reduced


@dataclass(slots=True)
class Writer:
    """The nodes of sources, and the names of their codes.

    Where cells are ``free``, expressions need not say what no input meets; ``less`` says whether one does not. ``held`` are the
    codes of sources over all inputs.

    ``empty`` are the places where a source's selection by place finds nothing: there its node is undefined, a value that
    is no code and is named last. ``doubles`` are defaults that all readers take for another value.
    """

    mechanism: Mechanism
    free: bool = False
    less: bool = False
    held: dict[Source, list[np.ndarray]] = field(default_factory=dict)
    nodes: dict[Source, Sequence] = field(default_factory=dict)
    labels: dict[Source, tuple[Value, ...]] = field(default_factory=dict)
    empty: dict[Source, np.ndarray] = field(default_factory=dict)
    doubles: dict[Source, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes[TOKENS], self.labels[TOKENS] = Tokens(), self.mechanism.vocab
        self.doubles = doubled(self.mechanism)
        for s in self.mechanism.sources():
            if s.selection is not None:
                empty = nowhere(s, self.mechanism.grid)
                if empty is not None:
                    self.empty[s] = empty
                self.nodes[s] = self.write(s)

    # --- functions ----------------------------------------------------------------------------------------------------

    def map(self, function: Quotient, results: Sized[Value], never: int | None = None) -> Sequence:
        """Return a node for a position-wise function whose codes are named; those from ``never`` on are of what is never selected."""
        function = self.extended(function)
        parts = [self.reading(k, m) for k, m in zip(function.keys, function.maps, strict=True)]
        over = Quotient(function.keys, tuple(p.classes for p in parts), function.table)
        names, nodes = [p.names for p in parts], [p.node for p in parts]
        found = fit(over, names, list(results))
        whole = mapped(found, nodes)
        if not self.free or size(found) <= SHORT:
            return whole
        met = self.met(function.keys, parts)
        if never is not None:
            met &= over.full(over.keys, met.shape) < never
        if not met.all():
            less = mapped(fit(over, names, list(results), met), nodes)
            if weight(less) < weight(whole):
                self.less = True
                return less
        return whole

    def met(self, keys: Sized[Source], parts: Sized[Reading]) -> np.ndarray:
        """Return which combinations of the values of readings some input meets."""
        shape = tuple(len(p.names) for p in parts)
        if all(s.selection is None for s in keys):
            return np.ones(shape, bool)
        self.held = self.held or everywhere(self.mechanism)
        found = np.zeros(math.prod(shape), bool)
        for i, places in enumerate(self.held[PLACE]):
            joint = np.zeros((), np.int64)
            for s, p, n in zip(keys, parts, shape, strict=True):
                joint = joint * n + self.named_at(s, p, i, places)
            found[joint] = True
        return found.reshape(shape)

    def named_at(self, s: Source, part: Reading, i: int, places: np.ndarray) -> np.ndarray:
        """Which of the values of a reading stands at each position of the inputs of one length."""
        codes = self.held[s][i]
        if part.at is not None:
            return part.at[codes]
        if s in self.doubles:
            codes = np.where(codes == s.default, self.doubles[s], codes)
        if s in self.empty:
            codes = np.where(self.empty[s][places], len(part.names) - 1, codes)
        return codes

    def extended(self, function: Quotient) -> Quotient:
        """Return a function, or a relation, over what nodes hold, with undefined where places select nothing.

        Where undefined says enough of the place, the place is not asked.
        """
        if not any(s in self.empty for s in map(source_of, function.keys)):
            return function
        g = self.mechanism.grid
        where = PAIR if any(isinstance(k, tuple) for k in function.keys) or PAIR in function.keys else PLACE
        size = len(g.keys) if where is PAIR else len(g)
        rest = [k for k in function.keys if k is not where]
        table = np.broadcast_to(function.table, (size, *function.table.shape))
        if where in function.keys:
            table = np.moveaxis(function.table, function.keys.index(where), 0)[function.classes(where)]
        met, maps = np.ones(table.shape, bool), [np.arange(size)]
        for axis, k in enumerate(rest, 1):
            m, s = function.classes(k), source_of(k)
            if s in self.empty:
                none = self.empty[s] if where is PLACE else self.empty[s][g.places(k[0])]
                none = none.reshape(-1, *[1] * (table.ndim - 1))
                first = [int(m[0])]
                table = np.concatenate([table, table.take(first, axis)], axis)
                met = np.concatenate([met & ~none, met.take(first, axis) & none], axis)
                m = np.append(m, int(m.max()) + 1)
            maps.append(m)
        whole = Quotient((where, *rest), tuple(maps), table)
        plain = over_what_is_met(whole, met, int(table.flat[0]))
        return plain if where not in plain.keys else reduced(whole.keys, whole.maps, whole.table)

    def reading(self, s: Source, classes: np.ndarray) -> Reading:
        """Return a node from which a partition of a source's codes can be read."""
        if s is PLACE:
            return self.place(classes)
        names = self.labels[s]
        if s in self.empty and len(classes) < len(names):
            classes = np.append(classes, classes[0])
        if s in self.doubles:
            names, classes = names[:-1], classes[:-1]
        return Reading(self.nodes[s], names, classes)

    def place(self, classes: np.ndarray) -> Reading:
        """Return the plainest number of index and length that says which class a place is of."""
        g = self.mechanism.grid
        i, n = g.indices, g.lengths
        index = Indices()
        plain: list[tuple[Sequence, np.ndarray]] = [(index, i)]
        if not g.causal:
            whole = length()
            plain += [
                (whole, n),
                (mapped(LAST, [whole, index]), n - 1 - i),
                (mapped(BALANCE, [whole, index]), n - 1 - 2 * i),
            ]
        for node, numbers in plain:
            values, inverse = np.unique(numbers, return_inverse=True)
            found = np.empty(len(values), np.int64)
            found[inverse] = classes
            if (found[inverse] == classes).all():
                return Reading(node, tuple(values.tolist()), found, inverse)
        return self.both(classes)

    def both(self, classes: np.ndarray) -> Reading:
        """Write a partition of places as a function of index and length."""
        g = self.mechanism.grid
        table = np.zeros(
            (g.max_len, g.max_len), np.int64
        )  # places that do not exist repeat the last that does
        for index in range(g.max_len):
            for n in range(1, g.max_len + 1):
                near = np.flatnonzero((g.lengths == max(n, index + 1)) & (g.indices == index))
                table[index, n - 1] = classes[near[0]]
        count = int(classes.max()) + 1
        names: tuple[Value, ...] = (False, True) if count == 2 else tuple(range(count))
        function = Quotient.of(["index", "length"], table)
        where = {
            "index": (Indices(), tuple(range(g.max_len))),
            "length": (length(), tuple(range(1, g.max_len + 1))),
        }
        fn = fit(function, [where[str(k)][1] for k in function.keys], names)
        node = mapped(fn, [where[str(k)][0] for k in function.keys])
        return Reading(node, names, np.arange(count), classes)

    # --- sources ------------------------------------------------------------------------------------------------------

    def write(self, s: Source) -> Sequence:
        assert s.selection is not None
        selector = Phrases(self).selector(s.selection.relation)
        if s.kind == "count":
            self.labels[s] = s.values
            return Count(selector)
        rule, score = s.selection.rule, s.selection.score
        if rule is not None:
            selector = self.best(selector, rule, score)
        assert s.value is not None
        if s.kind == "copy":
            return self.copy(s, selector)
        return self.average(s, selector)

    def best(self, selector: Selector, rule: Rule, score: Quotient | None) -> Selector:
        """A key by a rule; by what it holds as it is, where that has the order of the ranks."""
        if score is None:
            return Best(selector, rule)
        whole = score.keys[0]
        if len(score.keys) == 1 and whole is not PLACE:
            assert isinstance(whole, Source)
            part = self.reading(whole, score.maps[0])
            given = score.table[part.classes]
            if all(is_number(v) for v in part.names):
                step = np.diff(given[np.argsort([float(v) for v in part.names])])  # type: ignore[arg-type]
                if (step > 0).all() or (step < 0).all():
                    return Best(selector, "largest" if step[0] > 0 else "smallest", part.node)
        return Best(selector, rule, self.map(score, tuple(range(int(score.codes.max()) + 1))))

    def copy(self, s: Source, selector: Selector) -> Sequence:
        """What is copied whole keeps its names; two classes are booleans, more are numbers."""
        assert s.value is not None
        function = s.value
        given = len([c for c in function.codes.tolist() if c < len(s.values)])
        labels = self.named(function, given)
        default: Value = None
        if s.default is not None and s.default < given:
            default = labels[s.default]
        elif (s.default is not None or s in self.empty) and None in labels:
            default = "none"
        node = self.map(function, [*labels, *[labels[0]] * (len(s.values) + 1 - given)], given)
        if (s.default is not None and s.default >= given) or s in self.empty:
            labels.append(default)
        self.labels[s] = tuple(labels)
        return Aggregate(selector, node, default)

    def named(self, function: Quotient, given: int) -> list[Value]:
        """Names for what is copied."""
        whole = function.keys[0] if len(function.keys) == 1 else None
        if isinstance(whole, Source):
            part = self.reading(whole, function.maps[0])
            first: dict[int, Value] = {}
            for v, c in zip(part.names, part.classes.tolist(), strict=True):
                first.setdefault(int(function.table[c]), v)
            if given != 2 or len(part.names) == 2:
                return [first[c] for c in range(given)]
        if given == 2:
            counts = [int((function.table == c).sum()) for c in range(2)]
            rare = 0 if counts[0] < counts[1] else 1
            return [c == rare for c in range(2)]
        return list(range(given))

    def average(self, s: Source, selector: Selector) -> Sequence:
        """Numbers as they are; a default that is none of them is undefined, or -1 where undefined means something else."""
        assert s.value is not None
        node = self.map(s.value, [*s.numbers, s.numbers[0]], len(s.numbers))
        apart: Value = -1 if None in s.numbers else None
        names = [v if isinstance(v, str) else canonical(v) for v in s.values]
        if s in self.doubles:
            apart = names[self.doubles[s]]
        labels = [apart if v == "apart" else v for v in names]
        if s in self.empty:
            labels.append(apart)
        self.labels[s] = tuple(labels)
        default = apart if s.default is not None or s in self.empty else 0 if s.kind == "sum" else None
        return Aggregate(selector, node, default, s.kind)  # type: ignore[arg-type]


def weight(node: Node) -> int:
    """Return how large the expression in a node is."""
    match node:
        case Map(fn=f) | Select(pred=f):
            return 1 + size(f)
    return 1


def nowhere(s: Source, g: Grid) -> np.ndarray | None:
    """Return at which places a selection by place finds nothing, where a source leaves that to its readers."""
    if s.default is not None or s.kind not in ("copy", "mean") or s.selection is None:
        return None
    if set(s.selection.relation.keys) - {PAIR}:
        return None
    chosen = s.selection.relation.over([PAIR], [np.arange(len(g.keys))])
    empty = np.add.reduceat(chosen, g.starts) == 0
    return empty if empty.any() else None


def doubled(mechanism: Mechanism) -> dict[Source, int]:
    """Return the defaults of means and sums that every reader takes for some number, with that number's code."""
    read: dict[Source, list[np.ndarray]] = {}
    functions = [v.function for v in mechanism.outputs.values()]
    for s in mechanism.sources():
        if s.selection is not None:
            functions += [f for f in (s.selection.relation, s.selection.score, s.value) if f is not None]
    for f in functions:
        for k, m in zip(f.keys, f.maps, strict=True):
            read.setdefault(source_of(k), []).append(m)
    found = {}
    for s, maps in read.items():
        if s.kind not in ("mean", "sum") or s.default is None:
            continue
        same = [
            i
            for i, v in enumerate(s.values)
            if i != s.default and v is not None and all(m[i] == m[s.default] for m in maps)
        ]
        if same:
            found[s] = min(same, key=lambda i: abs(float(s.values[i])))  # type: ignore[arg-type]
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A node whose values are ``names``, and the class that each of them is of; ``at`` says which a code of its source has."""

    node: Sequence
    names: tuple[Value, ...]
    classes: np.ndarray
    at: np.ndarray | None = None


LAST = Apply("-", (Apply("-", (Arg(0), Lit(1))), Arg(1)))
"""The index counted from the end."""

BALANCE = Apply("-", (Arg(0), Apply("+", (Apply("*", (Arg(1), Lit(2))), Lit(1)))))
"""How many more positions follow than precede."""
