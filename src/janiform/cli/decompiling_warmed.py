"""Decompile a model that was warmed up on procedural data: which heads follow which selectors, what is lost without them, and the
program that the way for trained models finds, or why it finds none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from janiform.cli.answers import Answer, columns
from janiform.cli.progress import progress
from janiform.errors import InputError

if TYPE_CHECKING:
    from janiform.model.transformer import Transformer
    from janiform.tasks.procedural import Procedure


def is_warmed(model: str, task: str) -> bool:
    """Whether a model is the folder of a warm-up, or a task is one of rows made by rule, written with its settings.

    >>> is_warmed("gpt2", "identity(symbols=33)"), is_warmed("gpt2", "D2")
    (True, False)
    """
    return "(" in task or ((Path(model) / "model").is_dir() and (Path(model) / "config.json").exists())


def decompile_warmed(
    model: str, task: str, *, program: bool, inputs: int, interventions: int, seed: int, out: Path | None
) -> Answer:
    """Read the circuit of a model on rows of a task, by default the one that it was trained on, and look for its ``program``."""
    from janiform.files import write_whole
    from janiform.procedural import circuit
    from janiform.procedural.circuit import RASP
    from janiform.procedural.training import Training, read_settings
    from janiform.procedural.transfer import Taken
    from janiform.tasks.procedural import read
    from janiform.train.fit import one_thread

    folder = Path(model) / "config.json"
    if not task and not (task := Training.of(read_settings(folder)).task):
        raise InputError(
            f"{model} was trained on a text; --task says on which rows its heads are read, as in --task "
            '"identity(symbols=33, longest=12)"'
        )
    loaded, procedure = Taken.read(model).load(), read(task)
    with one_thread():
        found = circuit(loaded, procedure, inputs)
        told = _program(loaded, procedure, inputs, interventions, seed, out) if program else None
    facts = {"task": task, **found.facts()} | ({"program": told[0]} if told else {})
    heads = [
        (
            f"{h.layer}.{h.head}",
            f"{h.attention[h.follows]:.2f}",
            f"{h.even[h.follows]:.2f}",
            h.follows,
            h.at,
            f"{h.without:.3f}",
        )
        for h in found.heads
    ]
    titles = ("head", "attention", "even", "on", "at", "right without it")
    roles = [(str(role), RASP[role.selector]) for role in found.roles]
    text = "\n".join(
        [
            f"{found.accuracy:.3f} of the targets of {task} are right",
            "",
            _table([titles, *heads]),
            "",
            columns(roles) if roles else "no head follows a selector much beyond an even share of attention",
            *(["", told[1]] if told else []),
        ]
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / "circuit.txt", (text + "\n").encode())
        write_whole(out / "result.json", (json.dumps(facts, indent=1) + "\n").encode())
        text += f"\nwritten to {out}"
    return Answer(facts, text)


def _program(
    model: Transformer, task: Procedure, inputs: int, interventions: int, seed: int, out: Path | None
) -> tuple[dict[str, Any], str]:
    """Look for the program of a model, and return what is known of it as data and in words."""
    from janiform.decompile.trained import emit
    from janiform.decompile.trained.pipeline import Settings, decompile
    from janiform.decompile.trained.prune import Pruning
    from janiform.decompile.trained.warmed import renamed, sampler_of
    from janiform.tasks.procedural import Transduction, write

    try:
        if not isinstance(task, Transduction):
            raise InputError(
                f"that is done of tasks from sequence to sequence, such as identity, and {write(task)} is none"
            )
        drawn, named = sampler_of(task), renamed(model, task)
    except InputError as error:
        return {"program": None, "reason": str(error)}, f"no program is looked for: {error}"
    settings = Settings(inputs=inputs, interventions=interventions, pruning=Pruning(seed=seed), seed=seed)
    with progress("looking for a program") as tick:
        stages: list[str] = []

        def tell(what: str) -> None:
            stages.append(what)
            tick(min(len(stages), 5), 6)

        found = decompile(named, drawn, settings, tell=tell)
        tick(6, 6)
    if out is not None:
        emit.write(found, named, drawn, out / "program")
    facts = found.facts()
    said = {
        "level": found.level,
        "match": found.match,
        "interchange": found.interchange,
        "lines": found.lines,
    }
    said = {name: value for name, value in said.items() if value is not None}
    if found.reason:
        said["why no program"] = found.reason
    text = str(found.program) if found.program is not None else ""
    if found.level == "L1":
        text = f"{found.listing}\n"
    return facts, f"{text}{columns(said.items())}"


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows)
