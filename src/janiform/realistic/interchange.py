"""Interchange interventions on a pair: what writes a variable writes what it would have on another input, in both faces.

A *site* is what writes a variable: an embedding, heads, hidden units. At some positions of one input its activations are
replaced by those at some positions of another; in the program the variable is replaced likewise. If the variable is what the site
carries, both then say the same (Geiger et al. 2021). Nothing here depends on the basis of the residual stream, on its
width or on whether weights were compiled or trained, and gradients pass through every replacement.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from janiform.compile.result import Place
from janiform.errors import MeaningError
from janiform.ir.domains import Facts
from janiform.ir.evaluate import Column, Run
from janiform.ir.functions import identity, same
from janiform.ir.lower import lower
from janiform.ir.nodes import Indices, Sequence, Value
from janiform.ir.program import Program
from janiform.ir.values import Domain
from janiform.model.hooks import Hook, HookPoint
from janiform.pair.codec import Index

if TYPE_CHECKING:
    from janiform.pair.pair import Pair


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """What writes one variable, or several that the same heads write: hook points, and which heads or units of each.

    >>> from janiform import programs
    >>> pair = programs.load("hist").compile("abc", 4)
    >>> [(site.name, site.names) for site in sites(pair)]
    [('tokens', ['hook_embed']), ('hist', ['blocks.0.attn.hook_z', 'blocks.0.mlp.hook_post'])]
    """

    name: str
    nodes: tuple[Sequence, ...]
    points: tuple[tuple[str, tuple[int, ...] | None], ...]

    @property
    def names(self) -> list[str]:
        """The hook points that the site takes up."""
        return [name for name, _ in self.points]

    def hooks(self, source: Mapping[str, Tensor], where: Bool[Tensor, "batch pos"]) -> list[tuple[str, Hook]]:
        """Return hooks that put in activations of a run on other inputs, by hook point, at some positions."""

        def putting(at: tuple[int, ...] | None) -> Hook:
            def put(value: Tensor, hook: HookPoint) -> Tensor:
                chosen = where[(...,) + (None,) * (value.ndim - 2)]
                if at is not None:
                    part = value.new_zeros(value.shape[2], dtype=where.dtype)
                    part[list(at)] = True
                    chosen = chosen & part[(slice(None),) + (None,) * (value.ndim - 3)]
                return source[hook.name].where(chosen, value)

            return put

        return [(name, putting(at)) for name, at in self.points]


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """The program of a pair in the form whose nodes its places hold, and the values that each node can take."""

    program: Program
    facts: Facts

    @classmethod
    def of(cls, pair: Pair) -> Meaning:
        """Lower the program of a pair as the compiler does."""
        return cls(*lower(pair.program, pair.signature))

    def run(
        self,
        pair: Pair,
        codes: Int[np.ndarray, "batch length"],
        given: Mapping[Sequence, Column] | None = None,
    ) -> Run:
        """Interpret numbered tokens."""
        words = pair.codec.words(codes)
        return Run(words, causal=pair.signature.causal, program=self.program, given=given)

    def possible(self, run: Run) -> Bool[np.ndarray, " batch"]:
        """Return in which inputs every node takes only values that some input can give it."""
        good = np.ones(len(run.inputs), dtype=bool)
        for n in self.program.nodes():
            domain = self.facts.domains.get(n) if isinstance(n, Sequence) else None
            if domain is not None and domain.values is not None:
                column = run.column(n)  # type: ignore[arg-type]
                inside = np.array([_among(v, domain) for v in column.values])
                good &= inside[column.codes].all(1)
        return good


def _among(value: Value, domain: Domain) -> bool:
    assert domain.values is not None
    return identity(value) in domain.codes or any(same(value, v) for v in domain.values)


def sites(pair: Pair) -> tuple[Site, ...]:
    """Return the sites of a pair, in the order of the network; places that share a node or a head make one site."""
    groups: list[list[Place]] = []
    known = set(Meaning.of(pair).program.nodes())
    for place in pair.places:
        if place.kind == "virtual" or not isinstance(place.node, Sequence) or place.node not in known:
            continue
        mine = [place]
        for group in [g for g in groups if any(_together(place, p) for p in g)]:
            groups.remove(group)
            mine = group + mine
        groups.append(mine)
    return tuple(_site(group) for group in groups)


def _together(one: Place, other: Place) -> bool:
    same_heads = one.layer == other.layer and bool(set(one.heads) & set(other.heads))
    return one.node == other.node or same_heads


def _site(group: list[Place]) -> Site:
    points: dict[str, set[int] | None] = {}
    for p in group:
        match p.kind:
            case "embed":
                points["hook_pos_embed" if isinstance(p.node, Indices) else "hook_embed"] = None
            case "head":
                points.setdefault(f"blocks.{p.layer}.attn.hook_z", set()).update(p.heads)  # type: ignore[union-attr]
            case _:
                points.setdefault(f"blocks.{p.layer}.mlp.hook_post", set()).update(p.units)  # type: ignore[union-attr]
    nodes = tuple(dict.fromkeys(p.node for p in group if isinstance(p.node, Sequence)))
    at = tuple((name, None if chosen is None else tuple(sorted(chosen))) for name, chosen in points.items())
    return Site(", ".join(dict.fromkeys(p.name for p in group)), nodes, at)


@dataclass(frozen=True, slots=True, eq=False)
class Swap:
    """Inputs, others beside them, what is put in where, and what the program says then.

    ``base`` [batch, length] and ``source`` [batch, other length] are numbered tokens. ``origin`` is -1 where nothing is
    put in, else the position in ``source`` from which. ``expected[output]`` indexes the values of its read-out, and
    ``changed`` says in which inputs the intervention changes any output.
    """

    base: Int[np.ndarray, "batch length"]
    source: Int[np.ndarray, "batch other"]
    origin: Int[np.ndarray, "batch length"]
    expected: Mapping[str, Int[np.ndarray, "batch length"]]
    changed: Bool[np.ndarray, " batch"]

    def part(self, rows: Int[np.ndarray, " row"]) -> Swap:
        """Return some of the interventions."""
        expected = {name: x[rows] for name, x in self.expected.items()}
        return Swap(self.base[rows], self.source[rows], self.origin[rows], expected, self.changed[rows])

    def hooks(self, site: Site, cache: Mapping[str, Tensor]) -> list[tuple[str, Hook]]:
        """Return the hooks that intervene in a run on ``base``, given the site's activations in a run on ``source``."""
        origin = torch.from_numpy(np.pad(self.origin + 1, ((0, 0), (1, 0))))  # 0, the place of BOS: nothing
        rows = torch.arange(len(origin))[:, None]
        where = origin.to(cache[site.names[0]].device) > 0
        return site.hooks({name: cache[name][rows, origin] for name in site.names}, where)


def swap(
    pair: Pair,
    meaning: Meaning,
    nodes: Sized[Sequence],
    base: Int[np.ndarray, "batch length"],
    source: Int[np.ndarray, "batch other"],
    rng: np.random.Generator,
    *,
    scattered: bool = False,
) -> Swap:
    """Draw an intervention on ``nodes`` of the program for each of some inputs.

    Every other one takes all positions, the others some; each takes what stands at the same position of the source, or,
    where ``scattered``, at another, each but once as long as there are enough. An intervention under which the program
    has no meaning, or a node a value that no input gives it, is left out.
    """
    where = rng.random(base.shape) < 0.5
    where[np.arange(len(base)), rng.integers(base.shape[1], size=len(base))] = True
    where[::2] = True
    most = max(base.shape[1], source.shape[1])
    taken = np.tile(np.arange(most) % source.shape[1], (len(base), 1))
    if scattered:
        taken = rng.permuted(taken, axis=1)
    origin = np.where(where, taken[:, : base.shape[1]], -1)
    index = {r.name: Index(r) for r in pair.readouts}
    while True:
        try:
            plain, other = (meaning.run(pair, x) for x in (base, source))
            given = {}
            for node in nodes:
                mine, theirs = plain.column(node), other.column(node)
                codes = np.take_along_axis(theirs.codes, np.maximum(origin, 0), 1) + len(mine.values)
                given[node] = Column(np.where(origin >= 0, codes, mine.codes), [*mine.values, *theirs.values])
            intervened = meaning.run(pair, base, given)
            before, after = (
                {name: _indexed(run.column(meaning.program.outputs[name]), index[name]) for name in index}
                for run in (plain, intervened)
            )
            keep = meaning.possible(intervened)
        except MeaningError as e:
            if not e.rows:
                raise
            base, source, origin = (np.delete(x, e.rows, axis=0) for x in (base, source, origin))
            continue
        changed = np.logical_or.reduce([(before[name] != after[name]).any(1) for name in index])
        expected = {name: x[keep] for name, x in after.items()}
        return Swap(base[keep], source[keep], origin[keep], expected, changed[keep])


def _indexed(column: Column, index: Index) -> Int[np.ndarray, "batch length"]:
    return np.array([index(v) for v in column.values])[column.codes]
