"""Selectors that a trained head may follow: drawn from variables that are known already, named, simplest first.

A head rarely follows one alone. It follows a priority list: the <sep> if there is one, else the previous token, else
everything. Each query takes the first selector of the list that selects any key for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from janiform.ir.functions import Apply, Arg, Lit, table
from janiform.ir.nodes import And, Best, Count, Indices, Map, Or, Rule, Select, Selector, Tokens
from janiform.ir.nodes import Sequence as Variable
from janiform.tasks.sequences import SPECIAL, Sampler

KEY, QUERY, TOKENS = Arg(0), Arg(1), Tokens()
SMALL = 16
"""The most symbols of which each is worth a selector of its own."""

PERIODS = (2, 3, 4)
"""The periods that are looked for."""

EDGES: tuple[Rule, ...] = ("leftmost", "rightmost")
"""Which of several keys a head may take."""

NOTHING = "<none>"
"""What a head copies where it has nothing to look at."""

EVERY = Select(Lit(True), Tokens(), Tokens())
"""Everything that a query may see."""


def candidates(sampler: Sampler, variables: Sequence[Variable]) -> Iterator[Selector]:
    """Yield selectors over positions, tokens, and the variables that earlier heads write."""
    yield EVERY
    for by in range(4):
        yield offset(by)
    for place in range(3):
        yield Select(Apply("==", (KEY, Lit(place))), Indices(), Indices())
    for period in PERIODS:
        yield from (every(period, rest) for rest in range(period))
    yield symbols(sampler)
    yield from (Best(symbols(sampler), rule) for rule in EDGES)
    for variable in (Tokens(), *variables):
        for several in named(sampler, variable):
            yield several
            yield from (Best(several, rule) for rule in EDGES)
    for key in (Tokens(), *variables):
        for query in (Tokens(), *variables):
            for asked in (query, restarting(sampler, query)):
                same = Select(Apply("==", (KEY, QUERY)), key, asked)
                yield same
                yield from (Best(same, rule) for rule in EDGES)
    if len(sampler.symbols) > SMALL and all(symbol.isdigit() for symbol in sampler.symbols):
        value = number(sampler)
        rules: tuple[tuple[str, Rule], ...] = ((">", "smallest"), ("<", "largest"))
        yield Best(symbols(sampler), "largest", value)
        yield Best(symbols(sampler), "smallest", value)
        for op, rule in rules:
            yield Best(Select(Apply(op, (KEY, QUERY)), value, value), rule, value)


def named(sampler: Sampler, variable: Variable = TOKENS) -> list[Selector]:
    """Keys at which a variable is a token, for each: the symbols, unless they are many, and the special ones but <pad>."""
    few = sampler.symbols if len(sampler.symbols) <= SMALL else ()
    return [token_is(token, variable) for token in (*few, *SPECIAL[:-1])]


def offset(by: int) -> Selector:
    """The key so many positions before the query."""
    return Select(Apply("==", (Apply("-", (QUERY, KEY)), Lit(by))), Indices(), Indices())


def every(period: int, rest: int) -> Selector:
    """Every second, third or fourth key, at distances of one remainder."""
    apart = Apply("%", (Apply("-", (QUERY, KEY)), Lit(period)))
    return Select(Apply("==", (apart, Lit(rest))), Indices(), Indices())


def token_is(token: str, variable: Variable = TOKENS) -> Selector:
    """Every key that is this token, or at which another variable is."""
    return Select(Apply("==", (KEY, Lit(token))), variable, Tokens())


def among(tokens: Sequence[str], variable: Variable = TOKENS) -> Selector:
    """Every key that is one of these tokens, or at which another variable is."""
    return Select(Apply("in", (KEY, *map(Lit, tokens))), variable, Tokens())


def under(tokens: Sequence[str], selector: Selector) -> Selector:
    """A selector for queries that are one of these tokens alone."""
    return And(Select(Apply("in", (QUERY, *map(Lit, tokens))), Tokens(), Tokens()), selector)


def whatever(selector: Selector) -> Selector:
    """A selector for all queries, out of one made by ``under``."""
    match selector:
        case And(left=Select(pred=Apply(op="in", args=(Arg(index=1), *_))), right=right):
            return right
    return selector


def symbols(sampler: Sampler) -> Selector:
    """Every key that is a symbol of the task, and not <bos> or <sep>; <eos> comes after all that is asked."""
    if len(sampler.symbols) <= SMALL:
        return among(sampler.symbols)
    begins = Lit(sampler.vocab[sampler.bos]), Lit(sampler.vocab[sampler.sep])
    return Select(Apply("not", (Apply("in", (KEY, *begins)),)), Tokens(), Tokens())


def number(sampler: Sampler, variable: Variable = TOKENS) -> Variable:
    """The number that a variable is; names, as the special tokens are, are less than all."""
    names = sampler.vocab[len(sampler.symbols) :] + (() if variable is TOKENS else (NOTHING,))
    return Map(table([((name,), -1) for name in names], 1, Apply("int", (Arg(0),))), (variable,))


def restarting(sampler: Sampler, variable: Variable) -> Variable:
    """A variable in which <sep> counts as <bos>: what follows either is a beginning."""
    sep, bos = sampler.vocab[sampler.sep], sampler.vocab[sampler.bos]
    start = Apply("if", (Apply("==", (Arg(0), Lit(sep))), Lit(bos), Arg(0)))
    return Map(start, (variable,))


def first_of(several: Sequence[Selector]) -> Selector:
    """The selector that takes, for each query, the first of several that selects any key."""
    chosen = several[0]
    for other in several[1:]:
        none = Select(Apply("==", (QUERY, Lit(0))), Tokens(), Count(chosen))
        chosen = Or(chosen, And(other, none))
    return chosen
