"""What circuit a warm-up leaves: where each head looks, in the words of a few selectors, and what the model loses without it.

A selector is a set of keys for each query. What a head has to do with it is the attention that falls on it, beside what would
if attention were even: an induction head puts much on the places behind earlier occurrences of the present token, a copying
head on the places that hold the answer. What is lost is the accuracy on targets when the head always gives its mean output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from janiform.model.hooks import HookPoint
from janiform.model.transformer import Transformer
from janiform.tasks.procedural import Procedure, Rows, rows

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Head:
    """A head, by selector its attention and what an even one would be, and the model's accuracy without it."""

    layer: int
    head: int
    attention: dict[str, float]
    even: dict[str, float]
    without: float

    @property
    def follows(self) -> str:
        """The selector on which the head puts most attention beyond an even share of it."""
        return max(self.attention, key=lambda name: self.attention[name] - self.even[name])

    def __str__(self) -> str:
        name = self.follows
        looks = f"{self.attention[name]:.2f} on {name} (even: {self.even[name]:.2f})"
        return f"{self.layer}.{self.head}  {looks}, {self.without:.3f} right without it"


@dataclass(frozen=True, slots=True)
class Circuit:
    """The heads of a model, and its accuracy on targets as it is."""

    accuracy: float
    heads: tuple[Head, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.accuracy:.3f} right", *map(str, self.heads)])


def circuit(model: Transformer, task: Procedure, number: int = 500) -> Circuit:
    """Read the heads of a model on held-out rows of a task.

    >>> from janiform.model import Config
    >>> from janiform.tasks.procedural import read
    >>> task = read("set(symbols=9, longest=5, shortest=2)")
    >>> found = circuit(Transformer(Config.gpt2(2, 2, 8, vocab=task.d_vocab, positions=task.width)), task, 50)
    >>> len(found.heads), sorted(found.heads[0].attention)
    (4, ['the answer', 'the first', 'the one before', 'the same', 'what followed the same'])

    Heads of the last layer are read at queries behind which a target stands, those of others at every query.
    """
    some = rows(task, 0, number, split="validation")
    tokens = torch.from_numpy(some.tokens.astype(np.int64)[:, :-1]).to(model.device)
    real, asked = some.tokens[:, :-1] != task.pad, some.asked[:, :-1]
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens, lambda name: name.endswith(("hook_pattern", "hook_z")))
        accuracy = _accuracy(model, tokens, some, asked)
        heads = []
        for layer in range(model.config.n_layers):
            pattern = cache[f"blocks.{layer}.attn.hook_pattern"].cpu().numpy()
            queries = asked if layer == model.config.n_layers - 1 else real
            mean = cache[f"blocks.{layer}.attn.hook_z"][torch.from_numpy(real)].mean(0)
            for head in range(model.config.n_heads):
                without = _accuracy(model, tokens, some, asked, (layer, head, mean[head]))
                heads.append(Head(layer, head, *_shares(pattern[:, head], some, queries), without))
    return Circuit(accuracy, tuple(heads))


def selectors(some: Rows) -> dict[str, Flags]:
    """Return by name which keys belong to each query, (rows, queries, keys); none comes after its query."""
    tokens, width = some.tokens[:, :-1].astype(np.int64), some.tokens.shape[1] - 1
    query, key = np.arange(width)[:, None], np.arange(width)[None, :]
    same = tokens[:, :, None] == tokens[:, None, :]
    followed = np.zeros_like(same)
    followed[:, :, 1:] = same[:, :, :-1] & (key[:, 1:] <= query)
    answer = some.tokens[:, 1:, None] == tokens[:, None, :]
    past, every = key < query, np.ones((len(tokens), 1, 1), bool)
    return {
        "the one before": every & (key == query - 1),
        "the first": every & (key == 0) & past,
        "the same": same & past,
        "what followed the same": followed,
        "the answer": answer & (key <= query),
    }


def _shares(
    pattern: NDArray[np.float32], some: Rows, queries: Flags
) -> tuple[dict[str, float], dict[str, float]]:
    """Return by selector the attention on it and its even share, over the queries for which it selects any key."""
    attention, even = {}, {}
    places = np.arange(1, pattern.shape[1] + 1)
    for name, keys in selectors(some).items():
        count = keys.sum(2)
        at = queries & (count > 0)
        attention[name] = float((pattern * keys).sum(2)[at].mean()) if at.any() else 0.0
        even[name] = float((count / places)[at].mean()) if at.any() else 0.0
    return attention, even


def _accuracy(
    model: Transformer,
    tokens: Tensor,
    some: Rows,
    asked: Flags,
    without: tuple[int, int, Tensor] | None = None,
) -> float:
    """Return the share of targets that are right, with one head giving its mean."""
    if without is None:
        logits = model(tokens)
    else:
        layer, head, mean = without

        def replace(value: Tensor, hook: HookPoint) -> Tensor:
            value = value.clone()
            value[:, :, head] = mean
            return value

        logits = model.run_with_hooks(tokens, [(f"blocks.{layer}.attn.hook_z", replace)])
    right = logits.argmax(-1).cpu().numpy() == some.tokens[:, 1:]
    return float(right[asked].mean())
