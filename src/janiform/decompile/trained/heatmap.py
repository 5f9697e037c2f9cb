"""Patterns of attention as pictures: where a head looks, beside where its reading says that it looks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from janiform.decompile.trained.evidence import draw
from janiform.decompile.trained.heads import Reading
from janiform.decompile.trained.observe import Observed, observe
from janiform.decompile.trained.selectors import first_of
from janiform.model.transformer import Transformer
from janiform.tasks.sequences import Sampler

CELL, FAINT = 13, 0.02
"""The side of a cell, and the weight below which none is drawn."""

LONGEST = 12
"""The most symbols of an example."""


def heatmap(pattern: NDArray[np.floating], tokens: Sequence[str], color: str) -> str:
    """Draw a pattern, queries from top to bottom and keys from left to right, as SVG: the darker the more.

    >>> heatmap(np.array([[1.0, 0.0], [0.5, 0.5]]), ["<bos>", "a"], "navy").count("<rect")
    4
    """
    n, margin = len(tokens), 8 + 6 * max(map(len, tokens))
    size = margin + n * CELL + 2
    parts = [f'<svg width="{size}" height="{size}" role="img">']
    for i, token in enumerate(tokens):
        middle = margin + i * CELL + CELL - 3
        parts.append(f'<text x="{margin - 4}" y="{middle}" text-anchor="end">{escape(token)}</text>')
        parts.append(f'<text transform="translate({middle},{margin - 4}) rotate(-90)">{escape(token)}</text>')
    side = n * CELL
    parts.append(f'<rect class="frame" x="{margin}" y="{margin}" width="{side}" height="{side}"/>')
    for i, j in np.argwhere(pattern >= FAINT):
        weight = float(pattern[i, j])
        parts.append(
            f'<rect x="{margin + j * CELL}" y="{margin + i * CELL}" width="{CELL}" height="{CELL}" fill="{color}"'
            f' fill-opacity="{min(1.0, weight) ** 0.5:.2f}"><title>{weight:.2f}</title></rect>'
        )
    return "".join([*parts, "</svg>"])


def example(model: Transformer, sampler: Sampler, seed: int) -> Observed:
    """What a model does on a few short inputs."""
    batch = draw(model, sampler, np.random.default_rng(seed), 8, longest=LONGEST, short=2)
    return observe(model, sampler, batch, patterns=True, offsets=False)


def beside(seen: Observed, reading: Reading) -> tuple[list[str], NDArray[np.floating], NDArray[np.floating]]:
    """The tokens of one input up to the last that is asked, where a head looks in it, and where its reading says.

    It is the input whose tokens change most often.
    """
    changes = (np.diff(seen.batch.tokens, axis=1) != 0) & seen.counted[:, 1:]
    row = int(changes.sum(1).argmax())
    n = int(np.flatnonzero(seen.batch.asked[row])[-1]) + 1
    pairs = seen.run().pairs_selected(first_of(reading.selectors))[row, :n, :n]
    even = pairs / np.maximum(pairs.sum(1, keepdims=True), 1)
    tokens = [seen.sampler.vocab[t] for t in seen.batch.tokens[row, :n]]
    return tokens, seen.patterns[reading.layer, reading.head][row, :n, :n], even
