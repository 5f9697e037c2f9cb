"""How a transformer is trained on sequences: one frozen value whose defaults are the published recipe (Huang et al. 2026).

Not published is when to stop: there it was when training lengths are answered; here it is when longer ones are.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from janiform.errors import FileError, InputError
from janiform.model.config import Config
from janiform.tasks.sequences import Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the weights.

    >>> Recipe(task="D3", layers=2, heads=4, width=64).dropout
    0.0
    """

    task: str
    layers: int = 1
    heads: int = 1
    width: int = 16
    steps: int = 30_000
    seed: int = 0
    batch: int = 64
    rate: float = 1e-3
    decay: float = 0.01
    dropout: float = 0.0
    longest: int = 50
    every: int = 1000
    """Steps from one validation to the next."""
    drawn: int = 256
    """How many sequences of each bin of lengths a validation looks at."""
    patience: int = 3
    """How many validations in a row must see no fault beyond the trained lengths for the training to end early."""

    def __post_init__(self) -> None:
        for name in ("heads", "width", "steps", "batch", "longest", "every", "drawn", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.width % self.heads:
            raise InputError(f"a width of {self.width} cannot be divided among {self.heads} heads")
        if self.layers < 0 or not 0 <= self.seed < 2**24 or not 0 <= self.dropout < 1:
            given = f"{self.layers}, {self.seed} and {self.dropout}"
            raise InputError(
                f"layers are 0 or more, a seed below {2**24}, dropout from 0 to below 1; got {given}"
            )

    def config(self, task: Sampler) -> Config:
        """Return the shape of the model: GPT-2's, with a position for every token of the longest input."""
        return Config.gpt2(
            self.layers, self.heads, self.width, vocab=len(task.vocab), positions=task.positions
        )

    def write(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read what ``write`` wrote."""
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            raise FileError(f"{path} is not there, so there is no training to go on with") from None
        except (ValueError, TypeError, InputError) as error:
            raise FileError(f"{path} describes no training: {error}") from None
