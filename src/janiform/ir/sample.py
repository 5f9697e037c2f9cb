"""Random programs: typed, total, of a given size, every node of which matters.

A program is grown from a pool of variables of four kinds: *token*, *number*, *flag* (a boolean) and *share* (a fraction);
each step adds one operation of a random kind and prefers operands that nothing reads yet, and what is left unread at the end
is folded into the output. Functions are chosen by type, so that every input of the signature has a meaning: strings are
only copied from at most one key, nothing divides by zero, and numbers are kept small by clipping and remainders.

Serves as test strategy and for data sets of programs alike; cf. the generators of Thurnherr & Riesen 2024.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup, table
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Count,
    Indices,
    Map,
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

Kind = Literal["token", "number", "flag", "share"]
A, B, C = Arg(0), Arg(1), Arg(2)
ORDERS = ("==", "!=", "<", "<=", ">", ">=")
CEILING = 9
"""Sums and products are taken modulo one more than this."""


@dataclass(slots=True)
class _Draft:
    """The variables drawn so far by kind, and those that nothing reads yet."""

    rng: np.random.Generator
    signature: Signature
    strings: bool
    pool: dict[Kind, list[Sequence]] = field(default_factory=dict)
    unread: dict[Sequence, Kind] = field(default_factory=dict)

    def pick(self, *kinds: Kind) -> tuple[Sequence, Kind]:
        """Draw a variable of one of the kinds, an unread one two times out of three."""
        fresh = [(n, k) for n, k in self.unread.items() if k in kinds]
        if fresh and self.rng.random() < 2 / 3:
            return fresh[int(self.rng.integers(len(fresh)))]
        known = [(n, k) for k in kinds for n in self.pool.get(k, ())]
        return known[int(self.rng.integers(len(known)))]

    def choose(self, options: tuple[str, ...] | list[str]) -> str:
        """Draw one of several names."""
        return options[int(self.rng.integers(len(options)))]

    def small(self, low: int, high: int) -> int:
        """Draw an integer, ends included."""
        return int(self.rng.integers(low, high + 1))

    def add(self, n: Sequence, kind: Kind) -> None:
        """Put a new variable into the pool; what it reads is read."""
        known = self.pool.setdefault(kind, [])
        if n not in known:
            known.append(n)
            self.unread[n] = kind
        for m in walk(n):
            if m is not n and isinstance(m, Sequence):
                self.unread.pop(m, None)


def sample_program(rng: np.random.Generator, signature: Signature, size: int) -> Program:
    """Draw a program of about ``size`` operations (at least ``size``, a few more where loose ends are joined).

    >>> p = sample_program(np.random.default_rng(0), Signature("abc", 5), 4)
    >>> size_of(p) >= 4
    True
    """
    strings = any(isinstance(v, str) for v in signature.vocab)
    plain = not strings and all(isinstance(v, int) and not isinstance(v, bool) for v in signature.vocab)
    draft = _Draft(rng, signature, strings)
    draft.pool = {"token": [Tokens()], "number": [Indices()]}
    if plain:
        draft.pool["number"].append(Tokens())
    steps: tuple[Callable[[_Draft], tuple[Sequence, Kind]], ...] = (
        _map,
        _map,
        _aggregate,
        _aggregate,
        _count,
        _test,
    )
    drawn = 0
    while drawn < size:
        n, kind = steps[int(rng.integers(len(steps)))](draft)
        if n in draft.pool.get(kind, ()):
            continue
        draft.add(n, kind)
        drawn = size_of(Program({str(i): m for i, m in enumerate(draft.unread)}))
    return Program({"output": _join(draft)})


def size_of(program: Program) -> int:
    """Return the number of operations: nodes other than inputs and constants."""
    return sum(bool(n.inputs) for n in program.nodes())


def rows_of(program: Program) -> int:
    """Return how many rows the tables of a program's functions have.

    >>> import janiform as jf
    >>> rows_of(jf.parse("x = {1: 2, 2: 5, 3: 3}[indices else 0];"))
    3
    """

    def of(f: Fn) -> int:
        match f:
            case Lookup(args=args, rows=listed):
                return len(listed) + sum(map(of, args))
            case Apply(args=args):
                return sum(map(of, args))
        return 0

    return sum(
        of(n.fn if isinstance(n, Map) else n.pred) for n in program.nodes() if isinstance(n, Map | Select)
    )


def _join(draft: _Draft) -> Sequence:
    """Fold every variable that nothing reads into one output."""
    (out, kind), *rest = draft.unread.items()
    for n, other in rest:
        if kind == "flag" and other == "flag":
            out = Map(Apply(draft.choose(["==", "!="]), (A, B)), (out, n))
        elif kind == "flag":
            out, kind = Map(_otherwise(draft, other), (out, n)), other
        elif other == "flag":
            out = Map(_otherwise(draft, kind), (n, out))
        elif kind == other == "token":
            met = Apply("==", (A, Lit(_constant(draft, "token"))))
            out = Map(Apply("if", (met, B, A)), (out, n))
        elif kind == other == "number":
            out = Map(_bounded(Apply(draft.choose(["+", "-"]), (A, B))), (out, n))
        elif kind == other == "share":
            out = Map(Apply(draft.choose(["-", "<"]), (A, B)), (out, n))
            kind = "flag" if isinstance(out.fn, Apply) and out.fn.op == "<" else "share"
        elif "share" in (kind, other):
            share, whole = (out, n) if kind == "share" else (n, out)
            half = Map(Apply(">", (A, Lit(0.5))), (share,))
            kind = other if kind == "share" else kind
            out = Map(_otherwise(draft, kind), (half, whole))
        else:
            token, number = (out, n) if kind == "token" else (n, out)
            low = Map(Apply("<", (A, Lit(draft.small(1, 3)))), (number,))
            out, kind = Map(_otherwise(draft, "token"), (low, token)), "token"
    return out


def _otherwise(draft: _Draft, kind: Kind) -> Fn:
    """``if flag then x else constant``, of a kind."""
    return Apply("if", (A, B, Lit(_constant(draft, kind))))


def _constant(draft: _Draft, kind: Kind) -> Value:
    if kind == "token":
        return draft.signature.vocab[draft.small(0, len(draft.signature.vocab) - 1)]
    return bool(draft.small(0, 1)) if kind == "flag" else 0 if kind == "share" else draft.small(0, 3)


def _bounded(f: Fn) -> Fn:
    """Keep a whole number within 0 .. CEILING."""
    return Apply("%", (f, Lit(CEILING + 1)))


# --- operations -----------------------------------------------------------------------------------------------------


def _map(draft: _Draft) -> tuple[Sequence, Kind]:
    """A function of one to three variables."""
    form = draft.choose(["arith", "shift", "table", "if", "compare", "minmax", "recode", "guard"])
    if form == "arith":
        (x, _), (y, _) = draft.pick("number"), draft.pick("number")
        return Map(_bounded(Apply(draft.choose(["+", "-", "*"]), (A, B))), (x, y)), "number"
    if form == "shift":
        x, _ = draft.pick("number")
        op = draft.choose(["+", "-", "*", "//", "abs"])
        f = (
            Apply("abs", (Apply("-", (A, Lit(draft.small(0, 4)))),))
            if op == "abs"
            else Apply(op, (A, Lit(draft.small(1, 3))))
        )
        return Map(_bounded(f), (x,)), "number"
    if form == "minmax":
        (x, _), (y, _) = draft.pick("number"), draft.pick("number")
        return Map(Apply(draft.choose(["min", "max"]), (A, B)), (x, y)), "number"
    if form == "if":
        kind: Kind = "token" if draft.rng.random() < 0.4 else "number"
        if draft.pool.get("flag"):
            (c, _), (x, _), (y, _) = draft.pick("flag"), draft.pick(kind), draft.pick(kind)
            return Map(Apply("if", (A, B, C)), (c, x, y)), kind
        (x, _), (y, _) = draft.pick("number"), draft.pick("number")
        return Map(Apply("if", (Apply("<", (A, B)), A, Lit(draft.small(0, 5)))), (x, y)), "number"
    if form == "table":
        numbers = [((v,), draft.small(0, 4)) for v in draft.signature.vocab]
        return Map(table(numbers, 1, Lit(draft.small(0, 4))), (draft.pick("token")[0],)), "number"
    if form == "recode":
        rows = [((v,), _constant(draft, "token")) for v in draft.signature.vocab]
        return Map(table(rows, 1, Lit(_constant(draft, "token"))), (draft.pick("token")[0],)), "token"
    if form == "guard":
        x, kind = draft.pick("token", "number")
        return Map(Apply("if", (Apply("defined", (A,)), A, Lit(_constant(draft, kind)))), (x,)), kind
    return _test(draft)


def _test(draft: _Draft) -> tuple[Sequence, Kind]:
    """A comparison or a connective."""
    form = draft.choose(["token", "number", "number", "pair", "logic", "share"])
    if form == "share" and draft.pool.get("share"):
        return Map(Apply(draft.choose(["<", ">", ">="]), (A, Lit(0.5))), (draft.pick("share")[0],)), "flag"
    if form == "logic" and len(draft.pool.get("flag", ())) > 1:
        (x, _), (y, _) = draft.pick("flag"), draft.pick("flag")
        return Map(Apply(draft.choose(["and", "or", "!="]), (A, B)), (x, y)), "flag"
    if form == "pair":
        (x, _), (y, _) = draft.pick("number"), draft.pick("number")
        return Map(Apply(draft.choose(ORDERS), (A, B)), (x, y)), "flag"
    if form == "token":
        return Map(
            Apply(draft.choose(["==", "!="]), (A, Lit(_constant(draft, "token")))), (draft.pick("token")[0],)
        ), "flag"
    return Map(Apply(draft.choose(ORDERS), (A, Lit(draft.small(0, 4)))), (draft.pick("number")[0],)), "flag"


def _count(draft: _Draft) -> tuple[Sequence, Kind]:
    return Count(_selector(draft, 0)), "number"


def _aggregate(draft: _Draft) -> tuple[Sequence, Kind]:
    """A copy of any kind from at most one key, or a mean, sum or extreme of numbers from many."""
    if draft.rng.random() < 0.5:
        x, kind = draft.pick(*(k for k in ("token", "number", "flag") if draft.pool.get(k)))  # type: ignore[arg-type]
        default = None if draft.rng.random() < 0.5 else _constant(draft, kind)
        return Aggregate(_one_key(draft), x, default), kind
    form = draft.choose(["share", "share", "mean", "sum", "extreme"])
    if form == "share" and draft.pool.get("flag"):
        default = 0 if draft.rng.random() < 0.7 else None
        count = Map(Apply("if", (A, Lit(1), Lit(0))), (draft.pick("flag")[0],))
        return Aggregate(_selector(draft, 0), count, default), "share"
    x, _ = draft.pick("number")
    if form == "sum":
        default = 0 if draft.rng.random() < 0.8 else None
        total = Aggregate(_selector(draft, 0), Map(Apply("min", (A, Lit(2))), (x,)), default, "sum")
        return Map(_bounded(A), (total,)), "number"
    if form == "extreme":
        reduce: Literal["min", "max"] = "min" if draft.rng.random() < 0.5 else "max"
        return Aggregate(_selector(draft, 0), x, draft.small(0, 3), reduce), "number"
    return Aggregate(_selector(draft, 0), x, draft.small(0, 1)), "share"


def _one_key(draft: _Draft) -> Selector:
    """A selector of at most one key."""
    form = draft.choose(["shift", "place", "best", "best"])
    if form == "shift":
        by = draft.small(1, 2) * (1 if draft.rng.random() < 0.5 else -1)
        return Select(Apply("==", (A, Apply("+", (B, Lit(by))))), Indices(), Indices())
    if form == "place":
        return Select(Apply("==", (A, B)), Indices(), draft.pick("number")[0])
    rule = draft.choose(["leftmost", "rightmost", "closest", "largest", "smallest"])
    score = draft.pick("number")[0] if rule in ("largest", "smallest") else None
    if score is not None:
        score = Map(Apply("if", (Apply("defined", (A,)), A, Lit(0))), (score,))
    return Best(_selector(draft, 1), rule, score)  # type: ignore[arg-type]


def _selector(draft: _Draft, depth: int) -> Selector:
    """A comparison of keys with queries, or two of them combined."""
    form = draft.choose(
        ["same", "order", "order", "place", "value", "set", "and", "or", "not"]
        if depth < 1
        else ["same", "order", "place"]
    )
    if form in ("and", "or"):
        a, b = _selector(draft, depth + 1), _selector(draft, depth + 1)
        return And(a, b) if form == "and" else Or(a, b)
    if form == "not":
        return Not(_selector(draft, depth + 1))
    if form == "same":
        (x, _), (y, _) = draft.pick("token"), draft.pick("token")
        return Select(Apply(draft.choose(["==", "==", "!="]), (A, B)), x, y)
    if form == "place":
        return Select(Apply(draft.choose(["<", "<=", "==", ">", "!="]), (A, B)), Indices(), Indices())
    if form == "value":
        return Select(Apply("==", (A, Lit(_constant(draft, "token")))), draft.pick("token")[0], Indices())
    if form == "set":
        x, y = draft.pick("token")[0], draft.pick("number")[0]
        few = [Lit(v) for v in draft.signature.vocab[: draft.small(1, 2)]]
        return Select(Apply("and", (Apply("in", (A, *few)), Apply("<", (B, Lit(draft.small(2, 5)))))), x, y)
    (x, _), (y, _) = draft.pick("number"), draft.pick("number")
    return Select(Apply(draft.choose(ORDERS), (A, B)), x, y)
