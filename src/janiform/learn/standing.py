"""Where a run stands, kept in its folder: what its next step depends on, the seconds so far, and a log of rounds.

Invariant: the state is that of one moment, written whole, and a run that goes on from it does what it would have done. So
it does not matter when a state is saved, and saving takes no more than a fiftieth of the time.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from janiform.errors import FileError, InputError
from janiform.files import write_whole
from janiform.learn.climb import Rung
from janiform.learn.settings import Learning, read_settings
from janiform.tasks.examples import Data
from janiform.train.log import Log
from janiform.train.state import load_state, save_state

SHARE = 1 / 50
"""The most of the time that is spent on saving."""

State = tuple[dict[str, Tensor], dict[str, Any]]


class Resumable(Protocol):
    """A stage of a run that can be taken apart between two steps and put together again."""

    def state(self) -> State:
        """Return all that the next step depends on."""
        ...

    def restore(self, tensors: dict[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go back to a state."""
        ...


class Standing:
    """The state of a run in ``folder``, if it has one; ``of`` marks what it learns from.

    ``history`` is (CPU seconds, token accuracy) of each round, and ``seconds`` are all CPU seconds, those of processes that
    were killed included up to their last state.
    """

    def __init__(self, folder: Path | None, of: str) -> None:
        self.folder, self.of = folder, of
        self.tensors, self.facts = load_state(folder) or ({}, {}) if folder is not None else ({}, {})
        if self.facts.get("of", of) != of:
            raise FileError(
                f"what the run in {folder} learned from has changed since; choose another folder, or delete this one"
            )
        self.history: list[tuple[float, float]] = [tuple(pair) for pair in self.facts.get("history", ())]  # type: ignore[misc]
        self.searched: float | None = self.facts.get("searched")
        """The CPU seconds of learning alone, once that has ended."""
        self.began = time.process_time() - self.facts.get("cpu_seconds", 0.0)
        self.log = None if folder is None else Log.open(folder / "log.jsonl", step=len(self.history))
        self.saved, self.took = 0.0, 0.0

    @property
    def stage(self) -> str:
        """The stage that the state is of; empty before the first one is saved."""
        return str(self.facts.get("stage", ""))

    @property
    def seconds(self) -> float:
        """The CPU seconds of the run so far."""
        return time.process_time() - self.began

    def resume(self, stage: str, work: Resumable) -> None:
        """Put ``work`` where it stood, if the state is of this stage."""
        if self.stage == stage:
            work.restore(self.tensors, self.facts["work"])

    def save(self, stage: str, work: Resumable, *, now: bool = False) -> None:
        """Save where ``work`` stands, if it is time or ``now``."""
        begun = time.monotonic()
        if self.folder is None or not (now or begun - self.saved >= self.took / SHARE):
            return
        tensors, facts = work.state()
        seconds = {"cpu_seconds": self.seconds, "searched": self.searched, "history": self.history}
        save_state(self.folder, tensors, {"stage": stage, "of": self.of, "work": facts, **seconds})
        self.saved = time.monotonic()
        self.took = self.saved - begun

    def note(self, rung: Rung) -> None:
        """Add a round to the history and to the log."""
        self.history.append((self.seconds, rung.token_accuracy))
        if self.log is not None:
            self.log.append(
                len(self.history),
                token_accuracy=rung.token_accuracy,
                sequence_accuracy=rung.sequence_accuracy,
                units=len(rung.draft.units),
                cpu_seconds=round(self.seconds, 2),
            )


def mark(data: Data) -> str:
    """A digest of what is learned from, the same for the same examples."""
    digest = hashlib.sha256(repr((data.signature, data.labels, data.pooled)).encode())
    for part in (data.train, data.validation, data.test):
        digest.update(part.x.tobytes() + part.y.tobytes())
    return digest.hexdigest()


def claim(folder: Path, settings: Learning) -> None:
    """Make ``folder`` the folder of a run with these settings; an InputError says that it is another run's."""
    settings = settings.absolute()
    path = folder / "config.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, settings.write())
    elif (kept := settings_in(folder)) != settings:
        differ = [name for name in settings.__slots__ if getattr(kept, name) != getattr(settings, name)]
        raise InputError(
            f"{folder} holds a run of another {' and '.join(differ)}; go on with that by --resume {folder}, or choose another "
            "folder"
        )


def settings_in(folder: Path) -> Learning:
    """Read the settings of the run in ``folder``."""
    try:
        return read_settings(json.loads((folder / "config.json").read_text()))
    except (OSError, ValueError, TypeError, FileError) as e:
        raise FileError(f"{folder} is no folder of a run of 'learn': {e}") from None
