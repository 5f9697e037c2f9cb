"""From a program to a pair: put the signature together, compile, and make a model of the weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from janiform.compile import compile_program
from janiform.errors import InputError
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.pair.pair import Pair


def compile_pair(
    program: Program,
    vocab: Iterable[Value] | None = None,
    max_len: int | None = None,
    causal: bool = False,
    *,
    signature: Signature | None = None,
    layout: Literal["separate", "reuse"] = "separate",
    dtype: Literal["auto", "float32", "float64"] = "auto",
) -> Pair:
    """Compile ``program`` for a vocabulary and maximum length, or for a signature, to a pair."""
    if signature is None:
        if vocab is None or max_len is None:
            raise InputError(
                'a program is compiled for a vocabulary and a maximum length: compile(vocab="abc", max_len=5)'
            )
        signature = Signature(vocab, max_len, causal)
    elif vocab is not None or max_len is not None or causal:
        raise InputError("give either a signature or a vocabulary and a maximum length, not both")
    return Pair.of(compile_program(program, signature, layout=layout, dtype=dtype))
