"""Simpler numbers: the same labels with fewer steps, whole numbers, and numerical MLPs for tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.learn.random_drafts import all_inputs, random_draft

from janiform.ir.semantics import Signature
from janiform.learn.climb import predicted
from janiform.learn.condense import condense
from janiform.learn.draft import Draft, Frame, Number, Steps, Table, Tally
from janiform.learn.harden import harden
from janiform.learn.stepping import fewer_steps, step_table, whole_numbers
from janiform.learn.trial import Trial
from janiform.tasks.examples import Examples
from janiform.text.standalone import to_python

FRAME = Frame(3, 5, 2)
COUNT = Tally(0, 0, np.broadcast_to(np.arange(3) == 1, (3, 3)).copy(), "before")
"""How many tokens of one kind come before."""


def deciding(*units, labels=2) -> Draft:
    """A draft whose last variable says its own code, up to the last label."""
    frame = replace(FRAME, labels=labels)
    sizes = Draft(frame, units, (), np.zeros(labels)).sizes()
    weights = [np.zeros((max(s, 1), labels)) for s in sizes]
    codes = np.arange(sizes[-1])
    weights[-1][codes, np.minimum(codes, labels - 1)] = 1.0
    return Draft(frame, tuple(units), tuple(weights), np.zeros(labels))


def trial_of(draft: Draft) -> Trial:
    x = all_inputs(draft.frame)
    return Trial(draft, x, np.where(x >= 0, predicted(draft, x), -1))


def test_a_table_that_is_a_comparison_is_written_as_one() -> None:
    """Twice the count against the position, however many cells say so."""
    twice = (2 * np.arange(6)[None, :] == np.arange(5)[:, None]).astype(int)
    trial = trial_of(deciding(COUNT, Table(1, 2, twice, 2)))
    assert step_table(trial, 1)
    program = harden(trial.draft, Signature("abc", 5), "ny", "out")
    text = to_python(program, signature=Signature("abc", 5))
    assert "return ['y' if i == 2 * count_of_b_before[i] else 'n' for i in span]" in text


def test_a_table_that_is_no_function_of_a_sum_stays_one() -> None:
    parity = (np.arange(5)[:, None] * 7 + np.arange(6)[None, :] * 3) % 2
    trial = trial_of(deciding(COUNT, Table(1, 2, parity, 2)))
    assert not step_table(trial, 1) and isinstance(trial.draft.units[1], Table)


def test_steps_that_decide_nothing_are_taken_away() -> None:
    """Of a step for each number only those are left between different labels, and what counts for nothing is not read."""
    ladder = Steps(1, 2, (1, 1), tuple(np.arange(0.5, 9)), np.arange(10), 10)
    trial = trial_of(deciding(COUNT, ladder, labels=3))
    fewer_steps(trial)
    u = trial.draft.units[1]
    assert isinstance(u, Steps) and u.edges == (0.5, 1.5)
    one = Steps(1, 2, (1, 0.001), (1.5,), np.array([0, 1]), 2)
    trial = trial_of(deciding(COUNT, one))
    fewer_steps(trial)
    u = trial.draft.units[1]
    assert isinstance(u, Steps) and u.reads == (1, 1) and len(trial.draft.pruned().units) == 1


def test_numbers_become_whole() -> None:
    """A numeric embedding, its sum and what reads it, all at once; the labels are those of the real numbers."""
    worth = Number(0, np.array([0.26, -0.51, 0.02]))
    total = Tally(0, 0, np.ones((3, 3), bool), "before", 2)
    sign = Steps(3, 1, (1.3, 0.05), (-0.37, 0.21), np.array([2, 0, 1]), 3)
    draft = deciding(worth, total, sign, labels=3)
    trial = trial_of(draft)
    whole_numbers(trial)
    number, _, steps = trial.draft.units
    assert isinstance(number, Number) and isinstance(steps, Steps)
    assert not (number.numbers % 1).any() and not any(a % 1 for a in steps.slopes)
    x = all_inputs(draft.frame)
    assert (predicted(trial.draft, x) == predicted(draft, x))[x >= 0].all()


@pytest.mark.parametrize("seed", range(4))
def test_condensing_drafts_of_real_numbers_keeps_their_labels(seed: int) -> None:
    """Real numeric embeddings and slopes in the output, too."""
    rng = np.random.default_rng(seed)
    draft = random_draft(rng, units=6)
    units = tuple(
        replace(u, numbers=u.numbers + rng.normal(size=u.numbers.shape) / 5) if isinstance(u, Number) else u
        for u in draft.units
    )
    draft = replace(draft, units=units)
    x = all_inputs(draft.frame)
    said = predicted(draft, x)
    y = said if draft.frame.pooled else np.where(x >= 0, said, -1)
    short = condense(draft, Examples(x, y))
    assert (predicted(short, x) == y)[y >= 0].all()
