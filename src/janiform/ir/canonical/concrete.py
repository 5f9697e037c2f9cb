"""From a mechanism in normal form back to a program, in the fewest words that say what its inputs show.

Where inputs can be listed, expressions need not say what no input meets. That is taken only where the shorter program is its
own shorter program, is the same by hash, and is no longer on the whole; elsewhere every cell is said.
"""

from __future__ import annotations

from janiform.errors import CompileError, InputError, MeaningError
from janiform.ir.canonical.abstract import abstract
from janiform.ir.canonical.listed import ROUNDS, as_shown
from janiform.ir.canonical.mechanism import Mechanism
from janiform.ir.canonical.normal import digest, normalize
from janiform.ir.canonical.shown import listable
from janiform.ir.canonical.writing import Writer, weight
from janiform.ir.nodes import Aggregate, Count, Map, Node, Selector, Sequence, walk
from janiform.ir.program import Program
from janiform.ir.semantics import Signature

LONGEST = 300
"""Of programs with more words every cell is said: reading them again takes long."""


def concrete(normal: Mechanism) -> Program:
    """Return the program that a normal form stands for; equal normal forms give equal programs.

    >>> import janiform as jf
    >>> signature = jf.Signature(range(4), 4)
    >>> text = "n = selector_width(select(tokens, tokens, ==)); twice = n * 2; y = twice - n > 1;"
    >>> concrete(normalize(abstract(jf.parse(text), signature)))
    y = selector_width(select(tokens, tokens, ==)) > 1;
    >>> text = "n = selector_width(select(tokens, tokens, ==)); m = selector_width(select(tokens, 0, ==)); y = (n + m) % 9;"
    >>> concrete(normalize(abstract(jf.parse(text), signature)))
    y = selector_width(select(tokens, indices, key == 0)) + selector_width(select(tokens, tokens, ==));
    """
    return shorter(normal) or written(normal)[0]


def written(normal: Mechanism, *, free: bool = False) -> tuple[Program, bool]:
    """Return the program that a normal form stands for, and whether it says less than every cell, as it may where cells are ``free``."""
    writer = Writer(normal, free)
    outputs = {name: writer.map(v.function, v.values) for name, v in normal.outputs.items()}
    return Program(outputs, _names(outputs)), writer.less


def shorter(normal: Mechanism) -> Program | None:
    """Return the program that leaves out what no input meets, None where that makes no difference or does not come to rest."""
    if not listable(normal):
        return None
    found, less = written(normal, free=True)
    if not less:
        return found
    signature = _signature(normal)
    if signature is None:
        return None
    first = last = digest(normal)
    for _ in range(ROUNDS):
        if length(found) > LONGEST:
            return None
        try:
            again = normalize(abstract(found, signature))
        except (CompileError, MeaningError):
            return None
        made, last, known = found, digest(again), last
        if last != known:
            found, _ = written(again, free=True)
        if found == made:
            same = last == first or digest(as_shown(again)) == digest(as_shown(normal))
            return found if same and length(found) <= length(written(normal)[0]) else None
    return None


def length(program: Program) -> int:
    """Return how many words a program has: its operations, and what their expressions are made of.

    >>> import janiform as jf
    >>> length(jf.parse("x = tokens + 1;"))
    5
    """
    return sum(map(weight, walk(*program.outputs.values())))


def _signature(normal: Mechanism) -> Signature | None:
    """The signature of a mechanism, None where its tokens are not in the order of one."""
    for mark in ("", "_", "__"):
        try:
            found = Signature(
                normal.vocab, normal.grid.max_len, normal.grid.causal, f"BOS{mark}", f"PAD{mark}"
            )
        except InputError:
            continue
        return found if found.vocab == tuple(normal.vocab) else None
    return None


def _names(outputs: dict[str, Sequence]) -> dict[Node, str]:
    """Number what attention brings, and selectors that are read more than once, in the order of computation."""
    names: dict[Node, str] = {}
    readers: dict[Node, int] = {}
    nodes = list(walk(*outputs.values()))
    for n in nodes:
        for i in set(n.inputs):
            readers[i] = readers.get(i, 0) + 1
    for n in nodes:
        if n in outputs.values() or readers.get(n, 0) < 2:
            continue
        if isinstance(n, Aggregate | Count | Map):
            names[n] = f"x{sum(v.startswith('x') for v in names.values()) + 1}"
        elif isinstance(n, Selector):
            names[n] = f"s{sum(v.startswith('s') for v in names.values()) + 1}"
    return names
