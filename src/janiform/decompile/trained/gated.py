"""A graph whose edges are open by degrees: between what an edge carries and what its cut leaves, for every row its own.

Rows may differ in gates and means, so that one pass serves many drawn masks, and several trainings at once. Invariant: where
all gates are 0 or 1 and every open edge bears on the output, the logits are those of ``run`` on the graph of the open edges.
A product q x k that is open by g adds g q.k + (1 - g) (u mean(q).k + w q.mean(k) + ((1 - u) (1 - w) z - u w) mean(q).mean(k)),
where u, w and z are the gates of ``class x k``, ``q x class`` and ``class x class``: linear in each gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, einsum

from janiform.decompile.trained.graph import CLASS, Edge, Graph
from janiform.decompile.trained.plan import site
from janiform.model.precision import full_precision


class Gated:
    """The edges of a graph in an order, ``edges``, and where each operation finds its own among them.

    >>> from janiform.decompile.trained import lift, run
    >>> from janiform.model import Config, Transformer
    >>> shape = Config(n_layers=1, d_model=8, n_heads=1, d_head=4, d_mlp=9, d_vocab=5, d_vocab_out=5, n_ctx=6)
    >>> graph, tokens = lift(Transformer(shape)), torch.tensor([[0, 1, 2]])
    >>> logits = Gated(graph).logits(torch.ones(1, 20), {}, tokens, torch.arange(3))
    >>> torch.allclose(logits, run(graph, tokens).logits, atol=1e-5)
    True
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.edges = graph, sorted(graph.edges)
        self.heads, self.read = graph.heads, frozenset(v for e in self.edges for v in e.reads)
        self.paths = {
            f"{v.name}.{part}"
            for v in graph.variables.values()
            if v.head >= 0 and not v.part
            for part in graph.attended(v.layer)
        }
        """What heads write of each variable where they write it together."""
        self._number = {e: i for i, e in enumerate(self.edges)}
        self._readers: dict[tuple[str, str], list[int]] = {}
        for i, e in enumerate(self.edges):
            for name in set(e.reads):
                self._readers.setdefault((site(e), name), []).append(i)

    def logits(
        self,
        gates: Float[Tensor, "row edge"],
        means: Mapping[str, Float[Tensor, "row class d_model"]],
        tokens: Int[Tensor, "row pos"],
        positions: Int[Tensor, "*row pos"],
    ) -> Float[Tensor, "row pos d_vocab_out"]:
        """Run every row with its gates; a variable of which no mean is given leaves nothing."""
        with full_precision():
            return _Pass(self, gates, means, tokens, positions).logits()

    def places(self, *edges: Edge) -> list[int]:
        """Return where edges stand in the order; one that the graph has not stands after the last."""
        return [self._number.get(e, len(self.edges)) for e in edges]

    def readers(self, at: str, name: str) -> list[int]:
        """Return the places of the edges that read a variable at a site."""
        return self._readers.get((at, name), [])


class _Reading:
    """What a site reads: variables that some edge of it carries, [row, name, pos, d_model], then means of all that it could."""

    def __init__(self, done: _Pass, at: str, index: int, known: list[str]) -> None:
        self.real = [v for v in known if done.gated.readers(at, v)]
        self.names = self.real + [v for v in known if v not in self.real]
        constant = done.graph.constants[index]
        nothing = done.found["tok"].new_zeros(len(done.gates), *constant.shape)
        means = [done.means.get(v, nothing) + (constant if v == "tok" else 0) for v in self.names]
        values = [done.found[v] + (done.kinds @ constant if v == "tok" else 0) for v in self.real]
        self.means = torch.stack(means, 1)
        self.values = torch.stack(values, 1) if values else done.found["tok"][:, None, :, :][:, :0]
        self.stream = self._stream(done, at)
        table = done.graph.scales.get(at)
        weights = done.weights
        self.scale = weights.scale(self.stream) if table is None else table[done.tokens].unsqueeze(-1)

    def _stream(self, done: _Pass, at: str) -> Tensor:
        """Return the sum of all, each as far from its mean as any edge that reads it is open."""
        shares = done.gates.new_zeros(len(done.gates), len(self.names))
        if self.real:
            readers = [done.gated.readers(at, v) for v in self.real]
            most = max(map(len, readers))
            closed = len(done.gated.edges)
            places = torch.tensor([r + [closed] * (most - len(r)) for r in readers])
            shares = F.pad(1 - (1 - done.gates[:, places]).prod(-1), (0, len(self.names) - len(self.real)))
        left = done.kinds @ einsum("rv,rvcm->rcm", 1 - shares, self.means)
        return left + einsum("rv,rvpm->rpm", shares[:, : len(self.real)], self.values)


class _Pass:
    """One batch of rows on their way through a graph."""

    def __init__(
        self, gated: Gated, gates: Tensor, means: Mapping[str, Tensor], tokens: Tensor, positions: Tensor
    ) -> None:
        self.gated, self.graph, self.weights = gated, gated.graph, gated.graph.weights
        self.gates, self.means, self.tokens = F.pad(gates, (0, 1)), means, tokens
        self.kinds = F.one_hot(self.graph.kinds[tokens], self.graph.constants.shape[1]).to(gates.dtype)
        places = F.embedding(positions, self.weights.positions).expand(*tokens.shape, -1)
        self.found = {"tok": F.embedding(tokens, self.weights.tokens), "pos": places}

    def logits(self) -> Tensor:
        for layer in self.graph.layers:
            if any(at[0] == layer for at in self.gated.heads):
                self._attend(layer)
            if f"m{layer}" in self.gated.read:
                block = self.weights.layers[layer]
                reading = _Reading(self, f"m{layer}", layer + 1, self.graph.mixed(layer))
                hidden = reading.stream @ block.w_in * reading.scale + block.b_in
                self.found[f"m{layer}"] = self.weights.act_fn(hidden) @ block.w_out + block.b_out
        reading = _Reading(self, "out", len(self.graph.layers), list(self.graph.variables))
        return reading.stream @ self.weights.unembed * reading.scale + self.weights.unembed_bias

    def _attend(self, layer: int) -> None:
        """Find what the heads of a layer write."""
        block = self.weights.layers[layer]
        reading = _Reading(self, f"a{layer}", layer, self.graph.attended(layer))
        for head in (h for at, h in self.gated.heads if at == layer):
            pattern = self._softmax(self._scores(reading, layer, head))
            whole, total = f"a{layer}.{head}", None
            for i, name in enumerate(reading.names):
                [place] = self.gated.places(Edge.value(layer, head, name))
                gate, path = self.gates[:, place, None, None], f"{whole}.{name}"
                if path in self.graph.variables and path not in self.gated.read:
                    continue
                part = self.kinds @ self.means[path] * (1 - gate) if path in self.means else None
                if place < len(self.gated.edges):
                    carried = reading.values[:, i] @ block.v[head] * reading.scale
                    written = gate * (pattern @ carried @ block.o[head])
                    part = written if part is None else part + written
                if path in self.graph.variables:
                    if part is not None:
                        self.found[path] = part
                elif part is not None:
                    total = part if total is None else total + part
            if total is not None:
                self.found[whole] = total

    def _scores(self, reading: _Reading, layer: int, head: int) -> Tensor:
        """Return the scores of a head, but for terms alike for all keys."""
        sides = [CLASS, *reading.names]
        places = [self.gated.places(*(Edge.score(layer, head, q, k) for k in sides)) for q in sides]
        opened, n = self.gates[:, torch.tensor(places)], len(reading.real)
        z, u, w, g = opened[:, :1, :1], opened[:, 0, 1:], opened[:, 1:, 0], opened[:, 1:, 1:]
        block, scale, kinds = self.weights.layers[layer], reading.scale, self.kinds
        bias, cut = block.q_bias[head], 1 - g
        queries, keys = reading.values @ block.q[head], reading.values @ block.k[head]
        q_means, k_means = reading.means @ block.q[head], reading.means @ block.k[head]
        # What meets the keys themselves.
        left = einsum("rk,rqk,rqce->rkce", u[:, :n], cut[:, :, :n], q_means)
        mixed = einsum("rqk,rqpe->rkpe", g[:, :n, :n], queries) + kinds[:, None] @ left
        mixed = mixed * scale[:, None] + u[:, :n, None, None] * bias
        scores = einsum("rkpe,rkje->rpj", mixed, keys * scale[:, None])
        # What meets their means.
        right = einsum("rq,rqk,rkce->rqce", w[:, :n], cut[:, :n], k_means)
        rest = cut * ((1 - u[:, None]) * (1 - w[:, :, None]) * z - u[:, None] * w[:, :, None])
        table = einsum("rqce,rqk,rkde->rcd", q_means, rest, k_means)
        by_class = (einsum("rqpe,rqce->rpc", queries, right) + kinds @ table) * scale
        by_class = by_class + einsum("rk,rkce,e->rc", (1 - u) * z[:, 0], k_means, bias)[:, None]
        return scores + by_class @ (kinds * scale).transpose(1, 2)

    def _softmax(self, scores: Tensor) -> Tensor:
        if self.weights.causal:
            scores = scores + torch.full_like(scores[0], -math.inf).triu(1)
        return scores.softmax(-1)
