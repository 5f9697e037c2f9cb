"""Which weights of a warmed-up model a new one begins with (Jiang et al. 2026), and what controls do to them on the way.

Parts are taken from one model or from several: the attention of one and the MLPs of another. Token embeddings have another
vocabulary behind them, so what is taken of them is their mean (``average``), all of them where the vocabularies are of one size
(``keep``), or those of the ids that both have, and the mean for the others (``partial``). Positions are taken as far as the
new model has them, and only where it has no more than the old one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from janiform.errors import InputError
from janiform.model.reading import read_model
from janiform.model.transformer import Transformer

Part = Literal["attention", "mlp", "layernorm", "ln1", "embeddings", "positions"]
Embeddings = Literal["average", "keep", "partial"]

MARKS: dict[str, tuple[str, ...]] = {
    "attention": (".attn.",),
    "mlp": (".mlp.",),
    "layernorm": (".ln1.", ".ln2.", "ln_final."),
    "ln1": (".ln1.",),
    "embeddings": ("embed.W_E", "unembed.W_U"),
    "positions": ("pos_embed.W_pos",),
}
"""By what the names of a part's weights are told; ``ln1`` is the LayerNorm in front of attention."""
FULL = ("attention", "mlp", "layernorm", "embeddings", "positions")
MODEL = "model"
"""The folder of a run that holds its model."""
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Taken:
    """Some parts of the model in a folder or file: ``attention+mlp=runs/set``, or ``runs/set`` for all of it.

    >>> Taken.read("attention+ln1=runs/set")
    Taken(parts=('attention', 'ln1'), model='runs/set')
    >>> Taken.read("runs/set").parts
    ('full',)
    """

    parts: tuple[str, ...]
    model: str

    @classmethod
    def read(cls, text: str) -> Taken:
        """Read what a command line says."""
        before, equal, after = text.partition("=")
        parts = tuple(before.split("+")) if equal else ("full",)
        model = after if equal else before
        if unknown := sorted(set(parts) - {"full", *get_args(Part)}):
            known = ", ".join(("full", *get_args(Part)))
            raise InputError(f"a model has no part called {', '.join(unknown)!r}; parts are {known}")
        if not model:
            raise InputError(f"{text!r} names no model; write attention=runs/set, or runs/set for all of it")
        return cls(parts, model)

    @property
    def place(self) -> Path:
        """The folder or file that the model is read from."""
        inner = Path(self.model) / MODEL
        return inner if inner.is_dir() else Path(self.model)

    def load(self) -> Transformer:
        """Read the model: a run's folder, a folder of Hugging Face's GPT-2, or a file of weights."""
        return read_model(self.place)

    def digest(self) -> str | None:
        """Return a hash of the file of weights, ``None`` where there is none."""
        weights = self.place / WEIGHTS if self.place.is_dir() else self.place
        if not weights.is_file():
            return None
        with open(weights, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def parts_of(names: Iterable[str], parts: Iterable[str]) -> list[str]:
    """Return the names of weights that belong to some parts; a part may also be the beginning of a name, such as ``blocks.0``.

    >>> from janiform.model import Config
    >>> names = [name for name, _ in Config.gpt2(2, 2, 4, vocab=3, positions=5).shapes()]
    >>> parts_of(names, ["ln1", "blocks.1.mlp.b"])
    ['blocks.0.ln1.w', 'blocks.0.ln1.b', 'blocks.1.ln1.w', 'blocks.1.ln1.b', 'blocks.1.mlp.b_in', 'blocks.1.mlp.b_out']
    """
    names, found = list(names), set()
    for part in parts:
        if part in MARKS:
            here = {n for n in names if any(mark in f".{n}" for mark in MARKS[part])}
        else:
            here = {n for n in names if n.startswith(part)}
        if not here:
            raise InputError(
                f"the model has no weights called {part!r}; parts are {', '.join(MARKS)}, or the beginning of a "
                "weight's name, such as blocks.0"
            )
        found |= here
    return [n for n in names if n in found]


def slower_of(names: Iterable[str], texts: Iterable[str]) -> dict[str, float]:
    """Return by which factor the rates of weights are lower, given parts with factors; the last that names a weight counts.

    >>> slower_of(["blocks.0.ln1.w", "blocks.0.mlp.W_in"], ["blocks.0=0.1", "ln1=0.01"])
    {'blocks.0.ln1.w': 0.01, 'blocks.0.mlp.W_in': 0.1}
    """
    names = list(names)
    found: dict[str, float] = {}
    for text in texts:
        parts, equal, number = text.rpartition("=")
        try:
            factor = float(number) if equal else math.nan
        except ValueError:
            factor = math.nan
        if not 0 < factor <= 1:
            raise InputError(f"{text!r} is no part with a factor above 0, at most 1; write attention=0.001")
        found |= dict.fromkeys(parts_of(names, parts.split("+")), factor)
    return found


def transfer(
    model: Transformer,
    sources: Mapping[str, Transformer],
    *,
    embeddings: Embeddings = "average",
    shuffle: bool = False,
    noise: float = 0.0,
    seed: int = 0,
) -> list[str]:
    """Put parts of other models into a model, and return the names of the weights that were taken.

    ``sources`` has a model for each part that is taken, of the same shape but for vocabulary and positions; ``full`` is all
    parts, positions only where there are enough, and parts beside it take precedence. As controls, ``shuffle`` permutes the
    entries of each matrix, and ``noise`` adds normal numbers of that many times a weight's own deviation.

    >>> from janiform.model import Config
    >>> old = Transformer(Config.gpt2(2, 2, 8, vocab=9, positions=6), seed=1)
    >>> new = Transformer(Config.gpt2(2, 2, 8, vocab=5, positions=4))
    >>> len(transfer(new, {"attention": old})), bool((new.blocks[0].attn.W_Q == old.blocks[0].attn.W_Q).all())
    (16, True)
    """
    if embeddings not in get_args(Embeddings):
        raise InputError(f"embeddings are taken by {', '.join(get_args(Embeddings))}; not by {embeddings!r}")
    if noise < 0:
        raise InputError(f"noise is 0 or more deviations, got {noise}")
    chosen = dict(sources)
    if "full" in chosen:
        whole = chosen.pop("full")
        enough = whole.config.n_ctx >= model.config.n_ctx
        chosen = {part: whole for part in FULL if part != "positions" or enough} | chosen
    draw, own, taken = torch.Generator().manual_seed(seed), dict(model.named_parameters()), []
    for part, source in chosen.items():
        theirs = dict(source.named_parameters())
        _require_alike(model, source, part)
        for name in parts_of(own, [part]):
            w = theirs[name].detach()
            if part == "embeddings":
                w = _embedding(name, w, own[name], embeddings)
            elif part == "positions":
                w = w[: model.config.n_ctx]
            if shuffle and ".W_" in name:
                w = w.flatten()[torch.randperm(w.numel(), generator=draw)].view_as(w)
            if noise:
                w = w + noise * w.std(correction=0) * torch.randn(w.shape, generator=draw)
            with torch.no_grad():
                own[name].copy_(w)
            taken.append(name)
    return taken


def _embedding(name: str, theirs: Tensor, ours: Tensor, how: Embeddings) -> Tensor:
    """Return token embeddings for our vocabulary; an unembedding is one turned over."""
    if name == "unembed.W_U":
        return _embedding("", theirs.T, ours.T, how).T
    if how == "keep":
        if len(theirs) != len(ours):
            raise InputError(
                f"embeddings of {len(theirs)} tokens cannot be kept for {len(ours)}; average or partial can be taken"
            )
        return theirs
    both = min(len(theirs), len(ours)) if how == "partial" else 0
    return torch.cat([theirs[:both], theirs.mean(0).expand(len(ours) - both, -1)])


def _require_alike(model: Transformer, source: Transformer, part: str) -> None:
    """Refuse a source of another shape."""
    ours, theirs = model.config, source.config
    for name in ("n_layers", "d_model", "n_heads", "d_head", "d_mlp", "normalization_type"):
        if getattr(ours, name) != getattr(theirs, name):
            raise InputError(
                f"{part} cannot be taken: the model to be warmed up has {name} {getattr(ours, name)}, the one that it is "
                f"taken from {getattr(theirs, name)}"
            )
    if part == "positions" and theirs.n_ctx < ours.n_ctx:
        raise InputError(
            f"{theirs.n_ctx} positions cannot be taken for {ours.n_ctx}; leave them out, or let the new context be no longer"
        )
