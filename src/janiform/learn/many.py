"""The same learning from many seeds, one line a run in a table, through the executor seam; a killed run goes on.

Each seed has a folder of its own beside the table, with everything that a single run writes; ``sweep.json`` says what is
swept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from janiform.errors import FileError
from janiform.files import write_whole
from janiform.learn.learning import learn
from janiform.learn.settings import Learning, read_settings
from janiform.train import sweep

SWEEP = "sweep.json"


def learn_many(
    settings: Learning,
    seeds: int,
    folder: Path,
    *,
    check: str = "auto",
    executor: str = "processes",
    workers: int | None = None,
) -> list[dict[str, Any]]:
    """Learn from ``seeds`` seeds, the settings' own and those after it, and return the facts of each run.

    What is finished in ``folder`` is not done again, and a run that was killed goes on to the program that it would have
    had. ``check`` says on which inputs faces are compared (``learn.equality``).
    """
    folder = folder.absolute()
    settings = settings.absolute()
    settings.data(settings.exercise())  # what cannot be learned leaves no folder
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / SWEEP, json.dumps({"seeds": seeds, "settings": asdict(settings)}, indent=2) + "\n")
    pieces = [asdict(replace(settings, seed=settings.seed + i)) for i in range(seeds)]
    runs = sweep(partial(piece, str(folder), check), pieces, folder, executor=executor, workers=workers)
    return [{"seed": run["settings"]["seed"], **run["result"]} for run in runs]


def resume_many(
    folder: Path, *, check: str = "auto", executor: str = "processes", workers: int | None = None
) -> list[dict[str, Any]]:
    """Go on with the runs in a folder."""
    try:
        kept = json.loads((folder / SWEEP).read_text())
        seeds, settings = int(kept["seeds"]), read_settings(kept["settings"])
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise FileError(f"{folder} is no folder of runs of 'learn': {e}") from None
    return learn_many(settings, seeds, folder, check=check, executor=executor, workers=workers)


def piece(folder: str, check: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Do one run of a sweep in its own folder."""
    settings = read_settings(dict(given))
    learned = learn(settings, out=Path(folder) / f"{settings.name}-{settings.seed}", check=check)
    return learned.facts()
