"""Look for the published contrast: the attention of identity teaches the haystack (99.0 %), all of its weights do not (18.8 %).

    python benchmarks/procedural_contrast.py --workers 2 --write

Ways that differ in how long the training is, in how token embeddings are taken, and in whether words had one length; what is
taken is compared seed by seed. Warm-ups and trainings are those of procedural_transfer.py where it has them, and kept with its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.results import Options, Table, publish
from procedural_transfer import GOOD, HAYSTACK, IDENTITY, KEPT, flat, folder, half_width, interval, warmups
from procedural_transfer import Settings as Transfer

from janiform.procedural import pinned, tiny
from janiform.train import sweep

FIXED = "identity(symbols=33, longest=12)"


@dataclass(frozen=True)
class Way:
    """A warm-up on identity and a training, of which its attention and all its weights are compared."""

    name: str
    steps: int
    warmup: str = IDENTITY
    embeddings: str = "average"
    seeds: int = 5


WAYS = (
    Way("3,000 steps", 3000),
    Way("2,000 steps", 2000),
    Way("1,000 steps", 1000),
    Way("2,000 steps, embeddings of the ids that both have", 2000, embeddings="partial"),
    Way("2,000 steps, words of one length", 2000, FIXED, seeds=3),
)


@dataclass(frozen=True)
class Settings(Options):
    """How much is run."""

    workers: int = 2
    """Processes at a time."""
    ways: int = len(WAYS)
    """Only the first so many."""


def trained(way: Way, parts: str, workers: int) -> list[dict[str, Any]]:
    """Train on the haystack with parts of the warm-up, and return what came of each seed."""
    given = []
    for seed in range(way.seeds):
        own = {"task": HAYSTACK, "seed": seed, "steps": way.steps}
        own |= {"take": [f"{parts}={folder(way.warmup, seed)}"], "shuffle": False}
        if parts == "full" and way.embeddings != "average":
            own["embeddings"] = way.embeddings
        given.append(pinned(flat("tiny-finetune") | own))
    return [run["result"] for run in sweep(tiny, given, KEPT / "trainings", workers=workers)]


def main(options: Settings) -> None:
    rows: list[list[Any]] = []
    data = []
    ways = WAYS[:1] if options.quick else WAYS[: options.ways]
    for way in ways:
        own = warmups([way.warmup], range(way.seeds), Transfer().warmup_steps, False)
        before = sweep(tiny, own, KEPT / "warmups", workers=options.workers)
        found = {parts: trained(way, parts, options.workers) for parts in ("attention", "full")}
        best = {
            p: [max(x["accuracy"] for x in run["curve"]) for run in several] for p, several in found.items()
        }
        beyond = [a - b for a, b in zip(best["attention"], best["full"])]
        right = mean(run["result"]["curve"][-1]["accuracy"] for run in before)
        rows.append([way.name, f"{right:.0%}"])
        for several in best.values():
            rows[-1] += [" / ".join(f"{100 * b:.1f}" for b in several), sum(b >= GOOD for b in several)]
        rows[-1].append(f"{100 * mean(beyond):.1f} ± {100 * half_width(beyond):.1f}")
        print(rows[-1], flush=True)
        data.append({"way": way.name, **best, "beyond": interval(beyond)})
    says = (
        f"Best accuracy on held-out rows of `{HAYSTACK}`, each seed, after a warm-up on identity, and on how many it is 95 %; "
        "published at full size are 99.0 for attention and 18.8 for all weights:"
    )
    headings = ["way", "identity right", "its attention, %", "at 95 %", "all its weights, %", "at 95 %"]
    headings.append("attention beyond all, paired")
    publish(
        "contrast",
        "Attention alone against all weights",
        [Table(says, headings, rows)],
        {"ways": data},
        options,
        page="procedural",
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
