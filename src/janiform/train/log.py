"""The log of one training: a line of JSON a step, appended as the steps are taken.

Invariant: a process that is killed leaves whole lines and at most one half line, the last, which counts as unwritten.
A training that goes on from a saved state opens its log at that state's step, so that in the end the log reads as if
nothing had happened: each step once, in order, and seconds that count the time spent and not the time between.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from janiform.errors import FileError, InputError
from janiform.files import write_whole

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Log:
    """A log that is open to be appended to, by one process.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "log.jsonl"
    >>> log = Log.open(path)
    >>> for step in (1, 2, 3):
    ...     log.append(step, loss=1 / step)
    >>> again = Log.open(path, step=2)
    >>> [(line["step"], line["loss"]) for line in again.lines()]
    [(1, 1.0), (2, 0.5)]
    """

    path: Path
    began: float
    """When the training would have begun on the monotonic clock, had it not been interrupted."""

    @classmethod
    def open(cls, path: str | Path, step: int | None = None) -> Log:
        """Open a log to go on after ``step``: later lines and a half line are removed; by default whole lines stay."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_log(path) if step is None or line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        if path.exists() and path.read_bytes() != text.encode():
            write_whole(path, text)
        return cls(path, time.monotonic() - (kept[-1]["seconds"] if kept else 0.0))

    def append(self, step: int, /, **facts: Any) -> None:
        """Add a line of facts that JSON can hold; a loss may be a number of NumPy or torch, and may be NaN."""
        if taken := {"step", "seconds"} & facts.keys():
            raise InputError(f"a line of a log has its own {min(taken)!r}; call the fact something else")
        line = {"step": step, **facts, "seconds": round(time.monotonic() - self.began, 3)}
        try:
            text = json.dumps(line, default=plain)
        except (TypeError, ValueError) as error:
            raise InputError(f"step {step} cannot be logged: {error}") from None
        with open(self.path, "ab") as file:
            file.write(text.encode() + b"\n")

    def lines(self) -> list[Line]:
        """Read what has been logged."""
        return read_log(self.path)


def read_log(path: str | Path) -> list[Line]:
    """Read the whole lines of a log, none if there is no such file; it may be appended to meanwhile."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return []
    return [read_line(path, number, text) for number, text in enumerate(content.split(b"\n")[:-1], start=1)]


def read_line(path: str | Path, number: int, text: bytes) -> Line:
    """Read one line; one that is no line of a log is a ``FileError`` with its number."""
    try:
        line = json.loads(text)
        if isinstance(line["step"], int) and isinstance(line["seconds"], (int, float)):
            return line  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError):
        pass
    shown = text[:60].decode(errors="replace")
    raise FileError(
        f'{path}, line {number}: {shown!r} is no {{"step", ..., "seconds"}}; delete the line or the log'
    )


def plain(value: Any) -> Any:
    """Turn a number of NumPy or torch into one of Python, and an array of them into lists.

    >>> import json, numpy
    >>> json.dumps({"loss": numpy.float32(0.5)}, default=plain)
    '{"loss": 0.5}'
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"JSON cannot hold {value!r}, a {type(value).__name__}")
