"""Learning a program: race, counterexamples from beyond the training set, condensing, writing, and proof of equality.

Source: Friedman, Wettig and Chen 2023, "Learning Transformer Programs"; here the discrete program itself is searched, with
the relaxed model as one way to begin. Each stage is kept in the folder of the run, so that one that was killed ends with
the program of one that was not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from janiform.files import write_whole
from janiform.ir.program import Program
from janiform.learn.climb import empty, score
from janiform.learn.condense import condense, round_weights
from janiform.learn.draft import Draft, Frame
from janiform.learn.equality import Equality, allow, equality, ground
from janiform.learn.harden import harden
from janiform.learn.keep import Tensors, pack_draft, unpack_draft
from janiform.learn.relaxed import Relaxing
from janiform.learn.rounds import Rounds
from janiform.learn.settings import Learning
from janiform.learn.standing import Standing, claim, mark, settings_in
from janiform.learn.thin import thin
from janiform.learn.vectors import read_vectors
from janiform.learn.words import words
from janiform.tasks import Exercise
from janiform.tasks.examples import Data, Examples
from janiform.tasks.exercise import START
from janiform.text.standalone import to_python

Tell = Callable[[str, int, int], None]
"""Is told what goes on, and how much of how much is done."""

THINNED = 30_000
"""On how many inputs, where the domain is not listed, fewer variables must say as much."""

SLACK = 1e-4
"""The share of labels that condensing may change in a draft that is not right everywhere anyway."""

WIDTH = 100
FRESH = 100_000
LISTED = 400_000
"""The most inputs that accuracy is measured on; of more, some are drawn."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A learned program with what is known about it.

    ``seconds`` are CPU seconds, of learning and of all that comes after; ``history`` is (seconds, token accuracy) a round.
    """

    data: Data
    draft: Draft
    program: Program
    python: str
    token_accuracy: float
    sequence_accuracy: float
    measured: str
    equality: Equality
    seconds: float
    seconds_after: float
    history: tuple[tuple[float, float], ...]

    def passed(self, accuracy: float) -> float | None:
        """The CPU seconds after which the search first had this token accuracy, on the inputs it was checked on."""
        return next((seconds for seconds, token in self.history if token >= accuracy), None)

    @property
    def lines(self) -> int:
        """How many lines the stand-alone Python has, a long line counting as many of 100 columns."""
        return sum(-(-len(line) // WIDTH) for line in self.python.splitlines() if line.strip())

    def facts(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "token_accuracy": self.token_accuracy,
            "sequence_accuracy": self.sequence_accuracy,
            "measured": self.measured,
            "lines": self.lines,
            "equal": self.equality.equal,
            "checked": self.equality.checked,
            "exhaustive": self.equality.exhaustive,
            "compiled": self.equality.refused is None,
            "cpu_seconds": round(self.seconds, 2),
            "cpu_seconds_after": round(self.seconds_after, 2),
        }


def learn(
    settings: Learning,
    *,
    out: Path | None = None,
    check: str = "auto",
    executor: str = "serial",
    tell: Tell | None = None,
) -> Learned:
    """Learn a program for a task and write it to the folder ``out``, where a run that was killed goes on.

    ``check`` says on which inputs the faces are compared, and ``executor`` where, if that takes long
    (``learn.equality``).

    >>> from janiform.learn import Climbing
    >>> learned = learn(Learning(("hist",), 5, 5, climbing=Climbing(climbs=1)))
    >>> learned.token_accuracy, learned.equality.equal
    (1.0, True)
    """
    torch.set_num_threads(1)
    exercise = settings.exercise()
    data = settings.data(exercise)
    test, measured = beyond(exercise, data, settings.seed)
    on = ground(exercise, data, test)
    allow(check, on)
    if out is not None:
        claim(out, settings)
    tell = tell or (lambda what, done, total: None)
    standing = Standing(out, mark(data))
    draft = condensed(settings, exercise, data, test, standing, tell)
    assert standing.searched is not None, "the search has ended"
    program = harden(draft, data.signature, data.labels, settings.name)
    token, sequence = score(draft, test)
    tell("comparing", 0, len(on.x))
    same = equality(
        draft,
        program,
        data,
        on,
        check=check,
        executor=executor,
        tell=lambda done, total: tell("comparing", done, total),
    )
    learned = Learned(
        data,
        draft,
        program,
        to_python(program, signature=data.signature),
        token,
        sequence,
        measured,
        same,
        standing.searched,
        standing.seconds + same.elsewhere - standing.searched,
        tuple(standing.history),
    )
    if out is not None:
        write(learned, out)
    return learned


def resume(out: Path, *, check: str = "auto", executor: str = "serial", tell: Tell | None = None) -> Learned:
    """Go on with the run in a folder, to the program that it would have had without the interruption."""
    return learn(settings_in(out), out=out, check=check, executor=executor, tell=tell)


@dataclass(slots=True, eq=False)
class Done:
    """The last stage of a run that depends on what was before: a draft that is condensed."""

    draft: Draft | None = None

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Return the draft."""
        assert self.draft is not None, "there is a draft to keep"
        tensors: Tensors = {}
        return tensors, {"draft": pack_draft(self.draft, "draft", tensors)}

    def restore(self, tensors: Tensors, facts: Mapping[str, Any]) -> None:
        """Take up the draft."""
        self.draft = unpack_draft(facts["draft"], "draft", tensors)


def condensed(
    settings: Learning,
    exercise: Exercise | None,
    data: Data,
    test: Examples,
    standing: Standing,
    tell: Tell,
) -> Draft:
    """Find a draft and make it short, unless that is done."""
    done = Done()
    standing.resume("done", done)
    if done.draft is not None:
        return done.draft
    texts = exercise is None and START in data.signature.vocab
    if texts:
        tell("fitting", 0, 1)
        found = settings.vectors
        vectors = read_vectors(found, data.signature.vocab, seed=settings.seed) if found else None
        draft = words(data, seed=settings.seed, vectors=vectors)
    else:
        draft = searched(settings, exercise, data, test, standing, tell)
    if standing.searched is None:
        standing.searched = standing.seconds
    tell("condensing", 0, 1)
    done.draft = condense(
        draft,
        test,
        seed=settings.seed,
        passes=(round_weights,) if texts else None,
        slack=0.0 if texts or score(draft, test)[0] == 1.0 else SLACK,
        tell=lambda done, total: tell("condensing", done, total),
    )
    standing.save("done", done, now=True)
    return done.draft


def searched(
    settings: Learning,
    exercise: Exercise | None,
    data: Data,
    test: Examples,
    standing: Standing,
    tell: Tell,
) -> Draft:
    """Search from nothing, or from what a relaxed model was trained to, and keep each round; then leave out what is not needed."""
    climbing, seed = settings.climbing, settings.seed
    starts = [empty(Frame.of(data))]
    if settings.relaxed and standing.stage != "searching":
        relaxing = Relaxing(data, settings.relaxation, seed=seed)
        standing.resume("relaxing", relaxing)
        while not relaxing.ended:
            tell("relaxing", relaxing.step, relaxing.settings.steps)
            relaxing.advance()
            standing.save("relaxing", relaxing)
        starts = relaxing.drafts()[: climbing.climbs]
    oracle = exercise if settings.oracle else None
    listed = oracle is not None and oracle.size is not None and oracle.size <= LISTED
    # Where the domain is too large to be listed, the test inputs are fresh and stay unseen.
    rounds = Rounds(data.train, starts, climbing, seed=seed, oracle=oracle, beyond=test if listed else None)
    standing.resume("searching", rounds)
    while not rounds.ended:
        tell("searching", rounds.done, climbing.rounds)
        standing.note(rounds.advance())
        if rounds.ended:
            standing.searched = standing.seconds
        standing.save("searching", rounds, now=rounds.ended)
    more = oracle.sample(np.random.default_rng([seed, 7_927]), THINNED) if oracle else data.train
    return thin(rounds.draft, test if listed else more, seed=seed)


def beyond(exercise: Exercise | None, data: Data, seed: int) -> tuple[Examples, str]:
    """The inputs that accuracy is measured on: the whole domain where it can be listed, else fresh ones, else the test set."""
    if exercise is None:
        return data.test, f"{len(data.test):,} test inputs"
    if exercise.size is not None and exercise.size <= LISTED:
        return exercise.domain(), f"all {exercise.size:,} inputs"
    rng = np.random.default_rng([seed, 7_919])
    return exercise.sample(rng, FRESH), f"{FRESH:,} fresh inputs"


def write(learned: Learned, out: Path) -> None:
    """Write the program in every form, its weights, and the result."""
    write_whole(out / "program.rasp", str(learned.program))
    write_whole(out / "program.py", learned.python)
    if learned.equality.pair is not None:
        learned.equality.pair.save(out / "pair.safetensors")
    write_whole(out / "result.json", json.dumps(learned.facts(), indent=2) + "\n")
