"""Report a training to a tracker beside its log: Weights & Biases, or Trackio, which answers to the same calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from janiform.errors import InputError

Report = Callable[[int, Mapping[str, Any]], None]
TRACKERS = ("wandb", "trackio")
PROJECT = "janiform"


@contextmanager
def reporting(to: str | None, folder: Path | None, settings: dict[str, Any]) -> Iterator[Report]:
    """Give what takes the facts of a step, and close the tracker in the end; without one facts are dropped.

    >>> with reporting(None, None, {}) as report:
    ...     report(1, {"loss": 0.5})
    """
    tracker = require(to)
    if tracker is None:
        yield lambda step, facts: None
        return
    tracker.init(project=PROJECT, name=None if folder is None else folder.name, config=settings)
    try:
        yield lambda step, facts: tracker.log({k: v for k, v in facts.items() if v is not None}, step=step)
    finally:
        tracker.finish()


def require(to: str | None) -> Any:
    """Return the tracker of that name, ``None`` where none is named; ``InputError`` where it is not installed."""
    if to is None:
        return None
    if to not in TRACKERS:
        raise InputError(f"trainings are reported to {' or '.join(TRACKERS)}, not to {to!r}")
    try:
        return import_module(to)
    except ImportError:
        raise InputError(f"reporting to {to} takes that package: pip install janiform[{to}]") from None
