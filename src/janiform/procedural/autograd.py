"""Gradients of a transformer of any shape by autograd: on any device, in pieces, in bfloat16, in many processes.

The loss is the mean over the targets of the whole batch, however it is cut into pieces and divided among processes, so neither
changes what is learned but for rounding. In bfloat16 matrices are multiplied; weights, norms and losses stay float32.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from janiform.errors import InputError
from janiform.model.transformer import Transformer
from janiform.procedural.engine import Engine, Outcome
from janiform.tasks.procedural import Rows
from janiform.train.processes import Processes

Precision = Literal["float32", "bfloat16"]


class Autograd(Engine):
    """Computes losses and gradients with torch; of a batch each process takes its share, in ``accumulate`` pieces.

    >>> from janiform.model import Config
    >>> from janiform.tasks.procedural import read, rows
    >>> task = read("haystack(pairs=4, symbols=20)")
    >>> model = Transformer(Config.gpt2(2, 4, 16, vocab=task.d_vocab, positions=task.width))
    >>> outcome = Autograd(model, accumulate=4).backward(rows(task, 0, 64))
    >>> outcome.targets, outcome.loss > 2, model.pos_embed.W_pos.grad.shape
    (64, True, torch.Size([11, 16]))
    """

    def __init__(
        self,
        model: Transformer,
        *,
        tied: bool = True,
        frozen: Collection[str] = (),
        precision: Precision = "float32",
        accumulate: int = 1,
        processes: Processes | None = None,
    ) -> None:
        super().__init__(model, tied=tied, frozen=frozen)
        if precision not in get_args(Precision) or accumulate < 1:
            raise InputError(
                f"precision is {' or '.join(get_args(Precision))}, and a batch is cut into 1 piece or more; "
                f"got {precision!r} and {accumulate}"
            )
        self.precision, self.accumulate = precision, accumulate
        self.processes = Processes() if processes is None else processes
        for name, p in model.named_parameters():
            p.requires_grad_(name in self.trained)
        self.asked = AtTargets(model, tied)
        self.shared = self.processes.share(self.asked)

    def backward(self, some: Rows) -> Outcome:
        world, count = self.processes.world, self.processes.world * self.accumulate
        if len(some) % count:
            raise InputError(
                f"a batch of {len(some)} rows cannot be divided among {world} processes in {self.accumulate} pieces"
            )
        for p in self.trained.values():
            p.grad = None
        targets, loss, right = _targets(some), 0.0, 0.0
        for number, piece in enumerate(self._pieces(some, len(some) // count)):
            last = number == self.accumulate - 1
            with self.processes.alone(self.shared) if not last else nullcontext():
                summed, good = self._run(self.shared, some, piece)
                (summed * (world / max(targets, 1))).backward()
            loss, right = loss + float(summed.detach()), right + good
        loss, right = self.processes.add(loss, right)
        return Outcome(loss / max(targets, 1), targets, int(right))

    def evaluate(self, some: Rows) -> Outcome:
        targets, loss, right = _targets(some), 0.0, 0.0
        size = max(1, min(len(some), 2**16 // some.tokens.shape[1]) // self.accumulate)
        with torch.no_grad():
            for piece in self._pieces(some, size):
                summed, good = self._run(self.asked, some, piece)
                loss, right = loss + float(summed), right + good
        loss, right = self.processes.add(loss, right)
        return Outcome(loss / max(targets, 1), targets, int(right))

    def _pieces(self, some: Rows, size: int) -> Iterator[NDArray[np.intp]]:
        """Yield the numbers of this process's rows, ``size`` at a time."""
        mine = np.arange(len(some))[self.processes.rank :: self.processes.world]
        return (mine[i : i + size] for i in range(0, len(mine), size))

    def _run(self, logits_of: nn.Module, some: Rows, piece: NDArray[np.intp]) -> tuple[Tensor, int]:
        """Return the summed loss of some rows, and how many of their targets are right."""
        config, device = self.model.config, self.model.device
        cut = int(some.end[piece].max(initial=2))
        if cut - 1 > config.n_ctx or some.tokens[piece].max(initial=0) >= config.d_vocab:
            raise InputError(
                f"the model takes {config.n_ctx} positions and ids below {config.d_vocab}; got rows of {cut} "
                f"tokens, the last of which is only told, and ids up to {some.tokens[piece].max(initial=0)}"
            )
        tokens = torch.from_numpy(some.tokens[piece, :cut].astype(np.int64)).to(device)
        place = np.arange(1, cut)
        asked = (place >= some.begin[piece, None]) & (place < some.end[piece, None])
        row, column = (torch.from_numpy(x).to(device) for x in np.nonzero(asked))
        with self._precision(device):
            logits = logits_of(tokens[:, :-1], row, column)
        logits, wanted = logits.float(), tokens[:, 1:][row, column]
        right = int(((logits >= logits.gather(-1, wanted[:, None])).sum(-1) == 1).sum())
        return F.cross_entropy(logits, wanted, reduction="sum"), right

    def _precision(self, device: torch.device) -> AbstractContextManager[object]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(device.type, torch.bfloat16)


class AtTargets(nn.Module):
    """A model's logits at some positions of some rows."""

    def __init__(self, model: Transformer, tied: bool) -> None:
        super().__init__()
        self.model, self.tied = model, tied

    def forward(self, tokens: Tensor, row: Tensor, column: Tensor) -> Tensor:
        final = self.model.ln_final(self.model.stream(tokens)[row, column])
        return final @ self.model.embed.W_E.T if self.tied else self.model.unembed(final)


def _targets(some: Rows) -> int:
    return int(np.maximum(some.end - np.maximum(some.begin, 1), 0).sum())
