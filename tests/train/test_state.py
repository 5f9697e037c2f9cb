"""A saved state is whole, comes back as it was, and makes a killed training end as if it had not been killed."""

import subprocess
import sys

import pieces
import pytest
import torch
import training

from janiform.errors import FileError, InputError
from janiform.model import Config, Transformer
from janiform.model.checkpoint import save as save_model
from janiform.train import load_state, read_log, save_state

NAME = "state.safetensors"


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_tensors_come_back_as_they_were(dtype, shape, tmp_path):
    """Every type and shape, to the bit."""
    tensor = torch.full(shape, 3).to(dtype)
    save_state(tmp_path, {"t": tensor}, {})
    back = load_state(tmp_path)[0]["t"]
    assert back.dtype == dtype and back.shape == shape and torch.equal(back, tensor)
    back.fill_(0)


def test_tensors_need_no_memory_of_their_own(tmp_path):
    """Tied weights, views, parameters, and numbers that are not finite."""
    weights = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    tensors = {
        "a": weights,
        "b": weights,
        "t": weights.T,
        "row": weights[1],
        "worst": torch.tensor(torch.inf),
    }
    save_state(tmp_path, tensors, {})
    back = load_state(tmp_path)[0]
    assert back.keys() == tensors.keys() and all(torch.equal(back[k], t) for k, t in tensors.items())


def test_facts_come_back(tmp_path):
    """As JSON has them, in a folder that need not be there."""
    facts = {"step": 3, "best": torch.tensor(0.5), "name": "é", "seeds": [1, 2], "none": None}
    save_state(tmp_path / "new" / "run", {}, facts)
    assert load_state(tmp_path / "new" / "run") == ({}, {**facts, "best": 0.5})


def test_the_last_save_counts(tmp_path):
    """One file is left; the trace of a killed save goes with the next."""
    (tmp_path / f"{NAME}.0123.part").write_bytes(b"half")
    for step in range(3):
        save_state(tmp_path, {"t": torch.tensor(step)}, {"step": step})
    tensors, facts = load_state(tmp_path)
    assert tensors["t"] == facts["step"] == 2
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_nothing_saved_is_none(tmp_path):
    """Neither in an empty folder nor in one that is not there."""
    assert load_state(tmp_path) is None and load_state(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("tensors", "facts", "message"),
    [
        ({"t": torch.eye(2).to_sparse()}, {}, "'t', a Tensor.* a dense tensor"),
        ({"t": [1.0]}, {}, "'t', a list"),
        ({"t": torch.ones(2, dtype=torch.complex128)}, {}, "complex128"),
        ({}, {"model": object()}, "JSON cannot hold"),
    ],
)
def test_what_cannot_be_kept_is_refused(tensors, facts, message, tmp_path):
    """The state kept before stays."""
    save_state(tmp_path, {}, {"step": 1})
    with pytest.raises(InputError, match=message):
        save_state(tmp_path, tensors, facts)
    assert load_state(tmp_path) == ({}, {"step": 1})


def test_another_file_is_no_state(tmp_path):
    """Damage at any place, and the weights of a model, are errors that name the file."""
    save_state(tmp_path, {"t": torch.ones(4)}, {"step": 1})
    whole = (tmp_path / NAME).read_bytes()
    for size in (0, 7, 8, 40, len(whole) - 1):
        (tmp_path / NAME).write_bytes(whole[:size])
        with pytest.raises(FileError, match=NAME):
            load_state(tmp_path)
    config = Config(n_layers=1, d_model=2, n_heads=1, d_head=1, d_mlp=1, d_vocab=2, d_vocab_out=2, n_ctx=2)
    save_model(Transformer(config), tmp_path / NAME)
    with pytest.raises(FileError, match="no state of a training"):
        load_state(tmp_path)


def test_a_killed_training_ends_as_if_it_had_not_been(tmp_path):
    """Killed three times midway, it reaches the same weights to the bit, and logs the same losses, each step once."""
    undisturbed = training.train(tmp_path / "whole")
    folder, command = tmp_path / "killed", "import sys, training; training.train(sys.argv[1], rest=0.02)"
    for goal in (10, 25, 45):
        process = subprocess.Popen([sys.executable, "-c", command, str(folder)])
        pieces.until(lambda goal=goal: (read_log(folder / "log.jsonl") or [{"step": 0}])[-1]["step"] >= goal)
        process.kill()
        process.wait()
        assert 0 < load_state(folder)[1]["step"] < training.STEPS
    assert torch.equal(training.train(folder), undisturbed)
    once, resumed = (
        [(line["step"], line["loss"]) for line in read_log(tmp_path / name / "log.jsonl")]
        for name in ("whole", "killed")
    )
    assert len(once) == training.STEPS and resumed == once
