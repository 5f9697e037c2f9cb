"""The library: programs as ``.rasp`` files beside an index that says what each computes, over which tokens, and from where.

Every program is one file, readable on its own. Behaviors that are one and the same (``hist`` and ``histogram``) share it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType

from janiform.errors import ProgramError
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.text.rasp import parse

__all__ = ["Entry", "entries", "entry", "load", "names", "text"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index says of a program.

    ``vocab``, ``max_len`` and ``causal`` are those it is meant for and checked with; ``groups`` are the collections that
    it belongs to; ``example`` is an input and its output.
    """

    name: str
    file: str
    summary: str
    groups: tuple[str, ...]
    source: str
    vocab: tuple[Value, ...]
    max_len: int
    causal: bool
    example: tuple[tuple[Value, ...], tuple[Value, ...]]

    @property
    def signature(self) -> Signature:
        """The signature that the program is meant for."""
        return Signature(self.vocab, self.max_len, self.causal)


@lru_cache(maxsize=1)
def _index() -> MappingProxyType[str, Entry]:
    index = json.loads((files(__name__) / "index.json").read_text("utf-8"))
    vocabularies = index["vocabularies"]

    def read(row: dict) -> Entry:
        vocab = row["vocab"]
        known = vocabularies[vocab] if isinstance(vocab, str) else vocab
        given, result = row["example"]
        tuples = {
            "groups": tuple(row["groups"]),
            "vocab": tuple(known),
            "example": (tuple(given), tuple(result)),
        }
        return Entry(**{**row, **tuples})

    return MappingProxyType({row["name"]: read(row) for row in index["programs"]})


def entries(group: str | None = None) -> tuple[Entry, ...]:
    """Return every entry of the index, or those of one group, in order.

    >>> sorted({g for e in entries() for g in e.groups})
    ['behaviors', 'causal', 'paper', 'procedural', 'rasp-l', 'tracr', 'words']
    """
    if group is None:
        return tuple(_index().values())
    found = tuple(e for e in _index().values() if group in e.groups)
    if not found:
        raise _unknown("group", group, {g for e in _index().values() for g in e.groups})
    return found


def names(group: str | None = None) -> tuple[str, ...]:
    """Return the names of all programs, or of one group, in order.

    >>> names("tracr")[:4]
    ('reverse', 'length', 'hist', 'count')
    """
    return tuple(e.name for e in entries(group))


def entry(name: str) -> Entry:
    """Return what the index says of a program.

    >>> entry("rank").summary
    'The rank of each token from 1, equal tokens sharing the best: one more than how many are less.'
    """
    found = _index().get(name)
    if found is None:
        raise _unknown("program", name, _index())
    return found


def text(name: str) -> str:
    """Return the source text of a program.

    >>> print(text("hist"))
    # How often each token occurs in the input.
    hist = selector_width(select(tokens, tokens, ==));
    """
    return (files(__name__) / entry(name).file).read_text("utf-8")


def load(name: str) -> Program:
    """Return a program of the library; equal names give the same object.

    >>> load("sort")([3, 1, 2])
    [1, 2, 3]
    """
    return _parsed(entry(name).file, name)


@cache
def _parsed(file: str, name: str) -> Program:
    return parse(text(name), filename=file)


def _unknown(kind: str, name: str, known: Iterable[str]) -> ProgramError:
    close = get_close_matches(name, known, n=3)
    hint = (
        f"did you mean {' or '.join(map(repr, close))}?"
        if close
        else f"there are {', '.join(sorted(known)[:12])}, ..."
    )
    return ProgramError(f"the library has no {kind} {name!r}; {hint}")
