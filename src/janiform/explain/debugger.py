"""A program run line by line: what each line computes at every position, selectors as small grids.

A line is computed when it is asked for, so a program that has no meaning on an input is traced up to the line at fault.
The names are those of ``str(program)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from janiform.errors import InputError, MeaningError
from janiform.explain.listing import Listed, find, listing
from janiform.ir.evaluate import Run
from janiform.ir.nodes import Selector, Sequence, Value
from janiform.ir.program import Program
from janiform.text.grid import cell, grid


@dataclass(frozen=True, slots=True)
class Line:
    """One line and what it computed: values by position, or for a selector the keys selected by each query.

    ``stop`` says that a breakpoint stands here.
    """

    number: int
    listed: Listed
    tokens: tuple[Value, ...]
    values: tuple[Value, ...] = ()
    pattern: tuple[tuple[bool, ...], ...] = ()
    stop: bool = False

    def __str__(self) -> str:
        return self.show(self.width)

    @property
    def width(self) -> int:
        """The width of the widest value or token."""
        return max((len(cell(v)) for v in (*self.tokens, *self.values)), default=0)

    def show(self, width: int) -> str:
        """Write the line, its values in columns ``width`` wide."""
        mark = "*" if self.stop else " "
        head = f"{mark}{self.number:3}  {self.listed}"
        if isinstance(self.listed.node, Selector):
            shown = grid(np.array(self.pattern, bool), self.tokens)
        else:
            shown = row(self.values, width)
        return "\n".join([head, *(f"      {line}" for line in shown.split("\n") if line)])

    def as_dict(self) -> dict[str, Any]:
        """The line as plain data."""
        computed: dict[str, Any] = (
            {"keys": [[k for k, chosen in enumerate(r) if chosen] for r in self.pattern]}
            if isinstance(self.listed.node, Selector)
            else {"values": list(self.values)}
        )
        about = {"line": self.number, "name": self.listed.name, "text": self.listed.text}
        return about | {"kind": self.listed.kind} | computed | {"stop": self.stop}


@dataclass(frozen=True, slots=True)
class Trace:
    """The lines that were run, and the fault at which the program lost its meaning, if it did."""

    tokens: tuple[Value, ...]
    lines: tuple[Line, ...]
    fault: str | None = None

    def __str__(self) -> str:
        width = max((line.width for line in self.lines), default=0)
        shown = [line.show(width) for line in self.lines]
        top = [f"      {row(range(len(self.tokens)), width)}"] if self.tokens else ["(no tokens)"]
        return "\n".join([*top, *shown, *([] if self.fault is None else [f"stopped: {self.fault}"])])

    def as_dict(self) -> dict[str, Any]:
        """The trace as plain data."""
        lines = [line.as_dict() for line in self.lines]
        return {"tokens": list(self.tokens), "lines": lines, "fault": self.fault}


def step(
    program: Program, tokens: Sized[Value], *, causal: bool = False, breaks: Iterable[str] = ()
) -> Iterator[Line]:
    """Yield the lines of ``program`` on ``tokens`` one after another, each computed when it is asked for.

    >>> import janiform as jf
    >>> for line in step(jf.parse("x = indices + 1; y = x * x;"), "ab"):
    ...     print(line)
       1  indices
          0 1
       2  x = indices + 1
          1 2
       3  y = x * x
          1 4
    """
    if not isinstance(tokens, list | tuple | str):
        raise InputError(f"an input is a list of tokens or a string, got {type(tokens).__name__}")
    stops = {find(program, name).node for name in breaks}
    return _lines(program, tuple(tokens), causal, stops)


def _lines(program: Program, tokens: tuple[Value, ...], causal: bool, stops: set[Any]) -> Iterator[Line]:
    run = Run([tokens], causal=causal, program=program)
    for number, listed in enumerate(listing(program).values(), 1):
        n = listed.node
        if isinstance(n, Selector):
            pattern = tuple(map(tuple, run.pattern(n)[0].tolist()))
            yield Line(number, listed, tokens, pattern=pattern, stop=n in stops)
        else:
            assert isinstance(n, Sequence)
            yield Line(number, listed, tokens, values=tuple(run.values(n)[0]), stop=n in stops)


def debug(
    program: Program, tokens: Sized[Value], *, causal: bool = False, breaks: Iterable[str] = ()
) -> Trace:
    """Run ``program`` on ``tokens`` up to the first breakpoint, or to its end, and keep every line.

    >>> import janiform as jf
    >>> print(debug(jf.parse("x = indices + 1; y = x * x;"), "ab", breaks=["x"]))
          0 1
       1  indices
          0 1
    *  2  x = indices + 1
          1 2
    """
    kept: list[Line] = []
    try:
        for line in step(program, tokens, causal=causal, breaks=breaks):
            kept.append(line)
            if line.stop:
                break
    except MeaningError as e:
        return Trace(tuple(tokens), tuple(kept), str(e))
    return Trace(tuple(tokens), tuple(kept))


def row(values: Iterable[Value], width: int) -> str:
    """Write values in columns ``width`` wide.

    >>> row([1, None, "a"], 9)
    '        1 undefined         a'
    """
    return " ".join(cell(v).rjust(width) for v in values)
