"""The commands that give a pair other weights: narrower ones, ones that look trained, and ones that are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from janiform.cli.answers import Answer
from janiform.cli.options import MakesPair
from janiform.cli.progress import progress
from janiform.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Compress(MakesPair):
    """Give a pair a narrower residual stream, and say whether it is still right, and for the right reason."""

    d_model: int | None = None
    """How wide; without it, as narrow as loses nothing."""
    method: Literal["exact", "orthogonal", "linear", "autoencoder"] = "exact"
    """Lose nothing, or learn to read and write by orthonormal directions, by one matrix, or by two."""
    starts: int = 16
    """For a learned width: how many starts are tried in one batch."""
    seed: int = 0
    """For a learned width: seed of starts and lessons."""
    inputs: int = 1_000
    """On how many inputs the result is judged."""
    run: Path | None = None
    """For a learned width: a folder for what is learned; the same command goes on where it was stopped."""

    def __call__(self) -> Answer:
        self.refuse_other_files()
        if self.method == "exact" and self.run is not None:
            raise InputError("--run keeps what is learned, and method exact learns nothing")
        from janiform.realistic.faithfulness import refuse_too_few
        from janiform.realistic.narrowing import Narrowing

        refuse_too_few(self.inputs)
        plain = self.pair()
        settings = Narrowing(starts=self.starts, seed=self.seed)
        with progress("compressing") as tell:
            small = plain.compress(self.d_model, self.method, settings=settings, out=self.run, tell=tell)
        found = small.faithfulness(inputs=self.inputs)
        facts = {"method": self.method, "from": plain.model.config.d_model, **small.facts()}
        data = {**facts, "faithfulness": found.data(), **self.saved(small)}
        return Answer(data, f"{self.lines(facts)}\n\n{found}", found.faithful)


@dataclass(frozen=True, kw_only=True)
class Disguise(MakesPair):
    """Give a pair weights that look trained and compute the same, and check it; where everything is stays known."""

    seed: int = 0
    """Seed of all that is drawn."""
    residual: Literal["orthogonal", "invertible", "none"] = "orthogonal"
    """The change of the residual stream's basis."""
    keep_heads: bool = False
    """Leave gauges and order of heads as they are."""
    keep_units: bool = False
    """Leave order and scale of hidden units as they are."""
    noise: float = 0.0
    """Change every weight by a normal share of itself."""
    distractors: tuple[int, int] = (0, 0)
    """So many heads and hidden units more in each layer, which do nothing that matters."""
    dtype: Literal["auto", "float32", "float64"] = "auto"
    """Precision of the weights; auto takes float32 where a check finds margin left."""

    def __call__(self) -> Answer:
        self.refuse_other_files()
        plain = self.pair()
        hidden = plain.disguise(
            self.seed,
            residual=None if self.residual == "none" else self.residual,
            heads=not self.keep_heads,
            units=not self.keep_units,
            noise=self.noise,
            distractors=self.distractors,
            dtype=self.dtype,
        )
        with progress("checking") as tick:
            report = hidden.check(tick=tick)
        facts = hidden.facts()
        data = {**facts, "check": report.data(), **self.saved(hidden)}
        return Answer(data, f"{self.lines(facts)}\n\n{report}", report.good)


@dataclass(frozen=True, kw_only=True)
class Retrain(MakesPair):
    """Train a wider gelu model to a program's mechanism by strict interchange interventions, and judge it."""

    d_model: int = 64
    """Width of the trained model's stream."""
    heads: int = 4
    """Heads a layer; as many as the program needs, if those are more."""
    d_mlp: int = 128
    """Hidden units a layer."""
    steps: int = 4_000
    """At most so many; training stops when all three validation scores are 99.5 %."""
    rate: float = 2e-3
    """Learning rate at the beginning."""
    batch: int = 64
    """Inputs of a step."""
    seed: int = 0
    """Seed of weights and inputs."""
    inputs: int = 1_000
    """On how many inputs the result is judged."""
    run: Path | None = None
    """A folder for the training; the same command goes on where it was stopped."""

    def __call__(self) -> Answer:
        self.refuse_other_files()
        from janiform.realistic.faithfulness import refuse_too_few
        from janiform.realistic.retrain import Retraining

        refuse_too_few(self.inputs)
        names = ("d_model", "heads", "d_mlp", "steps", "rate", "batch", "seed")
        settings = Retraining(**{name: getattr(self, name) for name in names})
        plain = self.pair()
        with progress("retraining") as tell:
            trained = plain.retrain(settings, out=self.run, tell=tell)
        found = trained.faithfulness(inputs=self.inputs)
        facts = trained.facts()
        data = {**facts, "faithfulness": found.data(), **self.saved(trained)}
        return Answer(data, f"{self.lines(facts)}\n\n{found}", found.faithful)
