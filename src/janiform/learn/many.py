"""The same learning from many seeds, one line a run in a table, through the executor seam; a killed run goes on.

Each seed has a folder of its own beside the table, with everything that a single run writes.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from janiform.learn.learning import Learning, learn, read_settings, resume
from janiform.train import sweep


def learn_many(
    settings: Learning, seeds: int, folder: Path, *, executor: str = "processes", workers: int | None = None
) -> list[dict[str, Any]]:
    """Learn from ``seeds`` seeds, the settings' own and those after it, and return the facts of each run.

    What is finished in ``folder`` is not done again, and a run that was killed goes on from its last round.
    """
    pieces = [
        {**asdict(replace(settings, seed=settings.seed + i)), "folder": str(folder.absolute())}
        for i in range(seeds)
    ]
    return [run["result"] for run in sweep(piece, pieces, folder, executor=executor, workers=workers)]


def piece(given: dict[str, Any]) -> dict[str, Any]:
    """Do one run of a sweep in its own folder."""
    folder = Path(given.pop("folder"))
    settings = read_settings(given)
    out = folder / f"{settings.name}-{settings.seed}"
    learned = resume(out) if (out / "draft.npz").exists() else learn(settings, out=out)
    return {"seed": settings.seed, **learned.facts()}
