"""A model through quantities that no basis, gauge or order changes: what heads look at, and which values they tell apart.

On fixed inputs, each head is seen by its attention, by its scores (products of what writes the query with what writes the key,
through Q and K), and by what it would bring from each position (products through V and O). Of the latter only is seen
what survives every invertible change of the stream's basis: which of them are equal, where on their line they lie if they
lie on one, and which functions of positions are linear in them. Tokens are told apart by number, positions by place; heads are
a set, and hidden units are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from janiform.ir.evaluate import Run
from janiform.ir.nodes import Value

if TYPE_CHECKING:
    from janiform.decompile.subject import Subject

VOCAB = LENGTH = 5
"""The one shape of signature that is seen: so many tokens, inputs up to this length."""
SHOWN = (8, 4)
"""So many inputs of the full length, and of length 3, are shown to the network."""
TESTED = 24
"""So many inputs of each length from 3 on, and all shorter ones, are what proposals are tested on."""
COMPARED = 4
"""On so many inputs of full length it is shown which values a head tells apart."""
LOOKED_AT = 0.08
"""A key with less attention is not looked at."""
EQUAL = 1e-3
"""Vectors this near, as a share of the largest distance, are equal."""


@lru_cache(maxsize=1)
def probes() -> Int[np.ndarray, "input position"]:
    """Return the inputs, -1 where one is shorter: those that are shown, then those that are tested on.

    >>> probes().shape
    (114, 5)
    """
    rng = np.random.default_rng(5)
    full = rng.integers(VOCAB, size=(SHOWN[0], LENGTH))
    full[0], full[1] = np.arange(LENGTH), [3, 1, 1, 0, 3]
    rows = [*full, *rng.integers(VOCAB, size=(SHOWN[1], 3))]
    rows += [np.array([a]) for a in range(VOCAB)] + [
        np.array([a, b]) for a in range(VOCAB) for b in range(VOCAB)
    ]
    for n in range(3, LENGTH + 1):
        rows += list(rng.integers(VOCAB, size=(TESTED, n)))
    found = np.full((len(rows), LENGTH), -1)
    for i, row in enumerate(rows):
        found[i, : len(row)] = row
    return found


@dataclass(frozen=True, slots=True, eq=False)
class HeadView:
    """A head on the probes; attention and scores have BOS as their first key, ``brings`` at its first position.

    ``looks`` says at which keys; ``brings`` are vectors of the stream of which only linear relations mean anything.
    """

    layer: int
    pattern: Float[np.ndarray, "input query key1"]
    scores: Float[np.ndarray, "input query key1"]
    brings: Float[np.ndarray, "input position1 d"]
    looks: Bool[np.ndarray, "input query key"]

    @property
    def idle(self) -> bool:
        """Whether it looks at nothing, or brings the same from everywhere."""
        x = self.brings.reshape(-1, self.brings.shape[-1])
        return bool(np.abs(x - x[0]).max(initial=0.0) < 1e-6 * max(1.0, float(np.abs(x).max(initial=0.0))))


@dataclass(frozen=True, slots=True, eq=False)
class ModelView:
    """A model on the probes: its heads by layer, and the number of layers."""

    heads: tuple[HeadView, ...]
    n_layers: int


def view(subject: Subject) -> ModelView:
    """Run a model on the probes."""
    x, roles, model = probes(), subject.roles, subject.model
    lengths = (x >= 0).sum(1)
    c = model.config
    n = len(x)
    pattern = np.zeros((c.n_layers, c.n_heads, n, LENGTH, 1 + LENGTH), np.float32)
    scores = np.zeros_like(pattern)
    values = np.zeros((c.n_layers, n, 1 + LENGTH, c.n_heads, c.d_head))
    ids = np.array(roles.tokens)
    for k in range(1, LENGTH + 1):
        own = np.flatnonzero(lengths == k)
        given = np.concatenate([np.full((len(own), 1), roles.bos), ids[x[own, :k]]], axis=1)
        with torch.no_grad():
            _, cache = model.run_with_cache(
                torch.from_numpy(given).to(model.device),
                lambda name: name.endswith(("hook_pattern", "hook_attn_scores", "hook_v")),
            )
        for layer in range(c.n_layers):
            at = f"blocks.{layer}.attn.hook_"
            pattern[layer][:, own, :k, : k + 1] = cache[f"{at}pattern"].cpu().numpy()[:, :, 1:].swapaxes(0, 1)
            scores[layer][:, own, :k, : k + 1] = (
                cache[f"{at}attn_scores"].cpu().numpy()[:, :, 1:].swapaxes(0, 1)
            )
            values[layer][own, : k + 1] = cache[f"{at}v"].cpu().numpy()
    weights = model.weights()
    heads = []
    for layer in range(c.n_layers):
        W_O = weights[f"blocks.{layer}.attn.W_O"].astype(np.float64)
        for h in range(c.n_heads):
            p = pattern[layer, h]
            heads.append(
                HeadView(layer, p, scores[layer, h], values[layer][:, :, h] @ W_O[h], p[:, :, 1:] > LOOKED_AT)
            )
    return ModelView(tuple(head for head in heads if not head.idle), c.n_layers)


# --- what the network is shown --------------------------------------------------------------------------------------

ATTENTION = sum(SHOWN) * LENGTH * (1 + LENGTH) * 2
COMPARISONS = (COMPARED * LENGTH + 1) * (COMPARED * LENGTH) // 2
VALUES = COMPARISONS + COMPARED * LENGTH + 1 + 2
LAYERS = 8
CODES = (SHOWN[0] * LENGTH + SHOWN[1] * 3) * 2


def attention_features(head: HeadView) -> Float[np.ndarray, " feature"]:
    """Return attention and scores on the shown inputs; scores are counted from BOS, as shares of the largest."""
    shown = slice(0, sum(SHOWN))
    s = head.scores[shown] - head.scores[shown, :, :1]
    s = s / max(float(np.abs(s).max()), 1e-9)
    return np.concatenate([head.pattern[shown].ravel(), s.ravel()]).astype(np.float32)


def value_features(head: HeadView) -> Float[np.ndarray, " feature"]:
    """Return which positions bring the same, where they lie if all lie on one line, and whether they do."""
    x = head.brings[:COMPARED]
    x = np.concatenate([x[:, 1:].reshape(-1, x.shape[-1]), x[0, :1]])
    apart = np.abs(x[:, None] - x[None]).max(-1)
    largest = max(float(apart.max()), 1e-12)
    equal = apart < EQUAL * largest
    one, other = np.triu_indices(len(x), 1)
    line, place = straight(x[:-1], largest)
    bos = float(np.abs(x[:-1] - x[-1]).max() < EQUAL * largest)
    places = np.append(place, 0.0) if line else np.zeros(len(x))
    return np.concatenate([equal[one, other], places, [line, bos]]).astype(np.float32)


def straight(x: Float[np.ndarray, "row d"], size: float = 1.0) -> tuple[bool, Float[np.ndarray, " row"]]:
    """Return whether vectors lie on one line, and where on it, from 0 to 1; the first lies in the lower half.

    Where they are no further apart than rounding, beside ``size``, all lie at 0.

    >>> straight(np.array([[1.0, 1.0], [3.0, 3.0], [2.0, 2.0]]))[1].round(3).tolist()
    [0.0, 1.0, 0.5]
    """
    centered = x - x.mean(0)
    u, s, _ = np.linalg.svd(centered, full_matrices=False)
    if not len(s) or s[0] < EQUAL * size:
        return True, np.zeros(len(x))
    place = u[:, 0] * s[0]
    place = (place - place.min()) / (place.max() - place.min())
    return bool(len(s) < 2 or s[1] < 10 * EQUAL * s[0]), place if place[0] <= 0.5 else 1 - place


def layer_features(head: HeadView, n_layers: int) -> Float[np.ndarray, " feature"]:
    """Return the layer, and how many there are."""
    found = np.zeros(2 * LAYERS, np.float32)
    found[min(head.layer, LAYERS - 1)] = found[LAYERS + min(n_layers, LAYERS) - 1] = 1
    return found


def code_features(run: Run, columns: list[list[Value]]) -> Float[np.ndarray, " feature"]:
    """Return what a statement holds on the shown inputs: numbers as shares of the largest, and where it is undefined."""
    flat = [v for row in columns[: sum(SHOWN)] for v in row]
    numbers = np.array([float(v) if isinstance(v, int | float) else 0.0 for v in flat])
    numbers = numbers / max(1.0, float(np.abs(numbers).max(initial=0.0)))
    return np.concatenate([numbers, [v is None for v in flat]]).astype(np.float32)


def words() -> list[list[int]]:
    """Return the probes as inputs of the interpreter, tokens by number."""
    return [[int(t) for t in row if t >= 0] for row in probes()]


def explained(head: HeadView, columns: np.ndarray, defined: np.ndarray) -> float:
    """Return how far numbers at positions are from being linear in what a head brings from there: 0 is linear, 1 not at all.

    ``columns`` has numbers [input, position, column]; ``defined`` says at which positions.
    """
    at = defined
    x = head.brings[:, 1:][at]
    y = columns[at]
    x = np.concatenate([x / max(float(np.abs(x).max(initial=0.0)), 1e-12), np.ones((len(x), 1))], axis=1)
    y = y - y.mean(0)
    total = float((y**2).sum())
    if total < 1e-12:
        return 0.0
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    u = u[:, s > 1e-5 * s[0]]
    return float(((y - u @ (u.T @ y)) ** 2).sum() / total)
