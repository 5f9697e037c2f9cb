"""Run a model and a program beside each other: on every input where they can be listed, on short and drawn longer ones elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int

from janiform.errors import MeaningError
from janiform.ir.evaluate import Run
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.pair.codec import Index, classes
from janiform.pair.inputs import count, drawn, everything

if TYPE_CHECKING:
    from janiform.decompile.subject import Subject

BATCH = 1 << 20
"""How many numbers the widest activation of one batch may take."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was compared: outputs on inputs, and weights.

    ``checked`` inputs were run, all there are if ``exhaustive``, all of up to ``whole`` tokens and drawn longer ones if
    not; on ``agreed`` of them program and model agree at every position. ``counterexample`` is the first other one.
    ``weight_distance`` compares the recompiled program's weights with the model's (``janiform.decompile.compiled.distance``);
    None where the program does not compile. ``interchange`` is the share of exchanges of what a statement holds after which
    program and model say the same (``janiform.decompile.observed.located``), of the statement for which it is least; None
    where it was not looked at.
    """

    checked: int
    exhaustive: bool
    whole: int
    agreed: int
    counterexample: tuple[Value, ...] | None
    weight_distance: float | None = None
    interchange: float | None = None

    @property
    def exact(self) -> bool:
        """Whether program and model agree on everything that was checked."""
        return self.checked > 0 and self.agreed == self.checked


def inputs(
    signature: Signature, limit: int, draws: int, size: int, *, seed: int
) -> tuple[int, Iterator[Int[np.ndarray, "batch length"]]]:
    """Return the length up to which ``limit`` covers every input, and those inputs followed by ``draws`` longer ones.

    >>> whole, batches = inputs(Signature("ab", 6), 20, 5, 100, seed=0)
    >>> whole, sum(map(len, batches))
    (3, 19)
    """
    lengths = range(1, signature.max_len + 1)
    whole = max((n for n in lengths if count(_up_to(signature, n)) <= limit), default=0)

    def batches() -> Iterator[np.ndarray]:
        if whole:
            yield from everything(_up_to(signature, whole), size)
        if whole < signature.max_len:
            kept = draws
            while kept > 0:
                for codes in drawn(signature, draws, size, seed=seed + kept):
                    if codes.shape[1] > whole and kept > 0:
                        yield codes[:kept]
                        kept -= len(codes)

    return whole, batches()


def _up_to(signature: Signature, n: int) -> Signature:
    return Signature(signature.vocab, n, signature.causal)


def compare(subject: Subject, program: Program, *, limit: int, draws: int, seed: int) -> Evidence:
    """Compare the outputs of a program with those of a model."""
    signature = subject.signature
    c = subject.model.config
    width = (1 + signature.max_len) * max(
        c.d_model, c.d_mlp, c.d_vocab_out, c.n_heads * max(c.d_head, 1 + signature.max_len)
    )
    whole, batches = inputs(signature, limit, draws, max(1, BATCH // width), seed=seed)
    index = {r.name: Index(r) for r in subject.readouts}
    vocab = np.empty(len(signature.vocab), dtype=object)
    vocab[:] = signature.vocab
    checked = agreed = 0
    first: tuple[Value, ...] | None = None
    for codes in batches:
        words = vocab[codes].tolist()
        checked += len(codes)
        try:
            run = Run(words, causal=signature.causal, program=program)
            columns = {r.name: run.column(program.outputs[r.name]) for r in subject.readouts}
        except MeaningError as e:
            first = first or tuple(words[e.rows[0] if e.rows else 0])
            continue
        given = logits(subject, codes)
        wrong = np.zeros(len(codes), dtype=bool)
        for r in subject.readouts:
            meant = np.array([index[r.name](v) for v in columns[r.name].values])[columns[r.name].codes]
            wrong |= (classes(r, given) != meant).any(1)
        if wrong.any() and first is None:
            first = tuple(words[int(wrong.argmax())])
        agreed += int((~wrong).sum())
    return Evidence(checked, whole == signature.max_len, whole, agreed, first)


def logits(
    subject: Subject, codes: Int[np.ndarray, "batch length"]
) -> Float[np.ndarray, "batch length logit"]:
    """Run the model on numbered inputs of one length."""
    roles = subject.roles
    ids = np.concatenate([np.full((len(codes), 1), roles.bos), np.array(roles.tokens)[codes]], axis=1)
    with torch.no_grad():
        return subject.model(torch.from_numpy(ids).to(subject.model.device))[:, 1:].cpu().numpy()
