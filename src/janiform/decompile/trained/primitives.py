"""Put named primitives in place of the weights of a pruned graph, greedily: the published step after gates (L2).

A product q x k has a matrix over the bases of its two sides, ``class`` as the query being always the same, and what a variable
adds to the logits has one over tokens and outputs. Each becomes a number times that template which fits it best of those
after which enough inputs agree with the model; else it is rounded to few values. MLPs, and products with ``class`` as the
key, stay as they are.

Source: Huang et al. 2026, arXiv 2602.08857, section 5, for templates, their order and success at .9.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from janiform.decompile.trained.bases import BasisRun, Primitive, basis, matching
from janiform.decompile.trained.evidence import Batch, Match
from janiform.decompile.trained.graph import CLASS, Edge, Graph
from janiform.decompile.trained.ledger import Step
from janiform.decompile.trained.plan import Plan
from janiform.tasks.sequences import Sampler

ENOUGH = 0.9
"""The share of inputs that must agree."""
FITS = 0.25
"""The share of variance from which on a template is tried."""
LEVELS = 2, 4, 8, 16, 32, 64
"""Into how many steps the largest weight is divided where a matrix is rounded."""


@dataclass(frozen=True, slots=True, eq=False)
class Substituted:
    """A graph with primitives in place of some weights, of how many that have a matrix, its match, and all that was tried."""

    graph: Graph
    primitives: tuple[Primitive, ...]
    candidates: int
    match: Match
    steps: tuple[Step, ...]

    def facts(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "replaced": len(self.primitives),
            "of": self.candidates,
            "match": round(self.match.fraction, 5),
        }

    @property
    def ops(self) -> Mapping[Edge, str]:
        """What the listing says of each edge."""
        return {p.edge: p.op for p in self.primitives}


def substitute(
    graph: Graph,
    task: Sampler,
    batches: Sequence[Batch],
    fresh: Sequence[Batch],
    *,
    until: float = math.inf,
) -> Substituted:
    """Replace what can be replaced, from the input to the output, trying on ``batches``; the match is on ``fresh``.

    After ``until``, in CPU time of the process, nothing more is tried.

    >>> import numpy as np
    >>> from janiform.decompile.trained.evidence import batched, draw
    >>> from janiform.decompile.trained.graph import Edge
    >>> from janiform.decompile.trained.lift import lift
    >>> from janiform.decompile.trained.means import measure
    >>> from janiform.model.checkpoints import load_trained
    >>> from janiform.tasks import sampler
    >>> model, task = load_trained("bin_majority-1l1h16"), sampler("bin_majority")
    >>> batches = batched(model, task, draw(model, task, np.random.default_rng(0), 60))
    >>> graph = measure(lift(model), batches).keeping([Edge.value(0, 0, "tok"), Edge.out(1, "a0.0.tok")])
    >>> found = substitute(graph, task, batches, batches)
    >>> [(str(p.edge), p.op[:7]) for p in found.primitives], found.match.fraction > 0.9
    ([('out <- a0.0.tok', 'rounded')], True)
    """
    kept: tuple[Primitive, ...] = ()
    steps: list[Step] = []
    agreed, n = matching(graph, kept, batches), len(graph.edges)
    edges = [e for e in sorted(graph.edges, key=lambda e: (e.layer, e)) if _has_matrix(graph, e)]
    for edge in edges:
        for primitive in _candidates(graph, kept, edge, task, batches) if time.process_time() < until else ():
            start, before = time.process_time(), agreed
            found = matching(graph, (*kept, primitive), batches)
            good, what = found.fraction >= ENOUGH, f"{edge}: op={primitive.op}"
            seconds = time.process_time() - start
            steps.append(Step("L2", what, good, n, n, before.fraction, found.fraction, seconds))
            if good:
                kept, agreed = (*kept, primitive), found
                break
    return Substituted(graph, kept, len(edges), matching(graph, kept, fresh), tuple(steps))


def _has_matrix(graph: Graph, edge: Edge) -> bool:
    if edge.kind not in ("score", "out") or basis(graph, edge.key) in (None, CLASS):
        return False
    return edge.kind == "out" or basis(graph, edge.query) is not None


def _candidates(
    graph: Graph, kept: tuple[Primitive, ...], edge: Edge, task: Sampler, batches: Sequence[Batch]
) -> Iterator[Primitive]:
    """Yield what may stand for an edge, the simplest and best fitting first."""
    plan = Plan(graph)
    runs = [(b, BasisRun(plan, kept, b)) for b in batches]
    fitted = []
    for name, matrix in templates(graph, edge, task):
        factor, fit = _fit(runs, edge, matrix)
        fitted.append((fit, name, factor * matrix, factor))
    for fit, name, matrix, factor in sorted(fitted, key=lambda f: -f[0]):
        if fit >= FITS:
            yield Primitive(edge, f"{factor:.3g}*({name})", matrix)
    matrix = _weights(graph, edge, runs)
    if edge.kind == "score":
        yield Primitive(edge, "uniform", torch.zeros_like(matrix))
    matrix = _fit(runs, edge, matrix)[0] * matrix
    for levels in LEVELS:
        step = float(matrix.abs().max()) / levels
        if step > 0:
            yield Primitive(edge, f"rounded to {step:.2g}", (matrix / step).round() * step)


def templates(graph: Graph, edge: Edge, task: Sampler) -> Iterator[tuple[str, Tensor]]:
    """Yield the names and the matrices of the templates for an edge.

    >>> from janiform.decompile.trained import lift
    >>> from janiform.model.checkpoints import load_trained
    >>> from janiform.tasks import sampler
    >>> graph = lift(load_trained("D2-1l1h16"))
    >>> [name for name, _ in templates(graph, Edge.score(0, 0, "tok", "tok"), sampler("D2"))]
    ['k==BOS', 'k==SEP', 'k==q']
    >>> [name for name, _ in templates(graph, Edge.out(1, "tok"), sampler("D2"))]
    ['inp==out']
    """
    weights = graph.weights
    sizes = {"tok": len(weights.tokens), "pos": len(weights.positions), CLASS: 1}
    key = basis(graph, edge.key) or CLASS
    query = (basis(graph, edge.query) if edge.kind == "score" else None) or CLASS
    rows, columns = sizes[query], sizes[key]
    one = weights.tokens.new_ones(rows, 1)
    if edge.kind == "out":
        if key == "tok" and weights.unembed.shape[1] == columns:
            yield "inp==out", torch.eye(columns, dtype=one.dtype)
        return
    if key == "tok":
        yield "k==BOS", one * F.one_hot(torch.tensor(task.bos), columns)
        yield "k==SEP", one * F.one_hot(torch.tensor(task.sep), columns)
    else:
        late = torch.arange(columns, dtype=one.dtype) / columns
        yield "first", one * -late
        yield "last", one * late
    if query == key:
        yield "k==q", torch.eye(columns, dtype=one.dtype)
    if query == key == "pos":
        back = torch.arange(rows)[:, None] - torch.arange(columns)
        for n in (1, 2):
            yield f"k==q-{n}", (back == n).to(one.dtype)
        for n, nth in ((2, "2nd"), (3, "3rd")):
            yield f"every {nth}", (back % n == 0).to(one.dtype)


def _fit(runs: Sequence[tuple[Batch, BasisRun]], edge: Edge, matrix: Tensor) -> tuple[float, float]:
    """Return the number times which a matrix is nearest to what an edge carries, and the share of variance explained."""
    both = real = shown = 0.0
    for batch, run in runs:
        carried, told = run.carried(edge), run.shown(edge, matrix)
        if edge.kind == "score":
            seen = torch.ones_like(carried, dtype=torch.bool) & batch.counted[:, :, None]
            seen = seen.tril() if run.weights.causal else seen
        else:
            seen = batch.asked[:, :, None].expand_as(carried)
        if edge.kind == "score" or batch.answer.ndim == 2:
            # What is alike for all keys, or for all outputs, changes nothing.
            few = seen.sum(-1, keepdim=True).clamp(min=1)
            carried, told = (x - (x * seen).sum(-1, keepdim=True) / few for x in (carried, told))
        both += float((carried * told)[seen].sum())
        real += float(carried[seen].square().sum())
        shown += float(told[seen].square().sum())
    return (both / shown, both**2 / (shown * real)) if shown * real > 0 else (0.0, 0.0)


def _weights(graph: Graph, edge: Edge, runs: Sequence[tuple[Batch, BasisRun]]) -> Tensor:
    """Return the matrix of an edge over its bases; of ``class`` as the query, the mean."""
    weights, layer, head = graph.weights, edge.layer, edge.head

    def table(name: str, reader: int) -> Tensor:
        if name == "tok":
            return weights.tokens + graph.constants[reader][graph.kinds]
        if name == "pos":
            return weights.positions
        v = graph.variables[name]
        block = weights.layers[v.layer]
        return table(v.part, v.layer) @ block.v[v.head] @ block.o[v.head]

    if edge.kind == "out":
        return table(edge.key, layer) @ weights.unembed
    block = weights.layers[layer]
    keys = table(edge.key, layer) @ block.k[head]
    if edge.query == CLASS:
        kinds = torch.cat([graph.kinds[batch.tokens][batch.counted] for batch, _ in runs])
        share = F.one_hot(kinds, graph.constants.shape[1]).to(keys.dtype).mean(0)
        scale = torch.cat([run.done.scale(f"a{layer}")[batch.counted] for batch, run in runs]).mean()
        means = runs[0][1].done.mean(graph.attended(layer), layer, head, "q")
        return (block.q_bias[head] + share @ means * scale)[None] @ keys.T
    return table(edge.query, layer) @ block.q[head] @ keys.T
