"""From variables to a program: the shortest rules that say what the model says, wherever it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from janiform.decompile.trained.features import Claim, Feature, claims
from janiform.decompile.trained.rules import Rows, Rules, Test, alike
from janiform.decompile.trained.selectors import NOTHING, number
from janiform.ir.evaluate import Run
from janiform.ir.functions import Apply, Arg, Fn, Lit, substitute
from janiform.ir.nodes import Const, Indices, Map
from janiform.ir.nodes import Sequence as Variable
from janiform.ir.program import Program
from janiform.tasks.sequences import Sampler

CONSTANT, COPY = 6.0, 8.0
"""Bits of a constant answer, and of one that is a variable, whose own come on top."""

ROWS = 6000
"""As how many rows all situations count at most, each kind of them as many."""

ANSWERS = 16
"""The most constant answers, of those given most often, that rules may give."""


@dataclass(frozen=True, slots=True)
class Found:
    """A program, the bits of its description, and the share of rows that it gets wrong though one of its sources is right."""

    program: Program
    bits: float
    wrong: float


@dataclass(frozen=True, slots=True, eq=False)
class Situations:
    """Where rules must hold: a run of the interpreter, what the model says, where that is asked, and what all of it weighs."""

    run: Run
    said: NDArray[np.bool_] | NDArray[np.int64]
    asked: NDArray[np.bool_]
    weight: float = 1.0


def synthesize(sampler: Sampler, several: Sequence[Feature], where: Sequence[Situations]) -> Found:
    """Find rules over features for what a model says, with indices of positions only where that shortens them.

    Where situations come from interventions as well as from inputs, the rules have to say what the heads *do*.
    """
    without = _synthesize(sampler, [f for f in several if f.kind != "place"], where)
    if without.wrong == 0:
        return without
    within = _synthesize(sampler, [*several, Feature(Indices(), "place", ())], where)
    return within if within.bits < without.bits else without


def _synthesize(sampler: Sampler, several: list[Feature], where: Sequence[Situations]) -> Found:
    names = (*sampler.vocab, NOTHING)
    parts = []
    for situations in where:
        run = situations.run
        asked = situations.asked[:, : run.width]
        columns = np.stack([_column(run, f, names)[asked] for f in several])
        said = situations.said[:, : run.width][asked]
        parts.append(np.concatenate([columns.T, said.reshape(len(said), -1)], 1).astype(np.int64))
    most = ROWS / len(parts)
    share = np.concatenate(
        [
            np.full(len(p), s.weight * min(1.0, most / max(1, len(p))))
            for p, s in zip(parts, where, strict=True)
        ]
    )
    rows = np.concatenate(parts)
    first, kind = alike(rows.T)
    weight = np.bincount(kind, share, len(first)).astype(float)
    columns, answers = rows[first, : len(several)].T, rows[first, len(several) :]
    codes = (*range(len(sampler.symbols)), sampler.eos)
    sources: list[Variable] = []
    if sampler.legal:
        right, prices = answers[:, codes].T == 1, np.full(2, 1.0)
    else:
        sources, right, prices = _sources(several, columns, answers[:, 0], weight, names, sampler)
    made, truth = claims(several, list(columns), names, [(where_right, weight) for where_right in right])
    bits = np.array([c.bits for c in made])
    outputs: dict[str, Variable] = {}
    total = wrong = 0.0
    if sampler.legal:
        for code, yes in zip(codes, right, strict=True):
            rules = Rows(truth, bits, np.stack([yes, ~yes]), prices, weight).best()
            outputs[output_name(sampler, code)] = boolean(rules, made, several)
            total, wrong = total + rules.bits, wrong + rules.wrong
    else:
        rules = Rows(truth, bits, right, prices, weight).best()
        outputs["next"] = chosen(rules, made, several, sources)
        total, wrong = rules.bits, rules.wrong
    return Found(Program(outputs), total, wrong / float(weight.sum()))


def output_name(sampler: Sampler, code: int) -> str:
    """The name of the output that says whether a token may come next."""
    return "may_end" if code == sampler.eos else f"may_{sampler.vocab[code]}"


def _column(run: Run, feature: Feature, names: Sequence[str]) -> NDArray[np.int64]:
    """A feature's numbers, or its codes into ``names``."""
    column = run.column(feature.node)
    if feature.kind == "category":
        code = {name: i for i, name in enumerate(names)}
        return np.array([code[str(v)] for v in column.values], np.int64)[column.codes]
    return np.array(column.values, np.int64)[column.codes]


def _sources(
    several: Sequence[Feature],
    columns: NDArray[np.int64],
    answers: NDArray[np.int64],
    weight: NDArray[np.float64],
    names: Sequence[str],
    sampler: Sampler,
) -> tuple[list[Variable], NDArray[np.bool_], NDArray[np.float64]]:
    """What an answer may be: a constant, a category, the number after one, a count; where each is right, and what it costs."""
    counts = np.bincount(answers, weight, len(names))
    often = [a for a in np.argsort(-counts)[:ANSWERS] if counts[a]]
    sources: list[Variable] = [Const(names[a]) for a in often]
    right = [answers == a for a in often]
    prices = [CONSTANT] * len(often)
    digits = all(name.isdigit() for name in names[:-5])
    for f, x in zip(several, columns, strict=True):
        if f.kind == "category":
            sources.append(f.node)
            right.append(answers == x)
            prices.append(COPY + f.bits)
            if digits:
                after = Apply("str", (Apply("+", (Arg(0), Lit(1))),))
                sources.append(Map(after, (number(sampler, f.node),)))
                right.append((answers == x + 1) & (x + 1 < len(names) - 5))
                prices.append(2 * COPY + f.bits)
        elif f.kind == "count":
            for less in (0, 1):
                text = Apply("str", (Apply("-", (Arg(0), Lit(less))) if less else Arg(0),))
                code = {i: names.index(str(i)) for i in range(int(x.max()) + 1) if str(i) in names}
                sources.append(Map(text, (f.node,)))
                right.append(answers == np.array([code.get(int(i) - less, -1) for i in x]))
                prices.append(COPY + f.bits + 4 * less)
    return sources, np.array(right), np.array(prices)


# --- writing rules as variables ---------------------------------------------------------------------------------------


def condition(
    test: Test, made: Sequence[Claim], several: Sequence[Feature]
) -> tuple[Fn, tuple[Variable, ...]]:
    """A test as one function of variables."""
    parts: list[Fn] = []
    variables: list[Variable] = []
    for i, wanted in test.literals:
        places: list[Fn] = []
        for feature in made[i].args:
            node = several[feature].node
            if node not in variables:
                variables.append(node)
            places.append(Arg(variables.index(node)))
        fn = substitute(made[i].fn, tuple(places))
        parts.append(fn if wanted else opposite(fn))
    if len(parts) == 1:
        return parts[0], tuple(variables)
    return Apply("and" if test.every else "or", tuple(parts)), tuple(variables)


OPPOSITE = {"==": "!=", "!=": "==", ">": "<=", "<=": ">", "<": ">=", ">=": "<"}


def opposite(f: Fn) -> Fn:
    """The function that holds where ``f`` does not."""
    if isinstance(f, Apply) and f.op in OPPOSITE:
        return Apply(OPPOSITE[f.op], f.args)
    if isinstance(f, Apply) and f.op in ("and", "or"):
        return Apply("or" if f.op == "and" else "and", tuple(opposite(part) for part in f.args))
    return Apply("not", (f,))


def boolean(rules: Rules, made: Sequence[Claim], several: Sequence[Feature]) -> Variable:
    """Rules whose sources are true and false as one boolean variable."""
    fn: Fn = Lit(rules.default == 0)
    variables: list[Variable] = []
    for test, source in reversed(rules.cases):
        holds, args = condition(test, made, several)
        variables += [v for v in args if v not in variables]
        holds = substitute(holds, tuple(Arg(variables.index(v)) for v in args))
        if isinstance(fn, Lit):
            same = fn.value is (source == 0)
            fn = fn if same else holds if source == 0 else opposite(holds)
        else:
            fn = Apply("or", (holds, fn)) if source == 0 else Apply("and", (opposite(holds), fn))
    return Map(fn, tuple(variables)) if variables and not isinstance(fn, Lit) else Const(rules.default == 0)


def chosen(
    rules: Rules, made: Sequence[Claim], several: Sequence[Feature], sources: Sequence[Variable]
) -> Variable:
    """Rules as one variable: the source of the first case that holds."""
    variables: list[Variable] = []

    def place(node: Variable) -> Fn:
        if isinstance(node, Const):
            return Lit(node.value)
        if node not in variables:
            variables.append(node)
        return Arg(variables.index(node))

    fn = place(sources[rules.default])
    for test, source in reversed(rules.cases):
        holds, args = condition(test, made, several)
        fn = Apply("if", (substitute(holds, tuple(place(v) for v in args)), place(sources[source]), fn))
    if isinstance(fn, Arg):
        return variables[0]
    return Const(fn.value) if isinstance(fn, Lit) else Map(fn, tuple(variables))
