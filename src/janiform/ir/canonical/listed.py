"""Normal forms as far as inputs show them: what is shown is brought to normal form again, until nothing changes."""

from __future__ import annotations

from janiform.ir.canonical.mechanism import Mechanism
from janiform.ir.canonical.normal import attended, digest, normalize
from janiform.ir.canonical.shown import listable, shown

ROUNDS = 6
"""So often tables are said again: where one variable goes, what it was made of is read by one less."""


def as_shown(normal: Mechanism) -> Mechanism:
    """Return what inputs show of a mechanism in normal form, in normal form, where inputs can be listed."""
    found = normal
    if not listable(found):
        return found
    known = digest(found)
    for _ in range(ROUNDS):
        less = shown(found)
        if less is found:
            break
        found, before = normalize(attended(less)), known
        known = digest(found)
        if known == before:
            break
    return found
