"""From a program to its mechanism.

Programs are lowered first as the compiler lowers them, so that what is one mechanism in weights is one here; domains come
from inference, which is sound, so a table holds every combination of values that can occur.
"""

from __future__ import annotations

import numpy as np

from janiform.errors import CompileError
from janiform.ir.canonical.attend import attend
from janiform.ir.canonical.joined import joined
from janiform.ir.canonical.mechanism import PLACE, TOKENS, Mechanism, Selection, View, grid, lifted
from janiform.ir.domains import Facts
from janiform.ir.functions import canonical, identity, is_number, order
from janiform.ir.lower import lower, refuse_meaningless
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Const,
    Count,
    Map,
    Node,
    Not,
    Or,
    Readout,
    Select,
    Selector,
    Sequence,
    Tokens,
    Value,
)
from janiform.ir.program import Program
from janiform.ir.quotient import Quotient, combine, compose
from janiform.ir.readout import contributions, winners
from janiform.ir.relations import predicate_table
from janiform.ir.semantics import Signature
from janiform.ir.values import Domain


def abstract(program: Program, signature: Signature) -> Mechanism:
    """Return the mechanism of a program.

    Raises CompileError where a function has too many combinations of values to write out, MeaningError where an input is
    found on which the program has no meaning.

    >>> import janiform as jf
    >>> found = abstract(jf.parse("x = selector_width(select(tokens, tokens, ==)) > 1;"), Signature("abc", 4))
    >>> found.sources()
    [<tokens of 0 at depth 0>, <count of 4 at depth 1>]
    """
    lowered, facts = lower(program, signature)
    refuse_meaningless(program, facts)
    reader = _Reader(facts)
    for n in lowered.nodes():
        reader.read(n)
    outputs = {}
    for name, n in lowered.outputs.items():
        outputs[name] = View(reader.read_through(n), reader.values(n))
    return Mechanism(reader.grid, signature.vocab, outputs)


class _Reader:
    """Every node of a lowered program as a view (codes of its domain) or a selection, inputs first."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.grid = grid(facts.signature.max_len, facts.signature.causal)
        self.views: dict[Sequence, Quotient] = {}
        self.final: dict[Sequence, Quotient] = {}
        self.selections: dict[Selector, Selection] = {}

    def read(self, n: Node) -> None:
        if isinstance(n, Selector):
            self.selections[n] = self.selection(n)
        elif isinstance(n, Sequence):
            self.views[n] = self.view(n)

    def values(self, n: Sequence) -> tuple[Value, ...]:
        found = self.facts.domains[n].values
        if found is None:
            raise CompileError(
                f"{type(n).__name__.lower()} is a number whose possible values cannot be listed; round it first"
            )
        return found

    # --- sequences ----------------------------------------------------------------------------------------------------

    def view(self, n: Sequence) -> Quotient:
        facts = self.facts
        if isinstance(n, Const):
            return Quotient.constant(0)
        if facts.positional[n]:
            codes = facts.grid[n].astype(np.int64)
            return Quotient.of([PLACE], codes[-len(self.grid) :] if self.grid.causal else codes)
        match n:
            case Tokens():
                return Quotient.of([TOKENS], np.arange(len(facts.signature.vocab)))
            case Map():
                self.values(n)
                table = facts.joint[n] if n in facts.joint else facts.tables[n]
                return compose(table.codes.astype(np.int64), [self.variable(v) for v in table.variables])
            case Count(selector=s):
                assert not isinstance(s, Best)
                found = attend(self.selections[s], None, (), None, "count", self.grid)
                return found.function.then(self.codes(n, found.values))
            case Aggregate():
                return self.aggregate(n)
            case Readout():
                return self.readout(n)
        raise TypeError(f"unknown sequence node {type(n).__name__}")

    def read_through(self, n: Sequence) -> Quotient:
        """The view of a node as something other than a map reads it."""
        if n not in self.final:
            self.final[n] = joined(self.views[n], self.grid)
        return self.final[n]

    def variable(self, n: Sequence) -> Quotient:
        """The view of a node that tables speak of; lengths need not be nodes of the program."""
        if n not in self.views:
            self.views[n] = self.view(n)
        return self.views[n]

    def aggregate(self, n: Aggregate) -> Quotient:
        values = self.values(n.values)
        if n.reduce == "sum":
            values = tuple(v + 0 if isinstance(v, bool) else v for v in values)
        found = attend(
            self.selections[n.selector],
            self.read_through(n.values),
            values,
            n.default,
            n.reduce,
            self.grid,
            single=self.facts.at_most_one[n.selector],
        )
        return found.function.then(self.codes(n, found.values))

    def codes(self, n: Sequence, values: tuple[Value, ...]) -> np.ndarray:
        """The codes of values in the domain of ``n``; what inference rules out gets any."""
        domain = self.facts.domains[n]
        return np.array([_code(domain, v) for v in values], np.int64)

    def readout(self, n: Readout) -> Quotient:
        if n.pooled:
            raise CompileError(
                "a read-out that averages over positions has no table; read out its terms instead"
            )
        if not n.args:
            return Quotient.constant(n.bias.index(max(n.bias)))
        added = [
            contributions(w, list(self.values(a)), len(n.labels))[0]
            for a, w in zip(n.args, n.weights, strict=True)
        ]
        found = combine(
            lambda *codes: winners(
                [t[c][None] for t, c in zip(added, codes, strict=True)], np.array(n.bias, float), None
            )[0],
            [self.views[a] for a in n.args],
        )
        return found.then(self.codes(n, n.labels))

    # --- selectors ----------------------------------------------------------------------------------------------------

    def selection(self, s: Selector) -> Selection:
        match s:
            case Select(keys=k, queries=q):
                key, query = self.read_through(k), self.read_through(q)
                sides = [lifted(key, "key", self.grid), lifted(query, "query", self.grid)]
                return Selection(compose(predicate_table(self.facts, s).astype(np.int64), sides))
            case And(left=a, right=b):
                return Selection(combine(np.minimum, [self.relation(a), self.relation(b)]))
            case Or(left=a, right=b):
                return Selection(combine(np.maximum, [self.relation(a), self.relation(b)]))
            case Not(selector=a):
                return Selection(self.relation(a).then(np.array([1, 0])))
            case Best(selector=a, rule=rule, score=score):
                if rule not in ("largest", "smallest"):
                    return Selection(self.relation(a), rule)  # type: ignore[arg-type]
                assert score is not None
                ranks = _ranks(self.values(score), rule == "largest")
                return Selection(self.relation(a), "largest", self.read_through(score).then(ranks))
        raise TypeError(f"unknown selector node {type(s).__name__}")

    def relation(self, s: Selector) -> Quotient:
        return self.selections[s].relation


def _code(domain: Domain, v: Value) -> int:
    """The code of a value, of the nearest number where sums were rounded on another way."""
    code = domain.codes.get(identity(canonical(v)))
    if code is not None:
        return code
    assert domain.values is not None
    if not is_number(v):
        return 0
    near = [abs(float(x) - float(v)) if is_number(x) else np.inf for x in domain.values]  # type: ignore[arg-type]
    return int(np.argmin(near))


def _ranks(values: tuple[Value, ...], largest: bool) -> np.ndarray:
    """Rank values so that the highest is preferred; undefined ones cannot be."""
    ordered = sorted(range(len(values)), key=lambda i: order(values[i]), reverse=not largest)
    ranks = np.empty(len(values), np.int64)
    ranks[ordered] = np.arange(len(values))
    return ranks
