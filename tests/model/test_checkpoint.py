"""Files of weights: what is saved is loaded, and nothing else gets in."""

import json
import os
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import numpy as arrays

from janiform.errors import FileError
from janiform.model import Config, Transformer, checkpoint

MODEL = Transformer(
    Config(
        n_layers=1, d_model=6, n_heads=2, d_head=3, d_mlp=5, d_vocab=4, d_vocab_out=3, n_ctx=5, act_fn="gelu"
    )
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def saved(path):
    checkpoint.save(MODEL, path)
    return path.read_bytes()


@pytest.mark.parametrize(
    "changes", [{}, {"dtype": "float64"}, {"n_layers": 0}, {"d_mlp": 0, "normalization_type": "LN"}]
)
def test_a_model_survives_its_file(path, changes):
    model = Transformer(Config(**{**MODEL.config.to_dict(), **changes}))
    checkpoint.save(model, path)
    again = checkpoint.load(path)
    tokens = torch.tensor([[0, 1, 2, 3]])
    assert again.config == model.config
    assert torch.equal(again(tokens), model(tokens))


def rewrite(path, saved, *, header=None, metadata=None, weights=None):
    """Write a file that differs from a good one in what is given."""
    good = json.loads(saved[8 : 8 + struct.unpack("<Q", saved[:8])[0]])
    described = {**json.loads(good["__metadata__"]["janiform"]), **(metadata or {})}
    content = arrays.save({**arrays.load(saved), **(weights or {})}, {"janiform": json.dumps(described)})
    if header is not None:
        content = struct.pack("<Q", len(header)) + header + b"\0" * 64
    path.write_bytes(content)


def test_rewriting_nothing_changes_nothing(path, saved):
    rewrite(path, saved)
    checkpoint.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"header": b"not json"}, "not JSON"),
        ({"header": b"[]"}, "not a JSON object"),
        ({"header": b'{"a": NaN}'}, "no JSON number"),
        ({"header": b'{"a": 1, "a": 2}'}, "twice"),
        ({"header": b'{"__metadata__": {}}'}, "not written by Janiform"),
        ({"header": b'{"__metadata__": {"janiform": "{}"}}'}, "holds a"),
        ({"header": b"[" * 100_000}, "not JSON"),
        ({"metadata": {"kind": "pair"}}, "holds a 'pair'"),
        ({"metadata": {"version": 99}}, "version 99"),
        ({"metadata": {"config": None}}, "missing"),
        ({"metadata": {"config": {"n_layers": 1}}}, "missing"),
        ({"metadata": {"config": {**MODEL.config.to_dict(), "n_layers": 10**9}}}, "cannot be made of"),
        ({"metadata": {"config": {**MODEL.config.to_dict(), "n_layers": 2}}}, "missing"),
        ({"metadata": {"config": {**MODEL.config.to_dict(), "d_model": 10**9}}}, "shape"),
        ({"metadata": {"config": {**MODEL.config.to_dict(), "d_model": 10**99}}}, "d_model"),
        ({"metadata": {"config": {**MODEL.config.to_dict(), "act_fn": ["relu"]}}}, "act_fn"),
        ({"metadata": {"config": {**MODEL.config.to_dict(), "dtype": "float64"}}}, "float32"),
        ({"weights": {"embed.W_E": np.full((4, 6), np.nan, np.float32)}}, "not finite"),
        ({"weights": {"embed.W_E": np.zeros((4, 7), np.float32)}}, r"shape \[4, 6\]"),
        ({"weights": {"embed.W_E": np.zeros((4, 6), np.int32)}}, "F32"),
        ({"weights": {"more": np.zeros(3, np.float32)}}, "unknown weights more"),
    ],
)
def test_a_hostile_file_is_refused(path, saved, changes, message):
    rewrite(path, saved, **changes)
    with pytest.raises(FileError, match=message):
        checkpoint.load(path)


def test_an_oversized_header_is_refused_before_it_is_read(path):
    path.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    with pytest.raises(FileError, match="claims"):
        checkpoint.load(path)


def test_every_truncation_is_refused(path, saved):
    for size in range(0, len(saved), 37):
        path.write_bytes(saved[:size])
        with pytest.raises(FileError):
            checkpoint.load(path)


@settings(max_examples=150)
@given(st.data())
def test_any_flipped_bytes_give_a_model_or_a_file_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "model.safetensors"
    checkpoint.save(MODEL, path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert isinstance(checkpoint.load(path), Transformer)
    except FileError:
        pass


def test_a_missing_file_and_a_folder_are_file_errors(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        checkpoint.load(tmp_path / "nothing.safetensors")
    with pytest.raises(FileError, match="cannot be read"):
        checkpoint.load(tmp_path)
    with pytest.raises(FileError, match="cannot be written"):
        checkpoint.save(MODEL, tmp_path / "no" / "such" / "folder.safetensors")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, saved, monkeypatch):
    def fail(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileError, match="No space left"):
        checkpoint.save(MODEL, path)
    assert path.read_bytes() == saved
    assert list(path.parent.iterdir()) == [path]
