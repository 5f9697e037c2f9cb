"""Climbing: grow, fit, search, look for counterexamples, again, until a draft is right on everything it is asked.

Several climbs race: all begin alike but for their seed, and at set rounds the worse half stops (successive halving). What is
wrong on the inputs that a round is checked on joins the inputs that the next round is fitted to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from janiform.learn.draft import Bench, Draft, Frame, accuracy, logits
from janiform.learn.grow import Growth
from janiform.learn.output import fit_output
from janiform.learn.search import Search, State


@dataclass(frozen=True, slots=True)
class Climbing:
    """How to climb.

    ``climbs`` race, half of them stopping at each of the rounds ``halving``; none goes on for more than ``rounds``. In a
    round, ``tries`` candidates are judged on ``judged`` tokens; drafts are fitted to ``start`` inputs at first and to
    ``most`` at most, and checked on ``check``.
    """

    climbs: int = 4
    rounds: int = 40
    halving: tuple[int, ...] = (3, 7)
    tries: int = 4000
    judged: int = 4000
    start: int = 800
    most: int = 4000
    check: int = 4000


@dataclass(frozen=True, slots=True)
class Rung:
    """A draft after one round, with its accuracy on the inputs it was checked on."""

    round: int
    draft: Draft
    token_accuracy: float
    sequence_accuracy: float
    right: bool

    def better(self, other: Rung) -> bool:
        """Whether this draft is right more often, on whole sequences and then on tokens."""
        mine = (self.right, self.token_accuracy)
        return mine > (other.right, other.token_accuracy)


def empty(frame: Frame) -> Draft:
    """The draft without units, which knows tokens and positions."""
    zeros = tuple(np.zeros((n, frame.labels), np.float32) for n in (frame.tokens, frame.length))
    return Draft(frame, (), zeros, np.zeros(frame.labels, np.float32))


def race(
    x: np.ndarray, y: np.ndarray, starts: list[Draft], settings: Climbing = Climbing(), *, seed: int = 0
) -> Iterator[Rung]:
    """Yield the best draft after each round of the race, and stop where one is right on all of ``x``."""
    seeds = np.random.SeedSequence(seed).spawn(settings.climbs)
    climbs = [
        climb(x, y, starts[i % len(starts)], settings, np.random.default_rng(s)) for i, s in enumerate(seeds)
    ]
    last: dict[int, Rung] = {}
    running = list(range(len(climbs)))
    for r in range(settings.rounds):
        for i in running:
            last[i] = next(climbs[i])
            if last[i].right:
                yield last[i]
                return
        running.sort(key=lambda i: -last[i].token_accuracy)
        yield last[running[0]]
        if r in settings.halving:
            running = running[: max(1, len(running) // 2)]


def climb(
    x: np.ndarray, y: np.ndarray, start: Draft, settings: Climbing, rng: np.random.Generator
) -> Iterator[Rung]:
    """Yield a draft after each round, without end."""
    frame, draft = start.frame, start
    rows = rng.choice(len(x), min(settings.start, len(x)), replace=False)
    fresh: list[int] = []
    r = 0
    while True:
        bench, labels = Bench(frame, x[rows]), y[rows]
        search = Search(bench, labels, rng)
        at = search.state(fit_output(draft, bench.run(draft), labels, steps=50))
        if at.draft.units:
            older = rng.choice(len(draft.units), min(3, len(draft.units)), replace=False)
            at = search.sweep(at, sorted({*fresh, *map(int, older)}))
            at = search.state(fit_output(at.draft, at.values, labels, steps=50))
        draft = at.draft
        looked = rng.choice(len(x), min(settings.check, len(x)), replace=False)
        wrong = wrong_rows(draft, x, y, looked)
        if not len(wrong):
            looked = np.arange(len(x))
            wrong = wrong_rows(draft, x, y, looked)
        yield Rung(r, draft, *score(draft, x[looked], y[looked]), not len(wrong))
        rows = widened(rows, wrong, len(x), len(wrong) < 0.3 * len(looked), settings, rng)
        judged, weight = drawn(at.losses.sum(1), settings.judged // frame.length, rng)
        part = State(draft, [v[judged] for v in at.values], at.scores[judged], at.losses[judged])
        growth = Growth(part, bench.take(judged), labels[judged], weight, rng)
        best = growth.best(settings.tries)
        before = len(draft.units)
        draft = draft if best is None else growth.grown(best)
        fresh = list(range(before, len(draft.units)))
        r += 1


def drawn(losses: np.ndarray, most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw inputs to judge candidates on, those of large loss more often, and what each then counts."""
    favor = losses + losses.mean() + 1e-9
    chosen = rng.choice(len(losses), min(most, len(losses)), replace=False, p=favor / favor.sum())
    weight = 1 / favor[chosen]
    return chosen, weight / weight.mean()


def widened(
    rows: np.ndarray, wrong: np.ndarray, size: int, few: bool, settings: Climbing, rng: np.random.Generator
) -> np.ndarray:
    """The inputs to fit next: with counterexamples where they are few, else with more inputs at random."""
    more = wrong[:300] if few else rng.choice(size, min(300, size), replace=False)
    if few or len(rows) < settings.most:
        rows = np.union1d(rows, more)
    return rng.choice(rows, settings.most, replace=False) if len(rows) > settings.most else rows


def wrong_rows(draft: Draft, x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Those of ``rows`` that the draft gets wrong somewhere."""
    found = []
    for part in np.array_split(rows, max(1, len(rows) // 4000)):
        said = predicted(draft, x[part])
        found.append(part[((said != y[part]) & (y[part] >= 0)).any(1)])
    return np.concatenate(found)


def predicted(draft: Draft, x: np.ndarray) -> np.ndarray:
    """The label code at each position, (n, length); the first of several with equal scores."""
    bench = Bench(draft.frame, x)
    return logits(draft, bench.run(draft)).argmax(2)


def score(draft: Draft, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Token and whole-sequence accuracy, a few thousand inputs at a time."""
    parts = np.array_split(np.arange(len(x)), max(1, len(x) // 4000))
    said = np.concatenate([predicted(draft, x[p]) for p in parts])
    return accuracy(said, y)
