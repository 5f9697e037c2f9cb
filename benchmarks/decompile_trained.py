"""Decompile trained transformers and print, for each, how far it went and on what evidence.

    python benchmarks/decompile_trained.py                                   # the models that come with Janiform
    python benchmarks/decompile_trained.py --models FOLDER/* --inputs 2000   # others; a name begins with its task
    python benchmarks/decompile_trained.py --controls                        # models that were never trained
    python benchmarks/decompile_trained.py --evidence inputs                 # rules over heads without interventions
    python benchmarks/decompile_trained.py --evidence behavior               # rules over no heads at all
    python benchmarks/decompile_trained.py --json ... > FILE; python benchmarks/decompile_trained.py --families FILE ...

The last prints the worst model of each family beside what was aimed at, from what earlier runs with --json said. A folder or file is called TASK-anything. Agreement is on so many sequences of each length range (0-50, 51-100, 101-150), from
position 0 on; interchange is the worst of the program's variables. Times are CPU seconds of one core: finding, then verifying.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from janiform.decompile.trained.extract import Extracting
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

HEADER = "| model | level | lines | match 0-50 / 51-100 / 101-150 | model itself | interchange (changing) | unigram | s, found | s, verified |"


def main() -> None:
    """Decompile one model after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="*", type=Path)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--controls", action="store_true")
    parser.add_argument(
        "--evidence", choices=("interventions", "inputs", "behavior"), default="interventions"
    )
    parser.add_argument("--quick", action="store_true", help="one model and few inputs, to see that it runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--families", nargs="*", type=Path)
    options = parser.parse_args()
    if options.families:
        several = [json.loads(line) for file in options.families for line in file.read_text().splitlines()]
        print("\n".join(by_family(several)))
        return
    torch.set_num_threads(1)
    settings = Settings(
        inputs=50 if options.quick else options.inputs,
        extracting=Extracting(evidence=options.evidence),
    )
    if not options.json:
        print(HEADER + "\n" + "|---" * 9 + "|")
    for name, task, model in models(options):
        try:
            facts = {"model": name} | decompile(model, sampler(task), settings).facts()
        except JaniformError as e:
            facts = {"model": name, "level": "refused", "reason": str(e)}
        print(json.dumps(facts) if options.json else row(facts), flush=True)


def models(options: argparse.Namespace) -> Iterator[tuple[str, str, Transformer]]:
    """The models that are asked for, with their tasks."""
    if options.models:
        for place in options.models:
            path = place / "model.safetensors" if (place / "model.safetensors").exists() else place
            whole = place if (place / "config.json").exists() else path
            yield place.stem, place.stem.split("-")[0], read_model(whole)
        return
    for name in checkpoints.names()[: 1 if options.quick else None]:
        model = checkpoints.load_trained(name)
        if options.controls:
            model = Transformer(replace(model.config), seed=1)
        yield name, name.split("-")[0], model


def by_family(several: list[dict]) -> Iterator[str]:
    """The table of families: what the worst model of each gives, beside the aims."""
    yield "| family | models | L3 | lines (aim) | match (aim) | where the model is right | interchange (aim) | s (aim) |"
    yield "|---" * 8 + "|"
    tasks = dict.fromkeys([*AIMS, *(f["model"].split("-")[0] for f in several)])
    for task in tasks:
        found = [f for f in several if f["model"].split("-")[0] == task]
        named = [f for f in found if f["level"] == "L3"]
        lines, match, interchange, seconds = AIMS.get(task, ("-", 0, 0, 0))
        wanted = lines != "none"
        if not found:
            yield f"| {task} | 0 | - | ({lines}) | | | | ({seconds}) |"
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
        told = " | ".join(f"{value} ({aim})" if aim else value for value, aim in cells)
        yield f"| {task} | {len(found)} | {len(named)} | {told} |"


def row(facts: dict) -> str:
    """One line of the table."""
    if facts["level"] == "refused":
        return f"| {facts['model']} | refused: {facts['reason']} |"
    lengths = facts["match_by_length"].values()
    match = " / ".join(f"{b['match']:.3f}" for b in lengths)
    level = facts["level"] + (
        f" to {facts['lengths'][-1].split('-')[1]}" if 0 < len(facts["lengths"]) < len(lengths) else ""
    )
    itself = " / ".join(f"{b['model_right']:.3f}" for b in lengths)
    changing = sum(v["changing"] for v in facts["interchange_by_variable"])
    same = sum(v["changing_agreed"] for v in facts["interchange_by_variable"])
    inter = "-" if facts["interchange"] is None else f"{facts['interchange']:.3f} ({same}/{changing})"
    return (
        f"| {facts['model']} | {level} | {facts['lines']} | {match} | {itself} | {inter} "
        f"| {facts['unigram_match']:.2f} | {facts['seconds']:.1f} | {facts['seconds_verifying']:.1f} |"
    )


if __name__ == "__main__":
    main()
