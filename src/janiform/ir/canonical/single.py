"""Small expressions of one value: a comparison, a line, a remainder, a bound, or a set of exceptions, the smallest that fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup, canonical, identity, is_number
from janiform.ir.nodes import Value

X = Arg(0)


def fit_one(domain: Sequence[Value], wanted: Sequence[Value]) -> Fn:
    """Return the smallest expression found that takes each value of ``domain`` to the one ``wanted``.

    >>> fit_one((0, 1, 2, 3), (False, False, True, True))
    Apply(op='>', args=(Arg(index=0), Lit(value=1)))
    """
    if all(identity(a) == identity(b) for a, b in zip(domain, wanted, strict=True)):
        return X
    kinds = {identity(v): v for v in wanted}
    if len(kinds) == 1:
        return Lit(wanted[0])
    if all(isinstance(v, bool) for v in wanted):
        return _test(domain, [bool(v) for v in wanted])
    if all(is_number(v) for v in (*domain, *wanted)):
        found = _lines(domain, wanted)
        if found is not None:
            return found
    if len(kinds) == 2:
        one = Counter(map(identity, wanted))
        rare, usual = sorted(kinds, key=lambda k: (one[k], repr(k)))
        test = _test(domain, [identity(v) == rare for v in wanted])
        return Apply("if", (test, Lit(kinds[rare]), Lit(kinds[usual])))
    return _exceptions(domain, wanted)


def _test(domain: Sequence[Value], wanted: Sequence[bool]) -> Fn:
    """A comparison with a constant, membership, or an order."""
    if all(isinstance(v, bool) for v in domain):
        return X if wanted[list(domain).index(True)] else Apply("not", (X,))
    on = [v for v, w in zip(domain, wanted, strict=True) if w]
    off = [v for v, w in zip(domain, wanted, strict=True) if not w]
    if len(on) == 1:
        return Apply("==", (X, Lit(on[0])))
    ordered = all(is_number(v) for v in domain)
    if len(off) == 1 and not (ordered and off[0] in (min(domain), max(domain))):  # type: ignore[type-var]
        return Apply("!=", (X, Lit(off[0])))
    if ordered:
        numbers = [(float(v), v, w) for v, w in zip(domain, wanted, strict=True)]  # type: ignore[arg-type]
        numbers.sort(key=lambda t: t[0])
        turns = [i for i in range(1, len(numbers)) if numbers[i][2] != numbers[i - 1][2]]
        if len(turns) == 1:
            below, above = numbers[turns[0] - 1], numbers[turns[0]]
            low = _plainer(below[1], above[1])
            if below[2]:
                return Apply("<=" if low is below[1] else "<", (X, Lit(low)))
            return Apply(">" if low is below[1] else ">=", (X, Lit(low)))
    if len(on) <= len(off):
        return Apply("in", (X, *map(Lit, on)))
    return Apply("not", (Apply("in", (X, *map(Lit, off))),))


def _plainer(a: Value, b: Value) -> Value:
    """Of two numbers the one that is shorter to write; the lower of equals."""
    return b if len(repr(b)) < len(repr(a)) else a


def _lines(domain: Sequence[Value], wanted: Sequence[Value]) -> Fn | None:
    """Arithmetic of one number, in order of size; expressions are made for what fits alone."""
    x, y = np.array(domain, float), np.array(wanted, float)
    a, b = int(x.argmin()), int(x.argmax())

    def fits(values: np.ndarray) -> bool:
        return bool((np.abs(values - y) <= 1e-12 * np.maximum(1.0, np.abs(y))).all())

    def const(c: float) -> Fn:
        return Lit(canonical(float(c)))

    slope = (y[b] - y[a]) / (x[b] - x[a])
    if fits(slope * (x - x[a]) + y[a]):
        return _line(float(slope), float(y[a] - slope * x[a]))
    top, bottom = float(y.max()), float(y.min())
    if fits(np.minimum(x, top)):
        return Apply("min", (X, const(top)))
    if fits(np.maximum(x, bottom)):
        return Apply("max", (X, const(bottom)))
    if (x != np.round(x)).any() or (y != np.round(y)).any():
        return None
    reach = int(np.abs(x).max())
    for c in range(2, min(reach + 2, 65)):
        if fits(x // c):
            return Apply("//", (X, const(c)))
    for c in range(2, min(reach + 2, 17)):
        if fits(x % c):
            return Apply("%", (X, const(c)))
    for c in range(1, min(reach + 1, 33)):
        if fits(np.abs(x - c)):
            return Apply("abs", (Apply("-", (X, const(c))),))
    if bottom >= 0:
        for m in sorted({int(top) + 1, 10} - {0, 1}):
            for c in range(1, m) if m <= 64 and m > top else ():
                if fits((x + c) % m):
                    return Apply("%", (Apply("+", (X, const(c))), const(m)))
                if fits((x * c) % m):
                    return Apply("%", (Apply("*", (X, const(c))), const(m)))
                if fits((c - x) % m):
                    return Apply("%", (Apply("-", (const(c), X)), const(m)))
    for step in sorted({float(v) for v in (y - x).tolist()}):
        if fits(np.minimum(x + step, top)):
            return Apply("min", (_line(1.0, step), const(top)))
        if fits(np.maximum(x + step, bottom)):
            return Apply("max", (_line(1.0, step), const(bottom)))
    return None


def _line(slope: float, offset: float) -> Fn:
    """``slope * x + offset``, written as short as can be."""
    slope, offset = round(slope, 12), round(offset, 12)
    if slope == -1:
        return Apply("-", (Lit(canonical(offset)), X)) if offset else Apply("neg", (X,))
    inner: Fn = X
    if slope != 1:
        inner = Apply("*", (X, Lit(canonical(slope))))
        if not slope.is_integer() and (1 / slope).is_integer():
            inner = Apply("/", (X, Lit(canonical(1 / slope))))
    if not offset:
        return inner
    return Apply("+" if offset > 0 else "-", (inner, Lit(canonical(abs(offset)))))


def _exceptions(domain: Sequence[Value], wanted: Sequence[Value]) -> Fn:
    """The value itself, or one usual result, but for listed values."""
    kept = sum(identity(a) == identity(b) for a, b in zip(domain, wanted, strict=True))
    usual = Counter(map(identity, wanted)).most_common()
    often = min((k for k, n in usual if n == usual[0][1]), key=repr)
    default: Fn = X
    if kept < usual[0][1]:
        default = Lit(next(v for v in wanted if identity(v) == often))
    rows = tuple(
        ((a,), b)
        for a, b in zip(domain, wanted, strict=True)
        if identity(b) != (identity(a) if default is X else often)
    )
    results = {identity(b): b for _, b in rows}
    asked = {identity(k[0]) for k, _ in rows}
    if len(results) == 1:
        test = _test(domain, [identity(a) in asked for a in domain])
        return Apply("if", (test, Lit(next(iter(results.values()))), default))
    return Lookup((X,), rows, default)
