"""Gradients of a tiny transformer on rows, several times faster than autograd's: compiled, and only what the targets need.

Sequences of like length go through side by side, and no further than their last target, while their activations stay in a core's
cache. The model is a ``Transformer`` of GPT-2's shape, whose parameters are read as they are at each step: any optimizer of torch
may change them in between.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from types import ModuleType

import numpy as np
import torch

from janiform.errors import InputError
from janiform.model.config import Config
from janiform.model.transformer import Transformer
from janiform.procedural.engine import Engine, Outcome
from janiform.procedural.network import BY, Floats, Layout, Tape
from janiform.tasks.procedural import Rows


class Step(Engine):
    """Computes losses of a model on rows, and the gradients of its parameters.

    >>> from janiform.tasks.procedural import read, rows
    >>> task = read("haystack(pairs=4, symbols=20)")
    >>> model = Transformer(Config.gpt2(2, 4, 16, vocab=task.d_vocab, positions=task.width))
    >>> outcome = Step(model).backward(rows(task, 0, 64))
    >>> outcome.targets, outcome.loss > 2, model.pos_embed.W_pos.grad.shape
    (64, True, torch.Size([11, 16]))
    """

    def __init__(self, model: Transformer, *, tied: bool = True, frozen: Collection[str] = ()) -> None:
        super().__init__(model, tied=tied, frozen=frozen)
        if reason := unfit(model.config):
            raise InputError(f"the fast step takes {reason}")
        self._kernels = _kernels()
        self._layout = Layout.of(model.config, {n: tuple(p.shape) for n, p in self.parameters.items()})
        self._tape: Tape | None = None
        config = model.config
        scale = np.float32(1 / math.sqrt(config.d_head))
        self._numbers = config.n_layers, config.n_heads, config.d_vocab, np.float32(config.eps), scale

    def backward(self, some: Rows) -> Outcome:
        """Set the ``grad`` of every parameter to that of the mean loss over the targets of some rows."""
        weights = self._weights()
        gradients = np.zeros_like(weights)
        outcome = self._run(some, weights, gradients, True)
        given = torch.from_numpy(gradients[self._layout.given])
        parameters = list(self.parameters.values())
        for p, g in zip(parameters, given.split([p.numel() for p in parameters])):
            p.grad = g.view(p.shape)
        return outcome

    def evaluate(self, some: Rows) -> Outcome:
        """Return the outcome of some rows without gradients."""
        weights = self._weights()
        return self._run(some, weights, weights, False)

    def _weights(self) -> Floats:
        """Return a copy of the parameters as kernels take them."""
        parts = [p.detach().numpy().reshape(-1) for p in self.parameters.values()]
        return np.concatenate([*parts, np.zeros(1, np.float32)])[self._layout.taken]

    def _run(self, some: Rows, weights: Floats, gradients: Floats, learn: bool) -> Outcome:
        """Add up what groups of sequences of like length give, and add to the gradients to ``learn``."""
        width, config = some.tokens.shape[1] - 1, self.model.config
        if not 1 <= width <= config.n_ctx or some.tokens.max(initial=0) >= config.d_vocab:
            raise InputError(
                f"the model takes {config.n_ctx} positions and ids below {config.d_vocab}; got rows of "
                f"{width + 1} tokens, the last of which is only told, and ids up to {some.tokens.max(initial=0)}"
            )
        if self._tape is None or self._tape.width < width:
            self._tape = Tape.of(config, width)
        begin, end = np.maximum(some.begin, 1), some.end
        targets = int(np.maximum(end - begin, 0).sum())
        memory = weights, gradients, self._layout.at, self._tape.memory, self._tape.room
        order, at, loss, right = np.argsort(-end, kind="stable"), 0, 0.0, 0.0
        while at < len(order):
            rows = order[at : at + self._tape.lanes(int(end[order[at]]) - 1)]
            at += len(rows)
            first, last = int(begin[rows].min()) - 1, int(end[rows[0]]) - 1
            if first >= last:
                continue
            tokens = some.tokens[rows, : last + 1].T.astype(np.int32, order="C")
            place = np.arange(1, last + 1)[:, None]
            asked = (place >= begin[rows]) & (place < end[rows])
            weight = (asked.ravel() / max(targets, 1)).astype(np.float32)
            group = tokens[:-1], tokens[1:].ravel(), weight, first, last
            found = self._kernels.through(*group, *memory, *self._numbers, learn)
            loss, right = loss + found[0], right + found[1]
        return Outcome(loss, targets, int(right))


def unfit(config: Config) -> str | None:
    """Return what keeps a model of this shape from the fast step, ``None`` where nothing does."""
    wanted = {"act_fn": "gelu_new", "attention_dir": "causal", "normalization_type": "LN", "dtype": "float32"}
    for name, value in wanted.items():
        if (given := getattr(config, name)) != value:
            return f"GPT-2's shape, with {name} {value!r}; got {given!r}"
    sizes = config.d_model, config.n_heads * config.d_head, config.d_mlp
    if any(size < 1 or size % BY for size in sizes):
        return f"widths of stream, heads and MLP that are multiples of {BY}; got {sizes}"
    if config.n_layers < 1 or config.d_vocab != config.d_vocab_out:
        return (
            f"a block or more, and as many outputs as tokens; got {config.n_layers} blocks, "
            f"{config.d_vocab} tokens and {config.d_vocab_out} outputs"
        )
    return None


def _kernels() -> ModuleType:
    try:
        from janiform.procedural import kernels
    except ImportError:
        raise InputError("the fast step takes Numba: pip install janiform[procedural]") from None
    return kernels
