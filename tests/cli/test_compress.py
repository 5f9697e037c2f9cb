"""``janiform compress``, ``disguise`` and ``retrain`` write pairs, judge them, and say so in their exit code."""

import json

import pytest
import torch

from janiform import Pair
from janiform.cli import main

torch.set_num_threads(1)

TINY = ["frac_prevs", "--vocab", "0,1", "--max-len", "3"]


def answered(capsys, *words: str, code: int = 0) -> dict:
    """Run a command, and return the one JSON object that is printed."""
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_exact_compression_is_saved_and_judged(tmp_path, capsys):
    out = str(tmp_path / "small.safetensors")
    found = answered(capsys, "compress", *TINY, "--inputs", "50", "--out", out)
    assert (found["from"], found["d_model"], found["file"]) == (7, 6, out)
    assert found["faithfulness"]["verdict"] == "right for the right reason"
    assert Pair.load(out).check().good


def test_a_learned_width_is_kept_in_a_folder_and_found_again(tmp_path, capsys):
    learned = ["--method", "linear", "--starts", "4", "--inputs", "50", "--run", str(tmp_path / "run")]
    first = answered(capsys, "compress", *TINY, "--d-model", "5", *learned)
    assert first["d_model"] == 5 and first["faithfulness"]["faithful"]
    assert answered(capsys, "compress", *TINY, "--d-model", "5", *learned) == first


def test_what_is_not_faithful_is_no_success(tmp_path, capsys):
    """A line has no four points that each stand out in a direction of its own."""
    (tmp_path / "copy.rasp").write_text("copy = tokens;")
    words = [str(tmp_path / "copy.rasp"), "--vocab", "abcd", "--max-len", "1", "--d-model", "1"]
    learned = ["--method", "linear", "--starts", "1", "--inputs", "20"]
    found = answered(capsys, "compress", *words, *learned, code=1)
    assert found["d_model"] == 1 and found["faithfulness"]["verdict"] == "wrong"


def test_a_disguise_is_saved_checked_and_known(tmp_path, capsys):
    out = str(tmp_path / "hidden.safetensors")
    words = ["hist", "--vocab", "ab", "--max-len", "3", "--distractors", "1", "2", "--residual", "invertible"]
    found = answered(capsys, "disguise", *words, "--out", out)
    assert found["check"]["good"] and found["layout"] == "disguised"
    assert found["d_model"] > found["coordinates"]
    hidden = Pair.load(out)
    assert hidden("aba") == [2, 1, 2] and hidden.origin is not None
    again = answered(capsys, "disguise", out, "--residual", "none", "--keep-heads", "--keep-units")
    assert again["d_model"] == found["d_model"]


def test_a_training_too_short_is_saved_and_no_success(tmp_path, capsys):
    out, run = str(tmp_path / "trained.safetensors"), tmp_path / "run"
    shape = ["--d-model", "16", "--heads", "2", "--d-mlp", "8", "--steps", "1", "--batch", "8"]
    words = [
        "hist",
        "--vocab",
        "ab",
        "--max-len",
        "2",
        *shape,
        "--inputs",
        "20",
        "--run",
        str(run),
        "--out",
        out,
    ]
    found = answered(capsys, "retrain", *words, code=1)
    assert (found["layout"], found["d_model"], found["file"]) == ("retrained", 16, out)
    assert not found["faithfulness"]["faithful"]
    assert (run / "log.jsonl").exists() and Pair.load(out).model.config.act_fn == "gelu"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["compress", *TINY, "--d-model", "2"], "nothing is lost down to a width of 6, not at 2"),
        (["compress", *TINY, "--method", "linear"], "needs a width of 1 or more"),
        (["compress", *TINY, "--d-model", "0"], "a width of 1 or more, got d_model=0"),
        (["compress", *TINY, "--inputs", "5"], "judged on 10 inputs or more, got 5"),
        (["compress", *TINY, "--out", "no/pair.safetensors"], "there is no folder no"),
        (["compress", *TINY, "--run", "run"], "method exact learns nothing"),
        (["compress", *TINY, "--out", "pair.bin"], "saved in a .safetensors file"),
        (["disguise", *TINY, "--out", "pair.bin"], "saved in a .safetensors file"),
        (["disguise", *TINY, "--noise", "2"], "noise is a share of each weight"),
        (["disguise", *TINY, "--seed", "-1"], "seed must be 0 or more, got -1"),
        (["retrain", *TINY, "--inputs", "5"], "judged on 10 inputs or more, got 5"),
        (["retrain", "increment", "--max-len", "2"], "there is no mechanism to train"),
    ],
)
def test_what_cannot_be_says_why(words, complaint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) != 0
    assert complaint in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
