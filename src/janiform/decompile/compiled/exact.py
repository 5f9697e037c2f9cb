"""The exact way: weights to tables, tables to one mechanism, the mechanism to its canonical program."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from janiform.compile.result import Readout
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.compiled.levels import NOISY
from janiform.decompile.compiled.network import Network, of_model
from janiform.decompile.compiled.outputs import Outlet
from janiform.decompile.compiled.pipeline import read_mechanism
from janiform.errors import CompileError, MeaningError
from janiform.ir.canonical.concrete import concrete
from janiform.ir.canonical.mechanism import Mechanism, sources_of
from janiform.ir.canonical.normal import normalize
from janiform.ir.program import Program

if TYPE_CHECKING:
    from janiform.decompile.subject import Subject

TOLERANCES = (1e-4, 1e-3, 1e-2, 4e-2)
"""Shares of the largest that count as rounding or noise, tried in turn."""

MOST = 2_000
"""The largest table that is read under noise."""

READINGS = tuple(itertools.product(TOLERANCES, (False, True)))
"""The tolerances, each without and with heads that are taken on trust to copy one value."""


def exact(subject: Subject) -> Iterator[Program]:
    """Yield the canonical programs that weights are read as, those that take the least for noise first.

    Raises CannotDecompile, with the residual error, where no reading came through.
    """
    first: CannotDecompile | None = None
    found = []
    for tolerance, lenient in READINGS:
        try:
            program, _ = reading(subject, tolerance, lenient=lenient)
        except CannotDecompile as e:
            first = first or e
            continue
        if program not in found:
            found.append(program)
            yield program
    if not found:
        assert first is not None
        raise first


def reading(subject: Subject, tolerance: float, *, lenient: bool = False) -> tuple[Program, float]:
    """Return the canonical program that weights are read as, and what share of them was taken for noise.

    Raises CannotDecompile where they are read as none.
    """
    net = of_model(subject.model)
    outlets = [_outlet(net, r) for r in subject.readouts]
    try:
        mechanism, noise = read_mechanism(
            net, subject.roles, subject.signature.vocab, outlets, tolerance=tolerance, lenient=lenient
        )
        if tolerance >= NOISY:
            _refuse_large(mechanism)
        return concrete(normalize(mechanism)), noise
    except (CompileError, MeaningError) as e:
        raise CannotDecompile(f"the weights hold tables that no program can say: {e}") from None


def _refuse_large(mechanism: Mechanism) -> None:
    """Refuse tables that grew because noise was taken for differences: to say them takes minutes, and they say nothing."""
    tables = [v.function for v in mechanism.outputs.values()]
    sources = list(dict.fromkeys(s for t in tables for s in sources_of(t)))
    for source in sources:
        if source.selection is not None:
            parts = (source.selection.relation, source.selection.score, source.value)
            tables += [t for t in parts if t is not None]
            sources += [s for s in source.reads() if s not in sources]
    cells = max((t.table.size for t in tables), default=0)
    if cells > MOST:
        raise CannotDecompile(f"what is left of the weights beside noise is a table of {cells:,} cells")


def _outlet(net: Network, readout: Readout) -> Outlet:
    assert net.W_U is not None and net.b_U is not None
    columns = slice(readout.start, readout.stop)
    kind: Literal["category", "number"] = "number" if readout.kind == "number" else "category"
    return Outlet(readout.name, net.W_U[:, columns], net.b_U[columns], kind, readout.values)
