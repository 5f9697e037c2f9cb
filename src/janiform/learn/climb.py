"""Climbing: grow, fit, search, look for counterexamples, again, until a draft is right on everything it is asked.

Several climbs race: all begin alike but for their seed, and at set rounds the worse half stops (successive halving). What is
wrong on the inputs that a round is checked on joins the inputs that the next round is fitted to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from janiform.learn.draft import Bench, Draft, Frame, accuracy, logits
from janiform.learn.grow import LEAST, Growth
from janiform.learn.numbers import numerical
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


@dataclass(slots=True, eq=False)
class Climb:
    """One climb between two rounds: all that its next round depends on, so one that was kept goes on just as it would have.

    ``draft`` is fitted to the inputs ``held``; its ``fresh`` units have not been searched yet. ``looked`` are the inputs that
    the last round was checked on, and ``wrong`` those to learn from; before the first round there are none.
    """

    draft: Draft
    held: Examples
    rng: np.random.Generator
    fresh: tuple[int, ...] = ()
    rounds: int = 0
    looked: Examples | None = None
    wrong: Examples | None = None
    at: tuple[Bench, State] | None = field(default=None, repr=False)
    """What the draft computes on ``held``, to be had again from the two."""

    def round(self, data: Examples, settings: Climbing, more: More | None = None) -> Rung:
        """Grow the draft but in the first round, fit it, search, and look where it is wrong."""
        if self.looked is not None and self.wrong is not None:
            self.grow(self.looked, self.wrong, settings)
        rng, held = self.rng, self.held
        bench = Bench(self.draft.frame, held.x)
        search = Search(bench, held.y, rng)
        at = search.state(fit_output(self.draft, bench.run(self.draft), held.y, steps=50))
        if at.draft.units:
            older = rng.choice(len(at.draft.units), min(3, len(at.draft.units)), replace=False)
            at = search.sweep(at, sorted({*self.fresh, *map(int, older)}))
            at = search.state(fit_output(at.draft, at.values, held.y, steps=50))
        self.draft, self.at = at.draft, (bench, at)
        self.looked = more(rng, settings.check) if more else some(data, settings.check, rng)
        self.wrong = self.looked.take(wrong_rows(self.draft, self.looked))
        token, sequence = score(self.draft, self.looked)
        if not len(self.wrong):
            self.wrong = data.take(wrong_rows(self.draft, data))
        self.rounds += 1
        return Rung(self.rounds - 1, self.draft, token, sequence, not len(self.wrong))

    def grow(self, looked: Examples, wrong: Examples, settings: Climbing) -> None:
        """Add the units that would lower the loss most, and take up what was wrong."""
        rng, held, draft = self.rng, self.held, self.draft
        bench, at = self.at or self.here()
        judged, weight = drawn(at.losses.sum(1), settings.judged // draft.frame.length, rng)
        part = State(draft, [v[judged] for v in at.values], at.scores[judged], at.losses[judged])
        growth = Growth(part, bench.take(judged), held.y[judged], weight, rng)
        self.held = widened(held, wrong, looked, settings, rng)
        best = growth.best(settings.tries)
        other = numerical(growth, settings.tries // 10)
        if other is not None and other.gain > (best.gain if best is not None else LEAST):
            best = other
        before = len(draft.units)
        self.draft = draft if best is None else growth.grown(best)
        self.fresh = tuple(range(before, len(self.draft.units)))

    def here(self) -> tuple[Bench, State]:
        """Compute what the draft does on the inputs it is fitted to."""
        bench = Bench(self.draft.frame, self.held.x)
        return bench, Search(bench, self.held.y, self.rng).state(self.draft)


@dataclass(slots=True, eq=False)
class Race:
    """Climbs that run against each other, between two rounds; the best of the last round first."""

    climbs: list[Climb]
    rounds: int = 0

    @classmethod
    def begin(cls, data: Examples, starts: list[Draft], settings: Climbing, *, seed: int = 0) -> Race:
        """Line up the climbs, each with a seed of its own."""
        rngs = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(settings.climbs)]
        return cls(
            [Climb(starts[i % len(starts)], some(data, settings.start, r), r) for i, r in enumerate(rngs)]
        )

    def round(self, data: Examples, settings: Climbing, more: More | None = None) -> Rung:
        """Let each climb do a round, stop the worse half where it is time, and return the best draft."""
        rungs: list[Rung] = []
        for climb in self.climbs:
            rungs.append(climb.round(data, settings, more))
            if rungs[-1].right:
                return rungs[-1]
        order = sorted(range(len(rungs)), key=lambda i: -rungs[i].token_accuracy)
        left = max(1, len(order) // 2) if self.rounds in settings.halving else len(order)
        self.climbs = [self.climbs[i] for i in order[:left]]
        self.rounds += 1
        return rungs[order[0]]


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
    racing = Race.begin(data, starts, settings, seed=seed)
    for _ in range(settings.rounds):
        rung = racing.round(data, settings, more)
        yield rung
        if rung.right:
            return


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
