"""Streams hold the rows of their numbers in order, whoever asks for them and however many do."""

import pickle
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from janiform.errors import InputError
from janiform.procedural import Batches, dataset
from janiform.procedural.feeding import labels
from janiform.tasks.procedural import read, rows

TASK = read("set(symbols=9, longest=5, shortest=2)")


def together(batches) -> np.ndarray:
    return torch.cat([b["input_ids"] for b in batches]).numpy()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_change_nothing(workers):
    """A loader gives rows 12 .. 40 in batches of 4, in order, with any number of workers."""
    loader = DataLoader(Batches(TASK, 4, start=3, stop=10), batch_size=None, num_workers=workers)
    batches = list(loader)
    assert [b["input_ids"].shape[0] for b in batches] == [4] * 7
    assert (together(batches) == rows(TASK, 12, 40).tokens).all()


def test_ranks_share_the_batches():
    """Three processes take turns; together they have every batch once."""
    mine = [list(Batches(TASK, 2, stop=8, rank=r, world=3)) for r in range(3)]
    assert list(map(len, mine)) == [3, 3, 2]
    in_order = [mine[i % 3][i // 3] for i in range(8)]
    assert (together(in_order) == rows(TASK, 0, 16).tokens).all()


def test_a_stream_has_no_end_and_goes_on_anywhere():
    far = next(iter(Batches(TASK, 5, start=10**12)))
    assert (far["input_ids"].numpy() == rows(TASK, 5 * 10**12, 5 * 10**12 + 5).tokens).all()
    assert len(list(islice(Batches(TASK), 20))) == 20


def test_labels_are_targets():
    """Labels are the tokens themselves where these are targets, and -100 elsewhere."""
    some = rows(TASK, 0, 50)
    for row, wanted, b, e in zip(some.tokens.tolist(), labels(some).tolist(), some.begin, some.end):
        assert wanted == [-100] * b + row[b:e] + [-100] * (len(row) - e)
    batch = next(iter(Batches(TASK, 50)))
    assert (batch["labels"].numpy() == labels(some)).all() and batch["input_ids"].dtype == torch.int64


def test_seed_and_split_reach_the_rows():
    batch = next(iter(Batches(TASK, 6, seed=4, split="validation")))
    assert (batch["input_ids"].numpy() == rows(TASK, 0, 6, seed=4, split="validation").tokens).all()


def test_a_stream_travels_to_another_process():
    assert (together(pickle.loads(pickle.dumps(Batches(TASK, 3, stop=2)))) == rows(TASK, 0, 6).tokens).all()


def test_a_hugging_face_data_set_holds_the_rows():
    pytest.importorskip("datasets", reason="datasets is absent")
    made = dataset(TASK, 40, start=7, seed=1)
    some = rows(TASK, 7, 47, seed=1)
    assert made["input_ids"][:] == some.tokens.tolist() and made["labels"][:] == labels(some).tolist()


def test_a_hugging_face_stream_holds_the_rows():
    """Shards are consecutive rows; a loader's workers divide them."""
    pytest.importorskip("datasets", reason="datasets is absent")
    made = dataset(TASK, 40, streaming=True, shards=3)
    some = rows(TASK, 0, 40)
    assert made.num_shards == 3
    examples = list(made)
    assert [e["input_ids"] for e in examples] == some.tokens.tolist()
    assert [e["labels"] for e in examples] == labels(some).tolist()
    loader = DataLoader(made.with_format("torch"), batch_size=4, num_workers=2)
    assert sorted(r for b in loader for r in b["input_ids"].tolist()) == sorted(some.tokens.tolist())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Batches(TASK, 0), "1 row or more"),
        (lambda: Batches(TASK, start=3, stop=2), "3 to 2"),
        (lambda: Batches(TASK, rank=2, world=2), "from 0 to 1, got 2"),
    ],
)
def test_streams_without_meaning_are_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()
