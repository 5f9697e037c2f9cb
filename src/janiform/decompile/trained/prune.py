"""Cut what a model's answers do not need (L1), without training: what is cut leaves its mean by class of token.

Whole MLPs, heads and inputs are tried first, then the edges of each operation, from the output to the input: those that
carry least together, then halves of them. Inputs drawn anew on which the graph fails join the calibration, and cuts that
these cannot do without are given back. Paths that a lift left together are taken apart once most of them are gone. Factors
of norms are simplified last.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from janiform.decompile.trained.evidence import Batch, Match, batched, draw, match
from janiform.decompile.trained.graph import Graph
from janiform.decompile.trained.ledger import Ledger, Step
from janiform.decompile.trained.lift import LARGEST, count_split, lift, split
from janiform.decompile.trained.listing import listing
from janiform.decompile.trained.means import measure, token_classes
from janiform.decompile.trained.primitives import ENOUGH, Substituted
from janiform.decompile.trained.run import run
from janiform.decompile.trained.scales import tables
from janiform.decompile.trained.search import Search, failures
from janiform.model import Transformer
from janiform.tasks.sequences import Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Settings of pruning.

    ``inputs`` of all lengths and ``short`` ones calibrate; ``fresh`` ones try the result, at most
    ``rounds`` times, until it matches on ``least`` of them. An edge costs ``edge_bits`` of the description, and half as much
    each time the result does not do. After ``seconds`` of CPU time nothing more is tried.
    """

    inputs: int = 64
    short: int = 24
    fresh: int = 256
    rounds: int = 4
    least: float = 0.97
    edge_bits: float = 24.0
    seconds: float = 60.0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Pruned:
    """A pruned graph, the steps that led to it, its match on inputs that did not calibrate it, how it was made of how many
    edges in how many seconds of CPU time, and, after gates, the graph with primitives."""

    graph: Graph
    ledger: Ledger
    match: Match
    method: str
    edges_before: int
    seconds: float
    substituted: Substituted | None = None

    @property
    def listing(self) -> str:
        """The graph as D-RASP, with primitives where they say enough of what the model says."""
        if self.substituted is None or self.substituted.match.fraction < ENOUGH:
            return listing(self.graph)
        return listing(self.graph, self.substituted.ops)

    def facts(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "method": self.method,
            "edges": len(self.graph.edges),
            "edges_before": self.edges_before,
            "match": round(self.match.fraction, 5),
            "match_interval": [round(x, 4) for x in self.match.interval],
            "seconds": round(self.seconds, 2),
            "primitives": None if self.substituted is None else self.substituted.facts(),
        }


def prune(model: Transformer, task: Sampler, settings: Pruning | None = None) -> Pruned:
    """Lift a model and cut what its answers on a task do not need.

    >>> from janiform.model import Config
    >>> from janiform.tasks import sampler
    >>> shape = Config(n_layers=1, d_model=8, n_heads=1, d_head=4, d_mlp=9, d_vocab=6, d_vocab_out=6, n_ctx=40, attention_dir="causal")
    >>> pruned = prune(Transformer(shape), sampler("tomita2"), Pruning(fresh=32))
    >>> len(pruned.graph.edges) < 20, pruned.match.fraction > 0.9
    (True, True)
    """
    settings = settings or Pruning()
    rng, start = np.random.default_rng(settings.seed), time.process_time()
    deadline = start + settings.seconds
    calibration = calibrate(model, task, rng, settings.inputs, settings.short)
    graph = measure(lift(model), calibration, token_classes(task, model.config.d_vocab))
    edges_before, ledger = len(graph.edges), Ledger()

    def searching(graph: Graph) -> Search:
        total = sum(map(len, calibration))
        return Search(graph, calibration, total, settings.least, settings.edge_bits, ledger, deadline)

    search = searching(graph)
    _cut_wholes(search)
    _cut_edges(search)
    together = any(v.head >= 0 and not v.part for v in search.graph.variables.values())
    if together and count_split(search.graph) <= LARGEST:
        before, search = search, searching(measure(split(search.graph), calibration))
        _note_split(before, search)
        _cut_edges(search)
    for remaining in reversed(range(settings.rounds)):
        fresh = batched(model, task, draw(model, task, rng, settings.fresh))
        failing = list(failures(search.graph, fresh))
        if (
            search.over
            or not remaining
            or sum(map(len, failing)) <= (1 - settings.least) * sum(map(len, fresh))
        ):
            break
        search.edge_bits /= 2
        search.grow(failing, sum(map(len, fresh)))
        search.mend()
        _cut_edges(search)
    graph, found = search.graph, matching(search.graph, fresh)
    _simplify_scales(search)
    simpler = matching(search.graph, fresh)
    if simpler.fraction >= min(settings.least, found.fraction):
        graph, found = search.graph, simpler
    return Pruned(graph, ledger, found, "causal", edges_before, time.process_time() - start)


def calibrate(
    model: Transformer, task: Sampler, rng: np.random.Generator, inputs: int, short: int
) -> list[Batch]:
    """Draw inputs of all lengths, and short ones."""
    return batched(model, task, draw(model, task, rng, inputs + short, short=short))


def _cut_wholes(search: Search) -> None:
    """Try to do without whole MLPs and heads, the last first, and without positions or tokens."""
    for layer in reversed(search.full.layers):
        search.attempt(search.graph.reading(f"m{layer}"), f"cut all of m{layer}")
        for head in range(search.full.weights.heads):
            search.attempt(search.graph.at("value", layer, head), f"cut all of a{layer}.{head}")
    for name in ("pos", "tok"):
        search.attempt(search.graph.reading(name), f"cut all that reads {name}")


def _cut_edges(search: Search) -> None:
    """Try to cut the edges of each operation, from the output to the input, until nothing more can be cut."""
    before = None
    while search.graph.edges != before and not search.over:
        before, ordered = search.graph.edges, search.ordered()
        search.bisect(ordered(search.graph.at("out", len(search.graph.layers))), "outputs")
        for layer in reversed(search.graph.layers):
            search.bisect(ordered(search.graph.at("mlp", layer)), f"inputs of m{layer}")
            for head in range(search.graph.weights.heads):
                search.bisect(ordered(search.graph.at("value", layer, head)), f"values of a{layer}.{head}")
                search.bisect(ordered(search.graph.at("score", layer, head)), f"products of a{layer}.{head}")


def _note_split(before: Search, after: Search) -> None:
    edges = len(before.graph.edges), len(after.graph.edges)
    matches = 1 - before.wrong / before.total, 1 - after.wrong / after.total
    after.ledger.add(Step("L1", "take paths apart", True, edges[0], edges[1], matches[0], matches[1], 0.0))


def _simplify_scales(search: Search) -> None:
    """Try one number for each norm's factor, else a table by token; which saves less than an edge."""
    for site, form, table in tables(search.graph, search.batches):
        if site not in search.graph.scales and not search.over:
            simpler = replace(search.graph, scales={**search.graph.scales, site: table})
            saved = search.edge_bits / (2 if form == "one number" else 4)
            search.change(simpler, f"scale {site}: {form}", saved=saved)


def matching(graph: Graph, batches: list[Batch]) -> Match:
    """Count on how many inputs a graph agrees with the model."""
    return match(lambda b: run(graph, b.tokens, b.positions).logits, batches)
