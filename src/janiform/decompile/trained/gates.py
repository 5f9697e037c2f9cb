"""Cut what a model's answers do not need by training gates: the published way to L1, beside ours without training.

Three stages, each on what the last one left: inputs, heads and MLPs as wholes; what each operation reads of them; single
products. A stage trains the chances of gates, and what a cut leaves, on the divergence from the model's own output plus a
penalty for each edge that is open. Several penalties are tried at once, then others between the largest that will do and the
next; the result of fewest edges that still agrees with the model is taken. Last, primitives are put in place of weights.

Source: Huang et al. 2026, arXiv 2602.08857, section 4. Otherwise than there, factors of norms stay exact, MLPs whole, and
means go by class of token.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from janiform.decompile.trained.evidence import Batch, Match, batched, draw
from janiform.decompile.trained.gate_training import Lesson, Training, lessons
from janiform.decompile.trained.graph import Edge, Graph
from janiform.decompile.trained.ledger import Ledger, Step
from janiform.decompile.trained.lift import LARGEST, count_split, lift, split
from janiform.decompile.trained.means import measure, token_classes
from janiform.decompile.trained.primitives import ENOUGH, substitute
from janiform.decompile.trained.prune import Pruned, calibrate, matching
from janiform.errors import InputError
from janiform.model import Transformer
from janiform.tasks.sequences import Sampler
from janiform.train.progress import Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Gating:
    """Settings of training gates.

    A stage takes ``steps`` with drawn masks and ``tuning`` with the resulting ones, on ``inputs`` of all lengths and ``short``
    ones, for each of the ``penalties``, in nats an edge; then, in ``rounds`` of search altogether, for as many between those
    that will do and those that will not. What will do matches on ``least`` of ``fresh`` inputs; where nothing does, the result
    of fewest edges that matches on .9 of them, the published standard, is kept. ``rate`` is that of the logits of chances,
    ``rate_means`` that of what cuts leave. After ``seconds`` of CPU time nothing more is trained.
    """

    inputs: int = 256
    short: int = 24
    fresh: int = 256
    least: float = 0.97
    penalties: tuple[float, ...] = (0.001, 0.01, 0.1)
    rounds: int = 2
    steps: int = 120
    tuning: int = 40
    rate: float = 0.1
    rate_means: float = 0.003
    seconds: float = 600.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.penalties or min(self.penalties) <= 0:
            raise InputError(
                f"penalties are positive numbers of nats, such as (0.01, 0.1), not {self.penalties}"
            )


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
    >>> quick = Gating(inputs=64, rounds=1, steps=40, tuning=10, penalties=(0.03, 0.1))
    >>> pruned = train_gates(load_trained("tomita2-1l1h16"), sampler("tomita2"), quick)
    >>> len(pruned.graph.edges), pruned.match.fraction
    (2, 1.0)
    """
    settings = settings or Gating()
    rng, begun = np.random.default_rng(settings.seed), time.process_time()
    generator = torch.Generator().manual_seed(settings.seed)
    calibration = calibrate(model, task, rng, settings.inputs, settings.short)
    graph = measure(lift(model), calibration, token_classes(task, model.config.d_vocab))
    practice, fresh = (
        list(lessons(model, calibration)),
        batched(model, task, draw(model, task, rng, settings.fresh)),
    )
    match, ledger, edges_before = matching(graph, fresh), Ledger(), len(graph.edges)
    for number, (stage, gates) in enumerate(STAGES):
        if number and _together(graph) and count_split(graph) <= LARGEST:
            before, graph = (graph, match), measure(split(graph), calibration)
            match = matching(graph, fresh)
            ledger.add(_step("take paths apart", True, before, (graph, match), 0.0))
        least, deadline = min(settings.least, match.fraction), begun + settings.seconds
        search = _Search(graph, gates, practice, fresh, settings, generator, least, deadline)
        for done in search.advance():
            tick(number * search.steps + done, len(STAGES) * search.steps)
        best = _best(graph, match, search.found, (settings.least, ENOUGH))
        for i, after in enumerate(search.found):
            what = f"train gates of {stage}, penalty {search.tried[i]:.2g}"
            ledger.add(_step(what, i == best, (graph, match), after, search.seconds[i]))
        if best is not None:
            graph, match = search.found[best]
    last = batched(model, task, draw(model, task, rng, settings.fresh))
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
    for least in enough if found else ():
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


# --- the search over penalties ------------------------------------------------------------------------------------------


class _Search:
    """One stage: what each penalty that was ``tried`` leaves, its match, and the CPU seconds that it took."""

    def __init__(
        self,
        graph: Graph,
        gates: Callable[[Graph, Edge], list[str]],
        practice: Sequence[Lesson],
        fresh: list[Batch],
        settings: Gating,
        generator: torch.Generator,
        least: float,
        deadline: float,
    ) -> None:
        self.graph, self.gates, self.practice, self.fresh = graph, gates, practice, fresh
        self.settings, self.generator, self.least, self.deadline = settings, generator, least, deadline
        self.found: list[tuple[Graph, Match]] = []
        self.tried: list[float] = []
        self.seconds: list[float] = []
        self.steps = settings.rounds * (settings.steps + settings.tuning)

    def advance(self) -> Iterator[int]:
        """Train, and tell after every step how many are done; what is not trained to the end when time is up is dropped."""
        settings, penalties, done = self.settings, self.settings.penalties, 0
        for _ in range(settings.rounds if self.graph.edges else 0):
            start, rates = time.process_time(), (settings.rate, settings.rate_means)
            training = Training(
                self.graph,
                self.gates,
                penalties,
                self.practice,
                self.generator,
                steps=settings.steps,
                tuning=settings.tuning,
                rates=rates,
            )
            while not training.ended:
                if time.process_time() > self.deadline:
                    return
                training.advance()
                yield (done := done + 1)
            self.found += [(g, matching(g, self.fresh)) for g in training.results()]
            self.tried += penalties
            self.seconds += [(time.process_time() - start) / len(penalties)] * len(penalties)
            good = [p for p, (_, m) in zip(self.tried, self.found) if m.fraction >= self.least]
            penalties = between(self.tried, good, len(penalties))


def between(tried: Sequence[float], good: Sequence[float], n: int) -> tuple[float, ...]:
    """Return n penalties, in equal ratios, between the largest that will do and the next of those that were tried.

    >>> [f"{p:.2g}" for p in between([0.001, 0.01, 0.1], [0.001, 0.01], 3)]
    ['0.018', '0.032', '0.056']
    >>> [f"{p:.2g}" for p in between([0.001, 0.01, 0.1], [], 1)], [f"{p:.2g}" for p in between([0.1], [0.1], 1)]
    (['0.00032'], ['0.32'])
    """
    low = max(good, default=min(tried) / 10)
    high = min((p for p in tried if p > low), default=low * 10)
    return tuple(low * (high / low) ** (i / (n + 1)) for i in range(1, n + 1))
