"""The canonical form of a program: one program for one mechanism, whatever it was written like.

Programs have one canonical form where they look at the same positions for the same reasons and compute the same functions
of what they find: names, dead code, the order of operands, where maps are split, how a selector is put together, values that
nobody tells apart, and expressions for one table make no difference. Its hash says "the same program"; the hash of behavior
says only that the outputs are the same.
"""

from __future__ import annotations

import hashlib

from janiform.ir.canonical.abstract import abstract
from janiform.ir.canonical.concrete import concrete
from janiform.ir.canonical.normal import digest, normalize, rounded
from janiform.ir.evaluate import Run
from janiform.ir.functions import identity
from janiform.ir.program import Program
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
    """Return 64 hexadecimal digits that two programs share exactly where their canonical forms are equal.

    >>> import janiform as jf
    >>> a, b = jf.parse("x = indices + 1 > 2;"), jf.parse("y = not (indices < 2);")
    >>> canonical_hash(a, Signature("ab", 4)) == canonical_hash(b, Signature("ab", 4))
    True
    """
    return digest(normalize(abstract(program, signature)))


def behavior_hash(
    program: Program, signature: Signature, limit: int = 20_000, draws: int = 2_000, *, seed: int = 0
) -> str:
    """Return a hash of the outputs on every input if there are at most ``limit``, else on drawn ones.

    >>> import janiform as jf
    >>> a, b = jf.parse("x = selector_width(select(indices, indices, <=));"), jf.parse("x = indices + 1;")
    >>> behavior_hash(a, Signature("ab", 4)) == behavior_hash(b, Signature("ab", 4))
    True
    """
    exhaustive = count_inputs(signature, limit + 1) <= limit
    h = hashlib.sha256(
        repr((signature.max_len, signature.causal, [identity(v) for v in signature.vocab])).encode()
    )
    for batch in batches(signature, None if exhaustive else draws, seed):
        run = Run(batch, causal=signature.causal, program=program)
        for name, n in sorted(program.outputs.items()):
            rows = run.values(n)
            kinds: dict[object, int] = {}
            codes = [kinds.setdefault(identity(rounded(v)), len(kinds)) for row in rows for v in row]
            h.update(repr((name if len(program.outputs) > 1 else "", list(kinds), codes)).encode())
    return h.hexdigest()
