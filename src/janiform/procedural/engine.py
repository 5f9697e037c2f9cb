"""What computes losses of a model on rows, and their gradients: one seam, behind which stand autograd and the compiled step.

With ``tied`` weights, as in GPT-2, logits are read off by the token embedding, and the unembedding takes no part. A GPT-2 has no
bias behind its unembedding, so that is computed with but never trained.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from janiform.errors import InputError
from janiform.model.transformer import Transformer
from janiform.tasks.procedural import Rows

Way = Literal["auto", "compiled", "autograd"]
WIDE = 48
"""From which width of the stream on autograd is about as fast as the compiled step, or faster."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch gave: the mean loss over its targets, how many there are, and of how many the logit is the largest, alone."""

    loss: float
    targets: int
    right: int

    @property
    def accuracy(self) -> float:
        """The share of targets whose logit is the largest, alone."""
        return self.right / max(self.targets, 1)


class Engine(ABC):
    """A model, which of its ``parameters`` decide the logits, and which of those are ``trained``, not ``frozen``."""

    def __init__(self, model: Transformer, *, tied: bool = True, frozen: Collection[str] = ()) -> None:
        self.model, self.tied = model, tied
        named = model.named_parameters()
        self.parameters = {n: p for n, p in named if not (tied and n.startswith("unembed"))}
        never = {"unembed.b_U", *frozen}
        self.trained = {n: p for n, p in self.parameters.items() if n not in never}

    @abstractmethod
    def backward(self, some: Rows) -> Outcome:
        """Set the ``grad`` of every trained parameter to that of the mean loss over the targets of some rows."""

    @abstractmethod
    def evaluate(self, some: Rows) -> Outcome:
        """Return the outcome of some rows without gradients."""

    def tie(self) -> None:
        """Put the token embedding into the unembedding, so that the model by itself gives the logits of tied weights."""
        with torch.no_grad():
            self.model.unembed.W_U.copy_(self.model.embed.W_E.T)
            self.model.unembed.b_U.zero_()


def choose(model: Transformer, way: Way, *, plain: bool = True) -> Literal["compiled", "autograd"]:
    """Return the way that is meant by ``auto``: compiled where the model is tiny, and the training ``plain`` float32 of one process.

    >>> from janiform.model import Config
    >>> [choose(Transformer(Config.gpt2(1, 2, w, vocab=5, positions=6)), "auto") for w in (16, 128)]
    ['compiled', 'autograd']
    """
    from janiform.procedural.step import unfit

    if way not in get_args(Way):
        raise InputError(f"gradients are computed {', '.join(get_args(Way))}; not {way!r}")
    if way == "compiled" and not plain:
        raise InputError(
            "the compiled step is of one process, on the CPU, in float32; autograd does the rest"
        )
    if way != "auto":
        return way
    tiny = plain and model.config.d_model < WIDE and model.device.type == "cpu"
    return "compiled" if tiny and unfit(model.config) is None else "autograd"
