"""What a command answers, and how answers are written for people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found: data for machines, text for people, and whether it is what was hoped for."""

    data: dict[str, Any]
    text: str
    good: bool = True


def columns(rows: Iterable[tuple[object, object]]) -> str:
    """Write pairs in two columns.

    >>> print(columns([("layers", 2), ("d_model", 31)]))
    layers   2
    d_model  31
    """
    pairs = [(str(left), str(right)) for left, right in rows]
    width = max(len(left) for left, _ in pairs)
    return "\n".join(f"{left:{width}}  {right}" for left, right in pairs)


def shown(value: object) -> str:
    """Write an output for reading: a string as it is, anything else as JSON, several outputs one a line.

    >>> print(shown({"a": "ab", "b": [1, None, 0.5]}))
    a = ab
    b = [1, null, 0.5]
    """
    if isinstance(value, dict):
        return "\n".join(f"{name} = {shown(v)}" for name, v in value.items())
    return value if isinstance(value, str) else json.dumps(value)
