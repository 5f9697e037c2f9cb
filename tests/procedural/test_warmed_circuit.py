"""Heads whose circuit is known are read as what they are."""

import numpy as np
import pytest
import torch

from janiform.errors import InputError
from janiform.model import Config, Transformer
from janiform.procedural.circuit import circuit, selectors
from janiform.tasks.procedural import Rows, read, rows


def test_selectors_on_a_row_by_hand():
    """3 1 3 | 1 asks for what comes behind each token; keys are never later than their query."""
    row = Rows(np.array([[3, 1, 3, 9, 1, 2]], np.uint16), np.array([4], np.int32), np.array([6], np.int32))
    found = {name: [np.flatnonzero(q).tolist() for q in keys[0]] for name, keys in selectors(row).items()}
    assert found["the one before"] == [[], [0], [1], [2], [3]]
    assert found["the first"] == [[], [0], [0], [0], [0]]
    assert found["the same"] == [[], [], [0], [], [1]]
    assert found["what followed the same"] == [[], [], [1], [], [2]]
    assert found["the answer"] == [[], [0], [], [1], []]


def test_a_head_that_looks_at_the_one_before_is_told():
    """Keys and queries of positions alone: key p scores highest with query p + 1."""
    task = read("set(symbols=9, longest=5, shortest=2)")
    width = task.width
    config = Config.gpt2(1, 1, 24, vocab=task.d_vocab, positions=width)
    model = Transformer(config, seed=0)
    weights = dict(model.named_parameters())
    with torch.no_grad():
        weights["embed.W_E"].zero_()
        weights["pos_embed.W_pos"].zero_()
        weights["pos_embed.W_pos"][:, :width] = torch.eye(width)
        weights["blocks.0.attn.W_Q"].zero_()
        weights["blocks.0.attn.W_K"].zero_()
        weights["blocks.0.attn.W_K"][0, :width, :width] = 10 * torch.eye(width)
        weights["blocks.0.attn.W_Q"][0, 1:width, : width - 1] = 10 * torch.eye(width - 1)
    (head,) = circuit(model, task, 100).heads
    assert head.follows == "the one before" and head.attention["the one before"] > 0.99
    assert head.even["the one before"] < 0.3 and "on the one before (even: 0.1" in str(head)


def test_a_head_that_is_needed_costs_accuracy():
    """A head that copies the first token answers identity of single tokens; without it the model guesses."""
    task = read("identity(symbols=30, longest=1)")
    config = Config.gpt2(1, 2, 64, vocab=task.d_vocab, positions=task.width)
    model = Transformer(config, seed=0)
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, w in weights.items():
            if not name.endswith(".w"):
                w.zero_()
        weights["embed.W_E"][:, :32] = torch.eye(32)
        weights["pos_embed.W_pos"][0, 63] = 1
        weights["blocks.0.attn.W_Q"][0, 30, 0] = 20  # the separator asks for the first position
        weights["blocks.0.attn.W_K"][0, 63, 0] = 20
        weights["blocks.0.attn.W_V"][0, :32, :] = torch.eye(32)
        weights["blocks.0.attn.W_O"][0, :, 32:] = torch.eye(32)
        weights["unembed.W_U"][32:] = torch.eye(32)
    found = circuit(model, task, 2)
    assert found.accuracy == 1
    needed, idle = found.heads
    assert needed.without <= 0.5 and idle.without == 1  # the mean of two answers is one of them at best
    assert found.heads[0].attention["the answer"] > 0.99
    (role,) = (r for r in found.roles if (0, 0) in r.heads)
    assert role.heads == ((0, 0),) and role.without == needed.without


def test_it_prints_a_line_a_head():
    task = read("haystack(pairs=4, symbols=20)")
    model = Transformer(Config.gpt2(2, 4, 16, vocab=task.d_vocab, positions=task.width))
    lines = str(circuit(model, task, 50)).splitlines()
    assert len(lines) >= 9 and lines[0].endswith("right") and lines[8].startswith("1.3  ")
    held = rows(task, 0, 50, split="validation")
    assert all(keys.shape == (50, 10, 10) for keys in selectors(held).values())


def test_no_rows_are_refused():
    task = read("set(symbols=9, longest=5, shortest=2)")
    with pytest.raises(InputError, match="on 1 row or more, not on 0"):
        circuit(Transformer(Config.gpt2(1, 1, 8, vocab=task.d_vocab, positions=task.width)), task, 0)
