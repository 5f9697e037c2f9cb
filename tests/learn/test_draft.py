"""Drafts: what the search's interpreter computes is what the program means, and what its weights and its Python compute."""

from __future__ import annotations

import numpy as np
import pytest
from tests.learn.random_drafts import all_inputs, random_draft

from janiform.errors import CompileError
from janiform.ir.evaluate import evaluate
from janiform.ir.semantics import Signature
from janiform.learn.climb import predicted
from janiform.learn.draft import Bench, logits
from janiform.learn.harden import harden
from janiform.text.standalone import to_python

LABELS = ("n", "p", "z")


@pytest.mark.parametrize("seed", range(25))
def test_model_program_python_and_weights_agree_on_every_input(seed: int):
    """Law 3, for units of every kind: four faces, one meaning."""
    draft = random_draft(np.random.default_rng(seed), pooled=seed % 5 == 0)
    signature = Signature("abc", draft.frame.length, draft.frame.causal)
    x = all_inputs(draft.frame)
    inputs = [[signature.vocab[c] for c in row if c >= 0] for row in x]
    program = harden(draft, signature, LABELS)
    meant = evaluate(program, inputs, signature=signature)["output"]
    said = predicted(draft, x)
    if not draft.frame.pooled:
        assert [[LABELS[c] for c in s[: len(i)]] for s, i in zip(said, inputs, strict=True)] == meant
    else:
        assert [[LABELS[s]] * len(i) for s, i in zip(said, inputs, strict=True)] == meant
    for text in (
        to_python(program, "learned", causal=signature.causal),
        to_python(program, "learned", signature=signature),
    ):
        names: dict = {}
        exec(text, names)
        assert [names["learned"](i) for i in inputs] == meant
    try:
        assert program.compile(signature=signature).run(inputs)["output"] == meant
    except CompileError as e:
        assert "cannot be listed" in str(e)


@pytest.mark.parametrize("seed", range(10))
def test_a_rerun_after_a_change_is_a_run(seed: int):
    """Incremental evaluation gives what a whole evaluation gives."""
    rng = np.random.default_rng(seed)
    draft, other = random_draft(rng), random_draft(np.random.default_rng(seed))
    bench = Bench(draft.frame, all_inputs(draft.frame))
    values = bench.run(draft)
    for i, unit in enumerate(draft.units):
        array = next(getattr(unit, f) for f in ("relation", "cells", "numbers") if hasattr(unit, f))
        array = array[rng.permutation(len(array))]
        field = next(f for f in ("relation", "cells", "numbers") if hasattr(unit, f))
        changed = other.with_unit(
            i, type(unit)(**{n: getattr(unit, n) for n in unit.__dataclass_fields__} | {field: array})
        )
        again = bench.rerun(changed, values, i)
        assert all((a == b).all() for a, b in zip(again, bench.run(changed), strict=True))


@pytest.mark.parametrize("seed", range(10))
def test_units_that_nothing_reads_are_dropped_without_a_difference(seed: int):
    rng = np.random.default_rng(seed)
    draft = random_draft(rng, units=8)
    weights = tuple(w * (rng.random() < 0.4) for w in draft.weights)
    draft = draft.with_output(weights, draft.bias)
    x = all_inputs(draft.frame)
    bench = Bench(draft.frame, x)
    pruned = draft.pruned()
    assert len(pruned.units) <= len(draft.units)
    assert np.allclose(logits(draft, bench.run(draft)), logits(pruned, bench.run(pruned)))
