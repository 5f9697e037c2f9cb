"""Tracing tools see the network unchanged: nnsight reads a hook point where that library is present."""

import pytest
import torch

from janiform import programs

nnsight = pytest.importorskip("nnsight")


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
