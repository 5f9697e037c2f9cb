"""Recipes at their published sizes take their first steps: everything is there, and fits."""

import json

import numpy as np
import pytest

from janiform.cli import main
from janiform.model import Config, Transformer
from janiform.model.gpt2_folder import write_gpt2

WORDS = ["the cat sat on the mat", "a dog ran after the cat", "Über größe Bäume läuft der Hund", "x = [1, 2]"]


def dry(capsys, *words: str) -> dict:
    assert main([*words, "--dry-run", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["c4", "codeparrot", "mathematics"])
def test_published_language_runs_take_their_first_steps(tmp_path, name, capsys):
    """GPT-2 small at the published context and vocabulary, from attention, MLPs and norms of a warmed-up one."""
    pytest.importorskip("tokenizers", reason="tokenizers is absent")
    (tmp_path / "a.txt").write_text("\n".join(f"document {i}: {WORDS[i % 4]} {i * i}" for i in range(6000)))
    write_gpt2(Transformer(Config.gpt2(12, 12, 768, vocab=102, positions=128)), tmp_path / "warm")
    take = f"attention+mlp+layernorm={tmp_path / 'warm'}"
    found = dry(capsys, "finetune", "--recipe", name, "--text", str(tmp_path / "a.txt"), "--take", take)
    assert found["steps"] == 2 and len(found["taken"]) == 12 * 16 + 2 and np.isfinite(found["loss"])


@pytest.mark.parametrize("task", ["haystack", "addition", "reversed_addition", "multiplication", "sort"])
def test_published_diagnostics_take_their_first_steps(task, capsys):
    """At the published sizes of model and rows; a dry run says what is there and what fits, and leaves nothing."""
    found = dry(capsys, "finetune", task)
    assert found["steps"] == 2 and found["task"] == task and found["floor"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("task", ["set", "union", "dyck", "shuffle_dyck"])
def test_published_warm_ups_take_their_first_steps(task, capsys):
    """GPT-2 small, rows of the published length."""
    found = dry(capsys, "warmup", task)
    assert found["steps"] == 2 and np.isfinite(found["loss"])
