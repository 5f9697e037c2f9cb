"""Learning a narrow residual stream: from the exact one down, one width after the other, many starts in one batch.

At each width some starts are the best one of the width above without one of its directions, the others are read off the
activations: the directions that explain most of what is read, under random weights. All are first taught half-layer by
half-layer, each reading what the exact ones before it wrote, then as a whole; the worse half is dropped in between. A width
is done as soon as a start falls short nowhere. Where none gets there, the best are taught answers above all, and kept is
what answers most inputs rightly, and of those what falls short least.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import vmap

from janiform.errors import InputError
from janiform.realistic.lessons import Lesson
from janiform.realistic.levenberg import Descent
from janiform.realistic.readings import Readings
from janiform.realistic.shortfall import Shortfall
from janiform.realistic.starts import Starts

Stage = Literal["forced", "free", "polish", "answers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """How much is spent on a width: starts, steps of each stage, and the inputs of a lesson."""

    starts: int = 16
    forced: int = 24
    free: int = 24
    polish: int = 24
    rounds: int = 8
    """Rounds of polishing at most; one that gains less than a fifth is the last."""
    answers: int = 24
    """Steps of teaching answers, where faithfulness cannot be had."""
    batch: int = 24
    every: int = 4
    """Steps with one lesson."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("starts", "forced", "free", "polish", "rounds", "answers", "batch", "every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.seed < 0:
            raise InputError(f"seed must be 0 or more, got {self.seed}")

    def stages(self) -> Iterator[tuple[Stage, int, int, int]]:
        """Yield each stage with its steps, the starts that take part, and the inputs of a lesson."""
        yield "forced", self.forced, self.starts, self.batch
        yield "free", self.free, max(1, self.starts // 2), self.batch
        for i in range(self.rounds):
            yield "polish", self.polish, max(1, self.starts // (4 if i == 0 else 8)), 2 * self.batch
        yield "answers", self.answers, max(1, self.starts // 8), 2 * self.batch

    @property
    def steps(self) -> int:
        """How many steps a width takes at most."""
        return self.forced + self.free + self.rounds * self.polish + self.answers


GAIN = 0.8
"""A round of polishing that leaves a larger share of what was short gains too little."""
ENOUGH = 1e-3
"""A start that falls short by no more, in the mean over the tokens of the inputs that judge, is done."""
WRONG = 100.0
"""How much an input counts that is answered wrongly, beside by how much all falls short: more than all else as a rule."""
WITHIN = 0.02
"""How much half-layers count while answers are taught."""
JUDGED, FEWEST, OFTEN = 200, 40, 8
"""On how many inputs starts are judged, on how many at least for each variable, and after how many steps."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a learning is: what was found at a width, and, while that is worked on, a stage, a step and the starts."""

    width: int
    found: Float[Tensor, " parameter"]
    """The best of this width so far; of the width above while nothing of this one was judged."""
    stage: int = 0
    step: int = 0
    descent: Descent | None = None
    loss: float = math.inf
    """By how much that falls short."""
    before: float = math.inf
    """The same at the end of the stage before."""

    @property
    def done(self) -> bool:
        """Whether the width is done."""
        return self.descent is None


class Learning:
    """A learning that goes from one point to the next, each determined by the last and the seed."""

    def __init__(self, shortfall: Shortfall, settings: Narrowing) -> None:
        self.shortfall, self.settings = shortfall, settings
        self.full = len(shortfall.projection.scale)
        teacher = shortfall.teacher
        size = max(FEWEST, JUDGED // max(1, len(teacher.sites)))
        self.judging = [
            teacher.lesson(size, [settings.seed, 1, i], site=site) for i, site in enumerate(teacher.sites)
        ] or [teacher.lesson(size, [settings.seed, 1])]
        self.plain = teacher.lesson(JUDGED, [settings.seed, 6], plain=True)
        self.readings = Readings(shortfall, settings.seed)
        self.stages = list(settings.stages())
        self.starts = Starts(shortfall)
        self._last: tuple[tuple[int, ...], Lesson] | None = None

    def begin(self) -> Point:
        """Return the point at which nothing is lost yet: the full width."""
        eye = torch.eye(self.full, dtype=torch.float64)
        scale = self.shortfall.projection.scale
        matrices = scale[:, None] * eye, eye / scale, torch.zeros_like(scale)
        return Point(self.full, self.shortfall.projection.parameters(matrices), loss=0.0)

    def advance(self, point: Point) -> Point:
        """Take a step, or go on to the next stage or the next width."""
        if point.descent is None:
            starts = self.starts.below(point.found, point.width, self.settings.starts, self.settings.seed)
            chosen = starts[self._misread(starts, point.width - 1).argsort()[: 2 * self.settings.starts]]
            below = self._judged(Point(point.width - 1, point.found, descent=Descent.begin(chosen)))
            return (
                below
                if below.descent is None
                else replace(below, descent=below.descent.first(self.settings.starts))
            )
        stage, steps, _, batch = self.stages[point.stage]
        if point.step == steps:
            return self._promoted(point)
        descent = Descent(point.descent.theta, point.descent.damping)
        if stage == "forced":
            descent.step(lambda theta: self.readings.residuals(theta, point.width))
        else:
            lesson = self._lesson(batch, stage, point.width, point.stage, point.step // self.settings.every)
            within = WITHIN if stage == "answers" else 1.0
            descent.step(lambda x: self.shortfall.residuals(x, point.width, lesson, within=within))
        after = replace(point, step=point.step + 1, descent=descent)
        return self._judged(after) if after.step % OFTEN == 0 or after.step == steps else after

    def _judged(self, point: Point) -> Point:
        """Order the starts by how they do as a whole, keep the best that was seen, and end the width if it is good enough."""
        assert point.descent is not None
        losses = self.judge(point.descent.theta, point.width)
        order = losses.argsort()
        descent = Descent(point.descent.theta[order], point.descent.damping[order])
        best = float(losses[order[0]])
        if best < point.loss or math.isinf(point.loss):
            point = replace(point, found=descent.theta[0].clone(), loss=best)
        return replace(point, descent=None if best <= ENOUGH else descent)

    def _promoted(self, point: Point) -> Point:
        """Give the better starts the next stage, unless there is none or the last one gained too little."""
        assert point.descent is not None
        last = len(self.stages) - 1
        if point.stage == last:
            return replace(point, descent=None)
        idle = self.stages[point.stage][0] == "polish" and point.loss > GAIN * point.before
        stage = last if idle else point.stage + 1
        kept = point.descent.theta[: self.stages[stage][2]]
        return replace(point, stage=stage, step=0, descent=Descent.begin(kept), before=point.loss)

    def judge(self, thetas: Float[Tensor, "start parameter"], width: int) -> Float[Tensor, " start"]:
        """Return by how much each start falls short as a whole, and answers wrongly."""

        def short(theta: Tensor) -> Tensor:
            found = [self.shortfall.residuals(theta, width, lesson) for lesson in self.judging]
            wrong = 1 - self.shortfall.answers(theta, width, self.plain)
            return torch.stack([r.square().sum() for r in found]).mean() + WRONG * wrong

        with torch.no_grad():
            return vmap(short, chunk_size=8)(thetas).nan_to_num(nan=torch.inf)  # type: ignore[no-any-return]

    def _misread(self, thetas: Float[Tensor, "start parameter"], width: int) -> Float[Tensor, " start"]:
        """Return by how much each start lets half-layers misread what is exact, which is told fast."""

        def short(theta: Tensor) -> Tensor:
            return self.readings.residuals(theta, width).square().sum()

        with torch.no_grad():
            return vmap(short, chunk_size=64)(thetas).nan_to_num(nan=torch.inf)  # type: ignore[no-any-return]

    def _lesson(self, batch: int, stage: Stage, *key: int) -> Lesson:
        key = (self.settings.seed, 2, *key)
        if self._last is None or self._last[0] != key:
            self._last = key, self.shortfall.teacher.lesson(batch, key, plain=stage == "answers")
        return self._last[1]
