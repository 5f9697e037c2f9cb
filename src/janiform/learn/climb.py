"""Climbing: grow, fit, search, look for counterexamples, again, until a draft is right on everything it is asked.

Several climbs race: all begin alike but for their seed, and at set rounds the worse half stops (successive halving). What is
wrong on the inputs that a round is checked on joins the inputs that the next round is fitted to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from janiform.errors import InputError
from janiform.learn.draft import Bench, Draft, Frame, accuracy, logits
from janiform.learn.grow import Growth
from janiform.learn.output import fit_output
from janiform.learn.search import Search, State
from janiform.tasks.examples import Examples

STRESS = 100
"""As how many inputs a few counterexamples count, repeated, so that the next fit takes them seriously."""

More = Callable[[np.random.Generator, int], Examples]
"""A source of new examples: so many, drawn with a generator."""


@dataclass(frozen=True, slots=True)
class Climbing:
    """How to climb.

    ``climbs`` race, half of them stopping at each of the rounds ``halving``; none goes on for more than ``rounds``. In a
    round, ``tries`` candidates are judged on ``judged`` tokens; drafts are fitted to ``start`` inputs at first and to
    ``most`` at most, and checked on ``check``.
    """

    climbs: int = 2
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
    data: Examples,
    starts: list[Draft],
    settings: Climbing = Climbing(),
    *,
    seed: int = 0,
    more: More | None = None,
) -> Iterator[Rung]:
    """Yield the best draft after each round of the race, and stop where one is right on all of ``data``.

    With ``more``, rounds are checked on new inputs each time, and only one that is right there is tried on ``data``.
    """
    if any(0 in start.sizes() for start in starts):
        raise InputError("a search begins with drafts without numbers; relax with a shape without sums")
    seeds = np.random.SeedSequence(seed).spawn(settings.climbs)
    climbs = [
        climb(data, starts[i % len(starts)], settings, np.random.default_rng(s), more)
        for i, s in enumerate(seeds)
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
    data: Examples, start: Draft, settings: Climbing, rng: np.random.Generator, more: More | None = None
) -> Iterator[Rung]:
    """Yield a draft after each round, without end."""
    frame, draft = start.frame, start
    held = some(data, settings.start, rng)
    fresh: list[int] = []
    r = 0
    while True:
        bench = Bench(frame, held.x)
        search = Search(bench, held.y, rng)
        at = search.state(fit_output(draft, bench.run(draft), held.y, steps=50))
        if at.draft.units:
            older = rng.choice(len(draft.units), min(3, len(draft.units)), replace=False)
            at = search.sweep(at, sorted({*fresh, *map(int, older)}))
            at = search.state(fit_output(at.draft, at.values, held.y, steps=50))
        draft = at.draft
        looked = more(rng, settings.check) if more else some(data, settings.check, rng)
        wrong = looked.take(wrong_rows(draft, looked))
        token, sequence = score(draft, looked)
        if not len(wrong):
            wrong = data.take(wrong_rows(draft, data))
        yield Rung(r, draft, token, sequence, not len(wrong))
        judged, weight = drawn(at.losses.sum(1), settings.judged // frame.length, rng)
        part = State(draft, [v[judged] for v in at.values], at.scores[judged], at.losses[judged])
        growth = Growth(part, bench.take(judged), held.y[judged], weight, rng)
        held = widened(held, wrong, looked, settings, rng)
        best = growth.best(settings.tries)
        before = len(draft.units)
        draft = draft if best is None else growth.grown(best)
        fresh = list(range(before, len(draft.units)))
        r += 1


def some(data: Examples, most: int, rng: np.random.Generator) -> Examples:
    """At most ``most`` of the examples, at random."""
    return data.take(rng.choice(len(data), min(most, len(data)), replace=False))


def drawn(losses: np.ndarray, most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw inputs to judge candidates on, those of large loss more often, and what each then counts."""
    favor = losses + losses.mean() + 1e-9
    chosen = rng.choice(len(losses), min(most, len(losses)), replace=False, p=favor / favor.sum())
    weight = 1 / favor[chosen]
    return chosen, weight / weight.mean()


def widened(
    held: Examples, wrong: Examples, looked: Examples, settings: Climbing, rng: np.random.Generator
) -> Examples:
    """The inputs to fit next: with counterexamples where they are few, else with more inputs at random."""
    few = len(wrong) < 0.3 * len(looked)
    if few or len(held) < settings.most:
        new = (
            (wrong.take(np.resize(np.arange(len(wrong)), STRESS)) if 0 < len(wrong) < STRESS else wrong)
            if few
            else looked
        )
        new = new.take(slice(300))
        held = Examples(np.concatenate([held.x, new.x]), np.concatenate([held.y, new.y]))
    return some(held, settings.most, rng)


def wrong_rows(draft: Draft, data: Examples) -> np.ndarray:
    """Which of the examples the draft gets wrong somewhere."""
    found = []
    for part in np.array_split(np.arange(len(data)), max(1, len(data) // 4000)):
        y = data.y[part]
        wrong = (predicted(draft, data.x[part]) != y) & (y >= 0)
        found.append(part[wrong.reshape(len(part), -1).any(1)])
    return np.concatenate(found)


def predicted(draft: Draft, x: np.ndarray) -> np.ndarray:
    """The label code at each position, (n, length), or of each input, (n,), where pooled; ties go to the first."""
    bench = Bench(draft.frame, x)
    scores = logits(draft, bench.run(draft))
    if draft.frame.pooled:
        return (scores * bench.valid[:, :, None]).sum(1).argmax(1)
    return scores.argmax(2)


def score(draft: Draft, data: Examples) -> tuple[float, float]:
    """Token and whole-sequence accuracy, a few thousand inputs at a time."""
    parts = np.array_split(np.arange(len(data)), max(1, len(data) // 4000))
    said = np.concatenate([predicted(draft, data.x[p]) for p in parts])
    return accuracy(said, data.y)
