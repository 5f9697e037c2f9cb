"""Tracing tools see the network unchanged: nnsight reads and replaces at hook points where that library is present."""

import numpy as np
import pytest
import torch

from janiform import evaluate, programs

nnsight = pytest.importorskip("nnsight", reason="needs pip install 'janiform[nnsight]'")
ONE_EACH = sorted({e.file: e.name for e in programs.entries()}.values())


def test_nnsight_reads_the_pattern():
    pair = programs.load("sort").compile(range(5), 6)
    ids = pair.encode([3, 1, 2, 0, 4])
    traced = nnsight.NNsight(pair.model)
    with traced.trace(ids):
        pattern = traced.blocks[0].attn.hook_pattern.output.save()
        logits = traced.output.save()
    _, cache = pair.model.run_with_cache(ids)
    assert torch.equal(pattern, cache["blocks.0.attn.hook_pattern"])
    assert pair.decode(logits) == {"sort": [[0, 1, 2, 3, 4]]}


def test_nnsight_replaces_a_residual():
    pair = programs.load("hist").compile("abc", 4)
    ids, other = pair.encode("aab"), pair.encode("abc")
    _, cache = pair.model.run_with_cache(other)
    traced = nnsight.NNsight(pair.model)
    with traced.trace(ids):
        traced.blocks[0].hook_resid_post.output = cache["blocks.0.hook_resid_post"]
        logits = traced.output.save()
    assert torch.equal(logits, pair.model(other))


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["own", "gpt2"])
@pytest.mark.parametrize("name", ONE_EACH)
def test_a_traced_run_answers_as_the_interpreter(name, shape):
    e = programs.entry(name)
    pair = programs.load(name).compile(signature=e.signature)
    if shape == "gpt2":
        pair = pair.to_gpt2(causal=e.causal)
    rng = np.random.default_rng(0)
    inputs = [
        e.example[0],
        *([e.vocab[i] for i in rng.integers(len(e.vocab), size=n)] for n in (1, 3, e.max_len)),
    ]
    traced = nnsight.NNsight(pair.model)
    for x in inputs:
        with traced.trace(pair.encode(x)):
            logits = traced.output.save()
        assert pair.decode(logits) == evaluate(pair.program, [list(x)], causal=pair.signature.causal)
