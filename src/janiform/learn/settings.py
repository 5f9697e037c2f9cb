"""What to learn and how, as one value: a published task by name or files, and how the search goes about it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from janiform.errors import FileError, InputError
from janiform.learn.anneal import Annealing
from janiform.learn.climb import Climbing
from janiform.learn.relaxed import Relaxation
from janiform.learn.template import Shape
from janiform.tasks import NAMES, Exercise, algorithmic, read_classes, read_ner, read_pairs
from janiform.tasks.examples import Data


@dataclass(frozen=True, slots=True)
class Learning:
    """What to learn and how: a published task by name, or files.

    The task's size is by default the published one: V = N = 8, N = 16 for Dyck, V = N = 10 for induction. ``examples``
    are drawn and split 81 / 9 / 10 as published. With ``oracle``, the rule of the task is asked for counterexamples
    beyond the training set, from the whole domain where it can be listed. The search begins with nothing or, where
    ``relaxed``, with programs that a relaxed model was trained to as ``relaxation`` says.
    """

    source: tuple[str, ...]
    vocab_size: int | None = None
    max_len: int | None = None
    format: str = "auto"
    vectors: str | None = None
    causal: bool = False
    seed: int = 0
    examples: int = 20_000
    distinct: bool = False
    oracle: bool = True
    relaxed: bool = False
    climbing: Climbing = field(default_factory=Climbing)
    relaxation: Relaxation = field(default_factory=Relaxation)

    def __post_init__(self) -> None:
        rounds, climbs = self.climbing.rounds, self.climbing.climbs
        if min(rounds, climbs) < 1:
            raise InputError(f"a search has at least 1 round and 1 climb, not {rounds} and {climbs}")

    @property
    def name(self) -> str:
        """The name of the task or of the first file, as an identifier."""
        return re.sub(r"\W", "_", Path(self.source[0]).stem) or "learned"

    def exercise(self) -> Exercise | None:
        """The task that is named; None where files are given."""
        if len(self.source) == 1 and (self.source[0] in NAMES or not Path(self.source[0]).exists()):
            task = self.source[0]
            return algorithmic(task, self.vocab_size or (10 if task == "induction" else 8), self.max_len)
        return None

    def data(self, exercise: Exercise | None) -> Data:
        """The examples to learn from."""
        if exercise is not None:
            return exercise.data(self.seed, self.examples, self.distinct)
        match self.format if self.format != "auto" else sniffed(self.source[0]):
            case "pairs":
                return read_pairs(*self.source, causal=self.causal, seed=self.seed)
            case "ner" if len(self.source) == 3:
                return read_ner(*self.source)
            case "classes" if len(self.source) <= 3:
                train, *rest = self.source
                held = rest[0] if len(rest) == 2 else None
                return read_classes(train, rest[-1] if rest else None, held, seed=self.seed)
        raise InputError(
            f"{len(self.source)} files do not say what to learn: pairs need one, tagged words three (training, "
            "validation, test), classes one to three (training, validation, test; or training, test)"
        )

    def absolute(self) -> Learning:
        """Return the settings with files named from the root, so that they hold in any working directory."""
        if self.exercise() is not None:
            return self
        vectors = self.vectors
        if vectors is not None and Path(vectors).exists():
            vectors = str(Path(vectors).absolute())
        return replace(self, source=tuple(str(Path(s).absolute()) for s in self.source), vectors=vectors)

    def write(self) -> str:
        """Write the settings as JSON.

        >>> settings = Learning(("sort",), seed=3)
        >>> read_settings(json.loads(settings.write())) == settings
        True
        """
        return json.dumps(asdict(self), indent=2) + "\n"


def read_settings(plain: dict[str, Any]) -> Learning:
    """Read settings from plain data; a FileError says what is wrong with them."""
    try:
        climbing = {**plain["climbing"], "halving": tuple(plain["climbing"]["halving"])}
        relaxation = {
            **plain["relaxation"],
            "shape": Shape(**plain["relaxation"]["shape"]),
            "annealing": Annealing(**{k: tuple(v) for k, v in plain["relaxation"]["annealing"].items()}),
            "halvings": tuple(plain["relaxation"]["halvings"]),
        }
        nested = {"climbing": Climbing(**climbing), "relaxation": Relaxation(**relaxation)}
        return Learning(**{**plain, "source": tuple(plain["source"]), **nested})
    except (KeyError, TypeError, ValueError) as e:
        raise FileError(f"these are no settings of a run of 'learn': {e!r}") from None


def sniffed(path: str) -> str:
    """What a file holds, by its name and first line: pairs, tagged words, or texts with classes."""
    if path.endswith(".jsonl"):
        return "pairs"
    try:
        with open(path, encoding="latin-1") as file:
            columns = next((line.split() for line in file if line.strip()), [])
    except OSError as e:
        raise FileError(f"{path} cannot be read: {e}") from None
    tagged = len(columns) in (2, 4) and re.fullmatch(r"O|[BI]-\S+", columns[-1])
    return "ner" if tagged else "classes"
