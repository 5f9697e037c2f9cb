"""Climbing: grow, fit, search, look for counterexamples, again, until a draft is right on everything it is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from janiform.learn.draft import Bench, Draft, Frame, accuracy, logits
from janiform.learn.grow import Growth
from janiform.learn.output import fit_output
from janiform.learn.search import Search, State


@dataclass(frozen=True, slots=True)
class Climbing:
    """How to climb: candidates a round, inputs to start from and at most, inputs that judge candidates."""

    tries: int = 1500
    start: int = 800
    most: int = 4000
    judged: int = 500
    check: int = 4000
    patience: int = 6


@dataclass(frozen=True, slots=True)
class Rung:
    """A draft after one round, with its accuracy on the inputs it was checked on."""

    round: int
    draft: Draft
    token_accuracy: float
    sequence_accuracy: float
    seconds: float


def empty(frame: Frame) -> Draft:
    """The draft without units, which knows tokens and positions."""
    zeros = tuple(np.zeros((n, frame.labels), np.float32) for n in (frame.tokens, frame.length))
    return Draft(frame, (), zeros, np.zeros(frame.labels, np.float32))


def climb(
    x: np.ndarray, y: np.ndarray, start: Draft, settings: Climbing = Climbing(), *, seed: int = 0, until: float
) -> Iterator[Rung]:
    """Yield better drafts, until one is right on all of ``x`` (in process time ``until`` at the latest)."""
    rng = np.random.default_rng(seed)
    frame, draft, begun = start.frame, start, time.process_time()
    rows = rng.choice(len(x), min(settings.start, len(x)), replace=False)
    fresh: list[int] = list(range(len(draft.units)))
    for r in range(10_000):
        bench, labels = Bench(frame, x[rows]), y[rows]
        search = Search(bench, labels, seed=int(rng.integers(2**31)))
        at = search.state(fit_output(draft, bench.run(draft), labels, steps=50))
        if r:
            some = at.draft.live() if r % 5 == 0 else [*fresh, *rng.choice(len(draft.units), min(2, len(draft.units)), replace=False)]
            at = search.sweep(at, until, sorted({int(i) for i in some}))
            at = search.state(fit_output(at.draft, at.values, labels, steps=50))
        draft = at.draft
        looked = rng.choice(len(x), min(settings.check, len(x)), replace=False)
        wrong = wrong_rows(draft, x, y, looked)
        if not len(wrong):
            wrong = wrong_rows(draft, x, y, np.arange(len(x)))
            looked = np.arange(len(x))
        token, sequence = score(draft, x[looked], y[looked])
        yield Rung(r, draft, token, sequence, time.process_time() - begun)
        if not len(wrong) or time.process_time() > until:
            return
        if len(wrong) < 0.3 * len(looked):
            rows = np.unique(np.concatenate([rows, wrong[:300]]))
        elif len(rows) < settings.most:
            rows = np.unique(np.concatenate([rows, rng.choice(len(x), min(300, len(x)), replace=False)]))
        if len(rows) > settings.most:
            rows = rng.choice(rows, settings.most, replace=False)
        judged = rng.choice(len(bench.valid), min(settings.judged, len(bench.valid)), replace=False)
        part = State(at.draft, [v[judged] for v in at.values], at.scores[judged], at.losses[judged])
        growth = Growth(part, bench.take(judged), labels[judged], int(rng.integers(2**31)))
        best = growth.best(settings.tries, min(until, time.process_time() + 15))
        fresh = []
        if best is not None:
            fresh = list(range(len(draft.units), len(draft.units) + len(best.chain) + (best.partner is not None)))
            draft = growth.grown(best)


def wrong_rows(draft: Draft, x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Those of ``rows`` that the draft gets wrong somewhere."""
    found = []
    for part in np.array_split(rows, max(1, len(rows) // 4000)):
        bench = Bench(draft.frame, x[part])
        scores = logits(draft, bench.run(draft))
        found.append(part[((scores.argmax(2) != y[part]) & (y[part] >= 0)).any(1)])
    return np.concatenate(found)


def score(draft: Draft, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Token and whole-sequence accuracy, a few thousand inputs at a time."""
    parts = np.array_split(np.arange(len(x)), max(1, len(x) // 4000))
    scores = np.concatenate([logits(draft, Bench(draft.frame, x[p]).run(draft)) for p in parts])
    return accuracy(scores, y)
