"""Comparing the faces of a learned program: on everything where that is possible, and what does not agree is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.learn.random_drafts import all_inputs, random_draft

from janiform.errors import InputError
from janiform.ir.semantics import Signature
from janiform.learn import Learning, learn
from janiform.learn.equality import Equality, Ground, allow, equality, ground
from janiform.learn.harden import harden
from janiform.learn.learning import beyond
from janiform.tasks import algorithmic
from janiform.tasks.examples import Data, Examples


def compared(seed: int, *, changed: bool = False, tokens: int = 3, **how: Any) -> Equality:
    """Compare a random draft with its program, or with that of the draft with another output."""
    rng = np.random.default_rng(seed)
    draft = random_draft(rng, tokens=tokens, pooled=seed % 2 == 1, numbers=False)
    x = all_inputs(draft.frame)
    none = Examples(x[:0], x[:0])
    signature = Signature("abcdefgh"[: draft.frame.tokens], draft.frame.length, draft.frame.causal)
    labels = ("p", "q", "r")
    data = Data("drawn", signature, labels, draft.frame.pooled, none, none, none)
    program = harden(draft, signature, labels)
    if changed:
        bias = draft.bias + 100 * np.eye(3)[int(rng.integers(3))]
        draft = draft.with_output(draft.weights, bias)
    return equality(draft, program, data, ground(None, data, none), **how)


@pytest.mark.parametrize("seed", range(6))
def test_the_faces_of_random_drafts_agree_on_every_input(seed: int):
    """At every position, whether a label is asked there or not."""
    same = compared(seed)
    assert same.equal and same.exhaustive and same.checked == 3 + 9 + 27 + 81 and same.refused is None


def test_a_face_that_differs_is_found_with_an_input():
    same = compared(2, changed=True)
    assert not same.equal and not same.exhaustive and same.first is not None


def test_worker_processes_find_what_one_process_finds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("janiform.learn.equality.WORTH", 0.0)
    same = compared(4, executor="processes:2", tokens=8)
    assert same.equal and same.exhaustive and same.checked == 8 + 64 + 512 + 4096 and same.elsewhere > 0


def test_whole_domains_are_compared_where_they_can_be_listed():
    """The task's own inputs, or all strings of a vocabulary; else the inputs that accuracy is measured on."""
    for task, sizes, whole in (("hist", (8, 8), 335_922), ("dyck2", (None, 16), None)):
        exercise = algorithmic(task, sizes[0] or 8, sizes[1])
        data = exercise.data(size=100)
        test, _ = beyond(exercise, data, seed=0)
        on = ground(exercise, data, test)
        assert (len(on.x) if on.whole else None) == whole
    x = np.array([[0, 1], [1, -1]], np.int16)
    pairs = Data("pairs", Signature("ab", 2), ("a", "b"), False, *[Examples(x, x)] * 3)
    assert ground(None, pairs, pairs.test).x.tolist() == [[0, -1], [1, -1], [0, 0], [0, 1], [1, 0], [1, 1]]
    words = replace(pairs, signature=Signature([f"w{i}" for i in range(2000)], 2))
    assert not ground(None, words, words.test).whole


def test_what_cannot_all_be_compared_is_refused_before_anything_is_done(tmp_path: Path):
    with pytest.raises(InputError, match="more than 1,000,000 inputs"):
        learn(Learning(("dyck2",)), check="exhaustive", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="auto, exhaustive or drawn, not 'all'"):
        allow("all", Ground(np.zeros((0, 1), np.int16), True))


def test_how_many_were_compared_is_said(monkeypatch: pytest.MonkeyPatch):
    """All where that is asked for or takes little time, else some; and how far it is."""
    monkeypatch.setattr("janiform.learn.equality.DRAWN", 3000)
    told: list[tuple[int, int]] = []
    some = compared(4, check="drawn", tell=lambda *what: told.append(what), tokens=8)
    assert some.equal and some.checked == 3000 and not some.exhaustive and told[-1] == (3000, 3000)
    every = compared(4, tell=lambda *what: told.append(what), tokens=8)
    assert every.equal and every.checked == 4680 and every.exhaustive and told[-1] == (4680, 4680)
    monkeypatch.setattr("janiform.learn.equality.PATIENCE", 0.0)
    assert compared(4, tokens=8).checked == 3000
    assert compared(4, check="exhaustive", tokens=8).checked == 4680
