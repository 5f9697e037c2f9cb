"""Time a training step of a tiny transformer: the compiled one beside three ways in PyTorch, and compare gradients with autograd's.

A step is: rows, gradients, clipping, AdamW. Milliseconds are of CPU, one thread, per 1,000 sequences; the ways take turns, and the best
of several rounds counts. The ways in PyTorch: all logits of all positions; logits at targets only; the last block there only, too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import numpy as np
import torch
import torch.nn.functional as F
import tyro
from beside.results import Options, Table, publish
from torch import Tensor

from janiform.model import Config, Transformer
from janiform.procedural import Step
from janiform.procedural.feeding import labels
from janiform.tasks.procedural import Procedure, Rows, read, rows

CASES = (
    ("haystack", 2, 4, 16, 250),
    ("haystack(pairs=10, symbols=64)", 2, 4, 16, 250),
    ("set(symbols=33, longest=12, shortest=2)", 2, 4, 16, 64),
    ("dyck(kinds=16, length=128)", 2, 4, 16, 32),
    ("haystack", 2, 4, 32, 250),
    ("haystack", 2, 4, 64, 250),
)
"""Task, blocks, heads, width, batch; the first is the one that the project asks for."""

Loss = Callable[[Transformer, Tensor, Tensor], Tensor]


def straightforward(model: Transformer, x: Tensor, y: Tensor) -> Tensor:
    """All logits, of which those without a target are left out of the loss."""
    logits = model.ln_final(model.stream(x)) @ model.embed.W_E.T
    return F.cross_entropy(logits.flatten(0, 1), y.flatten())


def logits_at_targets(model: Transformer, x: Tensor, y: Tensor) -> Tensor:
    """Logits where there is a target."""
    asked = y >= 0
    return F.cross_entropy(model.ln_final(model.stream(x)[asked]) @ model.embed.W_E.T, y[asked])


def last_block_at_targets(model: Transformer, x: Tensor, y: Tensor) -> Tensor:
    """The last block and logits where there is a target: queries of these places, keys and values of all."""
    row, place = torch.nonzero(y >= 0, as_tuple=True)
    stream = model.embed(x) + model.pos_embed(x)
    *blocks, last = model.blocks
    for block in blocks:
        stream = block(stream)
    z, a = last.ln1(stream), last.attn
    q = torch.einsum("nm,hmd->nhd", z[row, place], a.W_Q) + a.b_Q
    k, v = (torch.einsum("bpm,hmd->bphd", z, W) + b for W, b in ((a.W_K, a.b_K), (a.W_V, a.b_V)))
    scores = torch.einsum("nhd,nphd->nhp", q, k[row]) / math.sqrt(a.W_Q.shape[-1])
    future = torch.arange(x.shape[1]) > place[:, None]
    pattern = scores.masked_fill(future[:, None], -math.inf).softmax(-1)
    mixed = torch.einsum("nhp,nphd->nhd", pattern, v[row])
    stream = stream[row, place] + torch.einsum("nhd,hdm->nm", mixed, a.W_O) + a.b_O
    stream = stream + last.mlp(last.ln2(stream))
    return F.cross_entropy(model.ln_final(stream) @ model.embed.W_E.T, y[row, place])


WAYS: dict[str, Loss | None] = {
    "straightforward": straightforward,
    "logits at targets": logits_at_targets,
    "last block at targets": last_block_at_targets,
    "compiled": None,
}


class Descent:
    """A model in training by one of the ways."""

    def __init__(self, case: tuple[str, int, int, int, int], way: str) -> None:
        text, layers, heads, width, self.batch = case
        self.task: Procedure = read(text)
        config = Config.gpt2(layers, heads, width, vocab=self.task.d_vocab, positions=self.task.width)
        self.model, self.loss = Transformer(config, seed=None), WAYS[way]
        self.model.initialize(0, 0.02)
        self.step = Step(self.model)
        self.optimizer = torch.optim.AdamW(self.step.parameters.values(), lr=1e-4, fused=True)

    def backward(self, some: Rows) -> None:
        """Set gradients."""
        if self.loss is None:
            self.step.backward(some)
            return
        self.optimizer.zero_grad(set_to_none=True)
        x, y = torch.from_numpy(some.tokens.astype(np.int64)), torch.from_numpy(labels(some))
        self.loss(self.model, x[:, :-1], y[:, 1:]).backward()

    def advance(self, number: int) -> None:
        """Take a step."""
        self.backward(rows(self.task, number * self.batch, (number + 1) * self.batch))
        torch.nn.utils.clip_grad_norm_(self.step.parameters.values(), 1.0)
        self.optimizer.step()


def furthest(case: tuple[str, int, int, int, int]) -> dict[str, float]:
    """Return of each way the largest difference of a gradient from the straightforward one's."""
    found = {}
    for way in WAYS:
        descent = Descent(case, way)
        descent.backward(rows(descent.task, 0, descent.batch))
        found[way] = [p.grad.clone() for p in descent.step.parameters.values() if p.grad is not None]
    wanted = found["straightforward"]
    return {way: max(float((a - b).abs().max()) for a, b in zip(got, wanted)) for way, got in found.items()}


def milliseconds(case: tuple[str, int, int, int, int], rounds: int) -> dict[str, float]:
    """Return CPU milliseconds per 1,000 sequences of each way."""
    descents = {way: Descent(case, way) for way in WAYS}
    best = dict.fromkeys(WAYS, math.inf)
    for number in range(rounds + 1):
        for way, descent in descents.items():
            began = time.process_time()
            descent.advance(number)
            if number:
                best[way] = min(best[way], time.process_time() - began)
    return {way: 1e6 * spent / case[-1] for way, spent in best.items()}


def main(options: Options) -> None:
    torch.set_num_threads(1)
    lines, data = [], []
    for case in CASES[:1] if options.quick else CASES:
        spent, apart = milliseconds(case, 5 if options.quick else 25), furthest(case)
        text, layers, heads, width, batch = case
        faster = {way: spent["straightforward"] / spent[way] for way in WAYS}
        lines.append(
            [text, f"{layers}/{heads}/{width}", batch, *spent.values(), faster["compiled"], apart["compiled"]]
        )
        data.append({"case": case, "milliseconds": spent, "times faster": faster, "apart": apart})
    says = "CPU milliseconds per 1,000 sequences; blocks/heads/width; the largest difference of a gradient from autograd's:"
    headings: list[Any] = ["task", "model", "batch", *WAYS, "times faster", "difference"]
    publish(
        "step", "The tiny step", [Table(says, headings, lines)], {"cases": data}, options, page="procedural"
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
