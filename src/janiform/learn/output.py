"""The output of a draft, fitted: a convex problem once the variables are discrete, so solved, not trained further.

Multinomial logistic regression on the variables' codes and numbers, on distinct rows with their multiplicities, by L-BFGS.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from janiform.learn.draft import Draft

WIDEST = 48
"""A variable of more codes than this is for others to read; it gets no weights of its own."""


def fit_output(
    draft: Draft,
    values: list[np.ndarray],
    y: np.ndarray,
    *,
    penalty: float = 1e-5,
    steps: int = 100,
    only: Sequence[int] | None = None,
) -> Draft:
    """Return the draft with the weights that fit labels ``y`` (n, length; -1 where nothing is asked) best.

    Weights start from the draft's own, so a fit after a small change is short. ``only`` these variables get weights, all
    of up to ``WIDEST`` codes and all numbers that have a slope where it is not given.
    """
    sizes = draft.sizes()
    asked = y >= 0
    offsets = np.cumsum([0, *(max(size, 1) for size in sizes)])
    if only is None:
        only = [v for v, w in enumerate(draft.weights) if (sizes[v] <= WIDEST if sizes[v] else w.any())]
    numbers = [not sizes[v] for v in only]
    rows = np.stack([values[v][asked] * (sizes[v] > 0) + offsets[v] for v in only], 1).astype(np.int32)
    amounts = np.ones(rows.shape, np.float32)
    for column, v in enumerate(only):
        if numbers[column]:
            amounts[:, column] = values[v][asked]
    labels = y[asked]
    exact = np.ascontiguousarray(amounts[:, numbers]).view(np.int32)
    packed = np.concatenate([rows, exact, labels[:, None]], 1, dtype=np.int32)
    key = packed.view([("", packed.dtype)] * packed.shape[1]).ravel()
    _, first, counts = np.unique(key, return_index=True, return_counts=True)
    rows, labels, amounts = rows[first], labels[first], amounts[first]
    used, places = np.unique(rows, return_inverse=True)
    index = torch.from_numpy(places.reshape(rows.shape).astype(np.int64))
    times = torch.from_numpy(amounts) if any(numbers) else None
    mass = torch.from_numpy(counts / counts.sum()).float()
    target = torch.from_numpy(labels.astype(np.int64))
    start = np.concatenate([*draft.weights, draft.bias[None]]).astype(np.float32)
    W = torch.from_numpy(start[used]).requires_grad_()
    b = torch.from_numpy(start[-1].copy()).requires_grad_()
    optimizer = torch.optim.LBFGS([W, b], max_iter=steps, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores = torch.nn.functional.embedding_bag(index, W, mode="sum", per_sample_weights=times) + b
        fit = (mass * torch.nn.functional.cross_entropy(scores, target, reduction="none")).sum()
        total = fit + penalty * W.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    full = np.zeros_like(start)
    full[used], full[-1] = W.detach().numpy(), b.detach().numpy()
    weights = tuple(full[a:b] for a, b in zip(offsets, offsets[1:], strict=False))
    return draft.with_output(weights, full[-1])
