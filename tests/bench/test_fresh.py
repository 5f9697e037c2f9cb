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
    for a, b, again in zip(fresh.epoch(0), fresh.epoch(1), fresh.epoch(0)):
        assert a.compared == 100
        one, other, same = (p.model.weights()["pos_embed.W_pos"] for p in (a, b, again))
        assert np.array_equal(one, same) and not np.allclose(one, other)
        for p in (a, b):
            assert replace(p.pair, model=p.model).check().mismatches == 0
