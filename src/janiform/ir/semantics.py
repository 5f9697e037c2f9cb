"""What interpreter and compiler must agree on: the signature, and the value domains that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from janiform.errors import InputError
from janiform.ir.functions import canonical, identity, order
from janiform.ir.nodes import Value


@dataclass(frozen=True, slots=True)
class Signature:
    """Vocabulary, maximum length and direction: every switch of meaning in one place.

    ``causal`` lets a query see only keys at or before it. ``bos`` and ``pad`` are the names that the codec shows for
    the two extra tokens of a compiled model; they are no part of the vocabulary.

    >>> Signature("ba", 5)
    Signature(vocab=('a', 'b'), max_len=5, causal=False, bos='BOS', pad='PAD')
    """

    vocab: tuple[Value, ...]
    max_len: int
    causal: bool = False
    bos: str = "BOS"
    pad: str = "PAD"

    def __init__(
        self, vocab: Iterable[Value], max_len: int, causal: bool = False, bos: str = "BOS", pad: str = "PAD"
    ) -> None:
        distinct = {identity(canonical(v)): canonical(v) for v in vocab}
        if not distinct or None in distinct:
            raise InputError("a vocabulary needs at least one token, and undefined is not one")
        if max_len < 1:
            raise InputError(f"the maximum length must be at least 1, got {max_len}")
        if bos == pad or bos in distinct or pad in distinct:
            raise InputError(f"the names {bos!r} and {pad!r} must differ and not be tokens; choose others")
        for name, value in (
            ("vocab", tuple(sorted(distinct.values(), key=order))),
            ("max_len", int(max_len)),
            ("causal", bool(causal)),
            ("bos", bos),
            ("pad", pad),
        ):
            object.__setattr__(self, name, value)

    def validate(self, inputs: Iterable[Sequence[Value]]) -> None:
        """Raise InputError where an input is too long or holds a token outside the vocabulary.

        >>> Signature("ab", 2).validate(["ax"])
        Traceback (most recent call last):
            ...
        janiform.errors.InputError: token 'x' at position 1 is not in the vocabulary 'a', 'b'
        """
        known = {identity(v) for v in self.vocab}
        met: set[tuple[type, Value]] = set()
        for x in inputs:
            if len(x) > self.max_len:
                raise InputError(
                    f"an input of {len(x)} tokens is longer than the maximum length {self.max_len}"
                )
            new = set(zip(map(type, x), x, strict=True)) - met
            for i, t in enumerate(x) if new else ():
                if identity(canonical(t)) not in known:
                    shown = ", ".join(map(repr, self.vocab[:12])) + (", ..." if len(self.vocab) > 12 else "")
                    raise InputError(f"token {t!r} at position {i} is not in the vocabulary {shown}")
            met |= new
