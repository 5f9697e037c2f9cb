"""A program and its weights side by side, quickly: many inputs in one batch, against outputs that are known already.

The interpreter has run every input when a program is drawn, so all that is left is one pass of the model. Inputs of all
lengths share it, padded to the full context.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int

from janiform.compile.result import Readout
from janiform.ir.canonical.form import Outcomes
from janiform.ir.semantics import Signature
from janiform.model import Transformer
from janiform.pair import Pair
from janiform.pair.codec import Codec, Index, classes
from janiform.pair.inputs import everything

WHOLE = 2
"""All inputs of up to so many tokens are among those that are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Inputs of one signature as ids, and where the outputs of each are found: ``rows[length - 1]`` of all inputs of a length."""

    ids: Int[np.ndarray, "input position"]
    rows: tuple[Int[np.ndarray, " input"], ...]

    def __len__(self) -> int:
        return len(self.ids)


@lru_cache(maxsize=8)
def inputs(signature: Signature, count: int, seed: int = 0) -> Inputs:
    """Return ``count`` inputs, or all where there are no more: all short ones, and longer ones in equal shares.

    >>> len(inputs(Signature(range(5), 5), 100)), len(inputs(Signature(range(2), 3), 100))
    (100, 14)
    """
    rng = np.random.default_rng([seed, count])
    codec = Codec(signature, ())
    by_length = [
        np.concatenate(list(everything(_only(signature, n), 1 << 20))[-1:]) for n in _lengths(signature)
    ]
    left, rows = count, []
    for n, codes in zip(_lengths(signature), by_length, strict=True):
        share = left if n <= WHOLE else -(-left // (signature.max_len - n + 1))
        take = min(len(codes), share)
        rows.append(np.sort(rng.permutation(len(codes))[:take]))
        left -= take
    short = count - sum(map(len, rows))
    for i, codes in enumerate(by_length):
        if short > 0 and len(rows[i]) < len(codes):
            more = np.setdiff1d(np.arange(len(codes)), rows[i])[:short]
            rows[i] = np.sort(np.concatenate([rows[i], more]))
            short -= len(more)
    ids = [codec.frame(codes[r], signature.max_len) for codes, r in zip(by_length, rows, strict=True)]
    return Inputs(np.concatenate(ids), tuple(rows))


def _lengths(signature: Signature) -> range:
    return range(1, signature.max_len + 1)


def _only(signature: Signature, n: int) -> Signature:
    return Signature(signature.vocab, n, signature.causal)


def disagreement(model: Transformer, readout: Readout, outcomes: Outcomes, given: Inputs) -> int:
    """Return on how many of the inputs model and program differ at some position."""
    index = Index(readout)
    named = np.array([index(v) for v in outcomes.values])
    with torch.inference_mode():
        logits = model(torch.from_numpy(given.ids)).numpy()
    wrong, at = 0, 0
    for n, rows in enumerate(given.rows, 1):
        got = classes(readout, logits[at : at + len(rows), 1 : n + 1])
        wrong += int((got != named[outcomes.codes[n - 1][rows]]).any(1).sum())
        at += len(rows)
    return wrong


def disagreeing(pair: Pair, outcomes: Outcomes, given: Inputs) -> int:
    """Return on how many of the inputs a pair's weights and its program's outputs differ.

    >>> import janiform as jf
    >>> from janiform.ir.canonical.form import behavior
    >>> p = jf.parse("output = selector_width(select(tokens, tokens, ==));")
    >>> pair = p.compile(range(5), 5)
    >>> disagreeing(pair, behavior(p, pair.signature)["output"], inputs(pair.signature, 100))
    0
    """
    return disagreement(pair.model, pair.readouts[0], outcomes, given)
