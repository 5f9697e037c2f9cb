"""Between tokens and numbers: what a compiled model reads, and what its logits say.

An input ``w1 .. wn`` becomes the ids ``BOS w1 .. wn PAD ..``: tokens are numbered in the order of the signature's
vocabulary, BOS and PAD come after them. Outputs are read at positions 1 to n.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from janiform.compile.result import Readout
from janiform.errors import InputError
from janiform.ir.functions import identity, same
from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature

Outputs = dict[str, list[list[Value]]]
"""For each output, one list of values an input: the shape that the interpreter returns too."""


@dataclass(frozen=True, slots=True, eq=False)
class Codec:
    """Encode inputs and decode logits for one signature.

    >>> codec = Codec(Signature("ab", 3), (Readout("copy", "category", 0, 2, ("a", "b")),))
    >>> codec.encode(["ab", "b"]).tolist()
    [[2, 0, 1], [2, 1, 3]]
    """

    signature: Signature
    readouts: tuple[Readout, ...]
    _ids: dict[Any, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {identity(v): i for i, v in enumerate(self.signature.vocab)})

    @property
    def bos(self) -> int:
        """The id before every input."""
        return len(self.signature.vocab)

    @property
    def pad(self) -> int:
        """The id after every input."""
        return len(self.signature.vocab) + 1

    def encode(
        self, inputs: Sequence[Sequence[Value]], pad_to: int | None = None
    ) -> Int[np.ndarray, "batch pos"]:
        """Return ids of inputs of any lengths, padded to the longest, or to ``pad_to`` tokens after BOS."""
        rows = [self._row(x) for x in inputs]
        length = max(map(len, rows), default=0)
        if pad_to is not None:
            if not length <= pad_to <= self.signature.max_len:
                raise InputError(
                    f"pad_to must be from {length} (the input) to {self.signature.max_len}, got {pad_to}"
                )
            length = pad_to
        ids = np.full((len(rows), 1 + length), self.pad, dtype=np.int64)
        ids[:, 0] = self.bos
        for i, row in enumerate(rows):
            ids[i, 1 : 1 + len(row)] = row
        return ids

    def frame(self, codes: Int[np.ndarray, "batch length"], pad_to: int) -> Int[np.ndarray, "batch pos"]:
        """Return ids of inputs of one length that are already numbered."""
        batch, length = codes.shape
        ids = np.full((batch, 1 + pad_to), self.pad, dtype=np.int64)
        ids[:, 0] = self.bos
        ids[:, 1 : 1 + length] = codes
        return ids

    def words(self, codes: Int[np.ndarray, "batch length"]) -> list[list[Value]]:
        """Return the tokens behind numbered inputs."""
        vocab = np.empty(len(self.signature.vocab), dtype=object)
        vocab[:] = self.signature.vocab
        return vocab[codes].tolist()

    def decode(self, logits: Float[np.ndarray, "batch pos logit"], lengths: Iterable[int]) -> Outputs:
        """Return each output's values at the positions 1 to n of each input."""
        sizes = list(lengths)
        decoded = {}
        for r in self.readouts:
            rows = _table(r)[classes(r, logits[:, 1:])].tolist()
            decoded[r.name] = [row[:n] for row, n in zip(rows, sizes)]
        return decoded

    def _row(self, tokens: Sequence[Value]) -> list[int]:
        if len(tokens) > self.signature.max_len:
            raise InputError(f"{len(tokens)} tokens exceed the maximum length of {self.signature.max_len}")
        row = []
        for position, token in enumerate(tokens):
            try:
                row.append(self._ids[identity(token)])
            except (KeyError, TypeError):
                raise InputError(self._unknown(token, position)) from None
        return row

    def _unknown(self, token: Any, position: int) -> str:
        vocab = self.signature.vocab
        shown = ", ".join(map(repr, vocab[:20])) + (", ..." if len(vocab) > 20 else "")
        meant = [v for v in vocab if str(v) == str(token)]
        hint = f"; did you mean {meant[0]!r}, in a list?" if meant else ""
        return f"token {token!r} at position {position} is not in the vocabulary ({shown}){hint}"


def classes(readout: Readout, logits: Float[np.ndarray, "*batch logit"]) -> Int[np.ndarray, "*batch"]:
    """Return which of ``readout.values`` the logits say; -1 is the undefined of a number.

    >>> classes(Readout("n", "number", 0, 2, (0, 0.5, 1)), np.array([[0.4, 1.0], [0.9, 1.0], [0.5, 0.0]])).tolist()
    [1, 2, -1]
    """
    columns = logits[..., readout.start : readout.stop]
    if readout.kind != "number":
        return columns.argmax(-1)
    values = np.array([float(v) for v in readout.values], dtype=np.float64)  # type: ignore[arg-type]
    order = np.argsort(values, kind="stable")
    middles = (values[order][1:] + values[order][:-1]) / 2
    nearest = order[np.searchsorted(middles, columns[..., 0].astype(np.float64))]
    return np.where(columns[..., 1] > 0.5, nearest, -1) if readout.width == 2 else nearest


class Index:
    """Look up which of ``readout.values`` a value is; -1 is the undefined of a number, -2 none of them."""

    def __init__(self, readout: Readout) -> None:
        self.values = readout.values
        self._known: dict[Any, int] = {identity(v): i for i, v in reversed(list(enumerate(readout.values)))}
        self._known.setdefault(None, -1 if readout.kind == "number" else -2)

    def __call__(self, value: Value) -> int:
        key = identity(value)
        found = self._known.get(key)
        if found is None:
            # Interpreter and compiler may reach 1/3 by different roundings; equal is what ``same`` calls equal.
            alike = (i for i, v in enumerate(self.values) if isinstance(v, bool) == isinstance(value, bool))
            found = self._known[key] = next((i for i in alike if same(self.values[i], value)), -2)
        return found


def _table(readout: Readout) -> np.ndarray:
    """Return the values as objects with undefined after them, where index -1 finds it."""
    values = np.empty(len(readout.values) + 1, dtype=object)
    values[:-1] = readout.values
    return values
