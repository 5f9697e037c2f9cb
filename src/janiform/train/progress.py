"""A bar with the time left, on standard error, for work that turns out to take more than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tick = Callable[[int, int], None]
PATIENCE = 1.0


@contextmanager
def progress(title: str) -> Iterator[Tick]:
    """Give a function of (done, total) to call as work goes on; the bar appears after a second, in a terminal only.

    >>> with progress("counting") as tick:
    ...     tick(1, 2)
    """
    start, bar, task = time.monotonic(), None, None
    shown = sys.stderr.isatty()

    def tick(done: int, total: int) -> None:
        nonlocal bar, task
        if not shown or (bar is None and time.monotonic() - start < PATIENCE):
            return
        if bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            bar = Progress(*columns, console=Console(stderr=True), transient=True)
            bar.start()
            task = bar.add_task(title, total=total)
        assert task is not None
        bar.update(task, completed=done, total=total)

    try:
        yield tick
    finally:
        if bar is not None:
            bar.stop()
