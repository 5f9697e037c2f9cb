"""Checkpoints that others compiled and published, whose labels are lost and most of whose unembeddings are wrong."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import janiform as jf
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.result import Decompiled

FEW = ("make_check_even", "make_histogram", "make_rank", "make_swap_consecutive")


def decompiled(folder: Path, name: str) -> tuple[Decompiled, dict[str, Any]]:
    """The program of a checkpoint under the names of its ids and classes, and what is recorded of it."""
    about = json.loads((folder / "meta.json").read_text())[name]
    vocab = [v for v, _ in about["input_encoding"] if v not in ("BOS", "compiler_pad")]
    classes = [v for v, _ in sorted(about["output_encoding"], key=lambda e: e[1])]
    return jf.decompile(folder / f"{name}.npz", vocab=vocab, classes=classes), about


@pytest.mark.shared
@pytest.mark.parametrize("name", FEW)
def test_a_program_says_what_stands_where_the_output_is_recorded_to_be(shared_data, name):
    """The record of where the output starts is not given to the decompiler; it is the check."""
    found, about = decompiled(shared_data / "published_checkpoints", name)
    classes = {i: v for v, i in about["output_encoding"]}
    block = slice(about["output_block_offset"], about["output_block_offset"] + len(classes))
    rng = np.random.default_rng(0)
    inputs = [list(x) for n in (1, 2) for x in itertools.product(range(10), repeat=n)]
    inputs += [rng.integers(10, size=int(rng.integers(3, 11))).tolist() for _ in range(50)]
    for x in inputs:
        with torch.no_grad():
            stream = found.subject.model.stream(torch.tensor([[10, *x]]))[0, 1:, block]
        assert found(x) == [classes[i] for i in stream.argmax(-1).tolist()], x
    assert found.evidence.exact and found.evidence.whole == 4


@pytest.mark.shared
@pytest.mark.slow
def test_nearly_all_of_them_come_back(shared_data):
    folder = shared_data / "published_checkpoints"
    right = 0
    for name in json.loads((folder / "meta.json").read_text()):
        try:
            right += decompiled(folder, name)[0].evidence.exact
        except CannotDecompile:
            continue
    assert right >= 53
