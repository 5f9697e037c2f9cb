"""Whether a program ever looks ahead: a selector that pairs a query with a later key, on some input.

The proof is by form: what depends on positions alone is run for every length; a conjunction looks ahead only if both of its
sides do. A program without look-ahead means the same under causal attention.
"""

from __future__ import annotations

import numpy as np

from janiform.ir.domains import Facts
from janiform.ir.nodes import And, Best, Node, Or, Readout, Selector
from janiform.ir.program import Program
from janiform.ir.semantics import Signature


def first_look_ahead(program: Program, signature: Signature) -> Node | None:
    """Return the first node that may look at a later position, or None where it is proven that none does.

    >>> import janiform as jf
    >>> shift, reverse = jf.programs.load("shift_right"), jf.programs.load("reverse")
    >>> first_look_ahead(shift, jf.Signature("ab", 4)), type(first_look_ahead(reverse, jf.Signature("ab", 4))).__name__
    (None, 'Select')
    """
    if signature.causal:
        return None
    facts = Facts(signature)
    facts.add(*program.outputs.values())
    inside = {
        i for n in program.nodes() if isinstance(n, Selector) for i in n.inputs if isinstance(i, Selector)
    }
    for n in program.nodes():
        ahead = isinstance(n, Selector) and n not in inside and _looks_ahead(facts, n)
        if ahead or (isinstance(n, Readout) and n.pooled):
            return n
    return None


def _looks_ahead(facts: Facts, s: Selector) -> bool:
    if facts.positional[s]:
        return any(np.triu(run.pairs_selected(s), 1).any() for run in facts.lengths())
    match s:
        case And(left=a, right=b):
            return _looks_ahead(facts, a) and _looks_ahead(facts, b)
        case Or(left=a, right=b):
            return _looks_ahead(facts, a) or _looks_ahead(facts, b)
        case Best(selector=a):
            return _looks_ahead(facts, a)
    return True
