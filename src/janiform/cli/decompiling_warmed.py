"""Decompile a model that was warmed up on procedural data: which heads follow which selectors, and what is lost without them."""

from __future__ import annotations

import json
from pathlib import Path

from janiform.cli.answers import Answer, columns
from janiform.errors import InputError


def is_warmed(model: str, task: str) -> bool:
    """Whether a model is the folder of a warm-up, or a task is one of rows made by rule, written with its settings.

    >>> is_warmed("gpt2", "identity(symbols=33)"), is_warmed("gpt2", "D2")
    (True, False)
    """
    return "(" in task or ((Path(model) / "model").is_dir() and (Path(model) / "config.json").exists())


def decompile_warmed(model: str, task: str, *, inputs: int, out: Path | None) -> Answer:
    """Read the circuit of a model on rows of a task, by default the one that it was trained on."""
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
    with one_thread():
        found = circuit(Taken.read(model).load(), read(task), inputs)
    facts = {"task": task, **found.facts()}
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
        ]
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / "circuit.txt", (text + "\n").encode())
        write_whole(out / "result.json", (json.dumps(facts, indent=1) + "\n").encode())
        text += f"\nwritten to {out}"
    return Answer(facts, text)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows)
