"""Gradients of a tiny transformer on rows, several times faster than autograd's: compiled, and only what the targets need.

Sequences of like length go through side by side, and no further than their last target, while their activations stay in a core's
cache. The model is a ``Transformer`` of GPT-2's shape, whose parameters are read as they are at each step: any optimizer of torch
may change them in between.
"""

from __future__ import annotations

from collections.abc import Collection
from types import ModuleType

import numpy as np
import torch

from janiform.errors import InputError
from janiform.model.config import Config
from janiform.model.transformer import Transformer
from janiform.procedural.engine import Engine, Outcome
from janiform.procedural.network import BY, Floats, Group, Network, Tape, Weights
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
        self._tape: Tape | None = None

    def backward(self, some: Rows) -> Outcome:
        """Set the ``grad`` of every parameter to that of the mean loss over the targets of some rows."""
        weights = self._weights()
        gradients = {name: np.zeros_like(w) for name, w in weights.items()}
        outcome = self._run(some, weights, gradients)
        for name, p in self.parameters.items():
            p.grad = torch.from_numpy(_unpacked(name, gradients[name], p.shape))
        return outcome

    def evaluate(self, some: Rows) -> Outcome:
        """Return the outcome of some rows without gradients."""
        return self._run(some, self._weights(), None)

    def _weights(self) -> Weights:
        return {name: _packed(name, p.detach().numpy()) for name, p in self.parameters.items()}

    def _run(self, some: Rows, weights: Weights, gradients: Weights | None) -> Outcome:
        """Add up what groups of sequences of like length give, and add to the gradients where there are any."""
        width, config = some.tokens.shape[1] - 1, self.model.config
        if not 1 <= width <= config.n_ctx or some.tokens.max(initial=0) >= config.d_vocab:
            raise InputError(
                f"the model takes {config.n_ctx} positions and ids below {config.d_vocab}; got rows of "
                f"{width + 1} tokens, the last of which is only told, and ids up to {some.tokens.max(initial=0)}"
            )
        if self._tape is None or self._tape.width < width:
            self._tape = Tape.of(config, width)
        network = Network(self._kernels, config, self._tape, weights, gradients, self.tied)
        begin, end = np.maximum(some.begin, 1), some.end
        targets = int(np.maximum(end - begin, 0).sum())
        order, lanes = np.argsort(end, kind="stable"), self._tape.lanes
        loss = right = 0.0
        for at in range(0, len(order), lanes):
            rows = order[at : at + lanes]
            first, last = int(begin[rows].min()) - 1, int(end[rows].max()) - 1
            if first >= last:
                continue
            tokens = some.tokens[rows, : last + 1].T.astype(np.int32, order="C")
            place = np.arange(1, last + 1)[:, None]
            asked = (place >= begin[rows]) & (place < end[rows])
            weight = (asked.ravel() / max(targets, 1)).astype(np.float32)
            found = network.run(Group(tokens[:-1], tokens[1:].ravel(), weight, first, last))
            loss, right = loss + found[0], right + found[1]
        return Outcome(loss, targets, int(right))


def _packed(name: str, w: Floats) -> Floats:
    """Return a copy of a weight as kernels take it: outputs by inputs, heads one after another, tokens filled up."""
    match name.rsplit(".", 1)[-1]:
        case "W_Q" | "W_K" | "W_V":
            w = w.transpose(0, 2, 1).reshape(-1, w.shape[1])
        case "W_O":
            w = w.reshape(-1, w.shape[2]).T
        case "W_in" | "W_out" | "W_U":
            w = w.T
        case "b_Q" | "b_K" | "b_V":
            w = w.reshape(-1)
    if name in ("embed.W_E", "unembed.W_U", "unembed.b_U") and len(w) % BY:
        w = np.concatenate([w, np.zeros((-len(w) % BY, *w.shape[1:]), np.float32)])
    return np.array(w, np.float32, order="C")


def _unpacked(name: str, w: Floats, shape: torch.Size) -> Floats:
    """Undo ``_packed``."""
    match name.rsplit(".", 1)[-1]:
        case "W_Q" | "W_K" | "W_V":
            w = w.reshape(shape[0], shape[2], shape[1]).transpose(0, 2, 1)
        case "W_O" | "W_in" | "W_out":
            w = w.T
        case "W_U":
            w = w[: shape[1]].T
        case "W_E" | "b_U":
            w = w[: shape[0]]
    return np.ascontiguousarray(w).reshape(shape)


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
