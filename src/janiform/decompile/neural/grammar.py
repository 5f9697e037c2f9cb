"""Programs as sequences of tokens, by a grammar of which every complete sequence is a legal program.

A *statement* is what attention brings: a count, or a mean or sum of values, under a selector. It is written in prefix order.
Statements refer to earlier ones by number. Each token says of which *sort* it is and of which sorts its operands are, so the
sorts that are still open, a stack, decide which tokens may come next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool

from janiform.errors import FileError
from janiform.ir.derived import length
from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup
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
    Tokens,
    Value,
    walk,
)
from janiform.ir.nodes import Sequence as Seq

Token = tuple[Any, ...]
"""A name, then what it is of: ``("op", "+", 2)``, ``("lit", 3)``, ``("ref", 0)``."""
Sort = str
"""``statement``, ``sequence``, ``selector``, ``literal``, or ``function 2`` of so many arguments."""

REFS = 8
"""So many statements can be referred to."""
RULES = ("leftmost", "rightmost", "closest")
SCORED = ("largest", "smallest")
REDUCES = ("mean", "sum", "min", "max")
ARITY = 4
"""Functions of more arguments are not written."""


class Unwritable(Exception):
    """A program that the grammar does not write."""


def sort_of(token: Token) -> tuple[Sort, ...]:
    """Return the sorts that a token can stand for.

    >>> sort_of(("lit", 3))[:2], sort_of(("count",))
    (('literal', 'function 1'), ('statement',))
    """
    functions = tuple(f"function {n}" for n in range(1, ARITY + 1))
    match token[0]:
        case "count" | "mean" | "sum" | "min" | "max":
            return ("statement",)
        case "tokens" | "indices" | "length" | "ref" | "map" | "const":
            return ("sequence",)
        case "select" | "and" | "or" | "not" | "leftmost" | "rightmost" | "closest" | "largest" | "smallest":
            return ("selector",)
        case "lit":
            return ("literal", *functions)
        case "arg":
            return functions[token[1] :]
        case "op" | "lookup":
            return functions
    raise AssertionError(token)


def operands(token: Token, sort: Sort) -> tuple[Sort, ...]:
    """Return the sorts of a token's operands, where it stands for ``sort``.

    >>> operands(("select",), "selector")
    ('function 2', 'sequence', 'sequence')
    """
    match token:
        case ("count",):
            return ("selector",)
        case ("mean" | "sum" | "min" | "max",):
            return ("selector", "sequence", "literal")
        case ("map", n):
            return (f"function {n}", *["sequence"] * n)
        case ("const",):
            return ("literal",)
        case ("select",):
            return ("function 2", "sequence", "sequence")
        case ("and" | "or",):
            return ("selector", "selector")
        case ("not" | "leftmost" | "rightmost" | "closest",):
            return ("selector",)
        case ("largest" | "smallest",):
            return ("selector", "sequence")
        case ("op", _, n):
            return (sort,) * n
        case ("lookup", n, rows, default):
            return (*[sort] * n, *["literal"] * ((n + 1) * rows), *[sort] * default)
    return ()


# --- writing --------------------------------------------------------------------------------------------------------


def write_statement(n: Seq, known: Mapping[Node, int]) -> list[Token]:
    """Write what attention brings; ``known`` numbers the statements before it.

    >>> import janiform as jf
    >>> p = jf.parse("n = selector_width(select(tokens, tokens, ==));")
    >>> write_statement(p.outputs["n"], {})[:2]
    [('count',), ('select',)]
    """
    match n:
        case Count(selector=s):
            return [("count",), *_selector(s, known)]
        case Aggregate(selector=s, values=v, default=d, reduce=how):
            return [(how,), *_selector(s, known), *_sequence(v, known), ("lit", d)]
    raise Unwritable(type(n).__name__)


def statements(*roots: Node) -> list[Seq]:
    """Return what attention brings to programs, each after what it reads."""
    whole = length()
    return [n for n in walk(*roots) if isinstance(n, Aggregate | Count) and n is not whole]


def _sequence(n: Seq, known: Mapping[Node, int]) -> list[Token]:
    if n in known:
        if known[n] >= REFS:
            raise Unwritable(f"more than {REFS} statements")
        return [("ref", known[n])]
    if n is length():
        return [("length",)]
    match n:
        case Tokens():
            return [("tokens",)]
        case Indices():
            return [("indices",)]
        case Const(value=v):
            return [("const",), ("lit", v)]
        case Map(fn=f, args=args) if len(args) <= ARITY:
            return [("map", len(args)), *_function(f), *(t for a in args for t in _sequence(a, known))]
    raise Unwritable(type(n).__name__)


def _selector(s: Node, known: Mapping[Node, int]) -> list[Token]:
    match s:
        case Select(pred=f, keys=k, queries=q):
            return [("select",), *_function(f), *_sequence(k, known), *_sequence(q, known)]
        case And(left=a, right=b):
            return [("and",), *_selector(a, known), *_selector(b, known)]
        case Or(left=a, right=b):
            return [("or",), *_selector(a, known), *_selector(b, known)]
        case Not(selector=a):
            return [("not",), *_selector(a, known)]
        case Best(selector=a, rule=rule, score=score):
            more = [] if score is None else _sequence(score, known)
            return [(rule,), *_selector(a, known), *more]
    raise Unwritable(type(s).__name__)


def _function(f: Fn) -> list[Token]:
    match f:
        case Arg(index=i):
            return [("arg", i)]
        case Lit(value=v):
            return [("lit", v)]
        case Apply(op=op, args=args):
            return [("op", op, len(args)), *(t for a in args for t in _function(a))]
        case Lookup(args=args, rows=rows, default=default):
            head: Token = ("lookup", len(args), len(rows), int(default is not None))
            cells: list[Token] = [("lit", v) for keys, value in rows for v in (*keys, value)]
            more = [] if default is None else _function(default)
            return [head, *(t for a in args for t in _function(a)), *cells, *more]
    raise Unwritable(type(f).__name__)


# --- reading --------------------------------------------------------------------------------------------------------


def read_statement(tokens: Sequence[Token], known: Sequence[Seq]) -> Seq:
    """Return the node that a complete statement writes; ``known`` are the statements that it can refer to.

    >>> import janiform as jf
    >>> n = jf.parse("x = aggregate(select(indices, indices, ==), tokens, 1);").outputs["x"]
    >>> read_statement(write_statement(n, {}), []) is n
    True
    """
    found, rest = _Reader(tokens, known).statement(), tokens
    assert rest is tokens
    return found


@dataclass(slots=True)
class _Reader:
    tokens: Sequence[Token]
    known: Sequence[Seq]
    at: int = 0

    def next(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def literal(self) -> Value:
        return self.next()[1]

    def statement(self) -> Seq:
        head = self.next()[0]
        if head == "count":
            return Count(self.selector())
        return Aggregate(self.selector(), self.sequence(), self.literal(), head)

    def sequence(self) -> Seq:
        match self.next():
            case ("tokens",):
                return Tokens()
            case ("indices",):
                return Indices()
            case ("length",):
                return length()
            case ("const",):
                return Const(self.literal())
            case ("ref", i):
                return self.known[i]
            case ("map", n):
                f = self.function()
                return Map(f, tuple(self.sequence() for _ in range(n)))
        raise AssertionError(self.tokens)

    def selector(self) -> Any:
        match self.next():
            case ("select",):
                return Select(self.function(), self.sequence(), self.sequence())
            case ("and",):
                return And(self.selector(), self.selector())
            case ("or",):
                return Or(self.selector(), self.selector())
            case ("not",):
                return Not(self.selector())
            case (rule,) if rule in SCORED:
                return Best(self.selector(), rule, self.sequence())
            case (rule,):
                return Best(self.selector(), rule)
        raise AssertionError(self.tokens)

    def function(self) -> Fn:
        match self.next():
            case ("arg", i):
                return Arg(i)
            case ("lit", v):
                return Lit(v)
            case ("op", op, n):
                return Apply(op, tuple(self.function() for _ in range(n)))
            case ("lookup", n, rows, default):
                args = tuple(self.function() for _ in range(n))
                cells = [(tuple(self.literal() for _ in range(n)), self.literal()) for _ in range(rows)]
                return Lookup(args, tuple(cells), self.function() if default else None)
        raise AssertionError(self.tokens)


# --- what may come next ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grammar:
    """The tokens that are written, numbered, and for each sort which of them may stand there.

    >>> g = Grammar.of([[("count",), ("select",), ("op", "==", 2), ("arg", 0), ("arg", 1), ("tokens",), ("indices",)]])
    >>> [g.tokens[i][0] for i in np.flatnonzero(g.allowed[g.sorts.index("selector")])]
    ['select']
    """

    tokens: tuple[Token, ...]
    number: Mapping[Any, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", {_key(t): i for i, t in enumerate(self.tokens)})

    @classmethod
    def of(cls, written: Iterable[Sequence[Token]], *, least: int = 1) -> Grammar:
        """Return the grammar of the tokens that occur at least so often, and of all references."""
        counts: dict[Any, tuple[int, Token]] = {}
        for tokens in written:
            for t in tokens:
                counts[_key(t)] = (counts.get(_key(t), (0, t))[0] + 1, t)
        kept = [t for n, t in counts.values() if n >= least and t[0] != "ref"]
        return cls((*sorted(kept, key=repr), *(("ref", i) for i in range(REFS))))

    @cached_property
    def sorts(self) -> tuple[Sort, ...]:
        """Every sort."""
        return (
            "statement",
            "sequence",
            "selector",
            "literal",
            *(f"function {n}" for n in range(1, ARITY + 1)),
        )

    @cached_property
    def allowed(self) -> Bool[np.ndarray, "sort token"]:
        """Which token may stand for which sort."""
        return np.array([[s in sort_of(t) for t in self.tokens] for s in self.sorts])

    def encode(self, tokens: Sequence[Token]) -> list[int]:
        """Return the numbers of tokens; Unwritable where one is not known."""
        try:
            return [self.number[_key(t)] for t in tokens]
        except KeyError as e:
            raise Unwritable(str(e)) from None

    def mask(self, sort: Sort, refs: int) -> Bool[np.ndarray, " token"]:
        """Return which tokens may come where ``sort`` is open and ``refs`` statements are known."""
        first = len(self.tokens) - REFS
        found = self.allowed[self.sorts.index(sort)].copy()
        found[first + refs :] = False
        return found

    def after(self, open_: tuple[Sort, ...], token: int) -> tuple[Sort, ...]:
        """Return what is open after a token, the next first."""
        return (*operands(self.tokens[token], open_[0]), *open_[1:])

    def data(self) -> list[list[Any]]:
        """Return the tokens as plain data."""
        return [list(t) for t in self.tokens]

    @classmethod
    def read(cls, data: Any) -> Grammar:
        """Read what ``data`` wrote; FileError where that is no grammar."""
        try:
            found = cls(tuple(tuple(t) for t in data))
            assert all(sort_of(t) for t in found.tokens) and found.tokens[-1] == ("ref", REFS - 1)
            return found
        except (TypeError, IndexError, AssertionError) as e:
            raise FileError(f"the file's tokens are no grammar of programs: {e!r}") from None


def _key(t: Token) -> Any:
    return tuple((type(x).__name__, x) for x in t)
