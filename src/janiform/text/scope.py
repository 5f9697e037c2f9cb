"""Names and what they stand for."""

from __future__ import annotations

from typing import Any

from janiform.ir.functions import Apply, Arg
from janiform.ir.nodes import Indices, Map, Sequence, Tokens

CASTS = ("str", "int", "float", "bool")
FIXED = frozenset({"indices", "select", "aggregate", "tokens_asis", *(f"tokens_{cast}" for cast in CASTS)})
"""Names that cannot be given another meaning."""

TOKENS: dict[str, Sequence] = {
    "indices": Indices(),
    "tokens": Tokens(),
    "tokens_asis": Tokens(),
    **{f"tokens_{cast}": Map(Apply(cast, (Arg(0),)), (Tokens(),)) for cast in CASTS},
}


class Scope:
    """Names and values, inside another scope."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Scope | None = None, names: dict[str, Any] | None = None) -> None:
        self.names: dict[str, Any] = {} if names is None else names
        self.parent = parent

    def find(self, name: str) -> Any:
        """Return the value of ``name``; ``KeyError`` when it has none."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        raise KeyError(name)

    def has(self, name: str) -> bool:
        """Whether ``name`` has a value here."""
        return name in self.names or (self.parent is not None and self.parent.has(name))

    def known(self) -> set[str]:
        """Every name that can be seen from here."""
        return set(self.names) | (self.parent.known() if self.parent else set())
