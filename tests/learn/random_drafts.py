"""Random drafts over small frames: what the laws of learned programs are tried on."""

from __future__ import annotations

import numpy as np

from janiform.learn.draft import Copy, Draft, Frame, Number, Recode, Steps, Table, Tally, Unit, size_of
from janiform.learn.search import forms


def random_draft(
    rng: np.random.Generator,
    *,
    tokens: int = 3,
    length: int = 4,
    labels: int = 3,
    units: int = 5,
    pooled: bool = False,
    numbers: bool = True,
) -> Draft:
    """Draw units of every kind, many relations of which are comparisons, and small whole weights."""
    frame = Frame(tokens, length, labels, causal=bool(rng.random() < 0.5) and not pooled, pooled=pooled)
    drawn: list[Unit] = []
    sizes = [tokens, length]
    for _ in range(units):
        numeric = Draft(frame, tuple(drawn), (), np.zeros(labels)).numeric()
        codes = [v for v, s in enumerate(sizes) if s]
        sums = [v for v, s in enumerate(sizes) if not s]
        a, b, c = (codes[int(i)] for i in rng.integers(len(codes), size=3))
        a = b if rng.random() < 0.3 else a
        relation = rng.random((sizes[b], sizes[a])) < 0.5
        if rng.random() < 0.7:
            several = list(forms(sizes[b], sizes[a]))
            relation = several[int(rng.integers(len(several)))]
        mask = frame.masks()[int(rng.integers(len(frame.masks())))]
        kinds: list[Unit] = [
            Copy(a, b, c, relation, mask, int(rng.integers(sizes[c]))),
            Tally(a, b, relation, mask),
            Table(a, b, rng.integers(3, size=(sizes[a], sizes[b])), 3),
            Recode(a, rng.integers(2, size=sizes[a]), 2),
            Number(a, rng.integers(-2, 3, size=sizes[a]).astype(float)),
        ]
        known = [v for v, n in enumerate(numeric) if n and (numbers or sizes[v])]
        left, right = (known[int(i)] for i in rng.integers(len(known), size=2))
        edges = sorted({float(e) for e in rng.integers(-4, 8, size=int(rng.integers(1, 6))) / 2})
        slopes = (float(rng.integers(-2, 3)), float(rng.choice([0, 0.5, 1, -1])))
        kinds.append(Steps(left, right, slopes, tuple(edges), rng.integers(3, size=len(edges) + 1), 3))
        if sums:
            kinds.append(Tally(a, b, relation, mask, sums[int(rng.integers(len(sums)))]))
        if not numbers:
            kinds = [u for u in kinds if not isinstance(u, Number)]
        drawn.append(kinds[int(rng.integers(len(kinds)))])
        sizes.append(size_of(drawn[-1], sizes, frame))
    weights = tuple(rng.integers(-3, 4, size=(max(s, 1), labels)).astype(float) for s in sizes)
    return Draft(frame, tuple(drawn), weights, rng.integers(-3, 4, size=labels).astype(float))


def all_inputs(frame: Frame) -> np.ndarray:
    """Every input of the frame, once."""
    rows = []
    for n in range(1, frame.length + 1):
        grid = np.indices((frame.tokens,) * n).reshape(n, -1).T
        rows.append(np.pad(grid, ((0, 0), (0, frame.length - n)), constant_values=-1))
    return np.concatenate(rows).astype(np.int16)
