"""What the heads of a model make known at each position, as variables of a program: copied tokens and counts.

A head that looks at one key copies a category from there. One that spreads its weight over many keys counts: of its average
over tokens, which are fractions, only comparisons are ever read, and a comparison of fractions of one whole is one of
counts. Counts of later layers are of keys at which something holds that earlier layers know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from janiform.decompile.trained.heads import Reading
from janiform.decompile.trained.selectors import (
    EVERY,
    NOTHING,
    PERIODS,
    SMALL,
    among,
    every,
    offset,
    symbols,
    token_is,
    whatever,
)
from janiform.ir.evaluate import Run
from janiform.ir.functions import Apply, Arg, Fn, Lit
from janiform.ir.nodes import Aggregate, And, Best, Count, Indices, Map, Select, Selector, Tokens, Value, walk
from janiform.ir.nodes import Sequence as Variable
from janiform.tasks.sequences import Sampler

HELD = 16
"""The most variables of earlier layers, the simplest, of which a later one counts where they hold something."""

NODE = 0.5
"""Bits of a node that a variable is made of."""

SURE = 0.9
"""The overlap from which on a list of selectors is all that a head looks at."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A variable with its kind and the heads that write it; ``group`` names what counts are counted over, ``single`` says
    that it is copied from one key, ``uneven`` that a head gives its keys more weight than others, which have some too."""

    node: Variable
    kind: Literal["category", "count", "place"]
    heads: tuple[tuple[int, int], ...]
    group: Selector | None = None
    single: bool = False
    uneven: bool = False

    @property
    def bits(self) -> float:
        """What it costs to name it: a little for every node that it is made of."""
        return NODE * sum(1 for _ in walk(self.node))


def features(sampler: Sampler, run: Run, readings: Sequence[Reading]) -> list[Feature]:
    """The variables that heads of one layer after the other write, equal ones once, as those of the first layer."""
    found: dict[Variable, Feature] = {Tokens(): Feature(Tokens(), "category", ())}
    for layer in sorted({r.layer for r in readings}):
        known = list(found.values())
        here = [r for r in readings if r.layer == layer]
        even = [(r.layer, r.head) for r in here if EVERY in r.selectors and not r.periods]
        for reading in here:
            for feature in written(sampler, run, reading, known):
                old = found.get(feature.node)
                if old is None or any(layer == reading.layer for layer, _ in old.heads):
                    heads = (*(old.heads if old else ()), (reading.layer, reading.head))
                    if feature.uneven:  # it is what is left of one average less another
                        heads += tuple(even)
                    found[feature.node] = replace(feature, heads=tuple(dict.fromkeys(heads)))
    return list(found.values())


def supposed(sampler: Sampler, run: Run) -> list[Feature]:
    """Variables that solve many tasks, whatever a model's heads do: what stands before, counts, and the last symbol."""
    selectors = (EVERY, offset(1), offset(2), Best(symbols(sampler), "rightmost"))
    readings = [
        Reading(0, i, (s,), 1.0, bool((run.pairs_selected(s).sum(2) <= 1).all()))
        for i, s in enumerate(selectors)
    ]
    return [replace(f, heads=()) for f in features(sampler, run, readings)]


def written(sampler: Sampler, run: Run, reading: Reading, known: Sequence[Feature]) -> list[Feature]:
    """The variables that one head writes."""
    few = len(sampler.symbols) <= SMALL
    turns = [every(period, rest) for period in reading.periods for rest in range(period)]
    listed = map(whatever, reading.selectors)
    selectors = dict.fromkeys([*(offset(by) for by in reading.offsets), *listed, *turns])
    if reading.single:
        selectors = {reading.selector: None} | selectors
    made: list[Feature] = []
    for selector in selectors:
        if (
            (run.pairs_selected(selector).sum(2) <= 1).all()
            or selector is reading.selector
            and reading.single
        ):
            for value in (f.node for f in known if f.kind == "category"):
                made.append(Feature(copied(selector, value), "category", (), single=True))
            made.append(Feature(copied(selector, Indices(), -1), "place", (), single=True))
            continue
        if not sampler.legal:
            uneven = selector in turns
            made.append(Feature(commonest(sampler, selector), "category", (), uneven=uneven))
            like = Select(Apply("==", (Arg(0), Arg(1))), Tokens(), Tokens())
            made.append(Feature(counted(selector, like), "count", (), uneven=uneven))
            if selector is not EVERY and of_keys(selector):
                last = copied(Best(selector, "rightmost"), Tokens())
                made.append(Feature(last, "category", (), single=True))
        if few:
            met = [s for s in sampler.symbols if takes(selector, s) is not False]
            made += [Feature(told(selector, s), "count", (), selector) for s in met]
            taken = [s for s in met if takes(selector, s)]
            if 1 < len(taken) < len(sampler.symbols):
                made.append(Feature(Count(among(taken)), "count", (), selector))
            if reading.layer:
                flags = held(sampler, known)
                made += [Feature(counted(selector, flag), "count", (), None) for flag in flags]
    whole = EVERY in selectors or reading.overlap > SURE and any(f.kind == "count" for f in made)
    if few and not whole:  # what it does not look at alone, it averages
        made += [Feature(Count(token_is(s)), "count", (), EVERY) for s in sampler.symbols]
    return made


def copied(selector: Selector, value: Variable, nothing: Value = NOTHING) -> Variable:
    """The value at the one key that a selector takes."""
    return Aggregate(selector if isinstance(selector, Best) else Best(selector, "leftmost"), value, nothing)


def commonest(sampler: Sampler, selector: Selector) -> Variable:
    """The symbol that a selector takes most often: where it stands last it has been counted whole."""
    same = Select(Apply("==", (Arg(0), Arg(1))), Tokens(), Tokens())
    within = symbols(sampler) if selector is EVERY else And(selector, symbols(sampler))
    score = Count(same if selector is EVERY else And(selector, same))
    return Aggregate(Best(within, "largest", score), Tokens(), NOTHING)


def counted(selector: Selector, which: Selector) -> Variable:
    """How many of a selector's keys are such."""
    return Count(which if selector is EVERY or selector == which else And(selector, which))


def told(selector: Selector, token: str) -> Variable:
    """How many of a selector's keys are a token."""
    which = token_is(token)
    return Count(which if takes(selector, token) else And(selector, which))


def takes(selector: Selector, token: str) -> bool | None:
    """Whether a selector takes the keys that are a token: all of them, none, or None where more than the key decides."""
    match selector:
        case Select(pred=pred, keys=Tokens()) if pred.arity <= 1:
            return pred(token) is True
    return None


def of_keys(selector: Selector) -> bool:
    """Whether the key alone decides what a selector takes."""
    match selector:
        case And(left=left, right=right):
            return of_keys(left) and of_keys(right)
        case Select(pred=pred):
            return pred.arity <= 1
    return False


def held(sampler: Sampler, known: Sequence[Feature]) -> list[Selector]:
    """Keys at which two things hold that earlier layers know: the token is s, and one like it was seen or copied."""
    flags: list[Selector] = []
    simplest = sorted((f for f in known if f.kind != "place"), key=lambda f: f.bits)[:HELD]
    for symbol in sampler.symbols:
        token = Apply("==", (Arg(0), Lit(symbol)))
        for f in simplest:
            if f.kind == "count":
                flags.append(flag(Apply("and", (token, Apply(">", (Arg(1), Lit(0))))), (Tokens(), f.node)))
            elif f.node is not Tokens():
                for value in (*sampler.symbols, sampler.vocab[sampler.bos]):
                    same = Apply("==", (Arg(1), Lit(value)))
                    flags.append(flag(Apply("and", (token, same)), (Tokens(), f.node)))
    return flags


def flag(f: Fn, variables: tuple[Variable, ...]) -> Selector:
    """The keys at which a function of variables holds."""
    return Select(Apply("==", (Arg(0), Lit(True))), Map(f, variables), Tokens())


# --- literals -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """A literal: a function of some features that is true or false, and the bits that it takes to say."""

    fn: Fn
    args: tuple[int, ...]
    bits: float

    def node(self, several: Sequence[Feature]) -> Variable:
        """It as a variable of a program."""
        return Map(self.fn, tuple(several[i].node for i in self.args))


MARGIN, MANY, VALUES, FEW = 5, 12, 16, 5
"""The largest constant between counts that is tried in any case, beyond how many of them there is none, the most values of a
category that are compared with, and how many small numbers counts are compared with."""


def claims(
    several: Sequence[Feature],
    columns: Sequence[np.ndarray],
    names: Sequence[str],
    wanted: Sequence[tuple[np.ndarray, np.ndarray]] = (),
) -> tuple[list[Claim], np.ndarray]:
    """Literals over features, each with its truth in every row; ``columns`` hold numbers, or codes into ``names``.

    For each (truth, weight of rows) that is ``wanted`` there is the set of values of each category under which it mostly holds.
    """
    made: list[Claim] = []
    truth: list[np.ndarray] = []
    a, b = Arg(0), Arg(1)

    def add(fn: Fn, args: tuple[int, ...], bits: float, holds: np.ndarray) -> None:
        if holds.any() and not holds.all():
            made.append(Claim(fn, args, bits + sum(several[i].bits for i in args)))
            truth.append(holds)

    def places(fn: Fn, args: tuple[int, ...], x: np.ndarray) -> None:
        for place in range(1 if len(args) == 1 else PERIODS[-1] + 1):
            add(Apply("==", (fn, Lit(place))), args, 12, x == place)
        for period in PERIODS:
            for rest in range(period):
                same = Apply("==", (Apply("%", (fn, Lit(period))), Lit(rest)))
                add(same, args, 12, x % period == rest)

    for i, f in enumerate(several):
        x = columns[i]
        if f.kind == "category":
            met = np.unique(x)
            for c in met:
                if len(met) <= VALUES or names[c].startswith("<"):
                    add(Apply("==", (a, Lit(names[c]))), (i,), 8, x == c)
            for chosen in dict.fromkeys(mostly(x, met, *w) for w in wanted if len(met) <= VALUES):
                if 1 < len(chosen) < len(met):
                    among_them = Apply("in", (a, *(Lit(names[c]) for c in chosen)))
                    add(among_them, (i,), 6 + 2 * len(chosen), np.isin(x, chosen))
        elif f.kind == "count":
            for k in sorted({*range(FEW), *(k for w in wanted if (k := parting(x, *w)) >= 0)}):
                add(Apply(">", (a, Lit(k))), (i,), 8 + 2 * k, x > k)
        elif not f.heads:
            places(a, (i,), x)
    beside = Counter(id(f.group) for f in several)
    for i, j in combinations(range(len(several)), 2):
        f, g = several[i], several[j]
        x, y = columns[i], columns[j]
        if f.kind == g.kind == "category":
            add(Apply("==", (a, b)), (i, j), 10, x == y)
        if f.kind == g.kind == "place" and not g.heads:
            places(Apply("-", (b, a)), (i, j), y - x)
        if f.kind == g.kind == "count" and f.group is not None and f.group is g.group:
            many = beside[id(f.group)] > MANY
            for p, q in ((1, 1),) if many else ((1, 1), (1, 2), (2, 1)):
                left = a if p == 1 else Apply("*", (a, Lit(p)))
                right = b if q == 1 else Apply("*", (b, Lit(q)))
                margins = {0} if many else set(range(-MARGIN, MARGIN + 1))
                if p == q == 1 and not many:
                    margins |= {parting(x - y, *w) for w in wanted}
                for k in sorted(margins):
                    more = right if k == 0 else Apply("+" if k > 0 else "-", (right, Lit(abs(k))))
                    bits = 10 + 2 * abs(k) + 4 * (p + q - 2)
                    add(Apply(">", (left, more)), (i, j), bits, p * x > q * y + k)
                    add(Apply("==", (left, more)), (i, j), bits, p * x == q * y + k)
    shape = (len(made), len(columns[0]) if len(columns) else 0)
    return made, np.array(truth, bool).reshape(shape)


def parting(x: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> int:
    """The number beyond which rows are mostly true, or mostly not, otherwise than up to it."""
    least = int(x.min())
    more = np.bincount(x - least, np.where(truth, weight, -weight)).cumsum()
    return least + int(abs(2 * more - more[-1]).argmax())


def mostly(x: np.ndarray, met: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> tuple[int, ...]:
    """The values of ``met`` under which most rows are true."""
    yes, no = (np.bincount(x, weight * t, met[-1] + 1) for t in (truth, ~truth))
    return tuple(int(c) for c in met if yes[c] > no[c])
