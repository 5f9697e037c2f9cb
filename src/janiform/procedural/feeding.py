"""Streams of rows for training: a torch ``IterableDataset`` of batches, and data sets of Hugging Face.

Both give ``input_ids`` and ``labels``, which are the same ids where a token is a target and -100 elsewhere, as models of
Hugging Face take them (they shift labels themselves). Batch number b holds rows b * batch and on: workers and ranks divide
batches by number, so what is trained on does not depend on how many there are, and a run goes on at any batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from janiform.errors import InputError
from janiform.tasks.procedural import Procedure, Rows, Split, read, rows, write

if TYPE_CHECKING:
    import datasets

NO_TARGET = -100
AT_A_TIME = 1024
"""How many rows are made for a data set at a time."""


def labels(some: Rows) -> NDArray[np.int64]:
    """Return the ids of targets at their places, -100 elsewhere.

    >>> labels(rows(read("set(symbols=9, longest=4)"), 0, 1)).tolist()
    [[-100, -100, -100, -100, -100, 1, 4, 6, 2]]
    """
    place = np.arange(some.tokens.shape[1])
    target = (place >= some.begin[:, None]) & (place < some.end[:, None])
    return np.where(target, some.tokens.astype(np.int64), NO_TARGET)


class Batches(IterableDataset[dict[str, Tensor]]):
    """Batches of rows from batch ``start`` to before ``stop``, without end by default: give a loader ``batch_size=None``.

    Of ``world`` processes each takes every ``world``-th batch, its ``rank`` first.

    >>> stream = Batches(read("sort(symbols=9, longest=4)"), 2, stop=3)
    >>> [b["input_ids"].shape for b in torch.utils.data.DataLoader(stream, batch_size=None)]
    [torch.Size([2, 9]), torch.Size([2, 9]), torch.Size([2, 9])]
    """

    def __init__(
        self,
        task: Procedure,
        batch: int = 64,
        *,
        seed: int = 0,
        split: Split = "train",
        start: int = 0,
        stop: int | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch < 1 or start < 0 or (stop is not None and stop < start):
            raise InputError(f"batches of 1 row or more, from 0 on; got {batch} rows, {start} to {stop}")
        if not 0 <= rank < world:
            raise InputError(f"ranks are from 0 to {world - 1}, got {rank}")
        self.task, self.batch, self.seed, self.split = task, batch, seed, split
        self.start, self.stop, self.rank, self.world = start, stop, rank, world

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = get_worker_info()
        mine, workers = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        numbers: Iterator[int] = (
            count(self.start) if self.stop is None else iter(range(self.start, self.stop))
        )
        for number in islice(numbers, self.rank + self.world * mine, None, self.world * workers):
            first = number * self.batch
            some = rows(self.task, first, first + self.batch, seed=self.seed, split=self.split)
            yield {
                "input_ids": torch.from_numpy(some.tokens.astype(np.int64)),
                "labels": torch.from_numpy(labels(some)),
            }


def dataset(
    task: Procedure,
    number: int,
    *,
    start: int = 0,
    seed: int = 0,
    split: Split = "train",
    streaming: bool = False,
    shards: int = 1,
) -> datasets.Dataset | datasets.IterableDataset:
    """Make a data set of Hugging Face of ``number`` rows from row ``start`` on, in memory or ``streaming``.

    A stream has ``shards`` parts of consecutive rows, which workers divide among them.
    """
    try:
        import datasets
    except ImportError:
        raise InputError("a Hugging Face data set takes datasets: pip install janiform[datasets]") from None
    if number < 1 or not 1 <= shards <= number:
        raise InputError(
            f"a data set has 1 row or more, and no more shards than rows; got {number}, {shards}"
        )
    kind = datasets.Features(
        {name: datasets.Sequence(datasets.Value("int32"), task.width) for name in ("input_ids", "labels")}
    )
    cuts = [start + number * i // shards for i in range(shards + 1)]
    given = {"spans": list(zip(cuts, cuts[1:])), "task": write(task), "seed": seed, "split": split}
    if streaming:
        return datasets.IterableDataset.from_generator(_examples, features=kind, gen_kwargs=given)
    made = rows(task, start, start + number, seed=seed, split=split)
    both = {"input_ids": made.tokens.astype(np.int32), "labels": labels(made).astype(np.int32)}
    return datasets.Dataset.from_dict(both, features=kind)


def _examples(spans: list[tuple[int, int]], task: str, seed: int, split: Split) -> Iterator[dict[str, Any]]:
    """Yield the rows of some spans one by one."""
    procedure = read(task)
    for first, last in spans:
        for at in range(first, last, AT_A_TIME):
            some = rows(procedure, at, min(at + AT_A_TIME, last), seed=seed, split=split)
            for ids, wanted in zip(some.tokens.tolist(), labels(some).tolist()):
                yield {"input_ids": ids, "labels": wanted}
