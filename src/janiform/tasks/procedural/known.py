"""Which program of the library is behind a task, and how the ids of its rows are spelled in the program's tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from janiform.ir.nodes import Value
from janiform.tasks.procedural.automaton import CellularAutomaton
from janiform.tasks.procedural.brackets import Dyck, ShuffleDyck
from janiform.tasks.procedural.diagnostics import Arithmetic, Haystack
from janiform.tasks.procedural.draws import Ids
from janiform.tasks.procedural.rows import Procedure
from janiform.tasks.procedural.transductions import Transduction
from janiform.tasks.procedural.twice import Twice

Meaning = Literal["next", "close", "state", "member"]
BRACKETS = ("(", "[", "{"), (")", "]", "}")
FURTHER_LETTERS = 0x4E00
"""Where letters are taken from when there are more than 26 symbols; their order is that of ids."""


@dataclass(frozen=True, slots=True)
class Known:
    """A library program and, by id, the tokens that it reads (``None`` where an id never stands in a row but as padding).

    At the token before a target the program's output ``says`` the target ("next") or which brackets may close ("close", from
    left to right); on one state of an automaton it is the next ("state"); on a row it is whether that is one ("member").
    """

    program: str
    tokens: tuple[Value | None, ...]
    says: Meaning

    def spell(self, row: Ids) -> list[Value]:
        """Write a row's ids in the program's tokens, padding left out.

        >>> from janiform.tasks.procedural import read, rows
        >>> task = read("set(symbols=4, longest=5)")
        >>> "".join(known(task).spell(rows(task, 0, 1).tokens[0]))
        'ccbaa|cba'
        """
        return [token for i in np.asarray(row).tolist() if (token := self.tokens[i]) is not None]


def known(task: Procedure) -> Known | None:
    """Return the program behind a task, ``None`` where there is none.

    >>> known(Transduction("reverse", symbols=4))
    Known(program='continue_reverse', tokens=(None, 'a', 'b', 'c', '|', None), says='next')
    """
    match task:
        case Transduction("stack"):
            return Known("continue_stack", ("-", *_letters(task.symbols - 1), "|", None), "next")
        case Transduction(rule):
            name = "copy" if rule == "identity" else f"continue_{rule}"
            return Known(name, (None, *_letters(task.symbols - 1), "|", None), "next")
        case Twice():
            return Known("ww", (*_letters(task.symbols), None), "member")
        case Dyck() | ShuffleDyck() if task.kinds <= len(BRACKETS[0]):
            opening, closing = (kinds[: task.kinds] for kinds in BRACKETS)
            name = "continue_dyck" if isinstance(task, Dyck) else "continue_shuffle"
            return Known(name, (*opening, *closing, None), "close")
        case CellularAutomaton(rule=110):
            return Known("rule110", (0, 1, None), "state")
        case Haystack(pairs, symbols):
            half = symbols // 2
            values, keys = range(1, half), range(-1, -pairs - 1, -1)
            names = (None, *values, *keys, *(key - 1000 for key in keys))
            return Known("haystack", (*names, *(None for _ in range(symbols - len(names)))), "next")
        case Arithmetic("addition" | "reversed_addition" as operation):
            return Known(f"continue_{operation}", tuple(range(task.d_vocab)), "next")
    return None


def _letters(count: int) -> tuple[str, ...]:
    first = ord("a") if count <= 26 else FURTHER_LETTERS
    return tuple(chr(first + i) for i in range(count))
