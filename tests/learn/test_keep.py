"""Drafts in files."""

from pathlib import Path

import numpy as np
import pytest
from tests.learn.random_drafts import random_draft

from janiform.errors import FileError
from janiform.learn.keep import load_draft, save_draft


@pytest.mark.parametrize("seed", range(8))
def test_a_draft_is_read_as_it_was_written(seed: int, tmp_path: Path):
    draft = random_draft(np.random.default_rng(seed), units=7)
    save_draft(draft, tmp_path / "draft.npz")
    again = load_draft(tmp_path / "draft.npz")
    assert again.frame == draft.frame and [type(u) for u in again.units] == [type(u) for u in draft.units]
    assert all((a == b).all() for a, b in zip(again.weights, draft.weights, strict=True))
    assert [p.name for p in tmp_path.iterdir()] == ["draft.npz"]


def test_a_file_that_is_no_draft_is_refused(tmp_path: Path):
    path = tmp_path / "draft.npz"
    path.write_bytes(b"not a zip")
    with pytest.raises(FileError, match="holds no draft"):
        load_draft(path)
    with pytest.raises(FileError, match="holds no draft"):
        load_draft(tmp_path / "absent.npz")
    np.savez(path, about=np.frombuffer(b'{"frame": {}, "units": []}', np.uint8))
    with pytest.raises(FileError, match="holds no draft"):
        load_draft(path)


def test_a_pickle_in_a_file_is_never_run(tmp_path: Path):
    path = tmp_path / "draft.npz"
    np.savez(path, about=np.array([{"frame": 1}], dtype=object))
    with pytest.raises(FileError, match="holds no draft"):
        load_draft(path)


def test_a_draft_whose_parts_do_not_fit_is_refused(tmp_path: Path):
    draft = random_draft(np.random.default_rng(1))
    wrong = draft.with_output((draft.weights[0][:1], *draft.weights[1:]), draft.bias)
    save_draft(wrong, tmp_path / "draft.npz")
    with pytest.raises(FileError, match="no legal draft"):
        load_draft(tmp_path / "draft.npz")
