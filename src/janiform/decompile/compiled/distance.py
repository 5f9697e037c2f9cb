"""How far two models' weights are apart, whatever basis, gauge, order or scale each of them is in.

A head is known by the scores that it gives, beside BOS's, and a hidden unit by what it reads, up to its scale: products of
weights with streams that weights wrote. Both are taken on a few inputs; heads and units of a layer are paired by likeness,
and what has no partner is wholly different.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

if TYPE_CHECKING:
    from janiform.decompile.subject import Subject

PROBES = 32
"""How many inputs components are compared on."""


def weight_distance(one: Subject, other: Subject) -> float:
    """Return from 0 (the same up to every gauge) to 1 how different heads and units are, on average.

    >>> import janiform as jf
    >>> from janiform.decompile.given import subject
    >>> pair = jf.parse("hist = selector_width(select(tokens, tokens, ==));").compile("abc", 4)
    >>> round(weight_distance(subject(pair), subject(pair.disguise(seed=1))), 3)
    0.0
    """
    a, b = components(one), components(other)
    off: list[float] = []
    for layer in sorted(a.keys() | b.keys()):
        off += _paired(a.get(layer, []), b.get(layer, []))
    return float(np.mean(off)) if off else 0.0


def components(subject: Subject) -> dict[str, list[Float[np.ndarray, " reading"]]]:
    """Return what each head and unit reads on the probes, by layer and kind; those that write nothing are left out."""
    model, roles = subject.model, subject.roles
    rng = np.random.default_rng(0)
    codes = rng.integers(len(roles.tokens), size=(PROBES, subject.signature.max_len))
    ids = np.concatenate([np.full((PROBES, 1), roles.bos), np.array(roles.tokens)[codes]], axis=1)
    with torch.no_grad():
        _, cache = model.run_with_cache(
            torch.from_numpy(ids).to(model.device),
            lambda name: name.endswith(("hook_attn_scores", "mlp.hook_pre")),
        )
    found: dict[str, list[np.ndarray]] = {}
    weights = model.weights()
    for i in range(model.config.n_layers):
        scores = cache[f"blocks.{i}.attn.hook_attn_scores"].cpu().numpy().astype(np.float64)[:, :, 1:]
        scores = np.where(np.isfinite(scores), scores - scores[..., :1], 0.0)
        written = np.einsum("hmd,hdo->hmo", weights[f"blocks.{i}.attn.W_V"], weights[f"blocks.{i}.attn.W_O"])
        found[f"{i} heads"] = [scores[:, h].ravel() for h in range(len(written)) if written[h].any()]
        read = cache[f"blocks.{i}.mlp.hook_pre"].cpu().numpy().astype(np.float64)[:, 1:]
        units = np.flatnonzero(weights[f"blocks.{i}.mlp.W_out"].any(1))
        found[f"{i} units"] = [_unit(read[..., u].ravel()) for u in units]
    return found


def _unit(reading: np.ndarray) -> np.ndarray:
    """Bring a unit to one scale, which is nobody's business behind a relu; readings of heads are in logits."""
    size = float(np.sqrt(np.square(reading).mean()))
    return reading / size if size else reading


def _paired(a: list[np.ndarray], b: list[np.ndarray]) -> list[float]:
    """The differences of partners, the most alike first, and 1 for each that has none."""
    n = max(len(a), len(b))
    if not a or not b:
        return [1.0] * n
    A, B = np.array(a), np.array(b)
    sizes = np.maximum(np.linalg.norm(A, axis=1)[:, None], np.linalg.norm(B, axis=1)[None])
    sizes = np.maximum(sizes, np.sqrt(A.shape[1]))
    off = (
        np.sqrt(np.maximum(np.square(A).sum(1)[:, None] + np.square(B).sum(1)[None] - 2 * A @ B.T, 0.0))
        / sizes
    )
    found = []
    for _ in range(min(off.shape)):
        i, j = np.unravel_index(int(off.argmin()), off.shape)
        found.append(min(1.0, float(off[i, j])))
        off[i], off[:, j] = np.inf, np.inf
    return found + [1.0] * (n - len(found))
