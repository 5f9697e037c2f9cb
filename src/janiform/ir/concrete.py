"""From a mechanism in normal form back to a program: every source a node, every function the smallest expression found.

What a copy brings has no name in a mechanism. It is named by what it copies where that is one thing copied whole, by a boolean
where there are two classes, and by numbers otherwise; a default that is no copied value is undefined.
"""

from __future__ import annotations

from collections.abc import Sequence as Sized
from dataclasses import dataclass, field

import numpy as np

from janiform.ir.concrete_selectors import Phrases
from janiform.ir.derived import length
from janiform.ir.fitting import arguments, fit
from janiform.ir.functions import Apply, Arg, Fn, Lit, canonical, is_number, substitute
from janiform.ir.mechanism import PLACE, TOKENS, Mechanism, Rule, Source
from janiform.ir.nodes import (
    Aggregate,
    Best,
    Const,
    Count,
    Indices,
    Map,
    Node,
    Selector,
    Sequence,
    Tokens,
    Value,
    walk,
)
from janiform.ir.program import Program
from janiform.ir.quotient import Quotient


def concrete(normal: Mechanism) -> Program:
    """Return the program that a normal form stands for; equal normal forms give equal programs.

    >>> import janiform as jf
    >>> from janiform.ir.abstract import abstract
    >>> from janiform.ir.normal import normalize
    >>> text = "n = selector_width(select(tokens, tokens, ==)); twice = n * 2; y = twice - n > 1;"
    >>> concrete(normalize(abstract(jf.parse(text), jf.Signature("abc", 4))))
    y = selector_width(select(tokens, tokens, ==)) > 1;
    """
    writer = Writer(normal)
    outputs = {name: writer.map(v.function, v.values) for name, v in normal.outputs.items()}
    return Program(outputs, _names(outputs))


def _names(outputs: dict[str, Sequence]) -> dict[Node, str]:
    """Number what attention brings, and selectors that are read more than once, in the order of computation."""
    names: dict[Node, str] = {}
    readers: dict[Node, int] = {}
    nodes = list(walk(*outputs.values()))
    for n in nodes:
        for i in set(n.inputs):
            readers[i] = readers.get(i, 0) + 1
    for n in nodes:
        if n in outputs.values() or readers.get(n, 0) < 2:
            continue
        if isinstance(n, Aggregate | Count | Map):
            names[n] = f"x{sum(v.startswith('x') for v in names.values()) + 1}"
        elif isinstance(n, Selector):
            names[n] = f"s{sum(v.startswith('s') for v in names.values()) + 1}"
    return names


@dataclass(slots=True)
class Writer:
    """The nodes of sources, and the names of their codes."""

    mechanism: Mechanism
    nodes: dict[Source, Sequence] = field(default_factory=dict)
    labels: dict[Source, tuple[Value, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes[TOKENS], self.labels[TOKENS] = Tokens(), self.mechanism.vocab
        for s in self.mechanism.sources():
            if s.selection is not None:
                self.nodes[s] = self.write(s)

    # --- functions ----------------------------------------------------------------------------------------------------

    def map(self, function: Quotient, results: Sized[Value]) -> Sequence:
        """Return a node for a position-wise function whose codes are named."""
        parts = [self.reading(k, m) for k, m in zip(function.keys, function.maps, strict=True)]  # type: ignore[arg-type]
        over = Quotient(function.keys, tuple(p.classes for p in parts), function.table)
        return mapped(fit(over, [p.names for p in parts], list(results)), [p.node for p in parts])

    def reading(self, s: Source, classes: np.ndarray) -> Reading:
        """Return a node from which a partition of a source's codes can be read."""
        if s is not PLACE:
            return Reading(self.nodes[s], self.labels[s], classes)
        return self.place(classes)

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
                return Reading(node, tuple(values.tolist()), found)
        return self.both(classes)

    def both(self, classes: np.ndarray) -> Reading:
        """Write a partition of places as a function of index and length."""
        g = self.mechanism.grid
        table = np.zeros(
            (g.max_len, g.max_len), np.int64
        )  # places that do not exist repeat the last that does
        for index in range(g.max_len):
            for size in range(1, g.max_len + 1):
                near = np.flatnonzero((g.lengths == max(size, index + 1)) & (g.indices == index))
                table[index, size - 1] = classes[near[0]]
        count = int(classes.max()) + 1
        names: tuple[Value, ...] = (False, True) if count == 2 else tuple(range(count))
        function = Quotient.of(["index", "length"], table)
        where = {
            "index": (Indices(), tuple(range(g.max_len))),
            "length": (length(), tuple(range(1, g.max_len + 1))),
        }
        fn = fit(function, [where[str(k)][1] for k in function.keys], names)
        return Reading(mapped(fn, [where[str(k)][0] for k in function.keys]), names, np.arange(count))

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
        elif s.default is not None and None in labels:
            default = "none"
        node = self.map(function, [*labels, *[labels[0]] * (len(s.values) + 1 - given)])
        if s.default is not None and s.default >= given:
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
        assert s.value is not None
        holes = None in s.numbers
        apart: Value = -1 if holes else None
        labels = tuple(apart if v == "apart" else canonical(v) for v in s.values)
        self.labels[s] = labels
        default = None if s.default is None else labels[s.default]
        if s.default is None and s.kind == "sum":
            default = 0
        node = self.map(s.value, [*s.numbers, s.numbers[0]])
        return Aggregate(selector, node, default, s.kind)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A node whose values are ``names``, and the class that each of them is of."""

    node: Sequence
    names: tuple[Value, ...]
    classes: np.ndarray


def mapped(fn: Fn, args: Sized[Sequence]) -> Sequence:
    """Return a function of nodes as a node; what is a map of few nodes already is written out."""
    base: list[Sequence] = []
    parts: list[Fn] = []
    for a in args:
        for n in a.args if isinstance(a, Map) else (a,):
            if n not in base:
                base.append(n)
        own = tuple(Arg(base.index(n)) for n in (a.args if isinstance(a, Map) else (a,)))
        parts.append(substitute(a.fn, own) if isinstance(a, Map) else own[0])
    f = substitute(fn, tuple(parts))
    if isinstance(f, Lit):
        return Const(f.value)
    kept = sorted(arguments(f))
    f = substitute(f, tuple(Arg(kept.index(i)) if i in kept else Arg(0) for i in range(len(base))))
    return base[kept[0]] if f is Arg(0) else Map(f, tuple(base[i] for i in kept))


LAST = Apply("-", (Apply("-", (Arg(0), Lit(1))), Arg(1)))
"""The index counted from the end."""

BALANCE = Apply("-", (Arg(0), Apply("+", (Apply("*", (Arg(1), Lit(2))), Lit(1)))))
"""How many more positions follow than precede."""
