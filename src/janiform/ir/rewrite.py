"""Rewrites that leave a program's meaning alone, and the test whether two programs mean the same.

Every pass is a pure function from programs to programs, and none adds a node. Meaning includes where there is none: a
node that can fail on an input is never dropped, so what raised MeaningError before a pass still does.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Sized
from dataclasses import dataclass

import numpy as np

from janiform.errors import FunctionError, InputError, MeaningError, ProgramError
from janiform.ir.evaluate import Run
from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup, canonical, same, substitute
from janiform.ir.nodes import (
    Aggregate,
    And,
    Const,
    Count,
    Map,
    Node,
    Not,
    Or,
    Select,
    Selector,
    Sequence,
    Value,
)
from janiform.ir.program import Program
from janiform.ir.readout import settle_readouts
from janiform.ir.semantics import Signature
from janiform.ir.totality import is_finite, surely_total, total_function

BATCH = 1 << 20
"""How many (input, query, key) triples are compared at once."""


# --- passes ---------------------------------------------------------------------------------------------------------


def fold_constants(program: Program) -> Program:
    """Write constants into the functions that read them, and compute what reads nothing else."""

    def change(n: Node) -> Node:
        if not isinstance(n, Map):
            return n
        parts: list[Fn] = []
        args: list[Sequence] = []
        for a in n.args:
            if isinstance(a, Const) and is_finite(a.value):
                parts.append(Lit(canonical(a.value)))
                continue
            if a not in args:
                args.append(a)
            parts.append(Arg(args.index(a)))
        f = _folded(substitute(n.fn, tuple(parts)))
        if isinstance(f, Lit) and is_finite(f.value) and all(map(surely_total, args)):
            return Const(canonical(f.value))
        return Map(f, tuple(args)) if args else n

    return program.map(change)


def drop_unread(program: Program) -> Program:
    """Drop arguments that a function does not read, and maps that change nothing."""

    def change(n: Node) -> Node:
        if not isinstance(n, Map):
            return n
        read = _arguments(n.fn)
        kept = [i for i, a in enumerate(n.args) if i in read or not surely_total(a)]
        if kept == [0] and n.fn == Arg(0):
            return n.args[0]
        if not kept or len(kept) == len(n.args):
            return n
        place = tuple(Arg(kept.index(i)) if i in kept else Arg(0) for i in range(len(n.args)))
        return Map(substitute(n.fn, place), tuple(n.args[i] for i in kept))

    return program.map(change)


def fuse_maps(program: Program) -> Program:
    """Put a map into the one map that reads it, where this needs no more arguments and repeats no work."""
    readers: Counter[Node] = Counter(i for n in program.nodes() for i in set(n.inputs))
    readers.update(program.outputs.values())

    def change(n: Node) -> Node:
        if not isinstance(n, Map):
            return n
        for i, inner in enumerate(n.args):
            alone = readers[inner] == n.args.count(inner) == 1
            if not (isinstance(inner, Map) and alone and _fits(n.fn, i, inner.fn)):
                continue
            args = list(dict.fromkeys([*(a for a in n.args if a is not inner), *inner.args]))
            if len(args) <= len(n.args):
                inside = substitute(inner.fn, tuple(Arg(args.index(a)) for a in inner.args))
                parts = tuple(inside if a is inner else Arg(args.index(a)) for a in n.args)
                return Map(substitute(n.fn, parts), tuple(args))
        return n

    return program.map(change)


def simplify_selectors(program: Program) -> Program:
    """Cancel double negations, equal operands, and operands that select all pairs or none."""

    def change(n: Node) -> Node:
        match n:
            case Not(selector=Not(selector=a)):
                return a
            case Not(selector=Select(keys=Const(value=k), queries=Const(value=q)) as a):
                all_or_none = _selects(a)
                if all_or_none is not None and k is not None and q is not None:
                    return Select(Lit(not all_or_none), a.keys, a.queries)
            case And(left=a, right=b) | Or(left=a, right=b):
                if a is b:
                    return a
                neutral = isinstance(n, And)
                for one, other in ((a, b), (b, a)):
                    if _selects(one) is neutral:
                        return other
                    if _selects(one) is (not neutral) and surely_total(other):
                        return one
        return n

    return program.map(change)


def skip_empty(program: Program) -> Program:
    """Replace what reads a selector of no pairs by a constant."""

    def change(n: Node) -> Node:
        match n:
            case Count(selector=s) if _selects(s) is False:
                return Const(0)
            case Aggregate(selector=s, values=v, default=d) if _selects(s) is False and surely_total(v):
                return Const(d)
        return n

    return program.map(change)


PASSES: tuple[Callable[[Program], Program], ...] = (
    fold_constants,
    drop_unread,
    fuse_maps,
    simplify_selectors,
    skip_empty,
    settle_readouts,
)


def simplify(program: Program) -> Program:
    """Run every pass until none changes anything.

    >>> import janiform as jf
    >>> simplify(jf.parse("y = selector_width(not not select(tokens, (0 + 1) * 2, ==) and select(1, 1, ==));"))
    y = selector_width(select(tokens, 2, ==));
    """
    while True:
        before = program
        for rewrite in PASSES:
            program = rewrite(program)
        if program == before:
            return program


# --- facts ----------------------------------------------------------------------------------------------------------


def _is_canonical(v: Value) -> bool:
    return is_finite(v) and type(canonical(v)) is type(v)


def _folded(f: Fn) -> Fn:
    """Compute the parts of a function that read no argument; those without meaning stay."""
    match f:
        case Apply(op=op, args=parts):
            parts = tuple(map(_folded, parts))
            if op == "if" and isinstance(parts[0], Lit):
                test = parts[0].value
                return Lit(None) if test is None else parts[1] if test else parts[2]
            f = Apply(op, parts)
        case Lookup(args=parts, rows=rows, default=default):
            f = Lookup(tuple(map(_folded, parts)), rows, None if default is None else _folded(default))
    try:
        return f if f.arity else Lit(f())
    except FunctionError:
        return f


def _arguments(f: Fn) -> Counter[int]:
    """How often each argument is read."""
    if isinstance(f, Arg):
        return Counter([f.index])
    return sum(map(_arguments, f.parts), Counter())


def _surely_reads(f: Fn, i: int) -> bool:
    """Whether argument ``i`` is computed whatever the others are."""
    match f:
        case Arg(index=j):
            return i == j
        case Apply(op="if" | "and" | "or", args=parts):
            return _surely_reads(parts[0], i)
        case Apply(args=parts) | Lookup(args=parts):
            return any(_surely_reads(p, i) for p in parts)
    return False


def _plain_results(f: Fn) -> bool:
    """Whether a function's literals are in the form that a map gives its results."""
    if isinstance(f, Lit):
        return _is_canonical(f.value)
    rows = f.rows if isinstance(f, Lookup) else ()
    return all(_is_canonical(v) for _, v in rows) and all(map(_plain_results, f.parts))


def _fits(outer: Fn, i: int, inner: Fn) -> bool:
    """Whether ``inner`` can stand for argument ``i``: read once, and failing wherever it failed before."""
    once = _arguments(outer)[i] == 1
    return once and _plain_results(inner) and (total_function(inner) or _surely_reads(outer, i))


def _selects(s: Selector) -> bool | None:
    """Whether a selector selects all pairs (True), none (False), or is not known to do either."""
    match s:
        case Select(pred=f, keys=Const(value=k), queries=Const(value=q)):
            try:
                return k is not None and q is not None and bool(f(canonical(k), canonical(q)))
            except FunctionError:
                return None
    return None


# --- equivalence ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Whether two programs agreed on all inputs that were compared, and the first on which they did not."""

    equal: bool
    exhaustive: bool
    checked: int
    counterexample: tuple[Value, ...] | None = None

    def __bool__(self) -> bool:
        return self.equal


def equivalent(
    p: Program,
    q: Program,
    signature: Signature,
    limit: int = 100_000,
    draws: int = 10_000,
    *,
    seed: int = 0,
) -> Equivalence:
    """Compare two programs on every input of a signature if there are at most ``limit``, else on drawn ones.

    Having no meaning on an input counts as an outcome of its own. Raises ProgramError where outputs have other names,
    unless each program has only one.

    >>> import janiform as jf
    >>> a, b = jf.parse('x = tokens == "a";'), jf.parse("x = indices == 0;")
    >>> equivalent(a, b, Signature("ab", 3))
    Equivalence(equal=False, exhaustive=True, checked=2, counterexample=('b',))
    """
    if limit < 0 or draws < 0:
        raise InputError(f"limit and draws must not be negative, got {limit} and {draws}")
    one = len(p.outputs) == len(q.outputs) == 1
    if not one and set(p.outputs) != set(q.outputs):
        mine, theirs = ", ".join(p.outputs), ", ".join(q.outputs)
        raise ProgramError(
            f"programs with outputs {mine} and {theirs} cannot be compared; give both the same"
        )
    names = [next(iter(p.outputs))] if one else list(p.outputs)
    others = [next(iter(q.outputs))] if one else names
    exhaustive = count_inputs(signature, limit + 1) <= limit
    checked = 0
    for batch in batches(signature, None if exhaustive else draws, seed):
        left, right = _outcomes(p, batch, signature, names), _outcomes(q, batch, signature, others)
        for i, (a, b) in enumerate(zip(left, right, strict=True)):
            if not _alike(a, b):
                return Equivalence(False, exhaustive, checked + i + 1, tuple(batch[i]))
        checked += len(batch)
    return Equivalence(True, exhaustive, checked)


def count_inputs(signature: Signature, enough: int) -> int:
    """Return how many inputs of length 1 and more there are, counted no further than ``enough``.

    >>> count_inputs(Signature("ab", 3), 100), count_inputs(Signature("ab", 30), 100)
    (14, 126)
    """
    total = 0
    for n in range(1, signature.max_len + 1):
        total += len(signature.vocab) ** n
        if total >= enough:
            break
    return total


def batches(signature: Signature, draws: int | None, seed: int) -> Iterator[list[Sized[Value]]]:
    """Yield all inputs from the shortest on, or drawn ones of all lengths, in batches of one length.

    >>> next(batches(Signature("ab", 3), None, 0))
    [('a',), ('b',)]
    """
    if draws is None:
        for n in range(1, signature.max_len + 1):
            words = itertools.product(signature.vocab, repeat=n)
            while batch := list(itertools.islice(words, max(1, BATCH // n**2))):
                yield list(batch)
        return
    rng = np.random.default_rng(seed)
    counts = np.bincount(rng.integers(1, signature.max_len + 1, draws), minlength=signature.max_len + 1)
    for n in np.flatnonzero(counts).tolist():
        size = max(1, BATCH // n**2)
        for start in range(0, int(counts[n]), size):
            codes = rng.integers(len(signature.vocab), size=(min(size, int(counts[n]) - start), n))
            yield [[signature.vocab[c] for c in row] for row in codes.tolist()]


def _outcomes(
    program: Program, inputs: list[Sized[Value]], signature: Signature, names: list[str]
) -> list[list[list[Value]] | None]:
    """The outputs on each input, None where the program has no meaning."""
    found: list[list[list[Value]] | None] = [None] * len(inputs)
    left = list(range(len(inputs)))
    while left:
        run = Run([inputs[i] for i in left], causal=signature.causal)
        try:
            rows = zip(*(run.values(program.outputs[name]) for name in names), strict=True)
            for i, row in zip(left, rows, strict=True):
                found[i] = list(row)
            break
        except MeaningError as e:
            faulty = set(e.rows)
            assert faulty, e
            left = [i for j, i in enumerate(left) if j not in faulty]
    return found


def _alike(a: list[list[Value]] | None, b: list[list[Value]] | None) -> bool:
    if a is None or b is None:
        return a is b
    pairs = (pair for x, y in zip(a, b, strict=True) for pair in zip(x, y, strict=True))
    return all(same(x, y) and isinstance(x, bool) == isinstance(y, bool) for x, y in pairs)


__all__ = ["PASSES", "Equivalence", "equivalent", "simplify"]
