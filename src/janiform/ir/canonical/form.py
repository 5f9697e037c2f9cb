"""The canonical form of a program: one program for one mechanism, whatever it was written like.

Programs have one canonical form where they look at the same positions for the same reasons and compute the same functions
of what they find: names, dead code, the order of operands, where maps are split, how a selector is put together, values that
nobody tells apart, and expressions for one table make no difference. Its hash says "the same program": where inputs can be
listed, it is of what these show, as two counts of one input that are never both large say nothing of what would be then. The
hash of behavior says only that the outputs are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from janiform.ir.canonical.abstract import abstract
from janiform.ir.canonical.concrete import concrete
from janiform.ir.canonical.listed import as_shown
from janiform.ir.canonical.mechanism import Mechanism
from janiform.ir.canonical.normal import digest, normalize, rounded
from janiform.ir.evaluate import Run
from janiform.ir.functions import identity
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.ir.quotient import first_seen
from janiform.ir.rewrite import batches, count_inputs
from janiform.ir.semantics import Signature


def canonical(program: Program, signature: Signature) -> Program:
    """Return the canonical form of a program under a signature.

    Raises CompileError where a table has too many cells, MeaningError where the program has no meaning on some input.

    >>> import janiform as jf
    >>> p = jf.parse("odd = selector_width(not not select(tokens, tokens, ==)); dead = odd + 1; y = 1 < odd;")
    >>> canonical(p, Signature("abc", 4))
    y = selector_width(select(tokens, tokens, ==)) > 1;
    """
    return concrete(normalize(abstract(program, signature)))


def canonical_hash(program: Program, signature: Signature) -> str:
    """Return 64 hexadecimal digits that two programs share where their canonical forms differ in nothing that an input shows.

    Equal forms have equal hashes. Where inputs cannot be listed (``shown.LISTED``), equal hashes are of equal forms.

    >>> import janiform as jf
    >>> a, b = jf.parse("x = indices + 1 > 2;"), jf.parse("y = not (indices < 2);")
    >>> canonical_hash(a, Signature("ab", 4)) == canonical_hash(b, Signature("ab", 4))
    True
    """
    return digest(normal_form(program, signature))


def normal_form(program: Program, signature: Signature) -> Mechanism:
    """Return the mechanism of a program in normal form: where inputs can be listed, no more than inputs show of it.

    Raises what ``canonical`` raises.

    >>> import janiform as jf
    >>> text = "n = selector_width(select(tokens, tokens, ==)); m = selector_width(select(tokens, 0, ==));"
    >>> p = jf.parse(text + "x = 0 if n > 2 and m == 1 else tokens;")
    >>> [len(normal_form(p, Signature(range(3), longest)).sources()) for longest in (3, 30)]
    [1, 3]
    """
    return as_shown(normalize(abstract(program, signature)))


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What a program gives for inputs in batches of one length each: ``values[codes[input, position]]``.

    Values are numbered as they first occur, so that outcomes are equal where values and codes are.
    """

    values: tuple[Value, ...]
    codes: tuple[Int[np.ndarray, "input position"], ...]


def behavior(
    program: Program, signature: Signature, limit: int = 20_000, draws: int = 2_000, *, seed: int = 0
) -> dict[str, Outcomes]:
    """Return the outputs by name, on every input if there are at most ``limit``, else on drawn ones.

    Inputs are in the order of ``janiform.ir.rewrite.batches``: the shortest first.

    >>> import janiform as jf
    >>> found = behavior(jf.parse("x = indices > 0;"), Signature("a", 2))["x"]
    >>> found.values, [c.tolist() for c in found.codes]
    ((False, True), [[[0]], [[0, 1]]])
    """
    exhaustive = count_inputs(signature, limit + 1) <= limit
    kinds: dict[str, dict[object, int]] = {name: {} for name in program.outputs}
    values: dict[str, list[Value]] = {name: [] for name in program.outputs}
    codes: dict[str, list[np.ndarray]] = {name: [] for name in program.outputs}
    for batch in batches(signature, None if exhaustive else draws, seed):
        run = Run(batch, causal=signature.causal, program=program)
        for name, n in program.outputs.items():
            column = run.column(n)
            first, own = first_seen(column.codes.ravel())
            to = np.empty(len(first), np.int64)
            for i, c in enumerate(column.codes.ravel()[first].tolist()):
                v = rounded(column.values[c])
                to[i] = kinds[name].setdefault(identity(v), len(kinds[name]))
                if to[i] == len(values[name]):
                    values[name].append(v)
            codes[name].append(to[own].reshape(column.codes.shape))
    return {name: Outcomes(tuple(values[name]), tuple(codes[name])) for name in sorted(program.outputs)}


def behavior_hash(
    program: Program, signature: Signature, limit: int = 20_000, draws: int = 2_000, *, seed: int = 0
) -> str:
    """Return a hash of the outputs on every input if there are at most ``limit``, else on drawn ones.

    >>> import janiform as jf
    >>> a, b = jf.parse("x = selector_width(select(indices, indices, <=));"), jf.parse("x = indices + 1;")
    >>> behavior_hash(a, Signature("ab", 4)) == behavior_hash(b, Signature("ab", 4))
    True
    """
    return behavior_digest(behavior(program, signature, limit, draws, seed=seed), signature)


def behavior_digest(outputs: Mapping[str, Outcomes], signature: Signature) -> str:
    """Return the hash of outputs that are known already; the name of an only output is no part of it."""
    h = hashlib.sha256(
        repr((signature.max_len, signature.causal, [identity(v) for v in signature.vocab])).encode()
    )
    for name, found in sorted(outputs.items()):
        h.update(repr((name if len(outputs) > 1 else "", [identity(v) for v in found.values])).encode())
        for codes in found.codes:
            h.update(repr(codes.shape).encode() + codes.astype("<i4").tobytes())
    return h.hexdigest()
