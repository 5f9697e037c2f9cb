"""Value-domain inference: which values each node can take under a signature, and which variables it is a function of.

The result is sound: every value that the interpreter can produce is in the domain. It is exact for *positional* nodes, those
that do not look at tokens, because these are run through the interpreter once for every length. A node that is a function
of one other variable alone is a *view* of it, a table over its domain; the compiler folds views into their readers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from janiform.errors import CompileError, FunctionError
from janiform.ir.derived import length
from janiform.ir.evaluate import Run
from janiform.ir.functions import Fn, affine, canonical, identity, is_number
from janiform.ir.nodes import (
    Aggregate,
    And,
    Const,
    Count,
    Indices,
    Map,
    Node,
    Readout,
    Select,
    Selector,
    Sequence,
    Slope,
    Tokens,
    Value,
    walk,
)
from janiform.ir.program import Program
from janiform.ir.relations import infer_selector, predicate_table
from janiform.ir.semantics import Signature
from janiform.ir.values import MAX_CELLS, Domain, domain_of, means, sums

MAX_PAIRS = 1 << 24
"""Pairs of positions that are held at once for positional nodes."""

IMPOSSIBLE = -1
"""The code of a combination of values that cannot occur."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A node as a function of ``variables``: ``codes[c1, .., ck]`` is the code of its value, or IMPOSSIBLE."""

    variables: tuple[Sequence, ...]
    codes: np.ndarray


@dataclass(slots=True)
class Facts:
    """Everything inferred about a program under a signature.

    ``tables`` holds, for each sequence node, its table over the variables it is a function of; a variable's own table
    is the identity. A map of several variables is a variable of its own, and ``joint`` holds its table over the others.
    ``grid`` holds the codes of a positional node at every position of every length. ``suspects`` are nodes with a
    combination on which they may have no meaning.
    """

    signature: Signature
    domains: dict[Sequence, Domain] = field(default_factory=dict)
    tables: dict[Sequence, Table] = field(default_factory=dict)
    positional: dict[Node, bool] = field(default_factory=dict)
    at_most_one: dict[Selector, bool] = field(default_factory=dict)
    nonempty: dict[Selector, bool] = field(default_factory=dict)
    suspects: set[Node] = field(default_factory=set)
    grid: dict[Sequence, np.ndarray] = field(default_factory=dict)
    joint: dict[Sequence, Table] = field(default_factory=dict)
    predicates: dict[Select, np.ndarray] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    def variable(self, n: Sequence) -> Sequence | None:
        """The one variable that ``n`` is a view of, or None for a constant."""
        variables = self.tables[n].variables
        return variables[0] if variables else None

    def add(self, *roots: Node) -> None:
        """Infer every node under ``roots`` that is not yet known."""
        for n in walk(*roots):
            if n in self.positional:
                continue
            self.positional[n] = not isinstance(n, Tokens) and all(self.positional[i] for i in n.inputs)
            if isinstance(n, Selector):
                infer_selector(self, n)
            else:
                assert isinstance(n, Sequence)
                _infer_sequence(self, n)

    def lengths(self) -> Iterator[Run]:
        """Yield the interpreter's runs on one input of every length: all that a positional node can see.

        They are kept while they are small; else each call makes them again, a few lengths at a time.
        """
        if self.runs:
            yield from self.runs
            return
        token, longest = self.signature.vocab[0], self.signature.max_len
        keep = longest**3 <= MAX_PAIRS
        start = 1
        while start <= longest:
            stop = longest + 1 if keep else min(longest, start + MAX_PAIRS // longest**2) + 1
            run = Run([[token] * n for n in range(start, stop)], causal=self.signature.causal)
            if keep:
                self.runs.append(run)
            yield run
            start = stop


def infer(program: Program, signature: Signature) -> Facts:
    """Infer the value domain of every node of ``program``.

    >>> from janiform.ir.program import program
    >>> from janiform.ir.derived import length
    >>> infer(program(length()), Signature("ab", 4)).domains[length()].values
    (1, 2, 3, 4)
    """
    facts = Facts(signature)
    facts.add(*program.outputs.values())
    return facts


def _infer_sequence(facts: Facts, n: Sequence) -> None:
    if facts.positional[n] and not isinstance(n, Const):
        values = [v for run in facts.lengths() for row in run.values(n) for v in row]
        domain = domain_of(values)
        facts.grid[n] = np.array([domain.codes[identity(canonical(v))] for v in values], dtype=np.int32)
        facts.domains[n] = domain
    match n:
        case Const(value=v):
            facts.domains[n] = domain_of([v])
            facts.tables[n] = Table((), np.zeros((), np.int32))
            return
        case Map():
            _infer_map(facts, n)
            return
        case Tokens():
            facts.domains[n] = domain_of(facts.signature.vocab)
        case Aggregate() if n not in facts.domains:
            facts.domains[n] = _aggregate_domain(facts, n)
        case Count(selector=s) if n not in facts.domains:
            high = 1 if facts.at_most_one[s] else facts.signature.max_len
            facts.domains[n] = domain_of(range(1 if facts.nonempty[s] else 0, high + 1))
        case Readout() if n not in facts.domains:
            facts.domains[n] = domain_of(n.labels)
            if any(isinstance(w, Slope) for w in n.weights):
                facts.suspects.add(n)
        case Aggregate() | Count() | Indices() | Readout():
            pass
        case _:
            raise TypeError(f"unknown sequence node {type(n).__name__}")
    size = len(facts.domains[n]) if facts.domains[n].values is not None else 0
    facts.tables[n] = Table((n,), np.arange(size, dtype=np.int32))


def _infer_map(facts: Facts, n: Map) -> None:
    variables: list[Sequence] = []
    for a in n.args:
        for v in facts.tables[a].variables:
            if v not in variables:
                variables.append(v)
    shape = tuple(0 if facts.domains[v].values is None else len(facts.domains[v]) for v in variables)
    cells = math.prod(shape)
    if cells > MAX_CELLS and n in facts.grid:
        _infer_place(facts, n)
        return
    if 0 in shape or (cells > MAX_CELLS and affine(n.fn, len(n.args)) is not None):
        low, high = _interval(n.fn, [facts.domains[a] for a in n.args])
        facts.domains[n] = Domain(None, low, high)
        facts.tables[n] = Table((n,), np.zeros(0, np.int32))
        return
    if cells > MAX_CELLS:
        sizes = " x ".join(map(str, shape))
        raise CompileError(
            f"a map reads variables with {sizes} = {cells:,} combinations of values, more than {MAX_CELLS:,}; "
            "use a smaller vocabulary or maximum length, or reduce the variables first (compare, round, or clip them)"
        )
    possible = _possible(facts, variables, shape)
    columns = []
    for a in n.args:
        table = facts.tables[a]
        axes = [variables.index(v) for v in table.variables]
        expanded = table.codes.reshape(
            [len(facts.domains[variables[i]]) if i in axes else 1 for i in range(len(shape))]
        )
        columns.append(np.broadcast_to(expanded, shape).ravel())
        possible = possible & (columns[-1] != IMPOSSIBLE)
    where = np.flatnonzero(possible)
    arg_values = [facts.domains[a].values or () for a in n.args]
    joint = np.zeros(where.size, np.int64)
    for c, values in zip(columns, arg_values, strict=True):
        joint = joint * len(values) + c[where]
    occurring, inverse = np.unique(joint, return_inverse=True)
    keys = np.unravel_index(occurring, [len(values) for values in arg_values])
    args = [[values[c] for c in key.tolist()] for values, key in zip(arg_values, keys, strict=True)]
    results, failed = _applied(n.fn, list(zip(*args, strict=True)))
    if failed:
        facts.suspects.add(n)
    domain = facts.domains.setdefault(n, domain_of(results))
    codes = np.full(possible.size, IMPOSSIBLE, np.int32)
    coded = np.array([domain.codes.get(identity(v), IMPOSSIBLE) for v in results], np.int32)
    codes[where] = coded[inverse]
    table = Table(tuple(variables), codes.reshape(shape))
    if len(variables) > 1:
        facts.tables[n] = Table((n,), np.arange(len(domain), dtype=np.int32))
        facts.joint[n] = table
    else:
        facts.tables[n] = table


def _infer_place(facts: Facts, n: Map) -> None:
    """Write a positional map over too many combinations as what it is: a function of length and index."""
    where = Indices()
    variables = (where,) if facts.signature.causal else (length(), where)
    facts.add(*variables)
    codes = np.full([len(facts.domains[v]) for v in variables], IMPOSSIBLE, np.int32)
    codes[tuple(facts.grid[v] for v in variables)] = facts.grid[n]
    if len(variables) > 1:
        facts.joint[n] = Table(variables, codes)
        facts.tables[n] = Table((n,), np.arange(len(facts.domains[n]), dtype=np.int32))
    else:
        facts.tables[n] = Table(variables, codes)


def _applied(fn: Fn, cells: list[tuple[Value, ...]]) -> tuple[list[Value], bool]:
    """Apply a function to combinations of values; undefined where it has no meaning, and whether that was so."""
    results: list[Value] = []
    failed = False
    for args in cells:
        try:
            results.append(fn(*args))
        except FunctionError:
            failed = True
            results.append(None)
    return results, failed


def _possible(facts: Facts, variables: list[Sequence], shape: tuple[int, ...]) -> np.ndarray:
    """Which combinations can occur: positional variables only take the values they have together at some place."""
    fixed = [i for i, v in enumerate(variables) if v in facts.grid]
    if len(fixed) < 2:
        return np.ones(math.prod(shape), bool)
    small = np.zeros([shape[i] if i in fixed else 1 for i in range(len(shape))], bool)
    small[tuple(facts.grid[variables[i]] if i in fixed else 0 for i in range(len(shape)))] = True
    return np.broadcast_to(small, shape).ravel().copy()


def _interval(fn: Fn, domains: list[Domain]) -> tuple[float, float]:
    """Bound an affine function of unlistable numbers; refuse any other."""
    coefficients = affine(fn, len(domains))
    if coefficients is None or not all(d.numeric for d in domains):
        raise CompileError(
            "a map that is not linear reads a mean of numbers whose possible values cannot be listed; "
            "round the numbers before taking their mean"
        )
    *slopes, constant = coefficients
    low = high = float(constant)
    for k, d in zip(slopes, domains, strict=True):
        ends = (d.low, d.high) if d.values is None else (d.numbers.min(), d.numbers.max())
        low, high = low + min(k * e for e in ends), high + max(k * e for e in ends)
    return low, high


def _selects_alike(facts: Facts, s: Selector, values: Sequence) -> bool:
    """Whether ``values`` holds one value at all keys that ``s`` selects for a query, as the keys that it compares say."""
    match s:
        case And(left=a, right=b):
            return _selects_alike(facts, a, values) or _selects_alike(facts, b, values)
        case Select(keys=keys):
            key, held = facts.tables[keys], facts.tables[values]
            if key.variables != held.variables or len(key.variables) != 1:
                return False
            possible = (key.codes >= 0) & (held.codes >= 0)
            table = predicate_table(facts, s)[key.codes[possible]]
            codes = held.codes[possible].astype(np.int64)[:, None]
            low = np.where(table, codes, np.iinfo(np.int64).max).min(0, initial=np.iinfo(np.int64).max)
            high = np.where(table, codes, -1).max(0, initial=-1)
            return bool((high <= low).all())
    return False


def _aggregate_domain(facts: Facts, n: Aggregate) -> Domain:
    values = facts.domains[n.values]
    empty = not facts.nonempty[n.selector]
    extra: list[Value] = [n.default] if empty else []
    single = facts.at_most_one[n.selector]
    if values.values is None:
        if extra and not is_number(n.default):
            raise CompileError("a mean of numbers that cannot be listed needs a numeric default")
        ends = [values.low, values.high, *(float(e) for e in extra if is_number(e))]  # type: ignore[arg-type]
        return _unlisted(ends, facts.signature.max_len if n.reduce == "sum" else 1)
    defined = [v for v in values.values if v is not None]
    if values.undefined:
        extra.append(None)
    if n.reduce in ("min", "max") or not defined:
        return domain_of([*defined, *extra])
    single = single or (n.reduce == "mean" and _selects_alike(facts, n.selector, n.values))
    if n.reduce == "mean" and (single or len(defined) <= 1 or not values.numeric):
        if not single and len(defined) > 1:
            facts.suspects.add(n)
        return domain_of([*defined, *extra])
    if not values.numeric:
        raise CompileError(f"a sum over {next(v for v in defined if isinstance(v, str))!r} has no meaning")
    if single:
        return domain_of([*(canonical(v + 0 if isinstance(v, bool) else v) for v in defined), *extra])
    numbers = sorted({float(v) for v in defined})
    reachable = (
        means(numbers, facts.signature.max_len)
        if n.reduce == "mean"
        else sums(numbers, facts.signature.max_len)
    )
    if reachable is None:
        ends = [numbers[0], numbers[-1], *(float(e) for e in extra if isinstance(e, int | float))]
        return _unlisted(ends, facts.signature.max_len if n.reduce == "sum" else 1)
    if n.reduce == "mean":  # all selected values equal: the value itself, of its own kind
        own = {float(v) for v in defined}
        reachable = [v for v in reachable if v not in own]
        return domain_of([*defined, *reachable, *extra])
    return domain_of([*reachable, *extra])


def _unlisted(ends: list[float], count: int) -> Domain:
    """Numbers between the least and the most that one to ``count`` of ``ends`` add up to."""
    return Domain(None, min(*ends, min(ends) * count), max(*ends, max(ends) * count))
