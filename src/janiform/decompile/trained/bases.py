"""Run a graph in which matrices over bases stand for the weights of some edges.

A variable that heads made of ``tok`` or ``pos`` alone has a basis, of tokens or of positions: which one stands there, or how
much heads see of each. An edge that has a matrix over bases adds what the matrix says, times the factors of the norm, in
place of what its weights say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from janiform.decompile.trained.evidence import Batch, Match, match
from janiform.decompile.trained.graph import CLASS, Edge, Graph
from janiform.decompile.trained.plan import Plan, site
from janiform.decompile.trained.run import Run
from janiform.model.precision import full_precision


class Primitive(NamedTuple):
    """What stands for an edge: its name, and its matrix over bases, [query, key] or [key, output]."""

    edge: Edge
    op: str
    matrix: Tensor


def matching(graph: Graph, primitives: Sequence[Primitive], batches: Sequence[Batch]) -> Match:
    """Count on how many inputs a graph with primitives agrees with the model."""
    plan = Plan(graph)
    return match(lambda b: BasisRun(plan, primitives, b).logits(), batches)


def basis(graph: Graph, name: str) -> str | None:
    """Return the input of which a variable is an average of averages, ``tok`` or ``pos``; None where it is of no one input.

    >>> from janiform.decompile.trained import lift
    >>> from janiform.model.checkpoints import load_trained
    >>> graph = lift(load_trained("tomita7-2l1h16"))
    >>> [basis(graph, name) for name in ("pos", "a1.0.a0.0.tok", "a1.0.m0")]
    ['pos', 'tok', None]
    """
    if name in ("tok", "pos", CLASS):
        return name
    variable = graph.variables[name]
    return basis(graph, variable.part) if variable.head >= 0 and variable.part else None


class BasisRun:
    """One batch through a graph with primitives."""

    def __init__(self, plan: Plan, primitives: Sequence[Primitive], batch: Batch) -> None:
        self.graph, self.weights = plan.graph, plan.graph.weights
        self.products: dict[tuple[int, int], list[Primitive]] = {}
        for p in primitives:
            if p.edge.kind == "score":
                self.products.setdefault((p.edge.layer, p.edge.head), []).append(p)
        self.projections = [p for p in primitives if p.edge.kind == "out"]
        self.patterns: dict[tuple[int, int], Tensor] = {}
        patterns = {at: self._pattern(*at) for at in self.products}
        self.done = Run(plan, batch.tokens, batch.positions, patterns=patterns)

    def logits(self) -> Float[Tensor, "batch pos d_vocab_out"]:
        """Return what the graph says with its primitives."""
        with full_precision(), torch.no_grad():
            logits = self.done.logits
            for p in self.projections:
                logits = logits - self.carried(p.edge) + self.shown(p.edge, p.matrix)
            return logits

    def carried(self, edge: Edge) -> Tensor:
        """Return what an edge adds to the scores of its head, or to the logits, by its weights."""
        done, layer, head = self.done, edge.layer, edge.head
        if edge.kind == "out":
            read = done[edge.key]
            if edge.key == "tok":
                read = read + self.graph.constants[layer][self.graph.kinds[done.tokens]]
            return read @ self.weights.unembed * done.scale("out")
        scale, pairs = done.scale(f"a{layer}"), set(done.plan.scores[layer, head])
        key = done.projected((edge.key,), layer, head, "k") * scale
        if edge.query != CLASS:
            return (done.projected((edge.query,), layer, head, "q") * scale) @ key.transpose(1, 2)
        kinds, bias = self.graph.kinds[done.tokens], self.weights.layers[layer].q_bias[head]
        cut = [q for q in self.graph.attended(layer) if (q, edge.key) not in pairs]
        query = bias + done.mean(cut, layer, head, "q")[kinds] * scale
        # The mean of the key, as far as other edges tell of it already, is theirs.
        told = cut if (CLASS, CLASS) in pairs else [q for q in cut if (q, CLASS) in pairs]
        known = done.mean(told, layer, head, "q")[kinds] * scale
        known = known + bias if (CLASS, CLASS) in pairs else known
        mean = done.mean([edge.key], layer, head, "k")[kinds] * scale
        return query @ key.transpose(1, 2) - known @ mean.transpose(1, 2)

    def shown(self, edge: Edge, matrix: Tensor) -> Tensor:
        """Return what it adds by a matrix over bases, times the factors of the norm."""
        scale = self.done.scale(site(edge))
        with full_precision():
            keys = self.activation(edge.key) * scale
            if edge.kind == "out":
                return keys @ matrix
            if edge.query == CLASS:
                return (matrix @ keys.transpose(1, 2)).expand(-1, keys.shape[1], -1)
            return self.activation(edge.query) * scale @ matrix @ keys.transpose(1, 2)

    def activation(self, name: str) -> Float[Tensor, "batch pos basis"]:
        """Return a variable in its basis: which token or position stands there, or how often heads see each."""
        dtype = self.weights.tokens.dtype
        if name == "tok":
            return F.one_hot(self.done.tokens, len(self.weights.tokens)).to(dtype)
        if name == "pos":
            at = F.one_hot(self.done.positions, len(self.weights.positions)).to(dtype)
            return at.expand(*self.done.tokens.shape, -1)
        variable = self.graph.variables[name]
        read = self.activation(variable.part) * self.done.scale(f"a{variable.layer}")
        return self.pattern(variable.layer, variable.head) @ read

    def pattern(self, layer: int, head: int) -> Float[Tensor, "batch query key"]:
        """Return how a head attends, by primitives where it has some."""
        if (layer, head) not in self.products:
            return self.done.pattern(layer, head)
        if (layer, head) not in self.patterns:
            scores = self.done.scores(layer, head)
            assert scores is not None, "a head with primitives has products"
            for p in self.products[layer, head]:
                scores = scores - self.carried(p.edge) + self.shown(p.edge, p.matrix)
            self.patterns[layer, head] = self.done.softmax(scores)
        return self.patterns[layer, head]

    def _pattern(self, layer: int, head: int) -> Callable[[Run], Tensor]:
        return lambda done: self.pattern(layer, head)
