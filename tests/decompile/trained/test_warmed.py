"""A model that was warmed up on rows made by rule goes the way of trained models: renamed, it says the same, and has a program."""

import numpy as np
import pytest
import torch

from janiform.decompile.trained.pipeline import Settings, decompile
from janiform.decompile.trained.warmed import renamed, sampler_of
from janiform.errors import InputError
from janiform.model import Config, Transformer
from janiform.tasks.procedural import read, rows

TASKS = [
    "identity(symbols=9, longest=5, shortest=2)",
    "delete(symbols=6, longest=5)",
    "union(symbols=6, longest=6)",
]
TASKS += ["set(symbols=40, longest=7, shortest=3)", "stack(symbols=7, longest=6, shortest=1)"]


@pytest.mark.parametrize("text", TASKS)
def test_a_renamed_model_says_the_same(text):
    """Logits of a row's tokens are those of the same tokens by their new names."""
    task = read(text)
    model = Transformer(Config.gpt2(2, 2, 8, vocab=task.d_vocab, positions=task.width), seed=1)
    names, new = sampler_of(task).vocab, renamed(model, task)
    tokens = torch.from_numpy(rows(task, 0, 20).tokens.astype(np.int64))
    told = {task.symbols: "<sep>", task.pad: "<pad>"}
    code = [
        names.index(told.get(i, str(i))) if told.get(i, str(i)) in names else 0 for i in range(task.d_vocab)
    ]
    real = [i for i in range(task.d_vocab) if told.get(i, str(i)) in names]
    with torch.no_grad():
        ours, theirs = model(tokens), new(torch.tensor(code)[tokens])
    assert torch.allclose(ours[..., real], theirs[..., [code[i] for i in real]], atol=1e-6)


@pytest.mark.parametrize("text", TASKS)
def test_rows_are_drawn_as_the_task_has_them(text):
    """Of lengths from the shortest that is asked for, with the answer where one is asked, at position 0."""
    task = read(text)
    sampler = sampler_of(task)
    some = sampler.draw(np.random.default_rng(0), 50, 4, task.longest)
    assert not sampler.offsets and len(some) == 50
    for tokens, asked, wanted in zip(some.tokens, some.asked, some.wanted):
        words = [sampler.vocab[t] for t in tokens if t != sampler.pad]
        parts = " ".join(words).split("<sep>")
        first, *others = (part.split() for part in parts)
        answer = [sampler.vocab[t] for t in wanted[asked]]
        assert answer == others[-1] and len(first) >= 4 // (2 if task.rule == "union" else 1)
        if task.rule == "identity":
            assert answer == first
        if task.rule == "set":
            assert answer == list(dict.fromkeys(first))


def test_a_copying_head_is_a_program():
    """At the separator a head looks at the first position, and copies: rows of one token are said again."""
    task = read("identity(symbols=12, longest=1)")
    model = Transformer(Config.gpt2(1, 1, 32, vocab=task.d_vocab, positions=task.width), seed=0)
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, w in weights.items():
            if not name.endswith(".w"):
                w.zero_()
        weights["embed.W_E"][:, :14] = torch.eye(14)
        weights["pos_embed.W_pos"][0, 31] = 1
        weights["blocks.0.attn.W_Q"][0, 12, 0] = 20
        weights["blocks.0.attn.W_K"][0, 31, 0] = 20
        weights["blocks.0.attn.W_V"][0, :14, :14] = torch.eye(14)
        weights["blocks.0.attn.W_O"][0, :14, 14:28] = torch.eye(14)
        weights["unembed.W_U"][14:28] = torch.eye(14)
    found = decompile(renamed(model, task), sampler_of(task), Settings(inputs=40, interventions=40))
    assert found.level == "L3" and found.match.fraction == 1 and found.program is not None


def test_models_that_do_not_fit_are_refused():
    task = read("set(symbols=9, longest=5)")
    with pytest.raises(InputError, match="has 7 tokens, and set.* has 11"):
        renamed(Transformer(Config.gpt2(1, 1, 8, vocab=7, positions=11)), task)
    with pytest.raises(InputError, match="more than 32 heads; this model has 36"):
        renamed(Transformer(Config.gpt2(9, 4, 8, vocab=11, positions=11)), task)
