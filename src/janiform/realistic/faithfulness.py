"""Is a pair right for the right reason: do its variables stand where they should, and do they do what they should?

Three questions to weights that may have been trained. *Output*: do they give the program's answers? *Probe*: can each
variable's value be told from the stream, where it has just been written, by a linear classifier? *Interchange*: when what
writes a variable writes what it would on another input, do the answers become the program's under the same change? The
last two are asked of each variable, on fresh inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from janiform.compile.result import Place
from janiform.errors import InputError, MeaningError
from janiform.ir.functions import identity
from janiform.ir.nodes import Sequence
from janiform.pair.codec import classes
from janiform.pair.inputs import drawn
from janiform.realistic.interchange import Meaning, Site, Swap, sites, swap
from janiform.realistic.probe import probe

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

ENOUGH = 0.99
"""What share counts as all but always."""
FEWEST = 10
"""How many inputs it takes to judge at all."""
APART = 0.9
"""On what share of interventions the compiled pair must agree for a variable to count as held apart."""


@dataclass(frozen=True, slots=True)
class Variable:
    """What was found of a variable: the share of positions that a probe tells, and of interventions that come out right.

    ``interchange`` is the lesser of two shares: of the interventions that change an answer, ``changing`` of them, and of
    those that change none. A variable that is not ``apart``, because readers of the compiled pair take part of it from
    elsewhere, cannot be intervened on alone and is not judged.
    """

    name: str
    probe: float
    interchange: float
    changing: int
    apart: bool = True

    @property
    def faithful(self) -> bool:
        """Whether the variable is there and does what it should."""
        return not self.apart or min(self.probe, self.interchange) >= ENOUGH


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """How often a pair answers rightly, and which of its variables are what they should be."""

    outputs: float
    variables: tuple[Variable, ...]
    inputs: int

    @property
    def faithful(self) -> bool:
        """Whether answers and all variables are right."""
        return self.outputs >= ENOUGH and all(v.faithful for v in self.variables)

    @property
    def verdict(self) -> str:
        """Say in words whether the pair is right, and why."""
        if self.outputs < ENOUGH:
            return "wrong"
        lost = [v.name for v in self.variables if not v.faithful]
        return f"right for the wrong reason: {', '.join(lost)}" if lost else "right for the right reason"

    def data(self) -> dict[str, Any]:
        """Return the findings as plain data."""
        variables = [
            {
                "name": v.name,
                "probe": round(v.probe, 4),
                "interchange": round(v.interchange, 4),
                "changing": v.changing,
                "apart": v.apart,
                "faithful": v.faithful,
            }
            for v in self.variables
        ]
        return {
            "faithful": self.faithful,
            "verdict": self.verdict,
            "outputs": round(self.outputs, 4),
            "variables": variables,
            "inputs": self.inputs,
        }

    def __str__(self) -> str:
        width = max([len(v.name) for v in self.variables], default=0)
        rows = [
            f"{v.name:{width}}  probe {v.probe:.3f}  "
            + (
                f"interchange {v.interchange:.3f}"
                if v.apart
                else "not held apart in the compiled pair either"
            )
            for v in self.variables
        ]
        return "\n".join(
            [self.verdict, f"{self.outputs:.2%} of {self.inputs:,} inputs answered rightly", *rows]
        )


def refuse_too_few(inputs: int) -> None:
    """Refuse to judge on so few inputs that nothing is told."""
    if inputs < FEWEST:
        raise InputError(f"faithfulness is judged on {FEWEST} inputs or more, got {inputs}")


def compiled(pair: Pair) -> Pair:
    """Return the pair that a pair goes back to, through all that it was made from."""
    return pair if pair.origin is None else compiled(pair.origin.pair)


def faithfulness(pair: Pair, *, inputs: int = 1_000, seed: int = 0) -> Faithfulness:
    """Judge a pair by its answers and by each of its variables, on drawn inputs.

    >>> from janiform import programs
    >>> found = faithfulness(programs.load("hist").compile("abc", 4), inputs=100)
    >>> found.verdict, [v.name for v in found.variables]
    ('right for the right reason', ['tokens', 'hist'])
    """
    refuse_too_few(inputs)
    root, meaning = compiled(pair), Meaning.of(pair)
    batches = [_meant(pair, meaning, codes) for codes in drawn(pair.signature, inputs, 2**12, seed=seed)]
    batches = [codes for codes in batches if len(codes)]
    rng = np.random.default_rng([seed, 11])
    found = []
    for site, theirs in zip(sites(pair), sites(root), strict=True):
        swaps = [s for s in _swaps(pair, meaning, site, batches, rng) if len(s.base)]
        share, changing, apart = _interchanged(pair, site, root, theirs, swaps)
        told = [_probed(pair, root, meaning, p, batches, seed) for p in _places(pair, site)]
        found.append(Variable(site.name, min(told, default=1.0), share, changing, apart))
    right = np.concatenate([answered(pair, meaning, codes) for codes in batches])
    return Faithfulness(float(right.mean()), tuple(found), len(right))


def _swaps(
    pair: Pair, meaning: Meaning, site: Site, batches: list[np.ndarray], rng: np.random.Generator
) -> Iterator[Swap]:
    """Yield interventions with inputs of one length, position by position, and with inputs of any length, scattered."""
    for codes in batches:
        yield swap(pair, meaning, site.nodes, codes, codes[rng.permutation(len(codes))], rng)
        other = batches[rng.integers(len(batches))]
        source = other[rng.integers(len(other), size=len(codes))]
        yield swap(pair, meaning, site.nodes, codes, source, rng, scattered=True)


def _interchanged(
    pair: Pair, site: Site, root: Pair, theirs: Site, swaps: list[Swap]
) -> tuple[float, int, bool]:
    """Return the share of right answers, how many should change, and whether the compiled pair all but always agrees.

    Where the compiled pair does not, the intervention makes what no input can, and tells nothing of the other.
    """
    if not swaps:
        return 1.0, 0, True
    possible = np.concatenate([agrees(root, theirs, s) for s in swaps])
    good = possible if root is pair else np.concatenate([agrees(pair, site, s) for s in swaps])
    changed = np.concatenate([s.changed for s in swaps])[possible]
    good = good[possible]
    parts = [good[changed], good[~changed]]
    share = min((float(p.mean()) for p in parts if len(p)), default=1.0)
    return share, int(changed.sum()), bool(possible.mean() >= APART)


def answered(
    pair: Pair, meaning: Meaning, codes: Int[np.ndarray, "batch length"]
) -> Bool[np.ndarray, " batch"]:
    """Return which inputs the weights answer as the program does, at every position and in every output."""
    plain = swap(pair, meaning, (), codes, codes, np.random.default_rng(0))
    logits = pair.logits(pair.codec.frame(plain.base, pair.signature.max_len))
    return _right(pair, plain, logits[:, 1 : 1 + codes.shape[1]])


def agrees(pair: Pair, site: Site, swapped: Swap) -> Bool[np.ndarray, " batch"]:
    """Return under which interventions the weights answer as the program does."""
    base, source = (
        torch.from_numpy(pair.codec.frame(x, x.shape[1])).to(pair.model.device)
        for x in (swapped.base, swapped.source)
    )
    with torch.no_grad():
        _, cache = pair.model.run_with_cache(source, site.names)
        logits = pair.model.run_with_hooks(base, swapped.hooks(site, cache))
    return _right(pair, swapped, logits[:, 1:].cpu().numpy())


def _right(pair: Pair, swapped: Swap, logits: np.ndarray) -> Bool[np.ndarray, " batch"]:
    told = [(classes(r, logits) == swapped.expected[r.name]).all(1) for r in pair.readouts]
    return np.asarray(np.logical_and.reduce(told))


def _meant(pair: Pair, meaning: Meaning, codes: np.ndarray) -> np.ndarray:
    """Return the inputs on which the program has a meaning."""
    while len(codes):
        run = meaning.run(pair, codes)
        try:
            for n in meaning.program.outputs.values():
                run.column(n)
            return codes
        except MeaningError as e:
            codes = np.delete(codes, e.rows, axis=0)
    return codes


# --- the probe --------------------------------------------------------------------------------------------------------


def _places(pair: Pair, site: Site) -> list[Place]:
    """Return the places of a site's variables that hold something."""
    return [p for p in pair.places if p.node in site.nodes and p.dims]


def _probed(
    pair: Pair, root: Pair, meaning: Meaning, place: Place, batches: list[np.ndarray], seed: int
) -> float:
    """Return how often the value of the variable at a place is told, as far as the compiled pair tells values apart."""
    assert isinstance(place.node, Sequence)
    theirs = root.places[pair.places.index(place)]
    rng = np.random.default_rng([seed, 13])
    numbers: dict[object, int] = {}
    streams, coordinates, labels, held_out = [], [], [], []
    for codes in batches:
        column = meaning.run(pair, codes).column(place.node)
        known = [numbers.setdefault(identity(v), len(numbers)) for v in column.values]
        labels.append(torch.from_numpy(np.array(known)[column.codes].reshape(-1)))
        streams.append(stream(pair, place, codes))
        coordinates.append(
            stream(root, theirs, codes).double() @ torch.from_numpy(root.subspace(theirs).read)
        )
        half = rng.permutation(len(codes)) % 2 == 1
        held_out.append(torch.from_numpy(np.repeat(half, codes.shape[1])))
    label, where = _merged(torch.cat(labels), torch.cat(coordinates))
    if len(where) < 2:
        return 1.0
    plain = label >= 0
    return probe(torch.cat(streams)[plain], label[plain], where, torch.cat(held_out)[plain]).accuracy


def stream(pair: Pair, place: Place, codes: Int[np.ndarray, "batch length"]) -> Float[Tensor, "row d_model"]:
    """Return the residual stream where a node has just been written, one row for each token."""
    match place.kind:
        case "head":
            points = [f"blocks.{place.layer}.hook_resid_mid"]
        case "mlp":
            points = [f"blocks.{place.layer}.hook_resid_post"]
        case _:
            points = ["hook_embed", "hook_pos_embed"]
    ids = torch.from_numpy(pair.codec.frame(codes, codes.shape[1])).to(pair.model.device)
    with torch.no_grad():
        _, cache = pair.model.run_with_cache(ids, points)
    return torch.stack([cache[p] for p in points]).sum(0)[:, 1:].flatten(0, 1).cpu()


def _merged(
    labels: Int[Tensor, " row"], coordinates: Float[Tensor, "row dims"]
) -> tuple[Int[Tensor, " row"], Float[Tensor, "label dims"]]:
    """Give values that are held alike one label, -1 to rows that hold something else, and return where each label lies."""
    occurring, labels = labels.unique(return_inverse=True)
    where = torch.stack([coordinates[labels == i].median(0).values for i in range(len(occurring))])
    spread = where.amax(0) - where.amin(0)
    spread = torch.where(spread > 0, spread, 1.0)
    _, merged = (where / spread * 1e4).round().unique(dim=0, return_inverse=True)
    astray = ((coordinates - where[labels]).abs() > 1e-3 * spread).any(1)  # where the value matters to nobody
    first = [int((merged == i).nonzero()[0]) for i in range(int(merged.max()) + 1)]
    return torch.where(astray, -1, merged[labels]), where[first]
