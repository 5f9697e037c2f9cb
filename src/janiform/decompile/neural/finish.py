"""The output: a function of what is known, found from what the model says on every input.

The fewest variables that decide the output are taken. Inputs show a function only where its variables meet, and a program
says more than that, so small expressions are tried first, then look-ups whose other cells are filled in different ways. All
that fit agree on every input; which one the weights hold is for the comparison of weights to say.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from janiform.errors import FunctionError
from janiform.ir.functions import Apply, Arg, Fn, Lit, identity, substitute, table
from janiform.ir.nodes import Const, Map, Value
from janiform.ir.nodes import Sequence as Seq
from janiform.ir.sample import ORDERS

PLAIN, FITS = 5, 8
"""At most so many functions are proposed of each choice of variables: expressions, and look-ups besides."""
WAYS = 2
"""So many choices of variables are tried."""
LISTED = 600
"""Functions are told apart on so many combinations of values at most, and look-ups of more are not filled."""
ROWS = 400
"""Look-ups of more rows are not proposed."""
MOST = 4
"""Functions of more variables are not looked for."""
BOUND = 10
"""Numbers are also taken modulo this, as whole numbers that are kept small are."""


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A variable on every position of every input: ``values[codes]``; ``domain`` has what it may hold besides."""

    node: Seq
    codes: np.ndarray
    values: tuple[Value, ...]
    domain: tuple[Value, ...]


def outputs(variables: Sequence[Variable], said: np.ndarray, values: Sequence[Value]) -> Iterator[Seq]:
    """Yield nodes that give ``values[said]`` at every position, the plainest first; none where nothing decides it."""
    for chosen in deciding(variables, said):
        yield from expressed(chosen, said, values)
        if not chosen:
            return


def expressed(chosen: Sequence[Variable], said: np.ndarray, values: Sequence[Value]) -> Iterator[Seq]:
    """Yield nodes that give ``values[said]`` at every position as a function of variables that decide it, the plainest first."""
    if not chosen:
        yield Const(values[int(said[0])])
        return
    known = cells(chosen, said)
    seen: set[tuple[object, ...]] = set()
    grid = list(itertools.islice(itertools.product(*(v.domain for v in chosen)), LISTED))
    results = [values[c] for c in known.values()]
    for forms, most in ((plain, PLAIN), (cases, PLAIN), (lookups, FITS)):
        for fn in itertools.islice(forms(known, results, chosen), 40):
            if len(seen) >= most:
                break
            filled = tuple(_answer(fn, cell) for cell in grid)
            if filled not in seen:
                seen.add(filled)
                yield Map(fn, tuple(v.node for v in chosen))
        if seen and forms is plain:
            break


def deciding(variables: Sequence[Variable], said: np.ndarray) -> list[list[Variable]]:
    """Return the fewest variables of which the output is a function: ``WAYS`` choices, those that meet in the fewest ways first."""
    for n in range(min(MOST, len(variables)) + 1):
        found: list[tuple[int, tuple[int, ...]]] = []
        for chosen in itertools.combinations(range(len(variables)), n):
            joint = np.zeros(len(said), np.int64)
            for i in chosen:
                joint = joint * len(variables[i].values) + variables[i].codes
            size = int(joint.max()) + 1
            if size > 1 << 22:
                continue
            first = np.full(size, -1)
            first[joint] = said
            if (first[joint] == said).all():
                found.append((len(np.unique(joint)), chosen))
        if found:
            return [[variables[i] for i in chosen] for _, chosen in sorted(found)[:WAYS]]
    return []


def cells(chosen: Sequence[Variable], said: np.ndarray) -> dict[tuple[Value, ...], int]:
    """Return what is said for each combination of values that occurs."""
    joint = np.zeros(len(said), np.int64)
    for v in chosen:
        joint = joint * len(v.values) + v.codes
    at = np.unique(joint, return_index=True)[1].tolist()
    return {tuple(v.values[v.codes[i]] for v in chosen): int(said[i]) for i in at}


def plain(
    known: dict[tuple[Value, ...], int], results: list[Value], chosen: Sequence[Variable]
) -> Iterator[Fn]:
    """Yield expressions that give each cell its result."""
    x, want = _arrays(known, len(chosen)), _numbers(results)
    if x is not None and want is not None:
        yield from expressions(pool_of(x, results), want, _flags(results))


def cases(
    known: dict[tuple[Value, ...], int], results: list[Value], chosen: Sequence[Variable]
) -> Iterator[Fn]:
    """Yield choices: ``if`` a test ``then`` one expression ``else`` another, or functions of the other variables."""
    x, want = _arrays(known, len(chosen)), _numbers(results)
    if x is None:
        return
    if want is not None:
        yield from choices(x, pool_of(x, results), want)
    rows = list(zip(known, results, strict=True))
    for axis, a in enumerate(x if len(x) > 1 else []):
        for test, met in tests([a]):
            if np.isnan(met).any():
                continue
            sides = [side([r for r, m in zip(rows, met) if m == which], axis) for which in (1, 0)]
            if sides[0] is not None and sides[1] is not None:
                yield Apply("if", (substitute(test, (Arg(axis),)), sides[0], sides[1]))


def side(rows: list[tuple[tuple[Value, ...], Value]], axis: int) -> Fn | None:
    """Return rows as a function of all variables but one, None where they are none."""
    if not rows:
        return None
    found: dict[tuple[object, ...], tuple[tuple[Value, ...], Value]] = {}
    for cell, result in rows:
        rest = (*cell[:axis], *cell[axis + 1 :])
        key = tuple(map(identity, rest))
        if identity(found.setdefault(key, (rest, result))[1]) != identity(result):
            return None
    kept = [r for _, r in found.values()]
    others = [Arg(i) for i in range(len(rows[0][0])) if i != axis]
    if len(set(map(identity, kept))) == 1:
        return Lit(kept[0])
    for i, arg in enumerate(others):
        if all(identity(rest[i]) == identity(r) for rest, r in found.values()):
            return arg
    return substitute(table(found.values(), len(others), Lit(_usual(kept))), tuple(others))


def pool_of(x: list[np.ndarray], results: list[Value]) -> list[tuple[Fn, np.ndarray]]:
    """Return what an output may be made of: terms, or tests where it is a boolean, and what it can say."""
    size = len(results)
    pool = tests(x) if _flags(results) else terms(x)
    constants = sorted({identity(r): r for r in results if r is not None}.values(), key=repr)[:12]
    pool += [(Lit(c), np.full(size, float(c))) for c in constants]  # type: ignore[arg-type]
    return [*pool, (Lit(None), np.full(size, np.nan))]


def expressions(pool: list[tuple[Fn, np.ndarray]], want: np.ndarray, flags: bool) -> Iterator[Fn]:
    """Yield what of the pool gives what is wanted, and of tests what two of them give together; NaN is undefined."""
    for f, a in pool:
        if _same(a, want).all():
            yield f
    unknown = np.isnan(want)
    for op, join in (("and", np.minimum), ("or", np.maximum)) if flags else ():
        fit = [(f, a) for f, a in pool if (_same(join(a, want), want) | unknown).all()]
        for (f, a), (g, b) in itertools.combinations(fit, 2):
            if _same(join(a, b), want).all():
                yield Apply(op, (f, g))


def choices(x: list[np.ndarray], pool: list[tuple[Fn, np.ndarray]], want: np.ndarray) -> Iterator[Fn]:
    """Yield choices by one test between two of the pool."""
    right = np.array([_same(a, want) for _, a in pool])
    for test, met in tests(x):
        yes, no, gaps = met == 1, met == 0, np.isnan(met)
        if not yes.any() or not no.any() or not np.isnan(want[gaps]).all():
            continue
        first = np.flatnonzero((right | ~yes).all(1)).tolist()
        other = np.flatnonzero((right | ~no).all(1)).tolist()
        for i, j in itertools.islice(itertools.product(first[:2], other[:2]), 2):
            yield Apply("if", (test, pool[i][0], pool[j][0]))


def terms(x: list[np.ndarray]) -> list[tuple[Fn, np.ndarray]]:
    """Return plain numbers of one or two variables, as they are and modulo ``BOUND``."""
    found: list[tuple[Fn, np.ndarray]] = [(Arg(i), a) for i, a in enumerate(x)]
    sums: list[tuple[Fn, np.ndarray]] = [(Apply("neg", (Arg(i),)), -a) for i, a in enumerate(x)]
    sums += found
    for i, a in enumerate(x):
        sums += [(Apply("*", (Arg(i), Lit(c))), a * c) for c in (2, 3)]
        found += [(Apply("//", (Arg(i), Lit(c))), a // c) for c in (2, 3)]
        for c in range(5):
            found.append((Apply("abs", (Apply("-", (Arg(i), Lit(c))),)), abs(a - c)))
            found.append((Apply("max", (Arg(i), Lit(c))), np.maximum(a, c)))
            found.append((Apply("min", (Arg(i), Lit(c))), np.minimum(a, c)))
    for (i, a), (j, b) in itertools.permutations(enumerate(x), 2):
        sums.append((Apply("-", (Arg(i), Arg(j))), a - b))
        if i < j:
            sums += [(Apply("+", (Arg(i), Arg(j))), a + b), (Apply("*", (Arg(i), Arg(j))), a * b)]
            found += [
                (Apply("min", (Arg(i), Arg(j))), np.minimum(a, b)),
                (Apply("max", (Arg(i), Arg(j))), np.maximum(a, b)),
            ]
    sums += [(Apply("+", (f, Lit(c))), a + c) for f, a in sums for c in range(1, BOUND)]
    for (i, a), (j, b), (k, c_) in itertools.permutations(enumerate(x), 3):
        if i < j:
            product = Apply("*", (Arg(i), Arg(j)))
            sums += [
                (Apply("+", (product, Arg(k))), a * b + c_),
                (Apply("-", (product, Arg(k))), a * b - c_),
                (Apply("-", (Arg(k), product)), c_ - a * b),
            ]
    return found + sums + [(Apply("%", (f, Lit(BOUND))), a % BOUND) for f, a in sums]


def tests(x: list[np.ndarray]) -> list[tuple[Fn, np.ndarray]]:
    """Return comparisons with constants and of two variables, and whether a variable is defined."""
    found: list[tuple[Fn, np.ndarray]] = []
    for i, a in enumerate(x):
        gaps = np.isnan(a)
        if gaps.any():
            found.append((Apply("defined", (Arg(i),)), (~gaps).astype(float)))
        for c in (0.5, 0, 1, 2, 3, 4, 5):
            found += [
                (Apply(op, (Arg(i), Lit(c))), np.where(gaps, np.nan, _compare(op, a, c))) for op in ORDERS
            ]
    for (i, a), (j, b) in itertools.combinations(enumerate(x), 2):
        gaps = np.isnan(a + b)
        found += [(Apply(op, (Arg(i), Arg(j))), np.where(gaps, np.nan, _compare(op, a, b))) for op in ORDERS]
    return found


def lookups(
    known: dict[tuple[Value, ...], int], results: list[Value], chosen: Sequence[Variable]
) -> Iterator[Fn]:
    """Yield tables: other cells like the nearest one along one variable, like the nearest of all, or like the most usual."""
    often = Lit(_usual(results))
    rows = list(zip(known, results, strict=True))
    grid = list(itertools.islice(itertools.product(*(v.domain for v in chosen)), LISTED + 1))
    numbers = _arrays(known, len(chosen))
    if len(rows) > ROWS:
        return
    if len(grid) <= LISTED and numbers is not None:
        points = np.nan_to_num(np.stack(numbers, 1), nan=-9.0)
        scale = np.maximum(points.max(0) - points.min(0), 1e-9)
        for weights in (*(1 + 99 * (1 - np.eye(len(chosen)))), np.ones(len(chosen))):
            filled = dict(rows)
            for cell in grid:
                if cell not in filled:
                    at = np.array([-9.0 if v is None else float(v) for v in cell])  # type: ignore[arg-type]
                    filled[cell] = results[int((np.abs(points - at) / scale * weights).sum(1).argmin())]
            yield table(filled.items(), len(chosen), often)
    yield table(rows, len(chosen), often)


def _usual(results: Sequence[Value]) -> Value:
    """The result that is given most often."""
    most = Counter(map(identity, results)).most_common(1)[0][0]
    return next(r for r in results if identity(r) == most)


def _arrays(known: dict[tuple[Value, ...], int], count: int) -> list[np.ndarray] | None:
    """The values of each variable, cell by cell; None where one has strings."""
    found = [_numbers([cell[i] for cell in known]) for i in range(count)]
    arrays = [a for a in found if a is not None]
    return arrays if len(arrays) == count else None


def _flags(results: list[Value]) -> bool:
    return all(isinstance(r, bool) or r is None for r in results)


def _numbers(values: list[Value]) -> np.ndarray | None:
    """Values as numbers, NaN for undefined; None where one is a string."""
    if any(isinstance(v, str) for v in values):
        return None
    return np.array([np.nan if v is None else float(v) for v in values])


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (np.abs(a - b) < 1e-9) | (np.isnan(a) & np.isnan(b))


def _compare(op: str, a: np.ndarray, b: np.ndarray | float) -> np.ndarray:
    match op:
        case "==":
            found = a == b
        case "!=":
            found = a != b
        case "<":
            found = a < b
        case "<=":
            found = a <= b
        case ">":
            found = a > b
        case _:
            found = a >= b
    return found.astype(float)


def _answer(fn: Fn, cell: tuple[Value, ...]) -> object:
    try:
        return identity(fn(*cell))
    except FunctionError:
        return FunctionError
