"""Under noise weights still say their program, also where the model no longer computes it; what is no program stays refused."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

import janiform as jf
from janiform.decompile.compiled.exact import reading
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.compiled.levels import leveled, snapped
from janiform.decompile.compiled.noise import denoised
from janiform.decompile.compiled.outputs import nearest
from janiform.decompile.compiled.steps import written
from janiform.decompile.given import subject
from janiform.ir.canonical import canonical_hash
from janiform.ir.sample import sample_program
from janiform.model import Config, Transformer

SIGNATURE = jf.Signature(range(5), 5)
BROKEN = {
    "unlike": "x = selector_width(not select(tokens, tokens, ==));",
    "earlier": "x = selector_width(select(indices, indices, <) and select(tokens, tokens, !=));",
    "sum": "x = aggregate_sum(select(indices, indices, <=), min(tokens, 2), 0) % 10;",
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_noise_that_breaks_the_model_leaves_the_program_in_its_weights(name):
    program = jf.parse(BROKEN[name])
    pair = program.compile(signature=SIGNATURE)
    noisy = pair.disguise(2, residual="invertible", noise=0.001)
    found = jf.decompile(noisy)
    assert canonical_hash(found.program, SIGNATURE) == canonical_hash(program, SIGNATURE)
    if not found.evidence.exact:
        assert found.method == "denoised"
        assert not found.facts()["exact"]
        assert found.evidence.counterexample is not None


def test_the_model_of_one_of_them_has_ceased_to_compute_it():
    noisy = jf.parse(BROKEN["unlike"]).compile(signature=SIGNATURE).disguise(2, noise=0.001)
    found = jf.decompile(noisy)
    assert found.method == "denoised"
    assert found.evidence.agreed < 0.99 * found.evidence.checked


def test_random_weights_hold_no_program():
    torch.manual_seed(0)
    config = Config(n_layers=2, d_model=16, n_heads=2, d_head=8, d_mlp=16, d_vocab=7, d_vocab_out=5, n_ctx=6)
    with pytest.raises(CannotDecompile):
        jf.decompile(Transformer(config))


def test_what_is_exact_is_not_called_denoised():
    pair = jf.parse(BROKEN["earlier"]).compile(signature=SIGNATURE).disguise(3)
    with pytest.raises(CannotDecompile, match="keeps the model"):
        next(denoised(subject(pair)))
    assert jf.decompile(pair).method == "exact"


@pytest.mark.parametrize("heights", [(0, 1, 0, 1, 2), (3, 3, 3, 0, 0), (0, 5, 1, 5, 0)])
def test_steps_are_read_where_rectified_lines_cancel(heights):
    rng = np.random.default_rng(0)
    levels, steps = np.arange(5) * 20.0, np.diff(heights)
    slopes, offsets, outs = [], [], []
    for i, step in enumerate(steps):
        low, high = levels[i] + 5.0, levels[i] + 15.0
        slopes += [2 / 20, 2 / 20]
        offsets += [-low / 10, -high / 10]
        outs += [step, -step]
    off = 1 + 0.002 * rng.standard_normal((3, len(slopes)))
    read = 1000 * (levels[:, None] * np.array(slopes) * off[0] + np.array(offsets) * off[1])
    table, _ = written(read, (np.array(outs) * off[2] / 1000)[:, None], 1e-2)
    assert np.abs(table[:, 0] + heights[0] - heights).max() < 0.1


def test_levels_are_told_from_what_only_bos_holds():
    rng = np.random.default_rng(0)
    kept = np.where(np.eye(4), 0.0, -60.0)[None] + rng.normal(0, 2, (1, 4, 4))
    scores, bos, noise = leveled(kept, np.full((1, 4), -9_000.0), np.zeros(1, int), 0.04)
    assert sorted(set(np.round(scores).ravel().tolist()))[-1] == 0
    assert len(np.unique(scores)) == 2
    assert (bos < -8_000).all()
    assert noise > 0


def test_scores_far_apart_and_many_take_no_time():
    start = time.process_time()
    for n in (400, 200_000):
        assert snapped(np.linspace(-1e8, 0.0, n), 1e-3).max() == 0
    assert time.process_time() - start < 5


def test_the_nearest_number_is_found_where_single_classes_err():
    rng = np.random.default_rng(0)
    c = np.arange(10.0)
    x = c[:, None]
    logits = c * x * (1 + 0.01 * rng.standard_normal(10)) - c**2 / 2 * (1 + 0.01 * rng.standard_normal(10))
    assert logits.argmax(1).tolist() != list(range(10))
    found = nearest(logits, tuple(range(10)), 4e-2)
    assert found is not None
    assert found.tolist() == list(range(10))
    assert nearest(rng.standard_normal((9, 4)), (0, 1, 2, 3), 1e-2) is None


def test_only_the_ways_that_are_named_are_tried():
    noisy = jf.parse(BROKEN["unlike"]).compile(signature=SIGNATURE).disguise(2, noise=0.001)
    with pytest.raises(CannotDecompile):
        jf.decompile(noisy, ways=["exact"])
    with pytest.raises(jf.InputError, match="no way is called 'guess'; there are exact"):
        jf.decompile(noisy, ways=["guess"])
    with pytest.raises(jf.InputError, match="no way is given"):
        jf.decompile(noisy, ways=[])


def test_tables_that_grow_beyond_all_bounds_are_refused():
    rng = np.random.default_rng([184, 6])
    program = sample_program(rng, SIGNATURE, int(rng.integers(1, 11)))
    noisy = subject(program.compile(signature=SIGNATURE).disguise(184, noise=0.001))
    with pytest.raises(CannotDecompile, match="tables that no program can say"):
        reading(noisy, 1e-4)
