"""Put every task beside what is known of it: C-RASP, the depth of its program as compiled, its loss floor, its effect as a warm-up.

    python benchmarks/procedural_tasks.py --write

C-RASP counts positions with given properties and compares the counts; what it defines, transformers learn so that it holds at
longer lengths (Huang et al. 2025, arXiv 2410.02140, with local and periodic relations; Hu et al. 2025, arXiv 2502.19249). Effects
are those that procedural_transfer.py and procedural_dyck.py have kept, none where they have not run, with the part of the weights
that teaches most, beside the published ones. Layers are those of the program compiled at a small size.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.results import Options, Table, publish
from procedural_dyck import KEPT as DYCK
from procedural_transfer import GOOD, KEPT

from janiform import programs
from janiform.tasks.procedural import PROCEDURES, floor, known, read
from janiform.train.shards import Shards

HU, HUANG, ARGUED = "Hu et al.", "Huang et al.", "argued"
C_RASP: dict[str, tuple[str, str, str]] = {
    "identity": ("no", HUANG, "copies repeated tokens; of distinct ones yes"),
    "reverse": ("no", HUANG, "as identity"),
    "sort": ("yes", ARGUED, "the next token follows from how often each smaller one was given and told"),
    "set": ("yes", ARGUED, "which of two tokens came first is a count, and tokens are finitely many"),
    "union": ("yes", ARGUED, "as set"),
    "delete": ("no", ARGUED, "copies repeated tokens"),
    "stack": ("", "", "not known: what is popped is matched as in Dyck"),
    "ww": ("no", HU, "copies repeated tokens"),
    "dyck": ("no", HU, "of one kind yes"),
    "shuffle_dyck": ("yes", HU, "a count for each kind"),
    "eca": ("yes", ARGUED, "three cells at fixed distances"),
    "haystack": ("yes", ARGUED, "keys are distinct; the value stands next to its key"),
    "addition": ("yes", ARGUED, "numbers are of a fixed length"),
    "reversed_addition": ("yes", ARGUED, "numbers are of a fixed length"),
    "multiplication": ("", "", "no program: sums over pairs of digits"),
}
PUBLISHED = {"identity": "99.0, attention", "set": "88.9, attention", "dyck": "97 to 98", "eca": "10.5, full"}
"""Haystack at full size, in percent, and what was taken of the warm-up; without one 11.3 (Jiang et al. 2026)."""
SMALL = {"ww": "(symbols=2)", "dyck": "(kinds=2)", "shuffle_dyck": "(kinds=2)"}
"""Sizes that the library's programs have names for."""


def depth(task: str) -> tuple[str | None, int | None, int | None]:
    """Return the name, layers and most heads of a layer of the program behind a task."""
    found = known(read(task + SMALL.get(task, "")))
    if found is None:
        return None, None, None
    entry = programs.entry(found.program)
    pair = programs.load(found.program).compile(vocab=entry.vocab, max_len=entry.max_len, causal=entry.causal)
    return found.program, pair.model.config.n_layers, pair.model.config.n_heads


def effect(task: str) -> str | None:
    """Say on how many seeds a warm-up on the task taught the haystack, with the settings and the parts that did it most often."""
    best: dict[tuple[str, str], list[bool]] = {}
    for kept in (KEPT, DYCK):
        runs = Shards(kept / "trainings").read_all().values() if (kept / "trainings").is_dir() else ()
        for run in runs:
            parts, _, model = run["settings"].get("take", [""])[0].partition("=")
            name = Path(model).name.rpartition("-")[0]  # without the seed
            if re.match(rf"{task}[-_]", name) and not run["settings"].get("shuffle"):
                good = max(p["accuracy"] for p in run["result"]["curve"]) >= GOOD
                best.setdefault((parts, name), []).append(good)
    if not best:
        return None
    (parts, _), seeds = max(best.items(), key=lambda item: (sum(item[1]) / len(item[1]), len(item[1])))
    return f"{sum(seeds)} of {len(seeds)} seeds, {parts}"


def main(options: Options) -> None:
    rows: list[list[Any]] = []
    for task in PROCEDURES:
        name, layers, heads = depth(task)
        least = floor(read(task))
        rows.append([task, *C_RASP[task], name, layers, heads, least, effect(task), PUBLISHED.get(task)])
    headings = ["task", "C-RASP", "by", "why", "program", "layers", "heads", "floor"]
    headings += ["haystack learned", "published, %"]
    says = "Published settings, but where a column says otherwise; the floor is the least mean loss on targets, in nats:"
    data = {"tasks": [dict(zip(headings, row)) for row in rows]}
    publish(
        "tasks",
        "Tasks, and what is known of them",
        [Table(says, headings, rows)],
        data,
        options,
        page="procedural",
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
