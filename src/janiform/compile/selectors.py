"""Selectors as sums of bilinear tables: what one head's attention scores can express exactly.

A *group* is a boolean table over the value of one variable at the key and of one at the query. A conjunction of m groups
fits in one head: the score is their sum, which is m exactly where all hold. Selectors that are no conjunction are turned
into one table over joint variables.

Score units are *levels*: pairs that are selected all lie on one level, the same for all keys of a query, and every other
pair at least one level below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from janiform.compile.coordinate import row_classes
from janiform.errors import CompileError
from janiform.ir.domains import IMPOSSIBLE, Facts
from janiform.ir.nodes import And, Best, Not, Or, Select, Selector, Sequence
from janiform.ir.relations import predicate_table

MAX_JOINT = 4_000_000
"""The largest table of key times query combinations that is written out."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """``table[k, q]`` over the codes of ``keys`` and ``queries``; None is a side that does not matter (length 1)."""

    keys: Sequence | None
    queries: Sequence | None
    table: np.ndarray


def conjunction(
    facts: Facts, s: Selector, known: dict[Selector, list[Group] | None] | None = None
) -> list[Group] | None:
    """Return groups whose conjunction is ``s``, or None where there are none; ``known`` holds those of its parts.

    Raises CompileError for a predicate over too many values.
    """
    known = {} if known is None else known
    if s not in known:
        known[s] = _conjunction(facts, s, known)
    return known[s]


def _conjunction(facts: Facts, s: Selector, known: dict[Selector, list[Group] | None]) -> list[Group] | None:
    match s:
        case Select():
            return [_atom(facts, s)]
        case And(left=a, right=b):
            x, y = conjunction(facts, a, known), conjunction(facts, b, known)
            return None if x is None or y is None else _merge(x + y, np.logical_and)
        case Not(selector=Or(left=a, right=b)):
            return conjunction(facts, And(Not(a), Not(b)), known)
        case Not(selector=Not(selector=a)):
            return conjunction(facts, a, known)
        case Not(selector=a):
            x = conjunction(facts, a, known)
            return [Group(x[0].keys, x[0].queries, ~x[0].table)] if x is not None and len(x) == 1 else None
        case Or(left=a, right=b):
            x, y = conjunction(facts, a, known), conjunction(facts, b, known)
            if x is None or y is None or len(x) != 1 or len(y) != 1:
                return None
            merged = _merge(x + y, np.logical_or)
            return merged if len(merged) == 1 else None
        case Best():
            raise CompileError("a 'best' selector stands inside another selector; aggregate it first")
    raise TypeError(f"unknown selector node {type(s).__name__}")


def _atom(facts: Facts, s: Select) -> Group:
    """The predicate over the variables that its keys and queries are views of."""
    table = predicate_table(facts, s)
    sides: list[Sequence | None] = []
    for axis, n in enumerate((s.keys, s.queries)):
        view = facts.tables[n]
        codes = view.codes.ravel()
        table = np.where(
            np.expand_dims(codes == IMPOSSIBLE, 1 - axis),
            False,
            np.take(table, np.maximum(codes, 0), axis=axis),
        )
        sides.append(view.variables[0] if view.variables else None)
    return Group(sides[0], sides[1], table)


def _merge(groups: list[Group], combine: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> list[Group]:
    """Combine groups that read the same variables, or of which one leaves out a side."""
    merged: list[Group] = []
    for g in sorted(groups, key=lambda g: (g.keys is None) + (g.queries is None)):
        for i, h in enumerate(merged):
            if (g.keys in (h.keys, None) or h.keys is None) and (
                g.queries in (h.queries, None) or h.queries is None
            ):
                merged[i] = Group(h.keys or g.keys, h.queries or g.queries, combine(h.table, g.table))
                break
        else:
            merged.append(g)
    return merged


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """A selector as one table over joint classes of several key variables and of several query variables."""

    keys: tuple[Sequence, ...]
    key_class: np.ndarray
    queries: tuple[Sequence, ...]
    query_class: np.ndarray
    table: np.ndarray


def joint(facts: Facts, s: Selector) -> Joint:
    """Return ``s`` over joint variables, with combinations that it does not tell apart in one class.

    Raises CompileError, before any allocation, where there are too many combinations.
    """
    keys: list[Sequence] = []
    queries: list[Sequence] = []
    atoms: dict[Select, Group] = {}

    @cache
    def collect(t: Selector) -> None:
        match t:
            case Select():
                g = atoms[t] = _atom(facts, t)
                keys.extend(v for v in (g.keys,) if v is not None and v not in keys)
                queries.extend(v for v in (g.queries,) if v is not None and v not in queries)
            case Best():
                raise CompileError("a 'best' selector stands inside another selector; aggregate it first")
            case _:
                for i in t.inputs:
                    assert isinstance(i, Selector)
                    collect(i)

    collect(s)
    k_shape, q_shape = ([len(facts.domains[v]) for v in side] for side in (keys, queries))
    k_cells, q_cells = math.prod(k_shape), math.prod(q_shape)
    if k_cells * q_cells > MAX_JOINT:
        raise CompileError(
            f"a selector combined with 'or' looks at {k_cells:,} x {q_cells:,} combinations of key and query values, more "
            f"than {MAX_JOINT:,}; count or aggregate its parts apart, or use a smaller vocabulary or maximum length"
        )
    k_where, q_where = (
        np.indices(k_shape).reshape(len(keys), k_cells),
        np.indices(q_shape).reshape(len(queries), q_cells),
    )

    @cache
    def evaluate(t: Selector) -> np.ndarray:
        match t:
            case Select():
                g = atoms[t]
                k = k_where[keys.index(g.keys)] if g.keys is not None else np.zeros(k_cells, int)
                q = q_where[queries.index(g.queries)] if g.queries is not None else np.zeros(q_cells, int)
                return g.table[np.ix_(k, q)]
            case And(left=a, right=b):
                return evaluate(a) & evaluate(b)
            case Or(left=a, right=b):
                return evaluate(a) | evaluate(b)
            case Not(selector=a):
                return ~evaluate(a)
        raise TypeError(f"unknown selector node {type(t).__name__}")

    full = evaluate(s)
    rows, key_class = row_classes(full)
    columns, query_class = row_classes(rows.T)
    table = columns.T
    return Joint(
        tuple(keys),
        key_class.reshape(k_shape),
        tuple(queries),
        query_class.reshape(q_shape),
        table.astype(bool),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A group as a bilinear form: ``sum_j keys[:, j] * queries[:, j]``, whose selected pairs reach ``level[q]``."""

    keys: np.ndarray
    queries: np.ndarray
    level: np.ndarray


def factor(
    table: np.ndarray,
    key_numbers: np.ndarray | None,
    query_numbers: np.ndarray | None,
    covered: bool,
    tabled: bool = False,
) -> Score:
    """Write a table as few products of a key column and a query column.

    Equality of three or more values takes three columns, ``1 - (k - q)^2`` up to a term in the query alone; other tables
    take as many as they have different rows or columns. ``covered`` says that every query selects something, so that
    the level where it selects nothing is free; ``tabled`` that equality is to be written as any other table.
    """
    if not table.any():
        return Score(np.zeros((len(table), 0)), np.zeros((table.shape[1], 0)), np.ones(table.shape[1]))
    by_query, query_class = row_classes(table.T)
    by_key, key_class = row_classes(table)
    q_rows, k_rows = by_query.any(1), by_key.any(1)
    if not tabled and min(q_rows.sum(), k_rows.sum()) > 2 and _is_matching(by_key[k_rows], int(q_rows.sum())):
        return _equality(table, key_class, key_numbers, query_numbers, covered)
    if q_rows.sum() <= k_rows.sum():
        keys = by_query[q_rows].T.astype(float)
        queries = (query_class[:, None] == np.flatnonzero(q_rows)[None, :]).astype(float)
    else:
        queries = by_key[k_rows].T.astype(float)
        keys = (key_class[:, None] == np.flatnonzero(k_rows)[None, :]).astype(float)
    return Score(keys, queries, np.ones(table.shape[1]))


def _is_matching(rows: np.ndarray, columns: int) -> bool:
    """Whether classes of keys (rows, none empty) and of queries pair off one to one."""
    return len(rows) == columns and bool((rows.sum(0) <= 1).all())


def _equality(
    table: np.ndarray,
    key_class: np.ndarray,
    key_numbers: np.ndarray | None,
    query_numbers: np.ndarray | None,
    covered: bool,
) -> Score:
    ids = key_class.astype(float)
    if key_numbers is not None and _names_classes(key_numbers, key_class, np.asarray(table.any(1))):
        ids = key_numbers.astype(float)
    matched = np.asarray(table.any(0))
    partner = table.argmax(0)
    middle = np.floor((ids[table.any(1)].min() + ids[table.any(1)].max()) / 2)
    ids = ids - middle
    q = np.where(matched, ids[partner], 0.0)
    level = np.where(matched, q * q + 1.0, 2.0)
    if covered and query_numbers is not None:
        q = _extended(q, matched, query_numbers)
    keys = np.stack([ids, 1.0 - ids * ids], axis=1)
    queries = np.stack([2.0 * q, np.ones(len(q))], axis=1)
    return Score(keys, queries, level)


def _names_classes(numbers: np.ndarray, classes: np.ndarray, matched: np.ndarray) -> bool:
    """Whether whole numbers, not too far apart, tell the matched classes from each other and from the rest."""
    if (numbers != np.round(numbers)).any() or np.ptp(numbers) > 4 * len(numbers):
        return False
    inside = np.unique(numbers[matched])
    pairs = np.unique(np.stack([numbers[matched], classes[matched]]), axis=1).shape[1]
    distinct = inside.size == np.unique(classes[matched]).size == pairs
    return bool(distinct and not np.isin(numbers[~matched], inside).any())


def _extended(q: np.ndarray, matched: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Where the partner's number is linear in the query's own, make it so for values that never select, too."""
    x, y = numbers[matched], q[matched]
    if x.size < 2 or np.ptp(x) == 0:
        return q
    i, j = int(x.argmin()), int(x.argmax())
    slope = (y[j] - y[i]) / (x[j] - x[i])
    line = slope * numbers + (y[i] - slope * x[i])
    return line if np.array_equal(line[matched], y) else q
