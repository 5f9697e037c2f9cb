"""Facts about selectors: their predicates as tables, whether they select at most one key, and whether always some."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from janiform.errors import CompileError, FunctionError
from janiform.ir.functions import Fn, affine, identity
from janiform.ir.nodes import (
    And,
    Best,
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
from janiform.ir.values import MAX_CELLS

if TYPE_CHECKING:
    from janiform.ir.domains import Facts

_TABLES: dict[tuple[object, ...], tuple[np.ndarray, bool]] = {}
"""Predicate tables already made, by predicate and domains: most programs compare the same few."""


def infer_selector(facts: Facts, s: Selector) -> None:
    if facts.positional[s]:
        widths = np.concatenate([p.sum(1) for run in facts.lengths() for p in run.pattern(s)])
        facts.at_most_one[s], facts.nonempty[s] = bool(widths.max() <= 1), bool(widths.min() >= 1)
        return
    one, some = False, False
    match s:
        case Select():
            one, some = _select_facts(facts, s)
        case And(left=a, right=b):
            one = facts.at_most_one[a] or facts.at_most_one[b]
            some = _selects_itself(facts, a) and _selects_itself(facts, b)
        case Or(left=a, right=b):
            some = facts.nonempty[a] or facts.nonempty[b]
        case Not():
            pass
        case Best(selector=inner):
            one, some = True, facts.nonempty[inner]
        case _:
            raise TypeError(f"unknown selector node {type(s).__name__}")
    facts.at_most_one[s], facts.nonempty[s] = one, some


def predicate_table(facts: Facts, s: Select) -> np.ndarray:
    """The predicate over (code of the key, code of the query); undefined selects nothing."""
    if s in facts.predicates:
        return facts.predicates[s]
    keys, queries = facts.domains[s.keys], facts.domains[s.queries]
    if keys.values is None or queries.values is None:
        raise CompileError(
            "a selector compares numbers whose possible values cannot be listed; round them before selecting on them"
        )
    if len(keys) * len(queries) > 8 * MAX_CELLS:
        raise CompileError(
            f"a selector compares {len(keys):,} key values with {len(queries):,} query values; "
            "use a smaller vocabulary or maximum length, or reduce the variables first (compare, round, or clip them)"
        )
    table, failed = _tabulated(s.pred, keys.key(), queries.key(), keys.values, queries.values)
    if failed:
        facts.suspects.add(s)
    facts.predicates[s] = table
    return table


def _tabulated(
    pred: Fn, key_key: object, query_key: object, keys: tuple[Value, ...], queries: tuple[Value, ...]
) -> tuple[np.ndarray, bool]:
    """Write out a predicate, and say whether it has no meaning somewhere."""
    known = (pred, key_key, query_key)
    if known not in _TABLES:
        table = np.zeros((len(keys), len(queries)), bool)
        failed = False
        for (i, k), (j, q) in itertools.product(enumerate(keys), enumerate(queries)):
            if k is not None and q is not None:
                try:
                    table[i, j] = bool(pred(k, q))
                except FunctionError:
                    failed = True
        if len(_TABLES) >= 1_000:
            _TABLES.clear()
        table.setflags(write=False)
        _TABLES[known] = table, failed
    return _TABLES[known]


def _select_facts(facts: Facts, s: Select) -> tuple[bool, bool]:
    if facts.domains[s.keys].values is None or facts.domains[s.queries].values is None:
        return False, False
    ranked = _ranks_positions(facts, s.keys)
    one = (ranked or (facts.positional[s.keys] and _distinct(facts, s.keys))) and bool(
        (predicate_table(facts, s).sum(0) <= 1).all()
    )
    if ranked and isinstance(s.queries, Indices) and not facts.signature.causal:
        return one, bool(np.diagonal(predicate_table(facts, s)).all())
    return one, _selects_itself(facts, s)


def _selects_itself(facts: Facts, s: Selector) -> bool:
    """Whether every query surely selects its own position."""
    match s:
        case Select(keys=k, queries=q) if (
            k is q and facts.domains[k].values is not None and not facts.domains[k].undefined
        ):
            return bool(np.diagonal(predicate_table(facts, s)).all())
        case And(left=a, right=b):
            return _selects_itself(facts, a) and _selects_itself(facts, b)
        case Or(left=a, right=b):
            return _selects_itself(facts, a) or _selects_itself(facts, b)
        case Select(keys=k, queries=q) if facts.positional[k] and facts.positional[q]:
            return all(bool(np.diagonal(p).all()) for run in facts.lengths() for p in run.pattern(s))
    return False


def _distinct(facts: Facts, n: Sequence) -> bool:
    """Whether a positional node never has the same defined value at two positions of an input."""
    for row in (row for run in facts.lengths() for row in run.values(n)):
        defined = [identity(v) for v in row if v is not None]
        if len(set(defined)) < len(defined):
            return False
    return True


def _ranks_positions(facts: Facts, n: Sequence) -> bool:
    """Whether ``n`` surely numbers the positions 0, 1, 2, ... in some order, each once.

    It does when it counts the predecessors in a strict total order. Each position is described by the variables that the
    counted selectors read; there is an order when fewer predecessors always means preceding, among descriptions that
    can stand at different positions of one input.
    """
    counts = [n] if isinstance(n, Count) else list(n.args) if isinstance(n, Map) else []
    if isinstance(n, Map) and affine(n.fn, len(counts)) != [1.0] * len(counts) + [0.0]:
        return False
    if not counts or facts.signature.causal:
        return False
    selectors = [c.selector for c in counts if isinstance(c, Count)]
    leaves = [m for m in walk(*selectors) if isinstance(m, Select)]
    sides = [side for leaf in leaves for side in (leaf.keys, leaf.queries)]
    if len(selectors) < len(counts) or any(facts.domains[side].values is None for side in sides):
        return False
    variables = list(dict.fromkeys(v for side in sides for v in facts.tables[side].variables))
    shape = [len(facts.domains[v]) for v in variables]
    if Indices() not in variables:  # two positions with equal tokens would have one description
        return False
    if any(not isinstance(v, Tokens | Indices) for v in variables) or math.prod(shape) > 2_000:
        return False
    where = dict(zip(variables, np.indices(shape).reshape(len(shape), -1), strict=True))
    relations = [_relation(facts, s, where, math.prod(shape)) for s in selectors]
    precedes = np.sum([r.astype(np.int32) for r in relations if r is not None], axis=0)
    if any(r is None for r in relations):
        return False
    rank = precedes.sum(0)
    apart = ~np.eye(len(rank), dtype=bool)
    for v, codes in where.items():
        if isinstance(v, Indices):
            apart &= codes[:, None] != codes[None, :]
    ordered = precedes == (rank[:, None] < rank[None, :])
    total = precedes + precedes.T == 1
    return bool((ordered & total)[apart].all() and not np.diagonal(precedes).any())


def _relation(facts: Facts, s: Node, where: dict[Sequence, np.ndarray], size: int) -> np.ndarray | None:
    """A selector over all pairs of descriptions, or None where it depends on more than the pair."""

    def codes(n: Sequence) -> np.ndarray:
        table = facts.tables[n]
        return table.codes[tuple(where[v] for v in table.variables)] + np.zeros(size, int)

    match s:
        case Select():
            return predicate_table(facts, s)[np.ix_(codes(s.keys), codes(s.queries))]
        case And(left=a, right=b) | Or(left=a, right=b):
            x, y = _relation(facts, a, where, size), _relation(facts, b, where, size)
            return None if x is None or y is None else x & y if isinstance(s, And) else x | y
        case Not(selector=a):
            x = _relation(facts, a, where, size)
            return None if x is None else ~x
    return None
