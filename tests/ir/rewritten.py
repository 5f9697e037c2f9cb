"""Other ways to write a program with the same mechanism: what a canonical form must not see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from janiform.ir.domains import infer
from janiform.ir.functions import Apply, Arg, Fn, Lit, substitute, table
from janiform.ir.nodes import Aggregate, And, Count, Indices, Map, Node, Not, Or, Select, Sequence, Tokens
from janiform.ir.program import Program
from janiform.ir.semantics import Signature

COMMUTING = ("+", "*", "min", "max", "==", "!=")
TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def turned_function(f: Fn) -> Fn:
    """Swap operands where their order makes no difference, and turn comparisons around."""
    match f:
        case Apply(op=op, args=(a, b)) if op in COMMUTING:
            return Apply(op, (turned_function(b), turned_function(a)))
        case Apply(op=op, args=(a, b)) if op in TURNED:
            return Apply(TURNED[op], (turned_function(b), turned_function(a)))
        case Apply(op=op, args=args):
            return Apply(op, tuple(map(turned_function, args)))
    return f


def commuted(program: Program, signature: Signature) -> Program:
    """Swap what may be swapped, in functions and in selectors."""

    def change(n: Node) -> Node:
        match n:
            case Map(fn=f, args=args):
                back = tuple(Arg(len(args) - 1 - i) for i in range(len(args)))
                return Map(turned_function(substitute(f, back)), args[::-1])
            case Select(pred=f, keys=k, queries=q):
                return Select(turned_function(f), k, q)
            case And(left=a, right=b):
                return And(b, a)
            case Or(left=a, right=b):
                return Or(b, a)
        return n

    return program.map(change)


def split(program: Program, signature: Signature) -> Program:
    """Write every operation inside a map as a map of its own."""

    def made(f: Fn, args: tuple[Sequence, ...]) -> Sequence | None:
        if isinstance(f, Arg):
            return args[f.index]
        if not isinstance(f, Apply) or f.op in ("if", "and", "or", "defined") or not f.arity:
            return None
        parts: list[Fn] = []
        read: list[Sequence] = []
        for p in f.args:
            inner = None if isinstance(p, Lit) else made(p, args)
            if inner is None:
                parts.append(substitute(p, tuple(Arg(len(read) + i) for i in range(len(args)))))
                read += args if p.arity else ()
            else:
                parts.append(Arg(len(read)))
                read.append(inner)
        return Map(Apply(f.op, tuple(parts)), tuple(read))

    return program.map(lambda n: (isinstance(n, Map) and made(n.fn, n.args)) or n)


def fused(program: Program, signature: Signature) -> Program:
    """Write maps of maps as one map, however often they are read."""

    def change(n: Node) -> Node:
        if not isinstance(n, Map) or not any(isinstance(a, Map) for a in n.args):
            return n
        read: list[Sequence] = []
        parts: list[Fn] = []
        for a in n.args:
            own = a.args if isinstance(a, Map) else (a,)
            where = tuple(Arg(len(read) + i) for i in range(len(own)))
            parts.append(substitute(a.fn, where) if isinstance(a, Map) else where[0])
            read += own
        return Map(substitute(n.fn, tuple(parts)), tuple(read))

    return program.map(change)


def padded(program: Program, signature: Signature) -> Program:
    """Let maps take arguments that they do not read, and copy what is there already."""
    dead = Count(Select(Apply("==", (Arg(0), Lit(0))), Indices(), Tokens()))

    def change(n: Node) -> Node:
        match n:
            case Map(fn=f, args=args):
                return Map(f, (*args, dead))
            case Aggregate(selector=s, values=v, default=d, reduce=r):
                return Aggregate(s, Map(Arg(0), (v,)), d, r)
        return n

    return program.map(change)


def negated(program: Program, signature: Signature) -> Program:
    """Write selectors by the laws of De Morgan and double negation."""

    def change(n: Node) -> Node:
        match n:
            case And(left=a, right=b):
                return Not(Or(Not(a), Not(b)))
            case Or(left=a, right=b):
                return Not(And(Not(a), Not(b)))
            case Select():
                return Not(Not(n))
        return n

    return program.map(change)


def tabulated(program: Program, signature: Signature) -> Program:
    """Write functions of one variable as tables over its domain."""
    facts = infer(program, signature)
    known = {n: n for n in program.nodes()}

    def change(n: Node) -> Node:
        if isinstance(n, Map) and len(n.args) == 1 and n in known:
            values = facts.domains[n.args[0]].values
            assert values is not None
            return Map(table([((v,), n.fn(v)) for v in values], 1), n.args)
        return n

    return program.map(change)


WAYS: tuple[Callable[[Program, Signature], Program], ...] = (
    commuted,
    split,
    fused,
    padded,
    negated,
    tabulated,
)


def rewritten(program: Program, signature: Signature, rng: np.random.Generator) -> Program:
    """Apply some of the ways, in a random order."""
    for i in rng.permutation(len(WAYS))[: int(rng.integers(1, len(WAYS) + 1))]:
        program = WAYS[int(i)](program, signature)
    return program
