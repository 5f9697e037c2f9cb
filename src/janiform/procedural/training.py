"""Everything that decides the weights of a warm-up or of the training after it, as one frozen value, and as a file of settings.

A file is TOML (or JSON, as runs keep it): settings of a ``Training``, and those of its ``Budget`` under ``[budget]``. Files that
come with Janiform hold the published settings; what a task is trained with by default is one of them.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from janiform.errors import FileError, InputError
from janiform.procedural.autograd import Precision
from janiform.procedural.budget import Budget
from janiform.procedural.engine import Way
from janiform.procedural.transfer import Embeddings, Taken

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A task or a text, a GPT-2 of some size, what it begins with and how it is trained.

    >>> Training.of({"task": "set", "layers": 2, "budget": {"steps": 10}}).budget.steps
    10
    """

    task: str = ""
    """As ``tasks.procedural.read`` reads it; empty where there is a text."""
    alike: bool = False
    """Whether inputs in a batch are of one length, drawn for it: short ones then count as much, and are learned by content."""
    text: tuple[str, ...] = ()
    """Files and folders, as ``documents`` reads them."""
    tokenizer: str = "bytes"
    """Of the text, as ``tokenizers.fit`` names them."""
    layers: int = 2
    heads: int = 4
    width: int = 16
    context: int = 0
    """How many positions there are; 0 for as many as a row of the task has tokens."""
    untied: bool = False
    """Whether the unembedding is trained apart from the token embedding."""
    take: tuple[str, ...] = ()
    """Parts of other models to begin with, each as ``Taken.read`` reads it."""
    from_program: tuple[str, ...] = ()
    """Compiled programs to begin with, each as parts and a program: ``attention=induction``, as ``from_program`` reads it."""
    sources: tuple[str, ...] = ()
    """Hashes of the weights of the models that ``take`` names, in its order, as they were when the training began."""
    embeddings: Embeddings = "average"
    shuffle: bool = False
    """A control: whether the entries of each matrix that is taken are permuted."""
    noise: float = 0.0
    """A control: normal noise on each weight that is taken, in units of its deviation."""
    amplitude: float = 1.0
    """How large a program's coordinates are in the stream; the larger, the more its weights may move before it is wrong."""
    freeze: tuple[str, ...] = ()
    """Parts that stay as they are."""
    slower: tuple[str, ...] = ()
    """Parts that are trained at a lower rate, each with the factor by which it is lower, as in attention=0.001."""
    way: Way = "auto"
    """How gradients are computed."""
    precision: Precision = "float32"
    accumulate: int = 1
    """In how many pieces a batch is computed."""
    budget: Budget = Budget()

    def __post_init__(self) -> None:
        if bool(self.task) == bool(self.text):
            raise InputError(
                "a training is on a task, such as set or haystack, or on a text; name one of the two"
            )

    @property
    def data_set(self) -> str:
        """What is trained on, in words."""
        return self.task or ", ".join(self.text)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Training:
        """Make a training of plain data; ``InputError`` names a setting that is unknown or of another type."""
        given = dict(settings)
        budget = given.pop("budget", {})
        if not isinstance(budget, Mapping):
            raise InputError(f"budget is a table of settings, got {budget!r}")
        _require_known(cls, given)
        _require_known(Budget, budget)
        lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        return cls(**(given | lists), budget=Budget(**budget))

    def data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def pinned(self) -> Training:
        """Return it with the hashes of the models that it takes; ``InputError`` if one is not what it is said to be.

        A model that is gone keeps its hash, if one is known: a training that has begun does without it.
        """
        found = [Taken.read(text).digest() or "" for text in self.take]
        kept = self.sources or ("",) * len(found)
        for text, now, then in zip(self.take, found, kept):
            if now and then and now != then:
                raise InputError(
                    f"{Taken.read(text).model} is not the model that this training began with: its weights were {then}, "
                    f"now they are {now}; put them back, or begin anew"
                )
        return replace(self, sources=tuple(then or now for now, then in zip(found, kept)))

    def dry(self) -> Training:
        """Return the first two steps of it, each on a single row."""
        budget = replace(self.budget, steps=2, batch=1, held=1, every=2)
        return replace(self, accumulate=1, budget=budget)

    def write(self) -> str:
        """Return it as JSON, which ``read_settings`` reads."""
        return json.dumps(self.data(), indent=1) + "\n"


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read a file of settings, or those that come with Janiform under a name.

    >>> read_settings("warmup")["budget"]["batch"]
    64
    """
    named = RECIPES / f"{path}.toml"
    place = named if re.fullmatch(r"[\w-]+", str(path)) and named.exists() else Path(path)
    try:
        text = place.read_text("utf-8")
        settings = json.loads(text) if place.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        known = ", ".join(recipes())
        raise FileError(
            f"{place} cannot be read ({error.strerror}); it is a file, or one of {known}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise FileError(f"{place} holds no settings: {str(error)[:200]}") from None
    if not isinstance(settings, dict):
        raise FileError(f"{place} holds no settings, but {str(settings)[:40]!r}")
    return settings


def recipes() -> list[str]:
    """Return the names of the settings that come with Janiform."""
    return sorted(file.stem for file in RECIPES.glob("*.toml"))


def usual(kind: str, task: str) -> str:
    """Return the name of the settings with which a task is trained by default, in a ``warmup`` or ``finetune``; '' is a text.

    >>> usual("warmup", "dyck(kinds=8)"), usual("warmup", "set"), usual("finetune", "multiplication")
    ('warmup-dyck', 'warmup', 'finetune-multiplication')
    """
    if not task:
        return "text"
    name = re.match(r"\w*", task.strip())
    special = f"{kind}-{name.group() if name else ''}"
    return special if special in recipes() else kind


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which those of ``second`` take precedence, tables joined."""
    budget = {**first.get("budget", {}), **second.get("budget", {})}
    return {**first, **second, **({"budget": budget} if budget else {})}


def _require_known(kind: type, given: Mapping[str, Any]) -> None:
    types = {f.name: str(f.type) for f in fields(kind)}
    if unknown := sorted(set(given) - set(types)):
        raise InputError(f"unknown settings {', '.join(unknown)}; there are {', '.join(types)}")
    plain: dict[str, tuple[type, ...]] = {
        "int": (int,),
        "float": (int, float),
        "str": (str,),
        "bool": (bool,),
    }
    plain["tuple[str, ...]"] = (list, tuple)
    for name, value in given.items():
        wanted = plain.get(types[name], (str,))
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise InputError(f"{name} is of type {types[name]}; got {value!r}")
        if isinstance(value, list | tuple) and not all(isinstance(part, str) for part in value):
            raise InputError(f"{name} is a list of texts; got {value!r}")
