"""Decompile trained transformers and tell, for each, how far it went and on what evidence.

    python benchmarks/decompile_trained.py                                   # the models that come with Janiform
    python benchmarks/decompile_trained.py --models FOLDER/* --inputs 700    # others; a name begins with its task
    python benchmarks/decompile_trained.py --controls                        # models that were never trained
    python benchmarks/decompile_trained.py --evidence inputs                 # rules over heads without interventions
    python benchmarks/decompile_trained.py --evidence behavior               # rules over no heads at all
    python benchmarks/decompile_trained.py --models ... --json > FILE
    python benchmarks/decompile_trained.py --families FILE ...               # the worst model of each family, and the aims

Agreement is on so many sequences of each length range (0-50, 51-100, 101-150), from position 0 on; interchange is that of the
program's worst variable. Times are CPU seconds of one core: finding, then verifying. ``--write --section NAME`` puts a table
into its section of docs/results/decompile-trained.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.results import Options, Table, publish

from janiform.decompile.trained.extract import Evidence, Extracting
from janiform.decompile.trained.pipeline import Settings, decompile
from janiform.errors import JaniformError
from janiform.model import Transformer, checkpoints, read_model
from janiform.tasks import sampler

AIMS: dict[str, tuple[str, float, float, float]] = {
    "bin_majority": ("2", 0.995, 0.99, 1),
    "majority": ("2", 0.995, 0.99, 20),
    **dict.fromkeys(("tomita1", "tomita2", "abcde", "ab_d_bc"), ("1-5", 1.0, 0.99, 2)),
    "D2": ("3", 0.99, 0.97, 2),
    "D3": ("3", 0.99, 0.97, 2),
    "D4": ("3", 0.99, 0.97, 60),
    **dict.fromkeys(("tomita4", "tomita7", "012_0_2"), ("1-4", 0.99, 0.95, 20)),
    **dict.fromkeys(("aastar", "aaaastar", "ababstar"), ("2", 0.97, 0.95, 20)),
    **dict.fromkeys(("unique_copy", "unique_reverse"), ("4-6", 0.97, 0.98, 15)),
    **dict.fromkeys(("sort", "count"), ("2-3", 0.98, 0.97, 60)),
    "bin_majority_interleave": ("4", 0.95, 0.9, 60),
    **dict.fromkeys(
        ("parity", "addition", "repeat_copy", "tomita3", "tomita5", "tomita6"), ("none", 0.9, 0, 120)
    ),
}
"""What was aimed at: lines, match, interchange, seconds."""

SECTIONS = {
    "families": "By family",
    "given": "Seven models that others trained",
    "shipped": "The models that come with Janiform",
    "trained": "Models trained for this table",
    "further": "Tasks beyond the published ones",
    "controls": "Random weights",
    "inputs": "Rules fitted without interventions",
    "behavior": "Rules over no heads",
}

HEADINGS = (
    "model",
    "level",
    "lines",
    "match 0-50 / 51-100 / 101-150",
    "model itself",
    "interchange (changing)",
)
HEADINGS += ("heads swapped / refitted", "unigram", "s, found", "s, verified")
FAMILY = (
    "family",
    "models",
    "L3",
    "lines (aim)",
    "match (aim)",
    "where the model is right",
    "interchange (aim)",
)
FAMILY += ("s (aim)",)


@dataclass(frozen=True)
class Asked(Options):
    """Which models, and what of them."""

    models: tuple[Path, ...] = ()
    """Folders or files called TASK-anything; by default the models that come with Janiform."""
    inputs: int = 2000
    """Inputs of each range of lengths."""
    controls: bool = False
    """The shapes of the models that come with Janiform, with random weights."""
    evidence: Evidence = "interventions"
    """What rules are fitted to."""
    families: tuple[Path, ...] = ()
    """What earlier runs with --json said; the worst model of each family is printed beside its aims."""
    section: str = "shipped"
    """The section that --write is for: families, given, shipped, trained, further, controls, inputs or behavior."""


def main(asked: Asked) -> None:
    """Decompile one model after the other."""
    torch.set_num_threads(1)
    if asked.families:
        found = [facts for file in asked.families for facts in json.loads(file.read_text())["models"]]
        table = Table("", FAMILY, [list(cells) for cells in by_family(found)])
    else:
        found = [decompiled(name, task, model, asked) for name, task, model in models(asked)]
        table = Table("", HEADINGS, [row(facts) for facts in found])
    publish(
        asked.section, SECTIONS[asked.section], [table], {"models": found}, asked, page="decompile-trained"
    )


def decompiled(name: str, task: str, model: Transformer, asked: Asked) -> dict[str, Any]:
    """What is found of one model."""
    settings = Settings(
        inputs=50 if asked.quick else asked.inputs, extracting=Extracting(evidence=asked.evidence)
    )
    try:
        return {"model": name} | decompile(model, sampler(task), settings).facts()
    except JaniformError as e:
        return {"model": name, "level": "refused", "reason": str(e)}


def models(asked: Any) -> Iterator[tuple[str, str, Transformer]]:
    """The models that are asked for, with their tasks."""
    if asked.models:
        for place in asked.models:
            path = place / "model.safetensors" if (place / "model.safetensors").exists() else place
            whole = place if (place / "config.json").exists() else path
            yield place.stem, place.stem.split("-")[0], read_model(whole)
        return
    for name in checkpoints.names()[: 1 if asked.quick else None]:
        model = checkpoints.load_trained(name)
        if asked.controls:
            model = Transformer(replace(model.config), seed=1)
        yield name, name.split("-")[0], model


def by_family(several: list[dict[str, Any]]) -> Iterator[list[Any]]:
    """The table of families: what the worst model of each gives, beside the aims."""
    tasks = dict.fromkeys([*AIMS, *(f["model"].split("-")[0] for f in several)])
    for task in tasks:
        found = [f for f in several if f["model"].split("-")[0] == task]
        named = [f for f in found if f["level"] == "L3"]
        lines, match, interchange, seconds = AIMS.get(task, ("-", 0, 0, 0))
        wanted = lines != "none"
        if not found:
            yield [task, 0, "-", f"({lines})", "", "", "", f"({seconds})"]
            continue
        right = [b["match_where_right"] for f in named for b in f["match_by_length"].values()]
        right = [share for share in right if share is not None]
        cells = [
            (",".join(sorted({str(f["lines"]) for f in named})) or "none", lines),
            (f"{min(f['match'] for f in named):.3f}" if named else "", match if wanted else ""),
            (f"{min(right):.3f}" if right else "", ""),
            (f"{min(f['interchange'] for f in named):.3f}" if named else "", interchange if wanted else ""),
            (f"{max(f['seconds'] for f in found):.1f}", seconds),
        ]
        yield [task, len(found), len(named), *(f"{value} ({aim})" if aim else value for value, aim in cells)]


def row(facts: dict[str, Any]) -> list[Any]:
    """One line of the table."""
    if facts["level"] == "refused":
        return [facts["model"], f"refused: {facts['reason']}", *[None] * (len(HEADINGS) - 2)]
    lengths = facts["match_by_length"].values()
    level = facts["level"] + (
        f" to {facts['lengths'][-1].split('-')[1]}" if 0 < len(facts["lengths"]) < len(lengths) else ""
    )
    changing = sum(v["changing"] for v in facts["interchange_by_variable"])
    same = sum(v["changing_agreed"] for v in facts["interchange_by_variable"])
    swapped = facts["match_with_heads_swapped"]
    return [
        facts["model"],
        level,
        facts["lines"],
        " / ".join(f"{b['match']:.3f}" for b in lengths),
        " / ".join(f"{b['model_right']:.3f}" for b in lengths),
        "-" if facts["interchange"] is None else f"{facts['interchange']:.3f} ({same}/{changing})",
        f"{swapped['together']:.2f} / {swapped['refitted']:.2f}" if swapped["alone"] else "-",
        f"{facts['unigram_match']:.2f}",
        f"{facts['seconds']:.1f}",
        f"{facts['seconds_verifying']:.1f}",
    ]


if __name__ == "__main__":
    main(tyro.cli(Asked, description=__doc__))
