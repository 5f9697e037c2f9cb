"""Train the gates of a graph: chances by which masks are drawn, and what a cut leaves, for several penalties at once.

The loss is the divergence from the model's own output under drawn masks, and for each edge that is open on average a penalty.
Then gates above 1/2 are kept, and what cuts leave is trained further without the others.
Source: Huang et al. 2026, arXiv 2602.08857, section 4; what cuts leave is trained as in Li and Janson 2024, arXiv 2409.09951.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from janiform.decompile.trained.evidence import Batch
from janiform.decompile.trained.gated import Gated
from janiform.decompile.trained.graph import Edge, Graph
from janiform.decompile.trained.masks import Masks
from janiform.model import Transformer

SYMBOLS = 800
"""About how many tokens a step runs through the graph for each penalty."""

Lesson = tuple[Batch, Tensor]
"""Inputs and the model's logits on them."""


def lessons(model: Transformer, batches: Sequence[Batch]) -> Iterator[Lesson]:
    """Yield batches of about as many symbols each, with the model's logits."""
    for batch in batches:
        for rows in torch.arange(len(batch)).split(max(4, SYMBOLS // batch.tokens.shape[1])):
            part = batch.take(rows)
            with torch.no_grad():
                yield part, model(part.tokens, part.positions)


def divergence(logits: Tensor, wanted: Tensor, *, sets: bool) -> Tensor:
    """Return the Kullback-Leibler divergence from wanted logits, in nats: of one token, or of sets token by token.

    >>> divergence(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 50.0]), sets=False)
    tensor(0.6931)
    >>> divergence(torch.tensor([0.0, 0.0]), torch.tensor([-50.0, 50.0]), sets=True)
    tensor(1.3863)
    """
    if not sets:
        said = wanted.log_softmax(-1)
        return (said.exp() * (said - logits.log_softmax(-1))).sum(-1)
    yes, no = (F.logsigmoid(sign * wanted) - F.logsigmoid(sign * logits) for sign in (1, -1))
    return (wanted.sigmoid() * yes + (-wanted).sigmoid() * no).sum(-1)


class Training:
    """A training at a step: chances of gates, and what cuts leave, for every penalty.

    ``steps`` are taken with drawn masks, ``tuning`` ones with the masks that result; ``rates`` are those of the logits of
    chances and of what cuts leave.
    """

    def __init__(
        self,
        graph: Graph,
        gates: Callable[[Graph, Edge], list[str]],
        penalties: Sequence[float],
        lessons: Sequence[Lesson],
        generator: torch.Generator,
        *,
        steps: int,
        tuning: int,
        rates: tuple[float, float],
    ) -> None:
        self.gated, self.lessons, self.generator = Gated(graph), lessons, generator
        self.steps, self.tuning, self.rates = steps, tuning, rates
        dtype, size = graph.weights.tokens.dtype, len(penalties)
        self.penalties = torch.tensor(penalties, dtype=dtype)
        self.masks = Masks([gates(graph, e) for e in self.gated.edges], trainings=size, dtype=dtype)
        self.means = {
            name: mean.repeat(size, 1, 1).requires_grad_()
            for name, mean in graph.means.items()
            if name in graph.variables or name in self.gated.paths
        }
        groups = [{"params": [self.masks.logits]}, {"params": list(self.means.values())}]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
        self.step, self._order, self._kept = 0, list[int](), list[Graph]()

    def advance(self) -> None:
        """Take a step: with drawn masks and the penalty first, with the resulting ones afterwards."""
        left = 1 - self.step / (self.steps + self.tuning)
        for group, rate in zip(self.optimizer.param_groups, self.rates):
            group["lr"] = rate * min(1.0, 2 * left)
        if not self._order:
            self._order = torch.randperm(len(self.lessons), generator=self.generator).tolist()
        batch, wanted = self.lessons[self._order.pop()]
        loss = self._loss(batch, wanted)
        if self.step < self.steps:
            loss = loss + self.penalties * self.masks.expected().sum(-1)
        self.optimizer.zero_grad()
        loss.sum().backward()
        self.optimizer.step()
        self.step += 1

    @property
    def ended(self) -> bool:
        return self.step >= self.steps + self.tuning

    def results(self) -> list[Graph]:
        """Return the graph of the edges that are rather open, with what cuts leave, for every penalty."""
        return [
            replace(g, means={**g.means, **{name: m.detach()[i] for name, m in self.means.items()}})
            for i, g in enumerate(self._resulting())
        ]

    def _loss(self, batch: Batch, wanted: Tensor) -> Float[Tensor, " training"]:
        """Return the mean divergence at asked positions."""
        rows, size = len(batch), len(self.penalties)
        masks = self._masks(rows).flatten(0, 1)
        means = {name: m.repeat_interleave(rows, 0) for name, m in self.means.items()}
        tokens, positions = batch.tokens.repeat(size, 1), batch.positions.repeat(size, 1)
        logits = self.gated.logits(masks, means, tokens, positions).unflatten(0, (size, rows))
        each = divergence(logits, wanted, sets=batch.answer.ndim == 3) * batch.asked
        return each.sum((1, 2)) / batch.asked.sum()

    def _masks(self, rows: int) -> Float[Tensor, "training row edge"]:
        if self.step < self.steps:
            return self.masks.draw(rows, self.generator)
        kept = [[float(e in g.edges) for e in self.gated.edges] for g in self._resulting()]
        return torch.tensor(kept, dtype=self.penalties.dtype)[:, None].expand(-1, rows, -1)

    def _resulting(self) -> list[Graph]:
        if not self._kept:
            for opened in self.masks.open().tolist():
                self._kept.append(self.gated.graph.keeping(e for e, o in zip(self.gated.edges, opened) if o))
        return self._kept
