"""Drafts, examples and generators as tensors and plain data."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.learn.random_drafts import all_inputs, random_draft

from janiform.errors import FileError
from janiform.learn.keep import (
    pack_draft,
    pack_examples,
    unpack_draft,
    unpack_examples,
    unpack_generator,
)
from janiform.tasks.examples import Examples
from janiform.train import load_state, save_state


def written(about: dict, tensors: dict, folder: Path) -> tuple[dict, dict]:
    """Write what was packed to a file, and read it."""
    save_state(folder, tensors, about)
    kept = load_state(folder)
    assert kept is not None
    return kept[1], kept[0]


@pytest.mark.parametrize("seed", range(8))
def test_a_draft_is_read_as_it_was_written(seed: int, tmp_path: Path):
    draft = random_draft(np.random.default_rng(seed), units=7)
    tensors: dict = {}
    again = unpack_draft(*swapped(*written(pack_draft(draft, "d", tensors), tensors, tmp_path)))
    assert again.frame == draft.frame and repr(again.units) == repr(draft.units)
    pairs = [*zip(again.weights, draft.weights, strict=True), (again.bias, draft.bias)]
    assert all(a.tobytes() == b.tobytes() and a.dtype == b.dtype for a, b in pairs)


def swapped(about: dict, tensors: dict) -> tuple[dict, str, dict]:
    return about, "d", tensors


def test_examples_and_generators_are_read_as_they_were_written(tmp_path: Path):
    rng = np.random.default_rng(3)
    draft = random_draft(rng)
    x = all_inputs(draft.frame)
    tensors: dict = {}
    pack_examples(Examples(x, np.where(x >= 0, 1, -1)), "held", tensors)
    pack_examples(None, "wrong", tensors)
    rng.integers(3, size=5, dtype=np.int32)  # half of a drawn word is left over
    about, tensors = written({"rng": rng.bit_generator.state}, tensors, tmp_path)
    held = unpack_examples("held", tensors, draft.frame)
    assert held is not None and (held.x == x).all() and held.x.dtype == x.dtype
    assert unpack_examples("wrong", tensors, draft.frame) is None
    again = unpack_generator(about["rng"])
    assert again.random(4).tolist() == rng.random(4).tolist()
    assert (
        again.integers(9, size=9, dtype=np.int32).tolist() == rng.integers(9, size=9, dtype=np.int32).tolist()
    )


def test_a_draft_whose_parts_do_not_fit_is_refused():
    draft = random_draft(np.random.default_rng(1))
    faults = [
        draft.with_output((draft.weights[0][:1], *draft.weights[1:]), draft.bias),
        draft.with_output(draft.weights, draft.bias[:1]),
    ]
    for wrong in faults:
        tensors: dict = {}
        with pytest.raises(FileError, match="no legal draft"):
            unpack_draft(pack_draft(wrong, "d", tensors), "d", tensors)
    tensors = {}
    about = json.loads(json.dumps(pack_draft(draft, "d", tensors), default=int))
    for broken in ({}, about | {"frame": {}}, about | {"units": [{"kind": "print"}]}):
        with pytest.raises(FileError, match="no draft of a program"):
            unpack_draft(broken, "d", tensors)
    with pytest.raises(FileError, match="no draft of a program"):
        unpack_draft(about, "elsewhere", tensors)


def test_codes_out_of_range_are_refused():
    frame = random_draft(np.random.default_rng(1)).frame
    x = np.full((2, frame.length), frame.tokens)
    tensors: dict = {}
    pack_examples(Examples(x, np.zeros_like(x)), "held", tensors)
    with pytest.raises(FileError, match="no examples"):
        unpack_examples("held", tensors, frame)
    with pytest.raises(FileError, match="no generator"):
        unpack_generator({"bit_generator": "PCG64", "state": {}})
