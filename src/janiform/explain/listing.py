"""The lines of a program: every node that ``str(program)`` writes, with the name under which others read it.

What the printer writes in place is a line too, and its text is its name. Nodes of the language's own library (``length``,
``full_s``, ...) are one line each: nobody wrote what is inside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from janiform.errors import ProgramError
from janiform.ir.nodes import Const, Indices, Node, Readout, Selector, Tokens
from janiform.ir.program import Program
from janiform.text.prelude import names
from janiform.text.printer import steps

WIDEST = 160
"""Longer lines are cut off for reading."""

STATEMENT = re.compile(r"([A-Za-z_]\w*) = ")


@dataclass(frozen=True, slots=True)
class Listed:
    """One line: its node, the name by which it is read, and its text."""

    node: Node
    name: str
    text: str

    @property
    def kind(self) -> str:
        """Whether it is an input, a selector, a head (reads other positions), a readout or a map."""
        return kind_of(self.node)

    def __str__(self) -> str:
        """The text, cut off where tables or weights make it long."""
        return self.text if len(self.text) <= WIDEST else f"{self.text[: WIDEST - 3]}..."


def listing(program: Program) -> dict[Node, Listed]:
    """Return the lines of ``program`` by node, in the order in which they are computed.

    >>> import janiform as jf
    >>> [line.text for line in listing(jf.parse("x = indices + 1; y = x * x;")).values()]
    ['indices', 'x = indices + 1', 'y = x * x']
    """
    known, outputs = names(), {n: name for name, n in reversed(list(program.outputs.items()))}
    found: dict[Node, Listed] = {}
    for n, text in steps(program).items():
        if stated := STATEMENT.match(text):
            found[n] = Listed(n, stated[1], text)
        elif n in outputs and n not in known and not isinstance(n, Const):
            found[n] = Listed(n, outputs[n], f"{outputs[n]} = {text}")
        else:
            found[n] = Listed(n, text, text)
    return found


def find(program: Program, name: str) -> Listed:
    """Return the line called ``name``: as printed, as its author called it, or as an output.

    >>> import janiform as jf
    >>> find(jf.parse("x = indices + 1; y = x * x;"), "x").text
    'x = indices + 1'
    """
    lines = listing(program)
    called: dict[str, Listed] = {line.text: line for line in lines.values()}
    called |= {given: lines[n] for n, given in program.names.items() if n in lines}
    called |= {output: lines[n] for output, n in program.outputs.items()}
    called |= {line.name: line for line in lines.values()}
    if name not in called:
        raise ProgramError(f"the program has no line {name!r}; {_suggestion(name, called)}")
    return called[name]


def chosen_output(program: Program, name: str | None) -> str:
    """Return the name of the output meant: ``name``, or the only one there is.

    >>> import janiform as jf
    >>> chosen_output(jf.programs.load("hist"), None)
    'hist'
    """
    outputs = ", ".join(program.outputs)
    if name is None and len(program.outputs) > 1:
        raise ProgramError(f"the program has several outputs; name one of {outputs}")
    if name is not None and name not in program.outputs:
        raise ProgramError(f"the program has no output {name!r}; its outputs are {outputs}")
    return next(iter(program.outputs)) if name is None else name


def kind_of(n: Node) -> str:
    """Return what a node is to its reader."""
    if isinstance(n, Tokens | Indices | Const):
        return "input"
    if isinstance(n, Selector):
        return "selector"
    if isinstance(n, Readout):
        return "readout"
    return "head" if any(isinstance(i, Selector) for i in n.inputs) else "map"


def _suggestion(name: str, known: Iterable[str]) -> str:
    named = [k for k in known if k.isidentifier()]
    close = get_close_matches(name, named)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {', '.join(named[:12])}"
