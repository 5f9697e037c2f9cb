"""Baselines: scores count what they say, and each baseline learns what it can and no more."""

import numpy as np
import pytest

from janiform.errors import InputError
from janiform.learn.baselines.scores import class_accuracy, iob2_f1, sequence_accuracy, token_accuracy

TAGS = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")


def codes(*rows: str) -> np.ndarray:
    """Write sentences of tags as padded codes."""
    width = max(len(r.split()) for r in rows)
    found = np.full((len(rows), width), -1)
    for i, row in enumerate(rows):
        found[i, : len(row.split())] = [TAGS.index(t) for t in row.split()]
    return found


def test_scores_leave_out_what_is_not_asked() -> None:
    """Positions of target -1 change no score, whatever is predicted there."""
    y = np.array([[0, 1, -1], [1, 1, 1], [-1, -1, -1]])
    for rest in (0, 1, -1):
        predicted = np.array([[0, 0, rest], [1, 1, 1], [rest] * 3])
        assert token_accuracy(y, predicted) == 0.8
        assert sequence_accuracy(y, predicted) == 0.5


def test_scores_refuse_other_shapes_and_empty_targets() -> None:
    with pytest.raises(InputError, match=r"shape \[n, max_len\], got \[2, 3\] and \[2, 2\]"):
        token_accuracy(np.zeros((2, 3), int), np.zeros((2, 2), int))
    with pytest.raises(InputError, match=r"shape \[n\], got \[2, 3\]"):
        class_accuracy(np.zeros((2, 3), int), np.zeros((2, 3), int))
    with pytest.raises(InputError, match="nothing is asked"):
        sequence_accuracy(np.full((2, 3), -1), np.zeros((2, 3), int))


def test_entities_are_scored_strictly() -> None:
    """An entity counts where beginning, end and type agree; one that does not begin with B- is none."""
    pytest.importorskip("seqeval", reason="the extra janiform[text] is not installed")
    y = codes("B-LOC I-LOC O B-PER", "B-PER O")
    for predicted, right, said in (
        (y, 3, 3),
        (codes("B-LOC I-LOC O I-PER", "B-PER O"), 2, 2),  # no B-: no entity
        (codes("B-LOC O O B-LOC", "B-PER O"), 1, 3),  # a wrong end, a wrong type
        (codes("O O O O", "O O"), 0, 0),
    ):
        score = iob2_f1(TAGS, y, predicted, y)
        precision, recall = right / said if said else 0, right / 3
        assert score[:2] == pytest.approx((precision, recall))
        assert score.f1 == pytest.approx(2 * right / (said + 3))


def test_entities_need_tags() -> None:
    pytest.importorskip("seqeval", reason="the extra janiform[text] is not installed")
    with pytest.raises(InputError, match="'LOC' is no IOB2 tag"):
        iob2_f1(("LOC",), np.zeros((1, 1), int), np.zeros((1, 1), int), np.zeros((1, 1), int))
