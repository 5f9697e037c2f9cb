"""Names that a text gives to nodes: like the wanted one, and taken once."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable


class Names:
    """The names that are taken, which Python's own are from the start.

    >>> names = Names(["tokens"])
    >>> names.fresh("tokens"), names.fresh("2nd key"), names.fresh("sum")
    ('tokens2', '_2nd_key', 'sum2')
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = {*keyword.kwlist, *dir(builtins), *taken}

    def fresh(self, wanted: str) -> str:
        """A name like ``wanted`` that nothing has yet."""
        plain = re.sub(r"[^A-Za-z0-9_]+", "_", wanted).strip("_") or "x"
        stem = f"_{plain}" if plain[0].isdigit() else plain
        name, i = stem, 1
        while name in self.taken:
            i += 1
            name = f"{stem}{i}"
        self.taken.add(name)
        return name
