"""Rows of batches whose inputs are of one length: the same however they are cut, and of the task."""

import numpy as np
import pytest

from janiform.errors import InputError
from janiform.procedural.source import Made
from janiform.tasks.procedural import read, rows

TASKS = [
    "set(symbols=9, longest=7, shortest=2)",
    "delete(symbols=9, longest=7, shortest=3)",
    "shuffled(identity(symbols=9, longest=5, shortest=2))",
    "sort(symbols=9, longest=6, shortest=3) + reverse(symbols=9, longest=6, shortest=3)",
]


@pytest.mark.parametrize("text", TASKS)
def test_rows_do_not_depend_on_how_they_are_cut(text):
    source = Made(read(text), alike=8)
    whole = source.rows(0, 64, seed=2)
    for start, stop in ((0, 8), (3, 21), (63, 64), (5, 5)):
        part = source.rows(start, stop, seed=2)
        for name in ("tokens", "begin", "end"):
            assert (getattr(part, name) == getattr(whole, name)[start:stop]).all()
    assert (source.rows(0, 64, seed=3).tokens != whole.tokens).any()


@pytest.mark.parametrize("text", TASKS[:3])
def test_a_batch_has_one_length_and_batches_have_all(text):
    source = Made(read(text), alike=8)
    begins = source.rows(0, 8 * 200).begin.reshape(-1, 8)
    assert (begins == begins[:, :1]).all()
    free = rows(source.task, 0, 1600).begin
    assert set(begins[:, 0].tolist()) == set(free.tolist())


def test_held_out_rows_are_those_of_the_task():
    """Of all lengths, and never among those that are trained on."""
    task = read("set(symbols=9, longest=5, shortest=2)")
    source = Made(task, alike=8)
    held = source.rows(0, 300, split="validation")
    assert (held.tokens == rows(task, 0, 300, split="validation").tokens).all()
    trained = {tuple(row) for row in source.rows(0, 20_000, seed=5).tokens.tolist()}
    assert not trained & {tuple(row) for row in held.tokens.tolist()}


def test_a_batch_keeps_the_rule():
    some = Made(read("sort(symbols=9, longest=7, shortest=2)"), alike=4).rows(0, 40)
    for row, begin, end in zip(some.tokens.tolist(), some.begin, some.end):
        assert row[begin:end] == sorted(row[: begin - 1]) and set(row[end:]) <= {10}
    assert some.tokens.dtype == np.uint16


@pytest.mark.parametrize("text", ["set", "dyck(kinds=2, length=8)", "set + sort(longest=9)"])
def test_what_has_no_lengths_is_refused(text):
    with pytest.raises(InputError, match="where lengths differ, as in set"):
        Made(read(text), alike=8)
