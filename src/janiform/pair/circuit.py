"""The circuit: which edges between components carry anything, computed from weights and activations, not guessed.

A *writer* (input, head ``a{l}.h{h}``, MLP ``m{l}``) adds a vector to the residual stream; a *reader* (a head's ``<q>``,
``<k>``, ``<v>``, an MLP, ``logits``) sees the stream through its input matrix. The edge exists when what the writer
writes, seen through that matrix, is ever other than what the ablation puts in its place, and the reader is itself on a
path to an output. Resampled or averaged activations differ from the true ones where they vary over inputs at a position;
zeros differ where they are not zero. Names follow EAP-IG and MIB. A pair that is another in disguise has the other's circuit:
noise, distractors and rounding make no edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from janiform.errors import InputError
from janiform.ir.nodes import Value
from janiform.model import Config
from janiform.pair.inputs import count, drawn, everything
from janiform.pair.wiring import Wiring, components

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

Ablation = Literal["resample", "mean", "zero"]
Granularity = Literal["component", "qkv"]
Heads = tuple[tuple[int | None, ...], ...]
TOLERANCE = 1e-5
"""What a reader sees, in units of the stream, counts as nothing below this; softmax leaks are smaller."""


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """What ``writer`` writes, as ``reader`` reads it; at one position, or at all when ``position`` is None.

    >>> print(Edge("a0.h1", "a1.h0<k>"), Edge("input", "logits", 3))
    a0.h1->a1.h0<k> input->logits@3
    """

    writer: str
    reader: str
    position: int | None = None

    def __str__(self) -> str:
        return f"{self.writer}->{self.reader}" + ("" if self.position is None else f"@{self.position}")


@dataclass(frozen=True, slots=True)
class Circuit:
    """The edges that carry something, of all that a model of this shape has, and what its components hold.

    ``labels`` gives for each component the nodes of the program that live there. ``exhaustive`` says whether ``inputs``
    counts every input of the signature.
    """

    edges: tuple[Edge, ...]
    possible: tuple[Edge, ...]
    labels: dict[str, tuple[str, ...]]
    ablation: Ablation
    granularity: Granularity
    inputs: int
    exhaustive: bool

    @property
    def components(self) -> tuple[str, ...]:
        """The components on some edge, in the order of the network."""
        used = {name.partition("<")[0] for e in self.edges for name in (e.writer, e.reader)}
        order = dict.fromkeys(name.partition("<")[0] for e in self.possible for name in (e.writer, e.reader))
        return tuple(sorted((n for n in order if n in used), key=_depth))

    @property
    def absent(self) -> tuple[Edge, ...]:
        """The possible edges that carry nothing."""
        present = set(self.edges)
        return tuple(e for e in self.possible if e not in present)

    @property
    def where(self) -> dict[str, tuple[str, ...]]:
        """For each node of the program, by name, the components that hold it."""
        found: dict[str, list[str]] = {}
        for component, names in self.labels.items():
            for name in names:
                found.setdefault(name, []).append(component)
        return {name: tuple(components) for name, components in found.items()}

    def data(self) -> dict[str, Any]:
        """Return the circuit as plain data."""
        return {
            "edges": [str(e) for e in self.edges],
            "possible": len(self.possible),
            "labels": {c: list(names) for c, names in self.labels.items()},
            "ablation": self.ablation,
            "granularity": self.granularity,
            "inputs": self.inputs,
            "exhaustive": self.exhaustive,
        }

    def __str__(self) -> str:
        head = f"{len(self.edges)} of {len(self.possible)} edges ({self.ablation} ablation, {self.inputs:,} inputs)"
        held = [f"{c:8} {', '.join(self.labels[c])}" for c in self.components if c in self.labels]
        return "\n".join([head, *held, *map(str, self.edges)])


def circuit(
    pair: Pair,
    ablation: Ablation,
    granularity: Granularity,
    *,
    positions: bool,
    embeddings: Literal["joint", "split"],
    inputs: Sequence[Sequence[Value]] | None,
    limit: int,
    draws: int,
    seed: int,
) -> Circuit:
    """Compute the circuit of a pair over ``inputs``: those given, all there are up to ``limit``, or drawn ones."""
    for name, given, known in (
        ("ablation", ablation, ("resample", "mean", "zero")),
        ("granularity", granularity, ("component", "qkv")),
        ("embeddings", embeddings, ("joint", "split")),
    ):
        if given not in known:
            raise InputError(f"{name} must be one of {', '.join(known)}; got {given!r}")
    true, heads = _undisguised(pair)
    if true.model.config.normalization_type is not None:
        raise InputError(
            "the edges of a model with normalization are not linear in what is written; circuit() needs none"
        )
    wiring = Wiring(true.model)
    batches, seen, exhaustive = _batches(true, inputs, limit, draws, seed)
    carries = _carries(wiring, batches, ablation)
    alive = _alive(wiring, carries, 0 if inputs is None else max(map(len, inputs), default=0), true)
    if heads is not None:
        alive = _disguised(alive, heads, pair.model.config)
    merged: dict[Edge, bool] = {}
    for (writer, reader), here in alive.items():
        for position in range(len(here)) if positions else [None]:
            edge = Edge(
                _renamed(writer, embeddings),
                reader if granularity == "qkv" else reader.partition("<")[0],
                position,
            )
            merged[edge] = merged.get(edge, False) or bool(here.any() if position is None else here[position])
    return Circuit(
        tuple(e for e, present in merged.items() if present),
        tuple(merged),
        _labels(pair, embeddings),
        ablation,
        granularity,
        seen,
        exhaustive,
    )


def _batches(
    pair: Pair, inputs: Sequence[Sequence[Value]] | None, limit: int, draws: int, seed: int
) -> tuple[list[np.ndarray], int, bool]:
    """Return padded ids in batches, how many inputs they are, and whether these are all there are."""
    c = pair.model.config
    width = max(c.d_model * (c.n_heads + 2), c.d_mlp, 3 * c.n_heads * c.d_head + c.d_mlp, c.n_heads * c.n_ctx)
    size = max(1, 2**23 // (c.n_ctx * width))
    if inputs is not None:
        ids = pair.codec.encode(inputs, pair.signature.max_len)
        return [ids[i : i + size] for i in range(0, len(ids), size)], len(ids), False
    domain = count(pair.signature)
    whole = domain <= limit
    source = everything(pair.signature, size) if whole else drawn(pair.signature, draws, size, seed=seed)
    return (
        [pair.codec.frame(codes, pair.signature.max_len) for codes in source],
        domain if whole else draws,
        whole,
    )


def _carries(
    wiring: Wiring, batches: list[np.ndarray], ablation: Ablation
) -> dict[tuple[str, str], np.ndarray]:
    """Return for each writer and reader at which positions something passes."""
    low: dict[str, np.ndarray] = {}
    high: dict[str, np.ndarray] = {}
    with torch.no_grad():
        for ids in batches:
            for writer, x in wiring.written(torch.from_numpy(ids).to(wiring.model.device)):
                contact = wiring.contacts[writer]
                seen = x[..., contact.dims].cpu().numpy() @ contact.directions
                least, most = seen.min(0), seen.max(0)
                low[writer] = np.minimum(low.get(writer, least), least)
                high[writer] = np.maximum(high.get(writer, most), most)
    found = {}
    for writer, contact in wiring.contacts.items():
        zero = ablation == "zero"
        size = np.maximum(high[writer], -low[writer]) if zero else high[writer] - low[writer]
        for reader, directions in contact.seen_by.items():
            found[writer, reader] = (size[:, directions] > TOLERANCE).any(1)
    return found


def _alive(
    wiring: Wiring, carries: dict[tuple[str, str], np.ndarray], longest: int, pair: Pair
) -> dict[tuple[str, str], np.ndarray]:
    """Keep what is on a path to an output, from the logits back: outputs are read at the positions of tokens."""
    n_ctx, causal = pair.model.config.n_ctx, pair.model.config.attention_dir == "causal"
    positions = np.arange(n_ctx)
    reading = {"logits": (positions >= 1) & (positions <= (longest or pair.signature.max_len))}
    heard = {w: np.zeros(n_ctx, dtype=bool) for w in wiring.writers}
    alive: dict[tuple[str, str], np.ndarray] = {}
    for reader, before in reversed(wiring.readers):
        if reader not in reading:
            component, _, letter = reader.rstrip(">").partition("<")
            out = heard[component]
            # A key or value at p matters to every query that sees p.
            later = np.logical_or.accumulate(out[::-1])[::-1] if causal else np.full(n_ctx, out.any())
            reading[reader] = later if letter in ("k", "v") else out
        for writer in wiring.writers[:before]:
            alive[writer, reader] = carries[writer, reader] & reading[reader]
            # Where a writer happens to be constant it may vary once another edge is cut: it is heard there too.
            if alive[writer, reader].any():
                heard[writer] |= reading[reader]
    return {edge: alive[edge] for edge in carries}


def _undisguised(pair: Pair) -> tuple[Pair, Heads | None]:
    """Return the pair whose mechanism a pair has, and which of its heads are which."""
    if pair.origin is None or pair.origin.heads is None:
        return pair, None
    return pair.origin.pair, pair.origin.heads


def _disguised(
    alive: dict[tuple[str, str], np.ndarray], heads: Heads, config: Config
) -> dict[tuple[str, str], np.ndarray]:
    """Say of each edge of a disguised model whether that which it truly is carries anything; what is new does not."""
    true = {f"a{i}.h{new}": f"a{i}.h{old}" for i, row in enumerate(heads) for new, old in enumerate(row)}
    writers, readers = components(config)
    nothing = np.zeros(config.n_ctx, dtype=bool)

    def origin(name: str) -> str:
        component, bracket, letter = name.partition("<")
        return true.get(component, component) + bracket + letter

    return {
        (w, r): alive.get((origin(w), origin(r)), nothing)
        for w_at, w in enumerate(writers)
        for r, before in readers
        if w_at < before
    }


def _labels(pair: Pair, embeddings: str) -> dict[str, tuple[str, ...]]:
    """Return the names of the nodes that each component holds."""
    found: dict[str, dict[str, None]] = {}
    for place in pair.places:
        match place.kind:
            case "embed":
                where = [_renamed("pos" if type(place.node).__name__ == "Indices" else "tok", embeddings)]
            case "head":
                where = [f"a{place.layer}.h{h}" for h in place.heads]
            case "mlp":
                where = [f"m{place.layer}"]
            case _:
                where = []
        for component in where:
            found.setdefault(component, {})[place.name] = None
    return {c: tuple(found[c]) for c in sorted(found, key=_depth)}


def _renamed(writer: str, embeddings: str) -> str:
    return "input" if writer in ("tok", "pos") and embeddings == "joint" else writer


def _depth(component: str) -> tuple[float, int, int]:
    """Order components as the network runs."""
    if component in ("input", "tok", "pos", "logits"):
        return (float("inf") if component == "logits" else -1.0, component == "pos", 0)
    layer, _, head = component[1:].partition(".h")
    return (float(layer), component[0] == "m", int(head or 0))
