"""One or two variables that decide every label say it themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.learn.random_drafts import all_inputs, random_draft

from janiform.ir.semantics import Signature
from janiform.learn.climb import predicted
from janiform.learn.condense import condense
from janiform.learn.deciding import decide
from janiform.learn.draft import Draft, Frame, Recode, Table, Tally
from janiform.learn.harden import harden
from janiform.learn.trial import Trial
from janiform.tasks.examples import Examples
from janiform.text.standalone import to_python

FRAME = Frame(3, 4, 3)
SAME = Tally(0, 0, np.eye(3, dtype=bool), "all")


def trial_of(draft: Draft) -> Trial:
    x = all_inputs(draft.frame)
    said = predicted(draft, x)
    return Trial(draft, x, said if draft.frame.pooled else np.where(x >= 0, said, -1))


def weighed(units, *weights: np.ndarray) -> Draft:
    return Draft(FRAME, tuple(units), tuple(weights), np.zeros(3))


def test_a_variable_that_decides_alone_says_the_label() -> None:
    """Weights of the tokens that change nothing go, and with them the argmax."""
    count = np.zeros((5, 3))
    count[[0, 1, 2, 3, 4], [0, 0, 1, 2, 2]] = 5.0
    draft = weighed([SAME], np.eye(3), np.zeros((4, 3)), count)
    trial = trial_of(draft)
    decide(trial)
    assert [w.any() for w in trial.draft.weights] == [False, False, True]
    text = to_python(harden(trial.draft, Signature("abc", 4), "xyz", "out"), signature=Signature("abc", 4))
    assert "winner" not in text and "tokens.count(tokens[i])" in text


def test_two_variables_that_decide_become_a_table() -> None:
    """Scores of token and count, summed, as one table of both."""
    rng = np.random.default_rng(0)
    draft = weighed([SAME], rng.normal(size=(3, 3)), np.zeros((4, 3)), rng.normal(size=(5, 3)))
    trial = trial_of(draft)
    decide(trial)
    assert isinstance(trial.draft.units[-1], Table)
    assert [w.any() for w in trial.draft.weights] == [False, False, False, True]


def test_three_variables_keep_their_weights() -> None:
    rng = np.random.default_rng(3)
    draft = weighed([SAME], rng.normal(size=(3, 3)), rng.normal(size=(4, 3)), rng.normal(size=(5, 3)))
    trial = trial_of(draft)
    decide(trial)
    assert sum(w.any() for w in trial.draft.weights) == 3


def test_a_table_of_a_table_is_one() -> None:
    """Classes of a table that decides are said in its own cells."""
    cells = np.arange(12).reshape(3, 4) % 4
    table, merged = Table(0, 1, cells, 4), Recode(2, np.array([0, 1, 2, 0]), 3)
    draft = weighed([table, merged], np.zeros((3, 3)), np.zeros((4, 3)), np.zeros((4, 3)), np.eye(3))
    program = harden(draft, Signature("abc", 4), "xyz", "out")
    assert len(program.nodes()) == 4
    x = all_inputs(FRAME)
    for row, codes in zip(x, predicted(draft, x), strict=True):
        tokens = ["abc"[c] for c in row if c >= 0]
        assert program(tokens) == ["xyz"[c] for c in codes[: len(tokens)]]


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_deciding_changes_no_label(seed: int, pooled: bool) -> None:
    rng = np.random.default_rng(seed)
    draft = random_draft(rng, pooled=pooled)
    kept = rng.permutation(len(draft.weights))[:2]
    weights = tuple(w * (v in kept) for v, w in enumerate(draft.weights))
    draft = replace(draft, weights=weights)
    x = all_inputs(draft.frame)
    said = predicted(draft, x)
    y = said if pooled else np.where(x >= 0, said, -1)
    short = condense(draft, Examples(x, y), passes=(decide,))
    assert (predicted(short, x) == y)[y >= 0].all()
