"""Decompile trained transformers and print, for each, how far it went and on what evidence.

    python benchmarks/decompile_trained.py                                   # the models that come with Janiform
    python benchmarks/decompile_trained.py --models FOLDER/* --inputs 2000   # others; a name begins with its task
    python benchmarks/decompile_trained.py --controls                        # models that were never trained
    python benchmarks/decompile_trained.py --evidence inputs                 # rules over heads without interventions
    python benchmarks/decompile_trained.py --evidence behavior               # rules over no heads at all

A folder or file is called TASK-anything. Agreement is on so many sequences of each length range (0-50, 51-100, 101-150), from
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
    options = parser.parse_args()
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


def row(facts: dict) -> str:
    """One line of the table."""
    if facts["level"] == "refused":
        return f"| {facts['model']} | refused: {facts['reason']} |"
    lengths = facts["match_by_length"].values()
    match = " / ".join(f"{b['match']:.3f}" for b in lengths)
    itself = " / ".join(f"{b['model_right']:.3f}" for b in lengths)
    changing = sum(v["changing"] for v in facts["interchange_by_variable"])
    same = sum(v["changing_agreed"] for v in facts["interchange_by_variable"])
    inter = "-" if facts["interchange"] is None else f"{facts['interchange']:.3f} ({same}/{changing})"
    return (
        f"| {facts['model']} | {facts['level']} | {facts['lines']} | {match} | {itself} | {inter} "
        f"| {facts['unigram_match']:.2f} | {facts['seconds']:.1f} | {facts['seconds_verifying']:.1f} |"
    )


if __name__ == "__main__":
    main()
