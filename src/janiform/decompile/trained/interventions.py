"""Interchange interventions: what heads write on one input put into the run on another, in model and program alike.

What some heads write on one input is replaced by what they write on another (Geiger et al. 2021); in the program the
variables that stand for those heads are replaced likewise. What both say then tells whether the variables are what the
heads carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from janiform.decompile.trained.evidence import Answers, answered, part_of, standing
from janiform.decompile.trained.features import Feature
from janiform.decompile.trained.observe import interpreted
from janiform.ir.evaluate import Column, Run
from janiform.ir.nodes import Indices, Tokens
from janiform.ir.nodes import Sequence as Variable
from janiform.model.hooks import HookPoint
from janiform.model.transformer import Transformer
from janiform.tasks.sequences import Sampler, Sequences

INPUTS: dict[Variable, str] = {Tokens(): "hook_embed", Indices(): "hook_pos_embed"}
"""The variables that are inputs, with what carries them in a model."""

SHARED = 0.1
"""The share of symbols that must be alike in both inputs for interventions to be made there."""

Head = tuple[int, int]


@dataclass(eq=False)
class Intervened:
    """One intervention in each input: the interpreter's runs ``plain`` and ``changed``, what the model says ``before`` and
    ``after``, where that bears on it and is ``asked``, and in which inputs one was possible, ``usable``.
    """

    plain: Run
    changed: Run
    before: Answers
    after: Answers
    asked: NDArray[np.bool_]
    usable: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Group:
    """Heads that write a variable in common, with all that they write; ``copies`` if that is nothing but copies."""

    heads: tuple[Head, ...]
    nodes: tuple[Variable, ...]
    copies: bool


def grouped(several: Sequence[Feature]) -> list[Group]:
    """Heads that write a variable in common, together."""
    groups: list[tuple[set[Head], list[Feature]]] = []
    for f in several:
        heads, members = set(f.heads), [f]
        for group in [g for g in groups if g[0] & heads]:
            heads |= group[0]
            members = group[1] + members
            groups.remove(group)
        groups.append((heads, members))
    return [
        Group(tuple(sorted(heads)), tuple(f.node for f in members), all(f.single for f in members))
        for heads, members in groups
    ]


def pairs(sampler: Sampler, rng: np.random.Generator, n: int, longest: int) -> tuple[Sequences, Sequences]:
    """Draw inputs and, for each, another of the same or nearly the same length."""
    base = sampler.draw(rng, n, 1, longest)
    base = part_of(sampler, base, np.argsort((base.tokens != sampler.pad).sum(1), kind="stable"))
    away = rng.integers(1, 4, n) * rng.choice([-1, 1], n)
    other = np.arange(n) + np.where((np.arange(n) + away >= n) | (np.arange(n) + away < 0), -away, away)
    source = Sequences(base.tokens[other], base.asked[other], base.wanted[other])
    return base, source


def intervene(
    model: Transformer,
    sampler: Sampler,
    group: Group,
    base: Sequences,
    source: Sequences,
    rng: np.random.Generator,
    *,
    needed: Sequence[Head] = (),
    any_token: bool = False,
    offsets: bool = True,
) -> Intervened:
    """Put what heads write, and the variables that stand for it, from ``source`` into ``base``, in one of three ways.

    What the output alone reads, as no later head is ``needed``, is replaced at one position, by what stands under the same token
    elsewhere; without ``needed`` heads any may read what layers but the last write. What later heads look up is replaced wherever tokens are alike; copies, where tokens are hardly ever alike, trade places within an input, so
    that each still stands once.
    With ``any_token`` the one position may be under another token. Half of the inputs stand at ``offsets``, or all at 0.

    (A head's average carries a little of its query's own token, so that one from under another token is not quite the same.)
    """
    read = max((layer for layer, _ in needed), default=model.config.n_layers - 1)
    last = not group.heads or max(layer for layer, _ in group.heads) >= read
    if last:
        moved, origin = one_alike(base, source, rng, any_token=any_token or Tokens() in group.nodes)
    else:
        moved, origin = everywhere(sampler, base, source)
        if group.copies and moved.sum() < SHARED * (base.tokens < sampler.bos).sum():
            source = base
            moved, origin = two_traded(sampler, base, rng)

    plain, other = (interpreted(sampler, b) for b in (base, source))
    moved, origin = moved[:, : plain.width], origin[:, : plain.width]
    given: dict[Variable, Column] = {}
    for node in group.nodes:
        mine, theirs = plain.column(node), other.column(node)
        there = np.pad(theirs.codes, ((0, 0), (0, max(0, plain.width - other.width))))
        codes = np.where(moved, np.take_along_axis(there, origin, 1) + len(mine.values), mine.codes)
        given[node] = Column(codes, [*mine.values, *theirs.values])
    changed = Run(plain.inputs, causal=True, given=given)

    tokens, donors = torch.as_tensor(base.tokens), torch.as_tensor(source.tokens)
    positions = standing(model, sampler, base, source) if offsets else None
    points = [f"blocks.{layer}.attn.hook_z" for layer in sorted({layer for layer, _ in group.heads})]
    inputs = [INPUTS[node] for node in group.nodes if node in INPUTS]
    rows, places = np.nonzero(moved)
    origins = origin[rows, places]
    with torch.no_grad():
        before = model(tokens, positions)
        _, cache = model.run_with_cache(donors, [*points, *inputs], positions=positions)

        def put(value: torch.Tensor, hook: HookPoint) -> torch.Tensor:
            value = value.clone()
            if hook.name in inputs:
                value[rows, places] = cache[hook.name][rows, origins]
            for layer, head in group.heads:
                if hook.name == f"blocks.{layer}.attn.hook_z":
                    value[rows, places, head] = cache[hook.name][rows, origins, head]
            return value

        putting = [(point, put) for point in (*points, *inputs)]
        after = model.run_with_hooks(tokens, putting, positions=positions)
    width = base.tokens.shape[1]
    touched = np.pad(moved, ((0, 0), (0, width - plain.width)))
    asked = base.asked & (touched if last and group.heads else touched.cumsum(1) > 0)
    one, two = (answered(x, sets=sampler.legal).numpy() for x in (before, after))
    return Intervened(plain, changed, one, two, asked, moved.max(1))


Moves = tuple[NDArray[np.bool_], NDArray[np.int64]]
"""Where something is put in, and from which position, both (n, T)."""


def one_alike(
    base: Sequences, source: Sequences, rng: np.random.Generator, *, any_token: bool = False
) -> Moves:
    """One asked position each, and one in the other input that holds the same token, or any.

    The first position is left out under any token: a head sees nothing but that one from there, whatever comes.
    """
    moved, origin = _none(base)
    first = np.arange(base.tokens.shape[1]) == 0
    for row, (mine, theirs) in enumerate(zip(base.tokens, source.tokens, strict=True)):
        here, there = (x.asked[row] & ~(any_token & first[: x.asked.shape[1]]) for x in (base, source))
        places = np.flatnonzero(here & (any_token | np.isin(mine, theirs[there])))
        if len(places) and there.any():
            place = rng.choice(places)
            moved[row, place] = True
            alike = any_token | (theirs == mine[place])
            origin[row, place] = rng.choice(np.flatnonzero(there & alike))
    return moved, origin


def two_traded(sampler: Sampler, base: Sequences, rng: np.random.Generator) -> Moves:
    """Two symbols of one input each, both in the question or both in the answer."""
    moved, origin = _none(base)
    answer = (base.tokens == sampler.sep).cumsum(1) > 0
    for row, symbols in enumerate(base.tokens < sampler.bos):
        if symbols.any():
            places = np.flatnonzero(
                symbols & (answer[row] == answer[row, rng.choice(np.flatnonzero(symbols))])
            )
            if len(places) > 1:
                one, other = rng.choice(places, 2, replace=False)
                moved[row, [one, other]] = True
                origin[row, [one, other]] = other, one
    return moved, origin


def everywhere(sampler: Sampler, base: Sequences, source: Sequences) -> Moves:
    """Every position at which both inputs have the same token."""
    _, origin = _none(base)
    return (base.tokens == source.tokens) & (base.tokens != sampler.pad), origin


def _none(base: Sequences) -> Moves:
    return np.zeros(base.tokens.shape, bool), np.tile(np.arange(base.tokens.shape[1]), (len(base), 1))
