"""What turns tokens into a compiled model's ids, and its unembedded output into values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from janiform.errors import InputError
from janiform.ir.nodes import Value


class EncodingError(InputError, ValueError):
    """Tokens or ids that an encoder does not know."""


@dataclass(frozen=True)
class CategoricalEncoder:
    """Number the values of a vocabulary; an input begins with the BOS token where there is one.

    >>> encoder = CategoricalEncoder(("a", "b", "BOS"), bos_token="BOS")
    >>> encoder.encode(["BOS", "b"]), encoder.decode([0])
    ([2, 1], ['a'])
    """

    values: tuple[Any, ...]
    bos_token: str | None = None
    pad_token: str | None = None
    max_seq_len: int | None = None

    @cached_property
    def encoding_map(self) -> dict[Any, int]:
        """The id of each value."""
        return {v: i for i, v in enumerate(self.values)}

    @property
    def enforce_bos(self) -> bool:
        """Whether an input must begin with the BOS token."""
        return self.bos_token is not None

    @property
    def vocab_size(self) -> int:
        """How many ids there are."""
        return len(self.values)

    @property
    def bos_encoding(self) -> int | None:
        """The id of the BOS token."""
        return None if self.bos_token is None else self.encoding_map[self.bos_token]

    @property
    def pad_encoding(self) -> int | None:
        """The id of the padding token."""
        return None if self.pad_token is None else self.encoding_map[self.pad_token]

    def encode(self, inputs: Sequence[Value]) -> list[int]:
        """Return the ids of ``inputs``."""
        if self.enforce_bos and (not inputs or inputs[0] != self.bos_token):
            seen = repr(inputs[0]) if inputs else "nothing"
            raise EncodingError(
                f"an input begins with the BOS token {self.bos_token!r}, this one with {seen}"
            )
        if self.max_seq_len is not None and len(inputs) > self.max_seq_len:
            raise EncodingError(
                f"an input of {len(inputs)} tokens is longer than the maximum of {self.max_seq_len}"
            )
        unknown = [t for t in inputs if t not in self.encoding_map]
        if unknown:
            raise EncodingError(f"token {unknown[0]!r} is none of {', '.join(map(repr, self.values[:20]))}")
        tail = list(inputs[inputs.index(self.pad_token) :]) if self.pad_token in inputs else []
        if any(t != self.pad_token for t in tail):
            raise EncodingError(f"padding {self.pad_token!r} comes after every other token")
        return [self.encoding_map[t] for t in inputs]

    def decode(self, encodings: Sequence[int]) -> list[Any]:
        """Return the values that ids stand for."""
        unknown = [i for i in encodings if not 0 <= i < len(self.values)]
        if unknown:
            raise EncodingError(f"id {unknown[0]} is not from 0 to {len(self.values) - 1}")
        return [self.values[int(i)] for i in encodings]


@dataclass(frozen=True)
class NumericalEncoder:
    """Numbers stand for themselves: decoding gives the nearest of those that can be, or None for not-a-number.

    >>> NumericalEncoder((0, 0.5, 1)).decode([0.4999999])
    [0.5]
    """

    values: tuple[Any, ...]
    bos_token: None = None
    pad_token: None = None
    bos_encoding: None = None
    pad_encoding: None = None

    def encode(self, inputs: Sequence[float]) -> list[float]:
        """Return ``inputs``."""
        return list(inputs)

    def decode(self, encodings: Sequence[float]) -> list[Any]:
        """Return the nearest possible values."""
        listed = np.array([float(v) for v in self.values])
        return [None if np.isnan(x) else self.values[int(np.abs(listed - x).argmin())] for x in encodings]


Encoder = CategoricalEncoder | NumericalEncoder
