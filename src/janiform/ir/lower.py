"""Rewrites that bring every program into the forms that the planner knows, and the refusal of programs without meaning.

Each rewrite leaves the program's value alone; they are listed in ``REWRITES``.
"""

from __future__ import annotations

import itertools
import random
from functools import partial

from janiform.errors import FunctionError
from janiform.ir.domains import Facts, infer
from janiform.ir.evaluate import evaluate
from janiform.ir.functions import Apply, Arg, Lit, affine, table
from janiform.ir.inside import readouts_inside
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
    Value,
)
from janiform.ir.program import Program
from janiform.ir.semantics import Signature

EQUAL = Apply("==", (Arg(0), Arg(1)))


def count_of_best(n: Node) -> Node:
    """A best selects one key where its selector selects any."""
    if isinstance(n, Count) and isinstance(n.selector, Best):
        return Map(Apply("min", (Arg(0), Lit(1))), (Count(n.selector.selector),))
    return n


def best_inside(n: Node) -> Node:
    """A best inside another selector becomes a comparison with the position that it finds."""

    def found(s: Selector) -> Selector:
        return Select(EQUAL, Indices(), Aggregate(s, Indices())) if isinstance(s, Best) else s

    match n:
        case And(left=a, right=b):
            return And(found(a), found(b))
        case Or(left=a, right=b):
            return Or(found(a), found(b))
        case Not(selector=a):
            return Not(found(a))
        case Best(selector=Best() as a):
            return a
    return n


def holes_apart(n: Node, facts: Facts) -> Node:
    """A selected undefined value makes the result undefined: count those apart, and reduce the defined ones.

    Means of numbers and extremes see to it themselves; sums, and copies of one value from several keys, do not.
    """
    if not isinstance(n, Aggregate) or n not in facts.domains or n.reduce in ("min", "max"):
        return n
    if facts.at_most_one[n.selector]:
        return n
    domain = facts.domains[n.values]
    if domain.values is None or not domain.undefined or (domain.numeric and n.reduce == "mean"):
        return n
    defined = Map(Apply("defined", (Arg(0),)), (n.values,))
    holes = Count(And(n.selector, Select(Apply("not", (Arg(0),)), defined, Const(True))))
    keep = Apply("if", (Apply("==", (Arg(1), Lit(0))), Arg(0), Lit(None)))
    if n.reduce == "sum":
        plain = Map(Apply("if", (Apply("defined", (Arg(0),)), Arg(0), Lit(0))), (n.values,))
        return Map(keep, (Aggregate(n.selector, plain, n.default, "sum"), holes))
    whole = Best(And(n.selector, Select(Arg(0), defined, Const(True))), "leftmost")
    return Map(keep, (Aggregate(whole, n.values, n.default), holes))


def default_apart(n: Node, facts: Facts) -> Node:
    """A default that equals a mean as a number, but is of another kind (0 and False), is told by the width instead."""
    if not isinstance(n, Aggregate) or n not in facts.domains or n.reduce != "mean" or n.default is None:
        return n
    twins = [v for v in facts.domains[n].values or () if v is not None and not isinstance(v, str)]
    twins = [v for v in twins if v == n.default and isinstance(v, bool) != isinstance(n.default, bool)]
    if not twins or facts.at_most_one[n.selector] or facts.nonempty[n.selector]:
        return n
    choose = Apply("if", (Apply("==", (Arg(1), Lit(0))), Lit(n.default), Arg(0)))
    return Map(choose, (Aggregate(n.selector, n.values, twins[0]), Count(n.selector)))


def kinds_apart(n: Node, facts: Facts) -> Node:
    """A mean over strings and different numbers is the mean of numbers where no string is selected, else a copy."""
    if not isinstance(n, Aggregate) or n not in facts.domains or n.reduce != "mean":
        return n
    if facts.at_most_one[n.selector]:
        return n
    values = [v for v in facts.domains[n.values].values or () if v is not None]
    numbers = {float(v) for v in values if not isinstance(v, str)}
    if len(numbers) < 2 or len(values) == sum(not isinstance(v, str) for v in values):
        return n
    number = Map(table([((v,), 0 if isinstance(v, str) else v) for v in values], 1), (n.values,))
    string = Map(table([((v,), isinstance(v, str)) for v in values], 1), (n.values,))
    strings = Count(And(n.selector, Select(Arg(0), string, Const(True))))
    mean = Aggregate(n.selector, number, n.default)
    copy = Aggregate(Best(n.selector, "leftmost"), n.values, n.default)
    kept = Apply("if", (Apply("defined", (Arg(1),)), Arg(2), Lit(None)))
    return Map(Apply("if", (Apply("==", (Arg(0), Lit(0))), Arg(1), kept)), (strings, mean, copy))


def mean_of_linear(n: Node) -> Node:
    """A linear function of means under one selector is the mean of that function: fewer different values, one head."""
    if not isinstance(n, Map) or len(n.args) < 2 or affine(n.fn, len(n.args)) is None:
        return n
    means = [
        a for a in n.args if isinstance(a, Aggregate) and a.reduce == "mean" and _surely_numeric(a.values)
    ]
    if len(means) < len(n.args) or len({a.selector for a in means}) > 1:
        return n
    try:
        default = n.fn(*(a.default for a in means))
    except FunctionError:
        return n
    return Aggregate(means[0].selector, Map(n.fn, tuple(a.values for a in means)), default)


def _surely_numeric(n: Node) -> bool:
    """Whether a node's form alone says that its defined values are numbers or booleans."""
    if isinstance(n, Map) and isinstance(n.fn, Apply):
        return n.fn.op not in ("if", "min", "max", "str", "+")
    return isinstance(n, Count | Indices)


REWRITES = (count_of_best, best_inside, mean_of_linear)
INFORMED = (kinds_apart, holes_apart, default_apart)
"""Rewrites that look at domains; what reads a rewritten node has its turn when its own domain is known."""


def lower(program: Program, signature: Signature) -> tuple[Program, Facts]:
    """Apply every rewrite from the inputs up, and infer the domains of what comes out."""
    for rewrite in REWRITES:
        program = program.map(rewrite)
    facts = infer(program, signature)
    suspects = set(facts.suspects)
    program, facts = readouts_inside(program, facts)
    for informed in INFORMED:
        while (rewritten := program.map(partial(informed, facts=facts))) != program:
            program, facts = rewritten, infer(rewritten, signature)
            suspects |= facts.suspects
            if informed is default_apart:
                break
    facts.suspects |= suspects
    return program, facts


def refuse_meaningless(program: Program, facts: Facts) -> None:
    """Raise MeaningError where an input is found on which the program has no meaning.

    Looks only where inference found a combination of values without meaning, at short inputs and drawn ones.
    """
    if facts.suspects:
        evaluate(program, probes(facts.signature), signature=facts.signature)


def probes(signature: Signature, limit: int = 512) -> list[list[Value]]:
    """Short inputs, all of them while they are few, and drawn ones of every length."""
    inputs: list[list[Value]] = []
    for n in range(1, signature.max_len + 1):
        if len(signature.vocab) ** n > limit:
            break
        inputs += [list(x) for x in itertools.product(signature.vocab, repeat=n)]
    draw = random.Random(0)
    for i in range(limit):
        inputs.append([draw.choice(signature.vocab) for _ in range(1 + i % signature.max_len)])
    return inputs
