"""What circuit a warm-up leaves: where each head looks, in the words of a few selectors, and what the model loses without it.

A selector is a set of keys for each query. What a head has to do with it is the attention that falls on it, beside what would
if attention were even: an induction head puts much on the places behind earlier occurrences of the present token, a copying
head on the places that hold the answer. What is lost is the accuracy on targets when the head, or all heads that follow one
selector, always give their mean output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from janiform.errors import InputError
from janiform.model.hooks import Hook, HookPoint
from janiform.model.transformer import Transformer
from janiform.tasks.procedural import Procedure, Rows, rows

Flags = NDArray[np.bool_]
RASP = {
    "itself": "select(indices, indices, ==)",
    "the one before": "select(indices, indices - 1, ==)",
    "the first": "select(indices, 0, ==)",
    "the same": "select(tokens, tokens, ==) and select(indices, indices, <)",
    "what followed the same": "select(aggregate(select(indices, indices - 1, ==), tokens), tokens, ==)",
    "the answer": "select(tokens, answer, ==)",
}
"""Each selector as RASP says it; ``answer`` is the token to come."""
LITTLE = 0.05
"""A head whose attention goes beyond an even share by less than this follows nothing in particular."""


@dataclass(frozen=True, slots=True)
class Head:
    """A head, by selector its attention and what an even one would be, and the model's accuracy without it.

    It was read ``at`` the positions behind which a target stands, or at those before: where it follows a selector most.
    """

    layer: int
    head: int
    attention: dict[str, float]
    even: dict[str, float]
    without: float
    at: Literal["targets", "before"] = "targets"

    @property
    def follows(self) -> str:
        """The selector on which the head puts most attention beyond an even share of it."""
        return max(self.attention, key=self.beyond)

    def beyond(self, name: str) -> float:
        """Return the attention on a selector beyond an even share."""
        return self.attention[name] - self.even[name]

    def __str__(self) -> str:
        name = self.follows
        looks = f"{self.attention[name]:.2f} on {name} (even: {self.even[name]:.2f})"
        where = "" if self.at == "targets" else ", before the targets"
        return f"{self.layer}.{self.head}  {looks}{where}, {self.without:.3f} right without it"


@dataclass(frozen=True, slots=True)
class Role:
    """The heads that follow one selector, and the model's accuracy without all of them."""

    selector: str
    heads: tuple[tuple[int, int], ...]
    without: float

    def __str__(self) -> str:
        several = ", ".join(f"{layer}.{head}" for layer, head in self.heads)
        return f"{self.selector}: {several}; {self.without:.3f} right without {'it' if len(self.heads) == 1 else 'them'}"


@dataclass(frozen=True, slots=True)
class Circuit:
    """The heads of a model, by what they follow in ``roles``, and its accuracy on targets as it is."""

    accuracy: float
    heads: tuple[Head, ...]
    roles: tuple[Role, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join([f"{self.accuracy:.3f} right", *map(str, self.heads), *map(str, self.roles)])


def circuit(model: Transformer, task: Procedure, number: int = 500) -> Circuit:
    """Read the heads of a model on held-out rows of a task.

    >>> from janiform.model import Config
    >>> from janiform.tasks.procedural import read
    >>> task = read("set(symbols=9, longest=5, shortest=2)")
    >>> found = circuit(Transformer(Config.gpt2(2, 2, 8, vocab=task.d_vocab, positions=task.width)), task, 50)
    >>> len(found.heads), sorted(found.heads[0].attention)
    (4, ['itself', 'the answer', 'the first', 'the one before', 'the same', 'what followed the same'])

    Heads of the last layer are read at queries behind which a target stands, those of others there or before, where they follow
    one selector more. A role are the heads that follow the same selector, those left out that follow none by more than 0.05.
    ``InputError`` for no rows.
    """
    if number < 1:
        raise InputError(f"heads are read on 1 row or more, not on {number}")
    some = rows(task, 0, number, split="validation")
    tokens = torch.from_numpy(some.tokens.astype(np.int64)[:, :-1]).to(model.device)
    real, asked = some.tokens[:, :-1] != task.pad, some.asked[:, :-1]
    chosen = selectors(some)
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens, lambda name: name.endswith(("hook_pattern", "hook_z")))
        accuracy = _accuracy(model, tokens, some, asked)
        means: dict[tuple[int, int], Tensor] = {}
        heads = []
        for layer in range(model.config.n_layers):
            pattern = cache[f"blocks.{layer}.attn.hook_pattern"].cpu().numpy()
            last = layer == model.config.n_layers - 1
            mean = cache[f"blocks.{layer}.attn.hook_z"][torch.from_numpy(real)].mean(0)
            for head in range(model.config.n_heads):
                means[layer, head] = mean[head]
                without = _accuracy(model, tokens, some, asked, {(layer, head): mean[head]})
                read = Head(layer, head, *_shares(pattern[:, head], chosen, asked), without)
                if not last:
                    before = _shares(pattern[:, head], chosen, real & ~asked)
                    other = Head(layer, head, *before, without, "before")
                    read = max(read, other, key=lambda h: h.beyond(h.follows))
                heads.append(read)
        roles = []
        for name in chosen:
            several = tuple((h.layer, h.head) for h in heads if h.follows == name and h.beyond(name) > LITTLE)
            if several:
                idle = {head: means[head] for head in several}
                roles.append(Role(name, several, _accuracy(model, tokens, some, asked, idle)))
    return Circuit(accuracy, tuple(heads), tuple(roles))


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
        "itself": every & (key == query),
        "the one before": every & (key == query - 1),
        "the first": every & (key == 0) & past,
        "the same": same & past,
        "what followed the same": followed,
        "the answer": answer & (key <= query),
    }


def _shares(
    pattern: NDArray[np.float32], chosen: dict[str, Flags], queries: Flags
) -> tuple[dict[str, float], dict[str, float]]:
    """Return by selector the attention on it and its even share, over the queries for which it selects any key."""
    attention, even = {}, {}
    places = np.arange(1, pattern.shape[1] + 1)
    for name, keys in chosen.items():
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
    idle: Mapping[tuple[int, int], Tensor] | None = None,
) -> float:
    """Return the share of targets that are right, with some heads giving their means."""
    hooks: list[tuple[str, Hook]] = []
    for (layer, head), mean in (idle or {}).items():

        def replace(value: Tensor, hook: HookPoint, head: int = head, mean: Tensor = mean) -> Tensor:
            value = value.clone()
            value[:, :, head] = mean
            return value

        hooks.append((f"blocks.{layer}.attn.hook_z", replace))
    logits = model.run_with_hooks(tokens, hooks) if hooks else model(tokens)
    right = logits.argmax(-1).cpu().numpy() == some.tokens[:, 1:]
    return float(right[asked].mean())
