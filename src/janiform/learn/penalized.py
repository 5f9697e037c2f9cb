"""The output of a draft over many categories: weights under a penalty that is chosen on the validation part.

Where variables have thousands of codes, most are rare, and an unpenalized fit only memorizes. A code's penalty falls with
how much it tells: its weights are scaled by its naive-Bayes log-ratios (Wang and Manning 2012). The problem is convex, a
sparse multinomial regression, solved by L-BFGS from the strongest penalty on, each solution starting the next.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from janiform.learn.draft import Bench, Draft
from janiform.tasks.examples import Codes, Examples


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """What the output sees: how often each code occurs in each case, and the label of the case.

    A case is a position where a label is asked or, pooled, an input; ``matrix`` is sparse, (cases, codes).
    """

    matrix: Tensor
    transposed: Tensor
    labels: Tensor


def design(draft: Draft, part: Examples) -> Design:
    """Run the draft's units on examples and lay the codes of all variables side by side."""
    rows, columns, labels, cases = [], [], [], 0
    offsets = np.cumsum([0, *draft.sizes()])
    assert 0 not in draft.sizes(), "numbers have no codes"
    for y, valid, values in run(draft, part):
        asked = valid if draft.frame.pooled else y >= 0
        codes = np.stack([v[asked] + o for v, o in zip(values, offsets, strict=False)], 1)
        case = np.nonzero(asked)[0] if draft.frame.pooled else np.arange(len(codes))
        rows.append(np.repeat(case + cases, codes.shape[1]))
        columns.append(codes.ravel())
        labels.append(y if draft.frame.pooled else y[asked])
        cases += len(labels[-1])
    index = torch.from_numpy(np.stack([np.concatenate(rows), np.concatenate(columns)]).astype(np.int64))
    ones = torch.ones(index.shape[1])
    matrix = torch.sparse_coo_tensor(
        index, ones, (cases, int(offsets[-1])), check_invariants=False
    ).coalesce()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        compressed, transposed = matrix.to_sparse_csr(), matrix.t().to_sparse_csr()
    return Design(compressed, transposed, torch.from_numpy(np.concatenate(labels).astype(np.int64)))


def run(
    draft: Draft, part: Examples, *, at_once: int = 1000
) -> Iterator[tuple[Codes, np.ndarray, list[Codes]]]:
    """Yield targets, which positions are there, and every variable, some inputs at a time."""
    for start in range(0, len(part), at_once):
        few = part.take(slice(start, start + at_once))
        bench = Bench(draft.frame, few.x)
        yield few.y, bench.valid, bench.run(draft)


def fit_penalized(
    draft: Draft,
    train: Examples,
    validation: Examples,
    measure: Callable[[Codes, Codes, Codes], float],
    *,
    penalties: tuple[float, ...],
    both: bool = False,
    steps: int = 60,
) -> Draft:
    """Return the draft with the output whose penalty is best by ``measure(x, y, predicted)`` on the validation part.

    With ``both``, the output is fitted once more with that penalty, on both parts.
    """
    seen = design(draft, train)
    scale = _telling(seen, draft)
    W, best, found = torch.zeros(len(scale), draft.frame.labels), None, draft
    for penalty in sorted(penalties, reverse=True):
        W = _solved(seen, scale, W, penalty, steps)
        fitted = _with_weights(draft, scale[:, None] * W)
        score = measure(validation.x, validation.y, labelled(fitted, validation))
        if best is None or score > best[0]:
            best, found = (score, penalty, W), fitted
    assert best is not None, "there is a penalty to choose"
    if not both:
        return found
    joined = Examples(np.concatenate([train.x, validation.x]), np.concatenate([train.y, validation.y]))
    seen = design(draft, joined)
    scale = _telling(seen, draft)
    return _with_weights(draft, scale[:, None] * _solved(seen, scale, best[2], best[1], steps))


def labelled(draft: Draft, part: Examples) -> Codes:
    """The label that the draft gives to each position, -1 where none is asked or, pooled, to each input."""
    offsets = np.cumsum([0, *draft.sizes()])
    W = np.concatenate(draft.weights).astype(np.float32)
    found = []
    for y, valid, values in run(draft, part):
        scores = np.broadcast_to(draft.bias, (*valid.shape, draft.frame.labels)).copy()
        for v, o in zip(values, offsets, strict=False):
            scores += W[v + o]
        if draft.frame.pooled:
            found.append((scores * valid[:, :, None]).sum(1).argmax(1))
        else:
            found.append(np.where(y >= 0, scores.argmax(2), -1))
    return np.concatenate(found)


def _telling(seen: Design, draft: Draft) -> Tensor:
    """How much each code tells of the labels: the root mean square of its naive-Bayes log-ratios.

    Positions, which stand for the bias, count fully.
    """
    frame = draft.frame
    counts = (seen.transposed @ _hot(seen, frame.labels)).double()
    inside, outside = 1 + counts, 1 + counts.sum(1, keepdim=True) - counts
    ratios = (inside / inside.sum(0)).log() - (outside / outside.sum(0)).log()
    told = ratios.square().mean(1).sqrt() * (counts.sum(1) > 0)
    told[frame.tokens : frame.tokens + frame.length] = 1
    return told.float()


def _hot(seen: Design, labels: int) -> Tensor:
    return torch.nn.functional.one_hot(seen.labels, labels).float()


def _solved(seen: Design, scale: Tensor, start: Tensor, penalty: float, steps: int) -> Tensor:
    """Minimize the summed cross-entropy plus ``penalty`` times half the squared, scaled weights."""
    W = start.clone().requires_grad_()
    hot = _hot(seen, start.shape[1])
    optimizer = torch.optim.LBFGS([W], max_iter=steps, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        with torch.no_grad():
            logs = torch.log_softmax(seen.matrix @ (scale[:, None] * W), 1)
            slope = scale[:, None] * (seen.transposed @ (logs.exp() - hot)) + penalty * W
            W.grad = slope / len(hot)
            return (penalty / 2 * W.square().sum() - (logs * hot).sum()) / len(hot)

    optimizer.step(loss)
    return W.detach()


def _with_weights(draft: Draft, W: Tensor) -> Draft:
    """Cut the weights of all codes into those of each variable; there is no bias, for which positions stand."""
    pieces = torch.split(W.double(), draft.sizes())
    return draft.with_output(tuple(p.numpy() for p in pieces), np.zeros(W.shape[1]))
