"""Cut what a model's answers do not need by training gates: the published way to L1, beside ours without training.

Three stages, each on what the last one left: inputs, heads and MLPs as wholes; what each operation reads of them; single
products. A stage trains the chances of gates, and what a cut leaves, on the divergence from the model's own output plus a
penalty for each edge that is open; for several penalties at once, of which the one that leaves fewest edges and still agrees
with the model is taken. Gates above 1/2 are kept, and what cuts leave is trained once more without the others. Then
primitives are put in place of weights (``primitives``).

Source: Huang et al. 2026, arXiv 2602.08857, section 4. Otherwise than there, factors of norms stay exact, MLPs whole, means go
by class of token, and penalties are on a fixed grid.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from janiform.decompile.trained.evidence import Batch, Match, draw
from janiform.decompile.trained.gated import Gated
from janiform.decompile.trained.graph import Edge, Graph
from janiform.decompile.trained.ledger import Ledger, Step
from janiform.decompile.trained.lift import LARGEST, count_split, lift, split
from janiform.decompile.trained.masks import Masks
from janiform.decompile.trained.means import measure, token_classes
from janiform.decompile.trained.primitives import ENOUGH, substitute
from janiform.decompile.trained.prune import Pruned, calibrate, matching
from janiform.model import Transformer
from janiform.tasks.sequences import Sampler
from janiform.train.progress import Tick

SYMBOLS = 800
"""About how many tokens a step runs through the graph for each penalty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gating:
    """Settings of training gates.

    A stage takes ``steps`` with drawn masks and ``tuning`` with the resulting ones, for each of the ``penalties``, in nats an
    edge, on ``inputs`` of all lengths and ``short`` ones; the result of fewest edges that matches on ``least`` of ``fresh``
    inputs is kept, or, where none does, on .9 of them, which is the published standard. ``rate`` is that of the logits of chances, ``rate_means`` that of what cuts leave. After
    ``seconds`` of CPU time nothing more is trained.
    """

    inputs: int = 256
    short: int = 24
    fresh: int = 256
    least: float = 0.97
    penalties: tuple[float, ...] = (0.001, 0.01, 0.03, 0.1)
    steps: int = 150
    tuning: int = 50
    rate: float = 0.1
    rate_means: float = 0.003
    seconds: float = 600.0
    seed: int = 0


def train_gates(
    model: Transformer,
    task: Sampler,
    settings: Gating | None = None,
    *,
    tick: Tick = lambda done, total: None,
) -> Pruned:
    """Lift a model and cut what its answers on a task do not need, by gates that are trained.

    >>> from janiform.model.checkpoints import load_trained
    >>> from janiform.tasks import sampler
    >>> quick = Gating(inputs=64, steps=40, tuning=10, penalties=(0.03, 0.1))
    >>> pruned = train_gates(load_trained("tomita2-1l1h16"), sampler("tomita2"), quick)
    >>> len(pruned.graph.edges), pruned.match.fraction
    (2, 1.0)
    """
    settings = settings or Gating()
    rng, begun = np.random.default_rng(settings.seed), time.process_time()
    generator = torch.Generator().manual_seed(settings.seed)
    calibration = calibrate(model, task, rng, settings.inputs, settings.short)
    graph = measure(lift(model), calibration, token_classes(task, model.config.d_vocab))
    lessons, fresh = list(_lessons(model, calibration)), draw(model, task, rng, settings.fresh)
    match, ledger, a_stage = matching(graph, fresh), Ledger(), settings.steps + settings.tuning
    edges_before = len(graph.edges)
    for number, (stage, gates) in enumerate(STAGES):
        if number and _together(graph) and count_split(graph) <= LARGEST:
            before, graph = (graph, match), measure(split(graph), calibration)
            match = matching(graph, fresh)
            ledger.add(_step("take paths apart", True, before, (graph, match), 0.0))
        start, training = time.process_time(), _Training(graph, gates, lessons, settings, generator)
        while training.step < a_stage and graph.edges and time.process_time() < begun + settings.seconds:
            training.advance()
            tick(number * a_stage + training.step, len(STAGES) * a_stage)
        if training.step < a_stage:
            break
        found = [(g, matching(g, fresh)) for g in training.results()]
        best = _best(graph, match, found, (settings.least, ENOUGH))
        seconds = (time.process_time() - start) / len(found)
        for i, after in enumerate(found):
            what = f"train gates of {stage}, penalty {settings.penalties[i]:g}"
            ledger.add(_step(what, i == best, (graph, match), after, seconds))
        if best is not None:
            graph, match = found[best]
    last = draw(model, task, rng, settings.fresh)
    substituted = substitute(graph, task, fresh, last, until=begun + settings.seconds)
    for step in substituted.steps:
        ledger.add(step)
    seconds = time.process_time() - begun
    return Pruned(graph, ledger, matching(graph, last), "gates", edges_before, seconds, substituted)


def _step(
    what: str, kept: bool, before: tuple[Graph, Match], after: tuple[Graph, Match], seconds: float
) -> Step:
    edges = len(before[0].edges), len(after[0].edges)
    return Step("L1", what, kept, *edges, before[1].fraction, after[1].fraction, seconds)


def _best(
    graph: Graph, match: Match, found: Sequence[tuple[Graph, Match]], enough: Sequence[float]
) -> int | None:
    """Return which result has fewest edges of those that agree enough, by the first standard by which any has fewer."""
    for least in enough:
        ranks = [
            (len(g.edges), -m.agreeing) if m.fraction >= min(least, match.fraction) else (math.inf, 0)
            for g, m in found
        ]
        if min(ranks) < (len(graph.edges), -match.agreeing):
            return ranks.index(min(ranks))
    return None


def _together(graph: Graph) -> bool:
    return any(v.head >= 0 and not v.part for v in graph.variables.values())


# --- stages: the gates of an edge, one or two ---------------------------------------------------------------------------


def _nodes(graph: Graph, edge: Edge) -> list[str]:
    """Name the inputs, heads and MLPs that an edge reads."""
    read = (graph.variables[name] for name in edge.reads)
    return sorted({v.name if v.head < 0 else f"a{v.layer}.{v.head}" for v in read})


def _readings(graph: Graph, edge: Edge) -> list[str]:
    """Name what an operation reads; the queries and the keys of a head read apart."""
    if edge.kind != "score":
        return [str(edge)]
    head = f"a{edge.layer}.{edge.head}"
    return [f"{head}: queries <- {edge.query}", f"{head}: keys <- {edge.key}"]


def _products(graph: Graph, edge: Edge) -> list[str]:
    """Name the edge itself."""
    return [str(edge)]


STAGES: tuple[tuple[str, Callable[[Graph, Edge], list[str]]], ...] = (
    ("nodes", _nodes),
    ("paths", _readings),
    ("products", _products),
)


# --- training -----------------------------------------------------------------------------------------------------------


def _lessons(model: Transformer, batches: Sequence[Batch]) -> Iterator[tuple[Batch, Tensor]]:
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


class _Training:
    """One stage at a step: chances of gates, and what cuts leave, for every penalty."""

    def __init__(
        self,
        graph: Graph,
        gates: Callable[[Graph, Edge], list[str]],
        lessons: Sequence[tuple[Batch, Tensor]],
        settings: Gating,
        generator: torch.Generator,
    ) -> None:
        self.gated, self.lessons, self.settings, self.generator = Gated(graph), lessons, settings, generator
        dtype, size = graph.weights.tokens.dtype, len(settings.penalties)
        self.penalties = torch.tensor(settings.penalties, dtype=dtype)
        self.masks = Masks([gates(graph, e) for e in self.gated.edges], trainings=size, dtype=dtype)
        self.means = {
            name: mean.repeat(size, 1, 1).requires_grad_()
            for name, mean in graph.means.items()
            if name in graph.variables or name in self.gated.paths
        }
        self.rates = settings.rate, settings.rate_means
        groups = [{"params": [self.masks.logits]}, {"params": list(self.means.values())}]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
        self.step, self._order, self._kept = 0, list[int](), list[Graph]()

    def advance(self) -> None:
        """Take a step: with drawn masks and the penalty first, with the resulting ones afterwards."""
        left = 1 - self.step / (self.settings.steps + self.settings.tuning)
        for group, rate in zip(self.optimizer.param_groups, self.rates):
            group["lr"] = rate * min(1.0, 2 * left)
        if not self._order:
            self._order = torch.randperm(len(self.lessons), generator=self.generator).tolist()
        batch, wanted = self.lessons[self._order.pop()]
        loss = self._loss(batch, wanted)
        if self.step < self.settings.steps:
            loss = loss + self.penalties * self.masks.expected().sum(-1)
        self.optimizer.zero_grad()
        loss.sum().backward()
        self.optimizer.step()
        self.step += 1

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
        if self.step < self.settings.steps:
            return self.masks.draw(rows, self.generator)
        kept = [[float(e in g.edges) for e in self.gated.edges] for g in self._resulting()]
        return torch.tensor(kept, dtype=self.penalties.dtype)[:, None].expand(-1, rows, -1)

    def _resulting(self) -> list[Graph]:
        if not self._kept:
            for opened in self.masks.open().tolist():
                self._kept.append(self.gated.graph.keeping(e for e, o in zip(self.gated.edges, opened) if o))
        return self._kept
