"""By how much a compressed model falls short of the exact one, as a whole, as residuals of least squares.

What makes no difference costs nothing. Attention: keys that should be attended must be so within a tolerance, those that
should not must fall far enough behind, however far. What heads and units write, and answers, must be nearer to what is
right than to anything else, by a share of the distance. Beyond a distance of 1 a residual grows as a logarithm, so that what
is lost for good does not outweigh what can be had.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from janiform.compile.result import Readout
from janiform.model import Transformer
from janiform.realistic.lessons import Lesson, Record, Teacher, recorded
from janiform.realistic.projection import Projection, project

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

UNATTENDED = -12.0
"""A key of a lower logarithm of attention counts as not attended."""
BEHIND = 8.0
"""By how much the attention to those keys must be less, in its logarithm."""
WITHIN, SPREAD = 0.02, 0.1
"""How far off the logarithm of attention may be where it should be, and the distance that costs 1."""
WRITTEN = 0.2
"""How far off what is written may be, as a share of the distance of two values."""
LEAD = 0.6
"""What share of its lead over the others a right answer must keep."""
SIZE = 400
"""How many inputs are looked at for the distances of values."""


class Shortfall:
    """The residuals of a projection of a pair to a width."""

    def __init__(self, pair: Pair, projection: Projection) -> None:
        self.pair, self.projection = pair, projection
        self.teacher = Teacher(pair)
        self.weights = dict(self.teacher.model.named_parameters())
        self.students: dict[int, Transformer] = {}
        self.gaps = self._gaps()

    def residuals(
        self, theta: Float[Tensor, " parameter"], d: int, lesson: Lesson, *, within: float = 1.0
    ) -> Float[Tensor, " residual"]:
        """Return the residuals on a lesson; those of half-layers, within the model, count ``within``."""
        t = self.teacher
        found = self._found(theta, d, lesson, [*t.scores, *t.heads, *t.units])
        parts = [within * self._attention(name, found, lesson) for name in t.scores]
        parts += [within * self._written(name, found, lesson) for name in (*t.heads, *t.units)]
        parts += [robust(self._answers(r, found, lesson)) for r in self.pair.readouts]
        return torch.cat([p.flatten() for p in parts]) / lesson.tokens.sum() ** 0.5

    def student(self, d: int) -> Transformer:
        """Return a model of width ``d``, for its shape."""
        if d not in self.students:
            config = replace(self.pair.model.config, d_model=d, dtype="float64")
            self.students[d] = Transformer(config, seed=None)
        return self.students[d]

    def answers(self, theta: Float[Tensor, " parameter"], d: int, lesson: Lesson) -> Float[Tensor, ""]:
        """Return the share of inputs of a lesson that are answered as by the exact model throughout."""
        found = self._found(theta, d, lesson, self.teacher.scores)
        off = [self._answers(r, found, lesson, least=0.0).sum(-1) for r in self.pair.readouts]
        rows = lesson.tokens.nonzero()[:, 0]
        wrong = torch.stack(off).sum(0).new_zeros(len(lesson.ids)).index_add(0, rows, torch.stack(off).sum(0))
        return (wrong == 0).double().mean()

    def _found(self, theta: Tensor, d: int, lesson: Lesson, points: list[str]) -> Record:
        weights = project(self.weights, self.projection.matrices(theta, d))
        return recorded(self.student(d), weights, lesson.ids, lesson.positions, points, lesson.hooks)

    def _attention(self, name: str, found: Record, lesson: Lesson) -> Tensor:
        """Residuals of each query and key; queries at BOS and PAD may attend as they like."""
        right, given = (x[name].log_softmax(-1) for x in (lesson.record, found))
        queries = lesson.tokens[:, None, :, None]
        attended = right > UNATTENDED
        short = (given - right).abs() - WITHIN
        ahead = given + BEHIND
        off = torch.where(attended, short / SPREAD, ahead / 3).clamp(min=0)
        return torch.where(queries & torch.isfinite(right), robust(off), 0.0)

    def _written(self, name: str, found: Record, lesson: Lesson) -> Tensor:
        """Residuals of what a half-layer writes at tokens, in distances of the values that it writes."""
        gap = self.gaps[name]
        told = torch.isfinite(gap)
        error = (self._output(name, found) - self._output(name, lesson.record))[lesson.tokens][:, told] / gap[
            told
        ]
        return robust(2 * (error.abs() - WRITTEN).clamp(min=0))

    def _output(self, name: str, record: Record) -> Float[Tensor, "batch pos d_model"]:
        """Return what a half-layer writes, in the axes of the exact model."""
        layer = name.rsplit(".", 2)[0]
        if name.endswith("hook_post"):
            return record[name] @ self.weights[f"{layer}.mlp.W_out"]
        return torch.einsum("bphd,hdm->bpm", record[name], self.weights[f"{layer}.attn.W_O"])

    def _answers(self, r: Readout, found: Record, lesson: Lesson, least: float = LEAD) -> Tensor:
        right, given = (x["logits"][lesson.tokens] for x in (lesson.record, found))
        return self.answered(r, right, given, least)

    def answered(
        self,
        r: Readout,
        right: Float[Tensor, "token logit"],
        given: Float[Tensor, "token logit"],
        least: float = LEAD,
    ) -> Float[Tensor, "token logit"]:
        """Return by how much leads of an output are less than ``least`` of what they should be."""
        right, given = right[:, r.start : r.stop], given[:, r.start : r.stop]
        if r.kind == "number":
            values = np.unique([float(v) for v in r.values])  # type: ignore[arg-type]
            scale = torch.full((r.width,), 0.5, dtype=right.dtype, device=right.device)
            scale[0] = float(np.diff(values).min(initial=1.0)) / 2
            return ((given - right).abs() / scale - (1 - least)).clamp(min=0)
        best = right.argmax(-1, keepdim=True)
        lead = right.gather(1, best) - right
        others = lead > 1e-3 * lead.amax()  # under an intervention two answers can be equally right
        kept = (given.gather(1, best) - given) / torch.where(others, lead, 1.0)
        return torch.where(others, (least - kept).clamp(min=0), 0.0)

    def _gaps(self) -> dict[str, Float[Tensor, " d_model"]]:
        """Return the least distance of two values on each axis that a half-layer writes, infinite where it writes one."""
        lesson = self.teacher.lesson(SIZE, [0], plain=True)
        gaps = {}
        for name in (*self.teacher.heads, *self.teacher.units):
            written = self._output(name, lesson.record)[lesson.tokens].cpu().numpy()
            gap = np.full(written.shape[1], np.inf)
            for i, column in enumerate(written.T):
                values = np.unique(np.round(column, 6))
                steps = np.diff(values)[np.diff(values) > 1e-3 * np.abs(values).max(initial=1e-9)]
                gap[i] = steps.min(initial=np.inf)
            gaps[name] = torch.from_numpy(gap).to(self.pair.model.device)
        return gaps


def robust(x: Tensor) -> Tensor:
    """Return what is not negative as it is up to 1, and by its logarithm beyond.

    >>> robust(torch.tensor([0.0, 0.5, 1.0, torch.e]))
    tensor([0.0000, 0.5000, 1.0000, 2.0000])
    """
    return torch.where(x < 1, x, 1 + x.clamp(min=1).log())
