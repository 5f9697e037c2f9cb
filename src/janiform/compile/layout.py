"""Which residual dimensions each variable lives in.

``separate`` gives every variable dimensions of its own, so that the stream can be read like a record of the run.
``reuse`` gives the dimensions of a variable that nobody reads any more to a later one; an MLP in between, or the
one that writes the later variable, first subtracts what is left in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from janiform.compile.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Layout:
    """The width of the stream, whether BOS and PAD have flags (dimensions 0 and 1), and what each MLP slot erases."""

    d_model: int
    flags: bool
    erased: dict[int, tuple[int, ...]]


def lay_out(schedule: Schedule, *, reuse: bool) -> Layout:
    """Give every variable its dimensions."""
    flags = any(v.slot > 0 for v in schedule.variables)
    width = 2 if flags else 0
    free: list[tuple[int, int]] = []  # (dimension, slot of its last reading)
    erased: dict[int, list[int]] = {}
    for v in schedule.variables:
        dims = []
        for _ in v.labels:
            usable = [f for f in free if _eraser(f[1], v.slot) is not None]
            if usable:
                dim, dead = usable[0]
                free.remove(usable[0])
                slot = _eraser(dead, v.slot)
                assert slot is not None
                erased.setdefault(slot, []).append(dim)
            else:
                dim, width = width, width + 1
            dims.append(dim)
        v.dims = tuple(dims)
        if reuse:
            free += [(dim, max(schedule.last_read[v], v.slot + 1)) for dim in v.dims]
    return Layout(max(1, width), flags, {s: tuple(d) for s, d in erased.items()})


def _eraser(dead: int, birth: int) -> int | None:
    """The MLP slot at or after the last reading, and no later than the writing, or None."""
    slot = dead if dead % 2 == 0 else dead + 1
    return slot if 0 < slot <= birth else None
