"""What each id of a model is for: a token of the vocabulary, BOS before every input, PAD after it.

Roles show in attention. BOS, at the first place, attends to itself alone, and every query falls back on it; PAD attends to
BOS alone, and no token attends to PAD. Each pair of ids is tried for BOS and PAD, and the one that behaves most like them
is taken. Where several do, as in a model without attention, they are the last two, as compilers number them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from janiform.errors import InputError
from janiform.model import Transformer

INPUTS = 24
"""How many inputs attention is looked at on, for each id that may be BOS."""

NONE = 1e-3
"""An attention weight up to this is none."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The ids of the vocabulary in order, of BOS and of PAD; ``told`` says by what they are known.

    >>> Roles.last_two(5)
    Roles(tokens=(0, 1, 2), bos=3, pad=4, told='codec')
    """

    tokens: tuple[int, ...]
    bos: int
    pad: int
    told: Literal["codec", "weights", "convention"]

    @classmethod
    def last_two(cls, d_vocab: int) -> Roles:
        """Return the roles that compilers give their ids: tokens, then BOS, then PAD."""
        return cls.of(d_vocab, d_vocab - 2, d_vocab - 1, "codec")

    @classmethod
    def of(cls, d_vocab: int, bos: int, pad: int, told: Literal["codec", "weights", "convention"]) -> Roles:
        """Return the roles in which every other id is a token."""
        return cls(tuple(i for i in range(d_vocab) if i not in (bos, pad)), bos, pad, told)

    def data(self) -> dict[str, Any]:
        """Return the roles as plain data."""
        return {"tokens": list(self.tokens), "bos": self.bos, "pad": self.pad, "told": self.told}


def roles_of(model: Transformer) -> Roles:
    """Tell the roles of a model's ids from its weights.

    >>> import janiform as jf
    >>> roles_of(jf.parse("hist = selector_width(select(tokens, tokens, ==));").compile("abc", 4).model)
    Roles(tokens=(0, 1, 2), bos=3, pad=4, told='weights')
    """
    n = model.config.d_vocab
    if n < 3:
        raise InputError(f"a model of {n} ids has no room for BOS, PAD and a token")
    scores = np.array([_like_bos_and_pad(model, b) for b in range(n)])
    np.fill_diagonal(scores, -1)
    best = np.argwhere(scores == scores.max()).tolist()
    if [n - 2, n - 1] in best:
        return Roles.of(n, n - 2, n - 1, "weights" if len(best) == 1 else "convention")
    b, p = best[-1]
    return Roles.of(n, b, p, "weights" if len(best) == 1 else "convention")


def _like_bos_and_pad(model: Transformer, b: int) -> Int[np.ndarray, " d_vocab"]:
    """How much ``b`` behaves like BOS together with each id as PAD, in points."""
    c = model.config
    rng = np.random.default_rng(b)
    others = np.delete(np.arange(c.d_vocab), b)
    length = c.n_ctx - 1
    ids = np.concatenate(
        [np.full((INPUTS, 1), b), others[rng.integers(len(others), size=(INPUTS, length))]], 1
    )
    points = np.zeros(c.d_vocab, np.int64)
    for pattern in _patterns(model, ids):
        to_bos = pattern[:, :, 0]
        if c.attention_dir == "bidirectional":
            points += bool((to_bos[:, 0] > 1 - NONE).all())
        points += bool((to_bos[:, 1:] > NONE).any())
        for p in others:
            is_p = ids == p
            points[p] += bool((to_bos[is_p] > 1 - NONE).all())
            asked = ~is_p
            asked[:, 0] = False
            seen = np.where(asked[:, :, None] & is_p[:, None, :], pattern, 0.0)
            points[p] += bool((seen <= NONE).all())
    return points


def _patterns(
    model: Transformer, ids: Int[np.ndarray, "batch pos"]
) -> list[Float[np.ndarray, "batch pos pos"]]:
    """Return the attention of each head that writes anything and looks at anything."""
    with torch.no_grad():
        _, cache = model.run_with_cache(
            torch.from_numpy(ids).to(model.device), lambda name: name.endswith("hook_pattern")
        )
    found = []
    for i, block in enumerate(model.blocks):
        heads = cache[f"blocks.{i}.attn.hook_pattern"].double().cpu().numpy()
        for h in range(heads.shape[1]):
            attn: Any = block.attn
            writes = bool((attn.W_V[h] @ attn.W_O[h]).abs().max() > 0)
            if writes and not _everywhere_alike(heads[:, h]):
                found.append(heads[:, h])
    return found


def _everywhere_alike(pattern: Float[np.ndarray, "batch pos pos"]) -> bool:
    """Whether a head attends to everything that it may see, whatever stands there."""
    seen = pattern > 0
    return bool((np.abs(pattern - seen / seen.sum(-1, keepdims=True)) <= NONE).all())
