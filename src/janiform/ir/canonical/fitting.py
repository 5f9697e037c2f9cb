"""Small expressions for tables: of the forms tried, in a fixed order, the smallest that says what the table says.

A function of one value is fitted by ``single``; one of two goes through their sum, difference, product or order where it can; of
more, it asks one question and goes on, or puts two values together first. What nothing fits stays a look-up. Undefined passes
through an expression as it does through ``functions``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from janiform.errors import FunctionError
from janiform.ir.canonical.partial import FREE, is_partial, merged, settled, where, whole
from janiform.ir.canonical.single import X, fit_one
from janiform.ir.functions import (
    Apply,
    Arg,
    Fn,
    Lit,
    Lookup,
    canonical,
    identity,
    is_number,
    same,
    substitute,
)
from janiform.ir.nodes import Value
from janiform.ir.quotient import Quotient, first_rows, first_seen, reduced

MAX_KNOWN = 20_000
"""So many fitted tables are remembered."""

PLAIN = 9
"""An expression of this size is taken without looking for another."""

SHORT = 1
"""An expression of this size is taken without asking what inputs meet."""

WIDEST = 2_000
"""Of tables with more cells all are said."""

MOST = 20_000
"""An expression of more words, as often as it has cells to be tried on, is not tried where inputs leave cells free."""

FEW = 6
"""A question that tells more classes apart is not asked."""

Y = Arg(1)
_KNOWN: dict[object, Fn] = {}


def fit(
    function: Quotient,
    names: Sequence[tuple[Value, ...]],
    results: Sequence[Value],
    met: np.ndarray | None = None,
) -> Fn:
    """Return an expression of ``Arg(i)``, the value of variable i, for a function of variables with values ``names``.

    Combinations of values that are not ``met`` may be taken to anything, where that makes it smaller.

    >>> table = np.add.outer(np.arange(4), np.arange(3)) % 4
    >>> fit(Quotient.of("xy", table), [(0, 1, 2, 3), (0, 1, 2)], (0, 1, 2, 3))
    Apply(op='%', args=(Apply(op='+', args=(Arg(index=0), Arg(index=1))), Lit(value=4)))
    >>> fit(Quotient.of("xy", table), [(0, 1, 2, 3), (0, 1, 2)], (0, 1, 2, 3), np.add.outer(np.arange(4), np.arange(3)) < 4)
    Apply(op='+', args=(Arg(index=0), Arg(index=1)))
    """
    key = (
        tuple(tuple(map(identity, n)) for n in names),
        tuple(map(identity, results)),
        tuple(m.tobytes() for m in function.maps),
        function.table.shape,
        function.table.tobytes(),
        b"" if met is None else met.tobytes(),
    )
    found = _KNOWN.get(key)
    if found is None:
        found = _checked(function, names, results)
        if met is not None and size(found) > SHORT and met.size <= WIDEST and not met.all():
            found = _on_what_is_met(function, names, results, met, size(found)) or found
        if len(_KNOWN) >= MAX_KNOWN:
            _KNOWN.clear()
        _KNOWN[key] = found
    return found


def size(f: Fn) -> int:
    """Return how large an expression is: its operations, leaves and rows.

    >>> size(Apply("+", (Arg(0), Lit(1))))
    3
    """
    rows = sum(len(k) + 1 for k, _ in f.rows) if isinstance(f, Lookup) else 0
    return 1 + rows + sum(map(size, f.parts))


def arguments(f: Fn) -> set[int]:
    """Return which arguments an expression reads.

    >>> arguments(Apply("+", (Arg(2), Lit(1))))
    {2}
    """
    if isinstance(f, Arg):
        return {f.index}
    return set().union(*map(arguments, f.parts)) if f.parts else set()


def _checked(function: Quotient, names: Sequence[tuple[Value, ...]], results: Sequence[Value]) -> Fn:
    """Fit, and fall back on the table itself where an expression takes undefined values, or 1 and True, another way."""
    found = _fit(function, names, results)
    if all(None not in n and len(set(n)) == len(n) for n in names) or _says(found, function, names, results):
        return found
    return _lookup(function, names, results, total=True)


def _on_what_is_met(
    function: Quotient,
    names: Sequence[tuple[Value, ...]],
    results: Sequence[Value],
    met: np.ndarray,
    most: int,
) -> Fn | None:
    """Fit where cells that are not met are free; None where what is found is not smaller than ``most``, or has no value on some."""
    table = np.where(met, function.full(function.keys, met.shape), FREE)
    partial = Quotient(function.keys, tuple(map(np.arange, met.shape)), table)
    found = _fit(partial, names, results)
    if size(found) >= most or size(found) * met.size > MOST:
        return None
    return found if _says(found, partial, names, results) else None


def _says(f: Fn, function: Quotient, names: Sequence[tuple[Value, ...]], results: Sequence[Value]) -> bool:
    """Whether an expression gives the table's result for every combination of values, and some value for those that are free."""
    shape = [len(n) for n in names]
    full = function.full(function.keys, shape)
    for cell, code in np.ndenumerate(full):
        try:
            got = f(*(n[i] for n, i in zip(names, cell, strict=True)))
        except FunctionError:
            return False
        if code == FREE:
            continue
        want = results[int(code)]
        if not (same(got, want) and isinstance(got, bool) == isinstance(want, bool)):
            return False
    return True


def _fit(function: Quotient, names: Sequence[tuple[Value, ...]], results: Sequence[Value]) -> Fn:
    tidy, own = settled(function, names)
    if len(tidy.keys) < len(function.keys):
        places = [function.keys.index(k) for k in tidy.keys]
        return substitute(_fit(tidy, own, results), tuple(map(Arg, places)))
    function, names = tidy, own
    if not function.keys:
        return Lit(results[int(function.table)])
    strict = _strict(function, names, results)
    if strict is not None:
        return strict
    if len(function.keys) == 1:
        return fit_one(names[0], [results[c] for c in function.table[function.maps[0]].tolist()])
    options: list[Fn] = []
    for forms in (_through_pairs, _by_cases, _put_together):
        options += forms(function, names, results)
        if options and size(min(options, key=size)) <= PLAIN:
            break
    return min(options or [_lookup(function, names, results)], key=size)


def _strict(function: Quotient, names: Sequence[tuple[Value, ...]], results: Sequence[Value]) -> Fn | None:
    """Set undefined values apart: passed on where the result is undefined too, else asked for first."""
    for i, n in enumerate(names):
        if None not in n:
            continue
        hole = n.index(None)
        rest = [j for j in range(len(n)) if j != hole]
        defined = function.at(function.keys[i], np.array(rest), function.keys[i])
        kept = [*names[:i], tuple(n[j] for j in rest), *names[i + 1 :]]
        inner = _placed_fit(defined, function.keys, kept, results)
        at_hole = function.at(function.keys[i], np.array([hole]), "hole")
        said, _ = settled(at_hole, [n for k, n in zip(function.keys, kept, strict=True) if k in at_hole.keys])
        if not said.keys and results[int(said.table)] is None and i in arguments(inner):
            return inner
        outer = _placed_fit(at_hole, function.keys, kept, results)
        return Apply("if", (Apply("defined", (Arg(i),)), inner, outer))
    return None


def _placed_fit(
    part: Quotient, keys: Sequence[object], names: Sequence[tuple[Value, ...]], results: Sequence[Value]
) -> Fn:
    """Fit a function of some of the variables, with the arguments of all."""
    places = [list(keys).index(k) for k in part.keys]
    return substitute(_fit(part, [names[i] for i in places], results), tuple(map(Arg, places)))


def _lookup(
    function: Quotient, names: Sequence[tuple[Value, ...]], results: Sequence[Value], *, total: bool = False
) -> Fn:
    """The table over classes, each named by a value of its own; the most frequent result is the default."""
    function = merged(function) if is_partial(function) else function
    parts, labels = [], []
    for i, (m, n) in enumerate(zip(function.maps, names, strict=True)):
        first, _ = first_seen(m)
        plain = total or len(first) == len(n)
        labels.append([n[c] for c in (range(len(n)) if plain else first.tolist())])
        reading = X if plain else fit_one(n, [n[first[c]] for c in m.tolist()])
        parts.append(substitute(reading, (Arg(i),)))
    table = function.table
    for axis, (m, n) in enumerate(zip(function.maps, names, strict=True)):
        if len(labels[axis]) == len(n):
            table = table.take(m, axis)
    usual = Counter(c for c in table.ravel().tolist() if c != FREE).most_common()
    default = min((c for c, k in usual if k == usual[0][1]), default=0)
    rows = tuple(
        (tuple(labels[a][i] for a, i in enumerate(cell)), results[int(c)])
        for cell, c in np.ndenumerate(table)
        if int(c) != FREE and (int(c) != default or any(labels[a][i] is None for a, i in enumerate(cell)))
    )
    return Lookup(tuple(parts), rows, Lit(results[default]))


# --- two values -----------------------------------------------------------------------------------------------------


def _through_pairs(
    function: Quotient, names: Sequence[tuple[Value, ...]], results: Sequence[Value]
) -> Iterator[Fn]:
    """Forms that read two values through one combination of them."""
    if len(function.keys) != 2:
        return
    full = function.full(function.keys, [len(n) for n in names])
    wanted = full.ravel()
    known = wanted != FREE
    left, right = (list(n) for n in names)
    if all(is_number(v) for v in (*left, *right)):
        x, y = np.array(left, float)[:, None], np.array(right, float)[None, :]
        numbers: list[tuple[Fn, np.ndarray]] = [
            (Apply("-", (X, Y)), x - y),
            (Apply("+", (X, Y)), x + y),
            (Apply("min", (X, Y)), np.minimum(x, y)),
            (Apply("max", (X, Y)), np.maximum(x, y)),
            (Apply("*", (X, Y)), x * y),
            (Apply("abs", (Apply("-", (X, Y)),)), np.abs(x - y)),
        ]
        for f, t in numbers:
            found = _outer(f, t.ravel()[known], wanted[known], results)
            if found is not None:
                yield _compared(found)
        return
    equal = np.array([[identity(a) == identity(b) for b in right] for a in left])
    said = full != FREE
    codes = [int(full[w & said][0]) if (w & said).any() else 0 for w in (equal, ~equal)]
    if equal.any() and ((np.where(equal, codes[0], codes[1]) == full) | ~said).all():
        yield substitute(fit_one((True, False), [results[c] for c in codes]), (Apply("==", (X, Y)),))


def _outer(f: Fn, t: np.ndarray, wanted: np.ndarray, results: Sequence[Value]) -> Fn | None:
    """An expression of ``f``, whose values are ``t``, where the table is a function of it."""
    _, at, inverse = np.unique(np.round(t, 9), return_index=True, return_inverse=True)
    first = wanted[at]
    if (first[inverse] != wanted).any():
        return None
    domain = [canonical(v) for v in t[at].tolist()]
    return substitute(fit_one(domain, [results[c] for c in first.tolist()]), (f,))


def _compared(f: Fn) -> Fn:
    """A test of a difference with a constant, as a comparison of the two."""
    match f:
        case Apply(op="not", args=(inner,)):
            return Apply("not", (_compared(inner),))
        case Apply(op="if", args=(test, yes, no)):
            return Apply("if", (_compared(test), yes, no))
        case Apply(
            op="==" | "!=" | "<" | "<=" | ">" | ">=" as op,
            args=(Apply(op="-", args=(Arg() as a, Arg() as b)), Lit(value=c)),
        ):
            assert isinstance(c, int | float)
            if not c:
                return Apply(op, (a, b))
            other = Apply("+", (b, Lit(c))) if c > 0 else Apply("-", (b, Lit(-c)))
            return Apply(op, (a, other))
    return f


# --- several values -------------------------------------------------------------------------------------------------


def _by_cases(
    function: Quotient, names: Sequence[tuple[Value, ...]], results: Sequence[Value]
) -> Iterator[Fn]:
    """Ask which of two classes a value is of, and go on with the rest."""
    maps = merged(function).maps if is_partial(function) else function.maps
    fewest = min(int(m.max()) + 1 for m in maps)
    if fewest > FEW:
        return
    for axis, (m, n) in enumerate(zip(maps, names, strict=True)):
        k = function.keys[axis]
        classes = int(m.max()) + 1
        if classes != fewest:
            continue
        for c in range(classes if classes > 2 else 1):
            inside = where(function, k, np.flatnonzero(m == c))
            outside = np.flatnonzero(m != c)
            rest = function.at(k, outside, k)
            if classes > 2 and len(rest.keys) + len(inside.keys) >= 2 * len(function.keys) - 1:
                continue
            test = substitute(fit_one(n, [x == c for x in m.tolist()]), (Arg(axis),))
            kept = [*names[:axis], tuple(n[j] for j in outside.tolist()), *names[axis + 1 :]]
            yes = _placed_fit(inside, function.keys, names, results)
            no = _placed_fit(rest, function.keys, kept, results)
            yield _choice(test, yes, no)


def _choice(test: Fn, yes: Fn, no: Fn) -> Fn:
    """``if`` with what is plainer to say of booleans."""
    match yes, no:
        case Lit(value=True), Lit(value=False):
            return test
        case Lit(value=False), Lit(value=True):
            return _negated(test)
        case _, Lit(value=False):
            return Apply("and", (test, yes)) if _is_test(yes) else Apply("if", (test, yes, no))
        case Lit(value=True), _:
            return Apply("or", (test, no)) if _is_test(no) else Apply("if", (test, yes, no))
        case Lit(value=False), _:
            return Apply("and", (_negated(test), no)) if _is_test(no) else Apply("if", (test, yes, no))
        case _, Lit(value=True):
            return Apply("or", (_negated(test), yes)) if _is_test(yes) else Apply("if", (test, yes, no))
    return Apply("if", (test, yes, no))


_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def _is_test(f: Fn) -> bool:
    return isinstance(f, Apply) and f.op in (*_OPPOSITE, "and", "or", "not", "in")


def _negated(f: Fn) -> Fn:
    match f:
        case Apply(op="not", args=(inner,)):
            return inner
        case Apply(op=op, args=args) if op in _OPPOSITE:
            return Apply(_OPPOSITE[op], args)
    return Apply("not", (f,))


def _put_together(
    function: Quotient, names: Sequence[tuple[Value, ...]], results: Sequence[Value]
) -> Iterator[Fn]:
    """Two values that matter through fewer classes than they have together become one."""
    n = len(function.keys)
    if n < 3:
        return
    if is_partial(function):
        function = whole(function)
    best: tuple[float, int, int] | None = None
    for i in range(n):
        for j in range(i + 1, n):
            rows = np.moveaxis(function.table, (i, j), (0, 1)).reshape(
                function.table.shape[i] * function.table.shape[j], -1
            )
            share = len(first_rows(rows)[0]) / len(rows)
            if best is None or share < best[0]:
                best = (share, i, j)
    if best is None or best[0] >= 1:
        return
    _, i, j = best
    a, b = function.table.shape[i], function.table.shape[j]
    moved = np.moveaxis(function.table, (i, j), (0, 1))
    first, which = first_rows(moved.reshape(a * b, -1))
    inner = reduced(
        (function.keys[i], function.keys[j]), (function.maps[i], function.maps[j]), which.reshape(a, b)
    )
    rest = [k for k in range(n) if k not in (i, j)]
    together = object()
    outer = reduced(
        (together, *(function.keys[k] for k in rest)),
        (np.arange(len(first)), *(function.maps[k] for k in rest)),
        moved.reshape(a * b, *moved.shape[2:])[first],
    )
    labels = tuple(range(len(first))) if len(first) > 2 else (False, True)
    both = _placed_fit(inner, function.keys, names, labels)
    args = [both if k is together else Arg(list(function.keys).index(k)) for k in outer.keys]
    own = [labels if k is together else names[list(function.keys).index(k)] for k in outer.keys]
    yield substitute(_fit(outer, own, results), tuple(args))
