"""Value-domain inference: which values each node can take under a signature, and which variables it is a function of.

The result is sound: every value that the interpreter can produce is in the domain. It is exact for *positional* nodes, those
that do not look at tokens, because these are run through the interpreter once for every length. A node that is a function
of one other variable alone is a *view* of it, a table over its domain; the compiler folds views into their readers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from janiform.errors import CompileError, FunctionError
from janiform.ir.derived import length
from janiform.ir.evaluate import Run
from janiform.ir.functions import Fn, affine, canonical, identity, is_number, order, same
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
from janiform.ir.semantics import Signature

MAX_CELLS = 200_000
"""The largest table that inference writes out."""

IMPOSSIBLE = -1
"""The code of a combination of values that cannot occur."""


@dataclass(frozen=True, eq=False)
class Domain:
    """The possible values of a variable, in order (undefined first), with their codes.

    ``values`` is None for numbers that cannot be listed; ``low`` and ``high`` then bound them.
    """

    values: tuple[Value, ...] | None
    low: float = 0.0
    high: float = 0.0
    codes: dict[object, int] = field(default_factory=dict)

    def __len__(self) -> int:
        if self.values is None:
            raise CompileError("the values of this variable cannot be listed")
        return len(self.values)

    @property
    def undefined(self) -> bool:
        """Whether the variable can be undefined."""
        return self.values is not None and None in self.codes

    @cached_property
    def numeric(self) -> bool:
        """Whether every defined value is a number or a boolean."""
        return self.values is None or all(isinstance(v, int | float) for v in self.values if v is not None)

    def key(self) -> tuple[object, ...]:
        """The values as a key under which ``True`` and ``1`` differ."""
        return tuple(self.codes)

    @cached_property
    def numbers(self) -> np.ndarray:
        """The values as floats, undefined and strings as 0; read-only."""
        assert self.values is not None
        numbers = np.array([float(v) if isinstance(v, int | float) else 0.0 for v in self.values])
        numbers.setflags(write=False)
        return numbers

    def holes(self) -> np.ndarray:
        """Which of the values is the undefined one."""
        assert self.values is not None
        return np.array([v is None for v in self.values], dtype=bool)


def domain_of(values: Iterable[Value]) -> Domain:
    """Return the domain that holds exactly ``values``; numbers equal up to the tolerance are one.

    >>> domain_of([2, 1, None, True, 0.1 + 0.2, 0.3]).values
    (None, True, 0.3, 1, 2)
    """
    distinct = {identity(v): v for v in map(canonical, values)}
    kept: list[Value] = []
    codes: dict[object, int] = {}
    for v in sorted(distinct.values(), key=order):
        if not (kept and is_number(v) and is_number(kept[-1]) and same(v, kept[-1])):
            kept.append(v)
        codes[identity(v)] = len(kept) - 1
    return Domain(tuple(kept), codes=codes)


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
    run: Run | None = None

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
                _infer_selector(self, n)
            else:
                assert isinstance(n, Sequence)
                _infer_sequence(self, n)

    def lengths(self) -> Run:
        """The interpreter's run on one input of every length: all that a positional node can see."""
        if self.run is None:
            token = self.signature.vocab[0]
            inputs = [[token] * n for n in range(1, self.signature.max_len + 1)]
            self.run = Run(inputs, causal=self.signature.causal)
        return self.run


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


# --- sequences ------------------------------------------------------------------------------------------------------


def _infer_sequence(facts: Facts, n: Sequence) -> None:
    if facts.positional[n] and not isinstance(n, Const):
        values = [v for row in facts.lengths().values(n) for v in row]
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
        case Aggregate() | Count() | Indices():
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


def _aggregate_domain(facts: Facts, n: Aggregate) -> Domain:
    values = facts.domains[n.values]
    empty = not facts.nonempty[n.selector]
    extra: list[Value] = [n.default] if empty else []
    single = facts.at_most_one[n.selector]
    if values.values is None:
        if extra and not is_number(n.default):
            raise CompileError("a mean of numbers that cannot be listed needs a numeric default")
        ends = [values.low, values.high, *(float(e) for e in extra if is_number(e))]  # type: ignore[arg-type]
        scale = facts.signature.max_len if n.reduce == "sum" else 1
        return Domain(None, min(0.0, *ends) * scale if scale > 1 else min(ends), max(ends) * scale)
    defined = [v for v in values.values if v is not None]
    if values.undefined:
        extra.append(None)
    if n.reduce in ("min", "max"):
        return domain_of([*defined, *extra])
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
        _means(numbers, facts.signature.max_len)
        if n.reduce == "mean"
        else _sums(numbers, facts.signature.max_len)
    )
    if reachable is None:
        scale = facts.signature.max_len if n.reduce == "sum" else 1
        return Domain(None, min(0.0, numbers[0] * scale) if scale > 1 else numbers[0], numbers[-1] * scale)
    if n.reduce == "mean":  # all selected values equal: the value itself, of its own kind
        own = {float(v) for v in defined}
        reachable = [v for v in reachable if v not in own]
        return domain_of([*defined, *reachable, *extra])
    return domain_of([*reachable, *extra])


def step_of(numbers: list[float]) -> Fraction | None:
    """The largest step of which every number is a multiple, or None where it would be too fine to be of use."""
    fractions = [Fraction(x).limit_denominator(10_000) for x in numbers]
    if any(abs(float(f) - x) > 1e-12 * max(1.0, abs(x)) for f, x in zip(fractions, numbers, strict=True)):
        return None
    denominator = math.lcm(*(f.denominator for f in fractions))
    if denominator > 1_000_000:
        return None
    return Fraction(math.gcd(*(int(f * denominator) for f in fractions)) or denominator, denominator)


def _totals(numbers: list[float], count: int) -> tuple[int, int, Fraction] | None:
    """Low and high multiples of a step between which all sums of one number lie."""
    step = step_of(numbers)
    if step is None:
        return None
    low, high = round(Fraction(numbers[0]) / step), round(Fraction(numbers[-1]) / step)
    return (low, high, step) if (high - low + 1) * count <= MAX_CELLS else None


def _means(numbers: list[float], count: int) -> list[float] | None:
    """Every mean of 1 to ``count`` numbers (a few more may be listed), or None when they are too many."""
    found = _totals(numbers, count)
    if found is None or (found[1] - found[0]) * count * count // 2 > 8 * MAX_CELLS:
        return None
    low, high, step = found
    means: set[float] = set()
    for n in range(1, count + 1):
        if len(numbers) == 2:
            means.update(
                (((n - j) * low + j * high) * step.numerator / step.denominator) / n for j in range(n + 1)
            )
        else:
            means.update((k * step.numerator / step.denominator) / n for k in range(n * low, n * high + 1))
        if len(means) > MAX_CELLS:
            return None
    return sorted(means)


def _sums(numbers: list[float], count: int) -> list[float] | None:
    """Every sum of 1 to ``count`` numbers (a few more may be listed), or None when they are too many."""
    found = _totals(numbers, count)
    if found is None:
        return None
    low, high, step = found
    span = range(min(low, low * count), max(high, high * count) + 1)
    return [k * step.numerator / step.denominator for k in span]


# --- selectors ------------------------------------------------------------------------------------------------------


def _infer_selector(facts: Facts, s: Selector) -> None:
    if facts.positional[s]:
        widths = np.concatenate([p.sum(1) for p in facts.lengths().pattern(s)])
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


_TABLES: dict[tuple[object, ...], tuple[np.ndarray, bool]] = {}
"""Predicate tables already made, by predicate and domains: most programs compare the same few."""


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
            return all(bool(np.diagonal(p).all()) for p in facts.lengths().pattern(s))
    return False


def _distinct(facts: Facts, n: Sequence) -> bool:
    """Whether a positional node never has the same defined value at two positions of an input."""
    for row in facts.lengths().values(n):
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
