"""Fresh weights: other numbers each epoch, the same outputs always."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import janiform as jf
from janiform.bench.fresh import FreshWeights
from janiform.decompile.dataset import Entry
from janiform.decompile.dataset.sampling import Sampler
from janiform.text.json import dumps

SIGNATURE = jf.Signature(range(5), 5)


def test_weights_are_fresh_and_right() -> None:
    """Each epoch has weights of its own, an epoch again has the same, and all of them compute the program on all inputs."""
    drawing = Sampler(SIGNATURE, (1, 6), seed=4).programs()
    entries = [Entry(d.canonical, d.behavior, d.size, dumps(d.program)) for d, _ in zip(drawing, range(4))]
    fresh = FreshWeights(entries, SIGNATURE)
    drawn: list[list[np.ndarray]] = []
    for number in (0, 1, 0):
        drawn.append([])
        for p in fresh.epoch(number):
            assert p.compared == 100 and replace(p.pair, model=p.model).check().mismatches == 0
            drawn[-1].append(p.model.weights()["pos_embed.W_pos"])
    for one, other, again in zip(*drawn):
        assert np.array_equal(one, again) and not np.allclose(one, other)
