"""The one way in which exact decompiling fails: by saying what it saw that is no table, and by how much."""

from __future__ import annotations

from janiform.errors import JaniformError


class CannotDecompile(JaniformError):
    """Weights do something that no program of tables does; ``residual`` says how far they are from one, where that is a number."""

    def __init__(self, message: str, residual: float | None = None) -> None:
        super().__init__(message if residual is None else f"{message} (residual error {residual:.2g})")
        self.residual = residual
