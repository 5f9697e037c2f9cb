"""What each id of a model is for: a token of the vocabulary, BOS before every input, PAD after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Roles:
    """The ids of the vocabulary in order, of BOS, and of PAD where there is one; ``told`` says by what they are known.

    >>> Roles.last_two(5)
    Roles(tokens=(0, 1, 2), bos=3, pad=4, told='codec')
    """

    tokens: tuple[int, ...]
    bos: int
    pad: int | None
    told: Literal["codec", "weights"]

    @classmethod
    def last_two(cls, d_vocab: int) -> Roles:
        """Return the roles that compiled pairs give their ids: tokens, then BOS, then PAD."""
        return cls(tuple(range(d_vocab - 2)), d_vocab - 2, d_vocab - 1, "codec")

    def data(self) -> dict[str, Any]:
        """Return the roles as plain data."""
        return {"tokens": list(self.tokens), "bos": self.bos, "pad": self.pad, "told": self.told}
